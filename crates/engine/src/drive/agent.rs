//! The agent's part of a run: from the mirror to a pushed commit.

use super::{StepError, Work, ending, unless_stopped};
use crate::git::mirror::{self, Mirror, MirrorError};
use crate::git::{Git, diff};
use crate::link::{GitAccess, Reach};
use crate::rescue::{self, Saved};
use crate::sandbox::{self, Over, Plan, Raised};
use crate::shared::{Shared, Writer};
use crate::{fault, prompt, questions, shells};
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::backlog::SourceLink;
use strawboss_core::policy;
use strawboss_core::project::AgentKind;
use strawboss_core::run::{Run, StopReason};
use strawboss_core::runner::{Purpose, SandboxVolume};
use strawboss_core::store::ChangeSet;
use strawboss_core::{BlockCode, BlockReason, RunState, Task, Timestamp};
use strawboss_protocol::supervisor::{AgentOrders, End, GitOrders, Orders, ToSupervisor};
use tokio::sync::Notify;

/// The largest pack that a sandbox may push, as a share of its disk: it cannot hold more than that.
const PACK_SHARE: u64 = 1;
/// How long a supervisor has to commit and push after its agent was stopped.
const SAVE_LIMIT: Duration = Duration::from_mins(2);
/// The terminal's first size.
const TERMINAL: (u16, u16) = (120, 36);

pub(super) async fn step(shared: &Arc<Shared>, work: Work, wake: &Notify) -> Result<(), StepError> {
    let stopping = work.run.stop_requested.is_some();
    if stopping && !rescue::has_begun(shared, &work.run.id).await? {
        return ending::stopped(shared, &work, Saved::default()).await;
    }
    if work.run.base_commit.is_none() {
        let id = work.run.id.clone();
        return unless_stopped(shared, &id, wake, prepare(shared, work)).await?.unwrap_or(Ok(()));
    }
    if was_lowered(shared, &work).await? {
        return lost(shared, &work, "it is gone, and saving its work was interrupted").await;
    }
    // Asked to stop while its sandbox is made, the next step sees how far that came.
    let Some(raised) = unless_stopped(shared, &work.run.id, wake, raise(shared, &work)).await? else { return Ok(()) };
    let raised = match raised {
        Err(StepError::Machinery(why)) => return lost(shared, &work, &why).await,
        other => other?,
    };
    match watch(shared, &work, &raised, wake).await? {
        Over::Lost(why) => lost(shared, &work, &why).await,
        Over::End(end) => ended(shared, &work, &raised, end).await,
    }
}

/// Whether the run had its agent's sandbox and has it no longer. A second one would begin on top of work that is not
/// saved yet: what the first one left must be saved, and a new run goes on with it.
async fn was_lowered(shared: &Shared, work: &Work) -> Result<bool, StepError> {
    let rows = shared.parts.store.sandbox_list(&work.run.id).await?;
    let mut agents = rows.iter().filter(|row| row.purpose == Purpose::Agent).peekable();
    Ok(agents.peek().is_some() && agents.all(|row| row.removed))
}

/// Brings the mirror up to date and notes what the run starts from.
async fn prepare(shared: &Arc<Shared>, work: Work) -> Result<(), StepError> {
    let Work { mut run, project, .. } = work;
    let guard = shared.mirror_lock(&project.name);
    let held = guard.lock().await;
    if project.name.as_str() == shells::NO_PROJECT {
        shells::ensure_no_project(shared.data_dir()).await.map_err(|error| from_mirror(error.into()))?;
    }
    let mirror = mirror::sync(shared.data_dir(), &project).await.map_err(from_mirror)?;
    drop(held);
    fault::point("mirror.synced");
    let earlier = match &run.resumes {
        Some(earlier) => shared.parts.store.run(earlier).await?,
        None => None,
    };
    run.base_commit = Some(earlier.and_then(|earlier| earlier.base_commit).unwrap_or(mirror.commit));
    run.target = mirror.target;
    let writer = shared.write().await;
    writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
    Ok(())
}

