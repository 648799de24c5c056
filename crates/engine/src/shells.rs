//! Sessions that are shells in sandboxes of their own: opened by people, and kept until somebody deletes them.
//!
//! Each is a task that no board shows, with runs that take no slot: so one live run, the volume that stays until its work
//! is in a ref, the door, the recording and that a restart finds it again are what runs have, and nothing here is new.

mod ask;
mod tell;

pub(crate) use ask::owned_by;
pub use tell::NewShell;

use crate::git::{Git, GitError};
use crate::scheduler;
use crate::shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strawboss_core::policy::{Assignment, BACKOFF_LIMIT_MS};
use strawboss_core::project::{AfterMerge, AgentEntry, AgentKind, Approval, Limits, Project, Repository, ReviewMode};
use strawboss_core::session::ShellSession;
use strawboss_core::store::{StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{BlockCode, BlockReason, ProjectName, Run, TaskState, Timestamp};

/// What sessions without a project are sessions of: an empty repository of ours, so that work in them is saved as well.
pub(crate) const NO_PROJECT: &str = "strawboss/no-project";
/// How long one run of a session may last, in milliseconds: a year, since nobody is to be thrown out of one.
const LONGEST_MS: u64 = 365 * 24 * 3_600_000;
/// A shell of the image, with its own search path: a login shell would set another.
const SHELL: &str = "if command -v bash >/dev/null; then exec bash -i; else exec sh -i; fi";

/// How sessions in sandboxes are handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellHabits {
    /// How many may be open at once.
    pub most: u32,
    /// After how long without a viewer and without output one is stopped; none: never.
    pub idle: Option<Duration>,
    /// What sessions without a project may reach: host names and presets.
    pub allow: Vec<String>,
}

impl Default for ShellHabits {
    fn default() -> Self {
        Self { most: 8, idle: None, allow: Vec::new() }
    }
}

/// Who asks for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// What owners are compared by.
    pub name: String,
    /// Whether everybody's sessions are theirs.
    pub admin: bool,
}

impl Visitor {
    /// Whoever has a token: an account by its name, which no other token can have.
    pub fn of_token(id: &str, admin: bool) -> Self {
        let name = match crate::accounts::account_of(id) {
            Some(account) => account.to_owned(),
            None if id == "admin" => "the admin token".to_owned(),
            None => format!("the token {id}"),
        };
        Self { name, admin }
    }
}

/// What a session runs on and with.
pub(crate) struct Setting {
    project: Project,
    agent: AgentEntry,
}

impl Setting {
    pub(crate) fn assignment(&self) -> Assignment<'_> {
        Assignment { project: &self.project, agent: &self.agent, model: None }
    }
}

/// What a session's run is made from; none: the task is no session.
pub(crate) fn setting(shared: &Shared, task: &Task) -> Result<Option<Setting>, BlockReason> {
    let Some(session) = &task.session else { return Ok(None) };
    let project = shared.project(&task.project).ok_or_else(|| {
        BlockReason::new(
            BlockCode::NoSuchProject,
            format!("There is no project `{}` any more.", task.project),
            "Add it under `projects:` in strawboss.yaml again, or delete the session.",
        )
    })?;
    if let Some(unusable) = &project.unusable {
        return Err(BlockReason::new(BlockCode::ProjectUnusable, &unusable.message, &unusable.fix));
    }
    let command = Some(session.command.clone().unwrap_or_else(|| SHELL.to_owned()));
    let agent = AgentEntry { kind: AgentKind::Shell, command, tool_dir: None, version: None, unusable: None };
    Ok(Some(Setting { project: of_session(session, project), agent }))
}

/// A project as a session has it: a shell opens at once, in a project whose set-up is broken as well, and stays open.
pub(crate) fn of_session(session: &ShellSession, mut project: Project) -> Project {
    project.image = session.image.clone().or(project.image);
    project.setup.clear();
    project.checks.clear();
    project.limits.timeout_ms = LONGEST_MS;
    project
}

fn no_project_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("no-project")
}

