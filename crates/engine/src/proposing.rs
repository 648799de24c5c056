//! Proposes finished work as pull requests and follows them until people have decided there.
//!
//! What is stored says what is to do: work in review whose checks are green, of a project that is reviewed by pull requests,
//! and a link to the pull request once there is one. Every step looks first, so it may be repeated after any crash.

use crate::config::EngineConfig;
use crate::git::{mirror, push};
use crate::shared::{Shared, lock};
use crate::{drive, fault, figures, plans, prompt, rescue};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use strawboss_core::backlog::{BacklogStatus, SourceItem};
use strawboss_core::project::{Project, ReviewMode};
use strawboss_core::pull_request::{
    ChangesRequested, Proposal, PullRequestError, PullRequestLink, PullRequestState, PullRequests, Standing,
};
use strawboss_core::run::Run;
use strawboss_core::store::{ChangeSet, StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{ProjectName, TaskId, TaskState};
use tokio::sync::Notify;

/// What is known of proposals beside what is stored.
pub(crate) struct Proposals {
    /// Wakes who follows a project's.
    wake: BTreeMap<ProjectName, Notify>,
    /// Why something of a task's could not be done when it was last tried.
    problems: Mutex<HashMap<TaskId, Problem>>,
}

struct Problem {
    project: ProjectName,
    why: String,
    /// Whether a person has to do something; else it passes by itself.
    is_stuck: bool,
}

impl Proposals {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        let wake = config.pull_requests.keys().map(|project| (project.clone(), Notify::new())).collect();
        Self { wake, problems: Mutex::default() }
    }

    /// Wakes who follows a project's.
    pub(crate) fn wake(&self, project: &ProjectName) {
        if let Some(wake) = self.wake.get(project) {
            wake.notify_one();
        }
    }

    /// Why something of a task's could not be done.
    pub(crate) fn problem(&self, task: &TaskId) -> Option<String> {
        lock(&self.problems).get(task).map(|problem| problem.why.clone())
    }

    /// Whether a person was told that a task's work cannot be proposed as things are.
    fn is_stuck(&self, task: &TaskId) -> bool {
        lock(&self.problems).get(task).is_some_and(|problem| problem.is_stuck)
    }
}

/// Why a step was not taken.
enum Trouble {
    /// Nothing of this project can be done now.
    Away(String),
    /// This task's cannot, until a person has done something.
    Stuck(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<PullRequestError> for Trouble {
    fn from(error: PullRequestError) -> Self {
        let why = format!("Could not {error}");
        if error.is_general { Self::Away(why) } else { Self::Stuck(why) }
    }
}

impl From<strawboss_core::TransitionError> for Trouble {
    fn from(error: strawboss_core::TransitionError) -> Self {
        Self::Stuck(error.to_string())
    }
}

/// Follows a project's pull requests until the engine stops.
pub(crate) async fn follow(shared: Arc<Shared>, project: ProjectName, pulls: Arc<dyn PullRequests>) {
    let Some(wake) = shared.proposals.wake.get(&project) else { return };
    loop {
        let went_well = tokio::select! {
            () = shared.stop.cancelled() => return,
            went_well = round(&shared, &project, &*pulls) => went_well,
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = pulls.due(went_well) => {}
            () = wake.notified() => {}
        }
    }
}

/// Looks at everything of a project once; whether all of it could be done.
async fn round(shared: &Arc<Shared>, project: &ProjectName, pulls: &dyn PullRequests) -> bool {
    let filter = TaskFilter { states: vec![TaskState::Review], project: Some(project.to_string()), ..TaskFilter::default() };
    let tasks = match shared.parts.store.task_list(&filter).await {
        Ok(tasks) => tasks,
        Err(error) => {
            tracing::warn!(%project, error = %error, "work in review cannot be looked at now; trying again");
            return false;
        }
    };
    lock(&shared.proposals.problems).retain(|id, known| known.project != *project || tasks.iter().any(|task| task.id == *id));
    let mut went_well = true;
    for task in &tasks {
        let (why, away) = match one(shared, pulls, &task.id).await {
            Ok(()) => {
                if lock(&shared.proposals.problems).remove(&task.id).is_some() {
                    shared.bus.changed(std::iter::once(&task.id));
                }
                continue;
            }
            Err(Trouble::Away(why)) => (why, true),
            Err(Trouble::Stuck(why)) => (why, false),
        };
        went_well &= !away;
        let problem = Problem { project: project.clone(), why: why.clone(), is_stuck: !away };
        let before = lock(&shared.proposals.problems).insert(task.id.clone(), problem);
        if before.is_none_or(|before| before.why != why) {
            tracing::warn!(task.id = %task.id, why, "a pull request could not be brought on; it is tried again");
            shared.bus.changed(std::iter::once(&task.id));
        }
        if away {
            break;
        }
    }
    went_well
}

/// Whether a run's work is to be proposed as a pull request.
pub(crate) fn is_wanted(project: &Project, run: &Run) -> bool {
    project.review == ReviewMode::PullRequest && run.is_green() && run.head_commit != run.base_commit
}

/// The open pull request of a task, if it is one of these.
fn open_there<'a>(task: &'a Task, pulls: &dyn PullRequests) -> Option<&'a PullRequestLink> {
    open_link(task).filter(|link| pulls.knows(&link.url))
}