pub(super) fn from_mirror(error: MirrorError) -> StepError {
    match error {
        MirrorError::Unusable(unusable) => {
            StepError::Person(BlockReason::new(BlockCode::ProjectUnusable, unusable.message, unusable.fix))
        }
        // There will be room again, and the task has used up no try until then.
        other if disk_is_full(&other) => {
            StepError::Later(format!("the repository cannot be mirrored: {other}. Free space on the disk of `data_dir`"))
        }
        other => StepError::Machinery(format!("the repository cannot be mirrored: {other}")),
    }
}

fn disk_is_full(error: &MirrorError) -> bool {
    let text = error.to_string();
    text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

/// Where a run's mirror is, without bringing it up to date.
pub(super) fn mirror_of(shared: &Shared, work: &Work) -> Mirror {
    Mirror {
        path: mirror::path_of(shared.data_dir(), &work.project),
        target: work.run.target.clone(),
        commit: work.run.base_commit.clone().unwrap_or_default(),
    }
}

async fn raise(shared: &Arc<Shared>, work: &Work) -> Result<Raised, StepError> {
    let Work { run, task, project } = work;
    let catalog = shared.catalog();
    let setting = shells::setting(shared, task).map_err(StepError::Person)?;
    let assignment = match &setting {
        Some(setting) => setting.assignment(),
        None => policy::assign(task, &catalog, shared.config.gpus).map_err(StepError::Person)?,
    };
    let mirror = mirror_of(shared, work);
    let branch_ref = format!("refs/heads/{}", run.branch);
    let target_ref = format!("refs/heads/{}", run.target);
    let earlier = match &run.resumes {
        Some(earlier) => shared.parts.store.run(earlier).await?,
        None => None,
    };
    let on_volume =
        earlier.is_some() && shared.parts.runner.run_volumes().await.map_err(sandbox::RaiseError::from)?.contains(&run.volume);
    let (commit, fetch_ref) = start_of(&mirror, run, earlier.as_ref(), &branch_ref, &target_ref).await?;
    let base = run.base_commit.clone().unwrap_or_default();
    let mut visible = vec![target_ref, branch_ref.clone(), run.id.saved_ref()];
    visible.extend(earlier.iter().filter_map(|earlier| earlier.saved_ref.clone()));
    let git = GitAccess {
        mirror: mirror.path.clone(),
        visible,
        writable: vec![branch_ref, run.id.saved_ref()],
        max_pack_bytes: project.limits.disk_bytes * PACK_SHARE,
    };
    let kind = assignment.agent.kind;
    let mode = run.mode;
    let provider = assignment.model.and_then(|model| model.provider.clone()).unwrap_or_else(|| "anthropic".to_owned());
    let reach = Reach {
        providers: if kind == AgentKind::Shell { Vec::new() } else { vec![provider] },
        allow: project.allow.clone(),
        internal: project.internal.clone(),
        has_agent: !run.session,
    };
    let mut tools = vec![shared.config.supervisor.clone()];
    if let Some(dir) = &assignment.agent.tool_dir {
        tools.push(strawboss_core::runner::Tool { name: kind.word().to_owned(), dir: dir.clone() });
    }
    let session = earlier.as_ref().and_then(|earlier| earlier.agent_session.clone()).filter(|_| on_volume);
    let orders = AgentOrders {
        kind,
        command: assignment.agent.command.clone(),
        model: assignment.model.map(|model| model.model.clone()),
        prompt: match &run.resumes {
            _ if run.session => String::new(),
            Some(_) => {
                let comment = task.resume.as_ref().and_then(|resume| resume.comment.as_deref());
                let resumed = prompt::resumed(task, project, &run.branch, comment, session.is_some(), mode);
                match asked_before(shared, earlier.clone()).await? {
                    Some(asked) => format!("{resumed}\n\n{asked}"),
                    None => resumed,
                }
            }
            None => prompt::first(task, project, &run.branch, mode),
        },
        resume_session: session,
        gateway: (kind == AgentKind::Claude).then(|| "/gateway/anthropic".to_owned()),
        title: prompt::title(&run.prompt),
        mode,
        completion: completion_names(task),
        session: run.session,
    };
    let plan = Plan {
        run: run.id.clone(),
        purpose: Purpose::Agent,
        project: project.clone(),
        volume: SandboxVolume::OfRun(run.volume.clone()),
        tools,
        git,
        reach: reach.clone(),
    };
    let make = |id: &strawboss_core::SandboxId| Orders {
        sandbox: id.clone(),
        run: run.id.clone(),
        purpose: Purpose::Agent,
        git: GitOrders {
            commit,
            fetch_ref,
            base,
            branch: Some(run.branch.clone()),
            saved_ref: Some(run.id.saved_ref()),
            keep_workspace: on_volume,
            user_name: "Strawboss".to_owned(),
            user_email: "strawboss@localhost".to_owned(),
            message: prompt::title(&run.prompt),
        },
        setup: project.setup.clone(),
        checks: Vec::new(),
        agent: Some(orders),
        env: project.env.clone(),
        proxy: !(reach.allow.is_empty() && reach.internal.is_empty()),
        timeout_ms: project.limits.timeout_ms,
        disk_bytes: project.limits.disk_bytes,
        terminal: TERMINAL,
    };
    Ok(sandbox::raise(shared, plan, make).await?)
}

/// The names under which people may say that a task is complete: its key, and what its ticket is called where that can be part
/// of a file's name.
fn completion_names(task: &Task) -> Vec<String> {
    let ticket = task.source.as_ref().and_then(SourceLink::ticket_name);
    [task.id.as_str()].into_iter().chain(ticket).map(str::to_owned).collect()
}

/// What is left of the questions of the last run before this one whose agent was at work.
async fn asked_before(shared: &Shared, mut earlier: Option<Run>) -> Result<Option<String>, StepError> {
    while let Some(run) = earlier {
        if run.started_at.is_some() {
            return Ok(questions::left_over(&run));
        }
        earlier = match &run.resumes {
            Some(before) => shared.parts.store.run(before).await?,
            None => None,
        };
    }
    Ok(None)
}

/// The commit that the workspace starts from when it is not on the volume, and a ref that has it.
async fn start_of(
    mirror: &Mirror,
    run: &Run,
    earlier: Option<&Run>,
    branch_ref: &str,
    target_ref: &str,
) -> Result<(String, String), StepError> {
    let git = Git::at(&mirror.path);
    if let Some(earlier) = earlier {
        for reference in earlier.saved_ref.iter().map(String::as_str).chain([branch_ref]) {
            let found = git.commit(reference).await.map_err(|error| StepError::Machinery(error.to_string()))?;
            if let Some(commit) = found {
                return Ok((commit, reference.to_owned()));
            }
        }
    }
    Ok((run.base_commit.clone().unwrap_or_default(), target_ref.to_owned()))
}

/// Waits for the end, and brings it about when the run is to stop or takes too long.
async fn watch(shared: &Arc<Shared>, work: &Work, raised: &Raised, wake: &Notify) -> Result<Over, StepError> {
    let over = sandbox::until_over(shared, raised);
    tokio::pin!(over);
    let limit = i64::try_from(work.project.limits.timeout_ms).unwrap_or(i64::MAX);
    let mut quiet = work.run.session.then(|| shells::Quiet::new(shared));
    loop {
        let run = shared.parts.store.run(&work.run.id).await?.unwrap_or_else(|| work.run.clone());
        if run.stop_requested.is_some() {
            return Ok(stop(shared, raised, &mut over).await);
        }
        let since = run.started_at.unwrap_or(run.created_at);
        let now = shared.now();
        let left = limit.saturating_add(run.asked_ms(now)) - now.ms_since(since);
        if left <= 0 {
            request_stop(shared, &work.run.id, StopReason::Timeout).await?;
            continue;
        }
        let idle = quiet.as_mut().and_then(|quiet| quiet.left(shared, &run));
        if idle.is_some_and(|left| left <= 0) {
            request_stop(shared, &work.run.id, StopReason::Idle).await?;
            continue;
        }
        let left = left.min(idle.unwrap_or(left));
        tokio::select! {
            over = &mut over => return Ok(over),
            () = wake.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0).min(60_000))) => {}
        }
    }
}