/// What sessions without a project are of, if that is what the name says.
pub(crate) fn no_project(shared: &Shared, name: &ProjectName) -> Option<Project> {
    (name.as_str() == NO_PROJECT).then(|| Project {
        name: name.clone(),
        repository: Repository::Directory(no_project_folder(shared.data_dir())),
        agent: AgentKind::Shell,
        model: None,
        mode: None,
        image: None,
        setup: Vec::new(),
        checks: Vec::new(),
        cache: Vec::new(),
        checks_cache: Vec::new(),
        env: std::collections::BTreeMap::new(),
        approval: Approval::Auto,
        review: ReviewMode::Manual,
        tries: 1,
        branch: Some("main".to_owned()),
        limits: Limits::default(),
        allow: shared.config.shells.allow.clone(),
        internal: Vec::new(),
        max_concurrent: u32::MAX,
        after_merge: AfterMerge::None,
        unusable: None,
    })
}

/// Makes the repository of sessions without a project, if it is not there: one empty commit. A half-made one is never used.
pub(crate) async fn ensure_no_project(data_dir: &Path) -> Result<(), GitError> {
    let folder = no_project_folder(data_dir);
    if folder.join("HEAD").is_file() {
        return Ok(());
    }
    let not_made = |error: std::io::Error| GitError::NotRun {
        command: "init".to_owned(),
        why: format!("{} cannot be made: {error}", folder.display()),
    };
    let making = folder.with_extension("making");
    match tokio::fs::remove_dir_all(&making).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(not_made(error)),
        _ => {}
    }
    let text = making.to_string_lossy().into_owned();
    Git::at(data_dir).run(&["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", &text]).await?;
    let git = Git::at(&making).env("GIT_AUTHOR_NAME", "Strawboss").env("GIT_AUTHOR_EMAIL", "strawboss@localhost");
    let git = git.env("GIT_COMMITTER_NAME", "Strawboss").env("GIT_COMMITTER_EMAIL", "strawboss@localhost");
    let tree = git.line(&["write-tree"]).await?;
    let commit = git.line(&["commit-tree", &tree, "-m", "Nothing yet"]).await?;
    git.run(&["update-ref", "refs/heads/main", &commit]).await?;
    tokio::fs::rename(&making, &folder).await.map_err(not_made)
}

/// Starts the sessions that wait for it. They wait for no slot: how many there may be was asked when they were opened.
pub(crate) async fn start_due(shared: &Arc<Shared>) -> Result<(), StoreError> {
    if shared.draining.load(Ordering::Relaxed) {
        return Ok(());
    }
    let now = shared.now();
    let filter = TaskFilter { states: vec![TaskState::Queued], sessions: true, ..TaskFilter::default() };
    for task in shared.parts.store.task_list(&filter).await? {
        // Further ahead than any back-off it was dated by a clock that has been set back since.
        if task.not_before.is_some_and(|moment| (1..=BACKOFF_LIMIT_MS).contains(&moment.ms_since(now))) {
            continue;
        }
        match setting(shared, &task) {
            Ok(_) => scheduler::start(shared, &task.id).await?,
            Err(reason) => {
                scheduler::change(shared, &task.id, |task| task.state == TaskState::Queued && task.block(reason, now).is_ok())
                    .await?;
            }
        }
    }
    Ok(())
}

/// How long nobody has used a session: since it was open, somebody looked at it, or it printed something. Known from the
/// start of this process on: after a restart it counts anew.
pub(crate) struct Quiet {
    since: Timestamp,
    bytes: u64,
    open: bool,
}

impl Quiet {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { since: shared.now(), bytes: 0, open: false }
    }

    /// How many milliseconds there are until it has been quiet for as long as it may; none: it is never stopped for that.
    pub(crate) fn left(&mut self, shared: &Shared, run: &Run) -> Option<i64> {
        let idle = i64::try_from(shared.config.shells.idle?.as_millis()).unwrap_or(i64::MAX);
        // Until then nobody can use it, however long its clone takes.
        let Some(opened) = run.started_at else { return Some(idle) };
        if !std::mem::replace(&mut self.open, true) {
            self.since = self.since.max(opened);
        }
        let now = shared.now();
        let (bytes, viewers) = shared.hub.count(&run.id).unwrap_or_default();
        // A clock that was set back would keep it open for as long.
        if viewers > 0 || bytes != self.bytes || now < self.since {
            (self.since, self.bytes) = (now, bytes);
        }
        Some(idle.saturating_sub(now.ms_since(self.since)))
    }
}