/// The open pull request of a task.
pub(crate) fn open_link(task: &Task) -> Option<&PullRequestLink> {
    task.pull_request.as_deref().filter(|link| link.state == PullRequestState::Open)
}

/// Does the next thing for a task in review.
async fn one(shared: &Arc<Shared>, pulls: &dyn PullRequests, id: &TaskId) -> Result<(), Trouble> {
    let Some((task, run)) = in_review(shared, id).await? else { return Ok(()) };
    let Some(project) = shared.project(&task.project) else { return Ok(()) };
    // Who merges it, tells what came of it.
    if run.approved_at.is_some() || lock(&shared.landing).contains(id) {
        return Ok(());
    }
    // Whatever else is to be done, people may have decided there.
    if let Some(link) = open_there(&task, pulls) {
        look(shared, pulls, id, link).await?;
    }
    let Some((task, run)) = in_review(shared, id).await? else { return Ok(()) };
    let proposed = open_there(&task, pulls).is_some_and(|link| run.head_commit.as_ref() == Some(&link.head));
    if is_wanted(&project, &run) && !proposed { propose(shared, pulls, &project, &task, &run).await } else { Ok(()) }
}

async fn in_review(shared: &Shared, id: &TaskId) -> Result<Option<(Task, Run)>, StoreError> {
    let Some(task) = shared.parts.store.task(id).await?.filter(|task| task.state == TaskState::Review) else { return Ok(None) };
    let run = match &task.run {
        Some(run) => shared.parts.store.run(run).await?,
        None => None,
    };
    Ok(run.map(|run| (task, run)))
}

/// Pushes the branch and opens its pull request, or brings both up to date.
async fn propose(
    shared: &Arc<Shared>,
    pulls: &dyn PullRequests,
    project: &Project,
    task: &Task,
    run: &Run,
) -> Result<(), Trouble> {
    let (Some(head), Some(report)) = (run.head_commit.clone(), shared.report(task, run)) else { return Ok(()) };
    let ours: Vec<String> = shared.parts.store.run_list(&task.id).await?.into_iter().filter_map(|run| run.head_commit).collect();
    let remote = pulls.remote().await?;
    let mirror = mirror::path_of(shared.data_dir(), project);
    match push::branch(&mirror, &remote, &run.branch, &head, &ours).await {
        Ok(()) => {}
        Err(push::PushError::Foreign(commit)) => {
            return Err(Trouble::Stuck(format!(
                "The branch `{}` of {} is at {commit}, which no run here made: somebody pushed to it, and it is not written over. \
                 Merge or close the pull request there, or delete the branch there to have it opened anew.",
                run.branch,
                pulls.name()
            )));
        }
        Err(push::PushError::Git(error)) => {
            return Err(Trouble::Stuck(format!(
                "The branch `{}` could not be pushed to {}: {error}. It is tried again; check the permission `Contents: read and \
                 write`, the rules for branches there, and the repository's name.",
                run.branch, remote.url
            )));
        }
    }
    fault::point("proposal.pushed");
    let proposal = Proposal {
        task: task.id.clone(),
        title: prompt::title(&task.action),
        branch: run.branch.clone(),
        base: run.target.clone(),
        closes: task.source.as_ref().filter(|link| !link.detached).map(|link| link.native_ref.clone()),
        report,
        usage: run.usage,
    };
    let there = pulls.propose(&proposal).await?;
    fault::point("proposal.opened");
    let writer = shared.write().await;
    let Some((mut task, _)) = writer.task_with_run(&task.id).await? else { return Ok(()) };
    let before = task.pull_request.take().filter(|link| link.number == there.number);
    tracing::info!(task.id = %task.id, url = there.url, "work is proposed as a pull request");
    task.pull_request = Some(Box::new(PullRequestLink {
        number: there.number,
        url: there.url,
        state: PullRequestState::Open,
        head,
        heard: before.and_then(|link| link.heard),
    }));
    let withdrawn = task.state == TaskState::Cancelled;
    let changes = ChangeSet { tasks: vec![task], ..ChangeSet::default() };
    // Withdrawn meanwhile: what follows from that follows now.
    if withdrawn {
        writer.commit(changes).await?
    } else {
        writer.commit_silently(&changes).await?
    }
    Ok(())
}