/// Notes that a live run is to stop; the first reason stays.
pub(crate) async fn request_stop(
    shared: &Shared,
    id: &strawboss_core::RunId,
    reason: StopReason,
) -> Result<(), strawboss_core::store::StoreError> {
    request_stop_held(shared, shared.write().await, id, reason).await
}

/// The same for who holds the right to change state already.
pub(crate) async fn request_stop_held(
    shared: &Shared,
    writer: Writer<'_>,
    id: &strawboss_core::RunId,
    reason: StopReason,
) -> Result<(), strawboss_core::store::StoreError> {
    let Some(mut run) = shared.parts.store.run(id).await? else { return Ok(()) };
    if !note_stop(&mut run, reason) {
        return Ok(());
    }
    tracing::info!(run.id = %id, reason = ?reason, "a run is to stop");
    shared.stop_causes.note(id);
    writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
    drop(writer);
    shared.wake(id);
    Ok(())
}

/// Notes on a live run that it is to stop, and what the row says last; false when there is nothing to note. Whoever commits
/// it wakes the driver.
pub(crate) fn note_stop(run: &mut Run, reason: StopReason) -> bool {
    let asks = run.is_live()
        && match run.stop_requested {
            None => reason != StopReason::RowPending,
            // Whoever is about to stop it for a word that is no longer there stops it for another.
            Some(earlier) if reason == StopReason::RowPending => earlier.is_by_row() && earlier != reason,
            Some(earlier) => reason.is_by_row() && earlier != reason && !run.session,
        };
    if asks {
        run.stop_requested = Some(reason);
    }
    asks
}

/// Asks the supervisor, then its PID 1, then ends it.
async fn stop(shared: &Shared, raised: &Raised, over: &mut (impl Future<Output = Over> + Unpin)) -> Over {
    let grace = shared.config.stop_grace;
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let cause = shared.stop_causes.take(&raised.present.run);
    tracing::info!(run.id = %raised.present.run, sandbox.id = %raised.present.id, request.id = cause, "a supervisor is told to stop");
    if raised.present.tell(&ToSupervisor::Stop { grace_ms, cause })
        && let Ok(over) = tokio::time::timeout(grace + SAVE_LIMIT, &mut *over).await
    {
        return over;
    }
    if let Err(error) = shared.parts.runner.stop(&raised.handle, grace + SAVE_LIMIT).await {
        tracing::warn!(sandbox.id = %raised.present.id, error = %error, "a sandbox could not be stopped");
    }
    match raised.present.progress().end {
        Some(end) => Over::End(end),
        None => Over::Lost("it did not stop when it was asked to".to_owned()),
    }
}

/// The sandbox is gone without a word: its work is saved from its volume, and the task goes on with a new run.
async fn lost(shared: &Arc<Shared>, work: &Work, why: &str) -> Result<(), StepError> {
    for row in
        shared.parts.store.sandbox_list(&work.run.id).await?.iter().filter(|row| row.purpose == Purpose::Agent && !row.removed)
    {
        sandbox::lower(shared, &row.id).await?;
    }
    fault::point("lost.lowered");
    let saved = if rescue::has_begun(shared, &work.run.id).await? {
        rescue::save_or_keep(shared, &work.run, &work.project).await?
    } else {
        Saved::default()
    };
    ending::machinery(shared, work, &format!("The sandbox was lost: {why}."), saved).await
}

async fn ended(shared: &Arc<Shared>, work: &Work, raised: &Raised, end: End) -> Result<(), StepError> {
    let progress = raised.present.progress();
    let (saved_ref, branch_ref) = (work.run.id.saved_ref(), format!("refs/heads/{}", work.run.branch));
    let mirror = mirror_of(shared, work);
    let confirm = async |references: &[&str]| {
        let confirmed = rescue::confirm(&mirror.path, &progress, &work.run, references).await;
        confirmed.map_err(|error| StepError::Machinery(error.to_string()))
    };
    match end {
        End::Complete { .. } if work.run.session => ending::closed(shared, work, None, confirm(&[&saved_ref]).await?).await,
        End::AgentFailed { detail } if work.run.session => {
            ending::closed(shared, work, Some(detail), confirm(&[&saved_ref]).await?).await
        }
        End::SetupFailed { detail } if work.run.session => ending::not_opened(shared, work, detail).await,
        End::Complete { summary } => {
            let saved = confirm(&[&branch_ref]).await?;
            pushed(shared, work, progress.agent_session, summary, saved, None).await
        }
        End::AgentFailed { detail } => {
            let quota =
                shared.parts.store.run(&work.run.id).await?.and_then(|run| run.quota_until).filter(|until| *until > shared.now());
            let saved = confirm(&[&branch_ref, &saved_ref]).await?;
            pushed(shared, work, progress.agent_session, None, saved, Some(Failure { detail, quota })).await
        }
        End::SetupFailed { detail } => ending::set_up_failed(shared, work, &detail).await,
        End::Stopped if work.run.stop_requested.is_some() || is_stopping(shared, work).await? => {
            ending::stopped(shared, work, confirm(&[&saved_ref]).await?).await
        }
        End::Stopped => {
            let saved = confirm(&[&saved_ref]).await?;
            let rest = if saved.whole { "its work is saved" } else { "its work is kept on the run's volume" };
            ending::machinery(shared, work, &format!("The sandbox was stopped from outside; {rest}."), saved).await
        }
        End::MachineryFailed { detail } => {
            // Saving itself may be what failed, half of it done.
            sandbox::lower(shared, &raised.present.id).await?;
            let saved = rescue::save_or_keep(shared, &work.run, &work.project).await?;
            ending::machinery(shared, work, &detail, saved).await
        }
    }
}