/// Looks at how a pull request stands, and does what follows.
async fn look(shared: &Arc<Shared>, pulls: &dyn PullRequests, id: &TaskId, link: &PullRequestLink) -> Result<(), Trouble> {
    let standing = pulls.standing(link.number, link.heard).await?;
    if standing == (Standing::Open { changes: None }) {
        return Ok(());
    }
    fault::point("proposal.seen");
    let writer = shared.write().await;
    let Some((mut task, Some(mut run))) = writer.task_with_run(id).await? else { return Ok(()) };
    let ours = task.pull_request.as_mut().filter(|now| now.number == link.number && now.state == PullRequestState::Open);
    let Some(ours) = ours.filter(|_| task.state == TaskState::Review) else { return Ok(()) };
    if lock(&shared.moving).contains(id) {
        return Ok(());
    }
    let now = shared.now();
    let mut along = Vec::new();
    // People decided on what was proposed before; what was done since is proposed anew, and never discarded unseen. Where it cannot
    // be proposed they were told so, and merging what is there is their word on it.
    let of_older_work = run.head_commit.as_ref() != Some(&ours.head);
    let was_told = shared.proposals.is_stuck(id);
    match standing {
        Standing::Merged { .. } if of_older_work && !was_told => ours.state = PullRequestState::Merged,
        Standing::Closed { .. } if of_older_work => ours.state = PullRequestState::Closed,
        Standing::Open { changes: Some(ChangesRequested { at, text }) } => {
            tracing::info!(task.id = %id, url = ours.url, "changes are requested on a pull request");
            ours.heard = Some(at);
            run.approved_at = None;
            task.send_back(text, now)?;
        }
        Standing::Open { changes: None } => return Ok(()),
        Standing::Merged { commit } => {
            tracing::info!(task.id = %id, url = ours.url, commit, "a pull request was merged");
            ours.state = PullRequestState::Merged;
            run.merged_commit = Some(commit);
            run.merge_problem = None;
            task.finish(now)?;
            along = plans::done_along(shared, &task, &run).await?;
        }
        Standing::Closed { by } => {
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            tracing::info!(task.id = %id, url = ours.url, "a pull request was closed without being merged");
            ours.state = PullRequestState::Closed;
            run.merge_problem = Some(format!("The pull request {} was closed{by} without being merged.", ours.url));
            run.discarded_at = Some(now);
            run.approved_at = None;
            task.cancel(now)?;
        }
    }
    let (run_id, state, is_ticket) = (run.id.clone(), task.state, task.is_ticket());
    along.push(task);
    writer.commit(ChangeSet { tasks: along, runs: vec![run], ..ChangeSet::default() }).await?;
    drop(writer);
    if state == TaskState::Review {
        return Ok(());
    }
    if state == TaskState::Done {
        if is_ticket {
            figures::ticket_completed();
        }
        drive::clean(shared, &run_id).await;
    } else {
        rescue::release_volume(shared, &run_id).await;
    }
    Ok(())
}

/// Completes a task that was sent back, or waits, and whose pull request was merged as it was. One that is being worked on is
/// stopped as every task is whose item was completed; that its pull request was merged is noted all the same.
async fn merged_meanwhile(
    shared: &Arc<Shared>,
    pulls: &dyn PullRequests,
    id: &TaskId,
    link: &PullRequestLink,
) -> Result<(), Trouble> {
    let Standing::Merged { commit } = pulls.standing(link.number, link.heard).await? else { return Ok(()) };
    let writer = shared.write().await;
    let Some((mut task, run)) = writer.task_with_run(id).await? else { return Ok(()) };
    let ours = task.pull_request.as_mut().filter(|now| now.number == link.number && now.state == PullRequestState::Open);
    let Some(ours) = ours else { return Ok(()) };
    tracing::info!(task.id = %id, url = ours.url, commit, "a pull request was merged while its task was not in review");
    ours.state = PullRequestState::Merged;
    let was_proposed = run.filter(|run| run.head_commit.as_ref() == Some(&ours.head));
    let mut runs = Vec::new();
    if let Some(mut run) = was_proposed
        && task.finish_along(shared.now()).is_ok()
    {
        run.merged_commit = Some(commit);
        runs.push(run);
    }
    Ok(writer.commit(ChangeSet { tasks: vec![task], runs, ..ChangeSet::default() }).await?)
}

/// Looks at the pull requests of tasks whose items are completed now: merging one closes its issue, and only the pull request
/// tells that from a person's word. Gives those of which it could not be learnt; they are looked at again with the next
/// reading.
pub(crate) async fn before_completing(
    shared: &Arc<Shared>,
    source: &str,
    items: &[SourceItem],
) -> Result<Vec<TaskId>, StoreError> {
    let completed = |name: &str| items.iter().any(|item| item.native_ref == name && item.status == BacklogStatus::Completed);
    let mut unknown = Vec::new();
    for task in shared.parts.store.task_list_by_source(source).await? {
        if task.state.is_over() || !task.source.as_ref().is_some_and(|link| completed(&link.native_ref)) {
            continue;
        }
        let Some(pulls) = shared.config.pull_requests.get(&task.project) else { continue };
        let Some(link) = open_there(&task, &**pulls) else { continue };
        let looked = match task.state {
            TaskState::Review => look(shared, &**pulls, &task.id, link).await,
            _ => merged_meanwhile(shared, &**pulls, &task.id, link).await,
        };
        if let Err(Trouble::Away(why) | Trouble::Stuck(why)) = looked {
            tracing::warn!(task.id = %task.id, why, "an issue was closed, and its pull request cannot be looked at now");
            unknown.push(task.id);
        }
    }
    Ok(unknown)
}