async fn is_stopping(shared: &Shared, work: &Work) -> Result<bool, StepError> {
    Ok(shared.parts.store.run(&work.run.id).await?.is_some_and(|run| run.stop_requested.is_some()))
}

/// How an agent failed.
pub(super) struct Failure {
    pub(super) detail: String,
    /// Nothing more is to be had of the provider until then.
    pub(super) quota: Option<Timestamp>,
}

/// The agent ended and its branch is pushed: what counts is what the mirror has, not what was reported.
async fn pushed(
    shared: &Arc<Shared>,
    work: &Work,
    session: Option<String>,
    summary: Option<String>,
    saved: Saved,
    failure: Option<Failure>,
) -> Result<(), StepError> {
    let mirror = mirror_of(shared, work);
    let git = Git::at(&mirror.path);
    let head =
        git.commit(&format!("refs/heads/{}", work.run.branch)).await.map_err(|error| StepError::Machinery(error.to_string()))?;
    if let Some(head) = &head {
        let keep = format!("refs/strawboss/runs/{}", work.run.id);
        git.run(&["update-ref", &keep, head]).await.map_err(|error| StepError::Machinery(error.to_string()))?;
    }
    let Some(head) = head else {
        return match failure {
            Some(failure) => ending::agent_failed(shared, work, None, saved, failure).await,
            None => ending::machinery(shared, work, "The branch did not arrive in the mirror.", saved).await,
        };
    };
    if let Some(failure) = failure {
        return ending::agent_failed(shared, work, Some(head), saved, failure).await;
    }
    // A diff that cannot be computed shows damage before anybody is asked to look at it.
    let base = work.run.base_commit.clone().unwrap_or_default();
    diff::stat(&mirror.path, &base, &head).await.map_err(|error| StepError::Machinery(error.to_string()))?;
    let writer = shared.write().await;
    let Some(mut run) = shared.parts.store.run(&work.run.id).await? else { return Ok(()) };
    run.head_commit = Some(head);
    saved.note(&mut run);
    // What it said with `complete_task` is meant for people; its last words may be anything.
    run.summary = run.summary.or(summary);
    run.agent_session = session.or(run.agent_session);
    run.advance(RunState::Checking, shared.now())?;
    writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
    drop(writer);
    fault::point("agent.ended");
    for row in
        shared.parts.store.sandbox_list(&work.run.id).await?.iter().filter(|row| row.purpose == Purpose::Agent && !row.removed)
    {
        sandbox::lower_or_leave(shared, &row.id).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MirrorError, StepError, from_mirror};
    use crate::git::GitError;

    #[test]
    fn a_full_disk_is_waited_out_and_uses_up_no_try() {
        let failed = |stderr: &str| {
            MirrorError::Git(GitError::Failed { command: "fetch".to_owned(), code: Some(128), stderr: stderr.to_owned() })
        };
        let full = from_mirror(failed("fatal: unable to write loose object file: No space left on device"));
        assert!(matches!(full, StepError::Later(_)), "{full}");
        let full = from_mirror(MirrorError::Folder { path: "/x".into(), source: std::io::Error::from_raw_os_error(28) });
        assert!(matches!(full, StepError::Later(_)), "{full}");
        let other = from_mirror(failed("fatal: bad object"));
        assert!(matches!(other, StepError::Machinery(_)), "{other}");
    }
}
