//! How runs end, and what becomes of their tasks: each end is one transaction.

use super::agent::Failure;
use super::{StepError, Work};
use crate::rescue::{self, Saved};
use crate::shared::{Shared, Writer};
use crate::{fault, figures, landing, metering, plans, prompt, sandbox};
use std::sync::Arc;
use strawboss_core::policy::BACKOFF_LIMIT_MS;
use strawboss_core::project::ReviewMode;
use strawboss_core::run::{CheckResult, Run, StopReason};
use strawboss_core::store::ChangeSet;
use strawboss_core::task::Task;
use strawboss_core::{BlockCode, BlockReason, RunId, RunOutcome, TaskState, Timestamp};

/// How much more often a run is tried again whose agent was at work when the machinery failed.
const BEGUN_TRIES: u32 = 5;

/// The longest sentence on how a run ended, in characters: what the machinery says may be as long as it likes.
const DETAIL_LIMIT: usize = 4000;

/// Ends a run with `outcome`, notes what it left, lets `then` move its task, and commits both. A run that was asked to stop
/// is stopped, however it came to its end.
async fn end(
    shared: &Arc<Shared>,
    work: &Work,
    outcome: RunOutcome,
    detail: Option<String>,
    saved: Saved,
    note: impl FnOnce(&mut Run),
    then: impl FnOnce(&mut Run, &mut Task, Timestamp) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let limit = work.project.limits.timeout_ms / 1000;
    end_by_id(shared, &work.run.id, |run, task, now| {
        saved.note(run);
        note(run);
        if let Some(reason) = run.stop_requested {
            stop(run, task, reason, limit, now)?;
        } else {
            run.finish(outcome, detail, now)?;
            then(run, task, now)?;
        }
        if let Some(problem) = saved.problem {
            run.outcome_detail = Some(format!("{} {problem}", run.outcome_detail.take().unwrap_or_default()));
        }
        Ok(())
    })
    .await
}

async fn end_by_id(
    shared: &Arc<Shared>,
    id: &RunId,
    then: impl FnOnce(&mut Run, &mut Task, Timestamp) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let writer = shared.write().await;
    let Some((mut run, mut task)) = fresh(shared, &writer, id).await? else { return Ok(()) };
    let now = shared.now();
    then(&mut run, &mut task, now)?;
    run.outcome_detail = run.outcome_detail.map(|detail| detail.chars().take(DETAIL_LIMIT).collect());
    let taken = metering::take(shared, id);
    taken.note(&mut run);
    let landing = run.approved_at.is_some();
    let (task_id, project, outcome, state) = (task.id.clone(), task.project.clone(), run.outcome, task.state);
    let worked = run.started_at.filter(|_| task.is_ticket() && outcome.is_some()).map(|since| now.ms_since(since));
    let session = run.session;
    writer.commit(ChangeSet { tasks: vec![task], runs: vec![run], ..ChangeSet::default() }).await?;
    taken.written();
    drop(writer);
    if let Some(outcome) = outcome.filter(|_| !session) {
        figures::run_finished(outcome);
    }
    if let Some(worked) = worked {
        figures::ticket_session(worked);
    }
    tracing::info!(run.id = %id, outcome = outcome.map(RunOutcome::word), task.state = state.word(), "a run ended");
    fault::point("run.ended");
    shared.hub.end(id);
    clean(shared, id).await;
    if landing {
        landing::spawn(shared, &task_id);
    }
    if state == TaskState::Review {
        shared.proposals.wake(&project);
    }
    Ok(())
}

/// A stop that was asked for: how the run ends, and what becomes of its task.
fn stop(run: &mut Run, task: &mut Task, reason: StopReason, limit: u64, now: Timestamp) -> Result<(), StepError> {
    let (outcome, detail) = match reason {
        StopReason::Withdrawn if run.session => (RunOutcome::Stopped, "Somebody deleted it.".to_owned()),
        StopReason::Timeout if run.session => (RunOutcome::TimedOut, "It was open for a year.".to_owned()),
        StopReason::Idle => {
            (RunOutcome::Stopped, "Nobody was attached and nothing was printed for `sessions.containers.idle`.".to_owned())
        }
        StopReason::Person => (RunOutcome::Stopped, "A person stopped it.".to_owned()),
        StopReason::Withdrawn => (RunOutcome::Stopped, "Its row was deleted or set Completed.".to_owned()),
        StopReason::RowBlocked => (RunOutcome::Stopped, "Its row was set Blocked.".to_owned()),
        StopReason::RowPaused => (RunOutcome::Stopped, "Its row was set Paused.".to_owned()),
        StopReason::RowPending => {
            (RunOutcome::Stopped, "Its row was set to stop it, and Pending again before it had stopped.".to_owned())
        }
        StopReason::Preempted => (RunOutcome::Stopped, "A task of better priority took its place.".to_owned()),
        StopReason::Timeout => (RunOutcome::TimedOut, format!("It ran longer than the project's limit of {limit} seconds.")),
    };
    run.finish(outcome, Some(detail), now)?;
    match reason {
        StopReason::Person | StopReason::RowPaused | StopReason::Idle => task.pause(None, now)?,
        StopReason::Timeout if run.session => task.pause(None, now)?,
        StopReason::Preempted => task.preempt(now)?,
        StopReason::RowPending => {
            task.pause(None, now)?;
            task.queue(now)?;
        }
        StopReason::Withdrawn => task.cancel(now)?,
        StopReason::RowBlocked => task.block(row_blocked(), now)?,
        StopReason::Timeout => {
            let rest = if run.work_saved { "its work is saved" } else { "its work is kept on the run's volume" };
            task.block(
                BlockReason::new(
                    BlockCode::Failed,
                    format!("The run took longer than the project's limit of {limit} seconds; {rest}."),
                    "Look at the run, then retry the task, make it smaller, or raise `limits.timeout`.",
                ),
                now,
            )?;
        }
    }
    Ok(())
}

async fn fresh(shared: &Shared, _writer: &Writer<'_>, id: &RunId) -> Result<Option<(Run, Task)>, StepError> {
    let Some(run) = shared.parts.store.run(id).await? else { return Ok(None) };
    if !run.is_live() {
        return Ok(None);
    }
    let Some(task) = shared.parts.store.task(&run.task).await? else { return Ok(None) };
    Ok(Some((run, task)))
}

/// Removes every sandbox of a run that is over; what cannot be removed now is found again by reconciliation. The volume
/// goes when nothing will go on with it.
pub(crate) async fn clean(shared: &Shared, id: &RunId) {
    let Ok(rows) = shared.parts.store.sandbox_list(id).await else { return };
    for row in rows.iter().filter(|row| !row.removed) {
        sandbox::lower_or_leave(shared, &row.id).await;
    }
    rescue::release_volume(shared, id).await;
}

/// The checks have run on `head`.
pub(super) async fn checked(shared: &Arc<Shared>, work: &Work, head: &str, results: Vec<CheckResult>) -> Result<(), StepError> {
    let red: Vec<String> = results.iter().filter(|check| !check.passed()).map(|check| format!("`{}`", check.command)).collect();
    let outcome = if red.is_empty() { RunOutcome::Succeeded } else { RunOutcome::Failed };
    let detail = (!red.is_empty()).then(|| format!("These checks failed: {}.", red.join(", ")));
    let project = &work.project;
    let changed = work.run.base_commit.as_deref() != Some(head);
    // An agent that did nothing is not done with its task because what was green is green. A phase may ask for nothing but
    // that: what its checks say then is its work.
    let is_work = changed || (!results.is_empty() && plans::has_phase(shared, &work.task).await);
    let note = |run: &mut Run| {
        run.checks = results;
        run.checked_commit = Some(head.to_owned());
    };
    end(shared, work, outcome, detail, Saved::default(), note, |run, task, now| {
        task.submit(now)?;
        match project.review {
            // Green checks say nothing of phases that the run was not made for: a person looks at those.
            ReviewMode::Auto if run.is_green() && is_work && run.phases_done.is_empty() => run.approved_at = Some(now),
            ReviewMode::Auto | ReviewMode::PullRequest if !run.is_green() && task.sent_back + 1 < project.tries => {
                task.sent_back += 1;
                task.send_back(prompt::red_checks(run), now)?;
            }
            ReviewMode::Auto | ReviewMode::Manual | ReviewMode::PullRequest => {}
        }
        Ok(())
    })
    .await
}

/// The checks could not be run: a person decides on what there is.
pub(super) async fn unchecked(shared: &Arc<Shared>, work: &Work, why: &str) -> Result<(), StepError> {
    let detail = format!("The checks could not be run: {why}");
    end(shared, work, RunOutcome::Failed, Some(detail), Saved::default(), |_| {}, |_, task, now| Ok(task.submit(now)?)).await
}

/// The run was asked to stop.
pub(super) async fn stopped(shared: &Arc<Shared>, work: &Work, saved: Saved) -> Result<(), StepError> {
    let note = |run: &mut Run| {
        run.stop_requested.get_or_insert(StopReason::Person);
    };
    end(shared, work, RunOutcome::Stopped, None, saved, note, |_, _, _| Ok(())).await
}

/// What ran in a session ended by itself: it can be opened again, on the same volume.
pub(super) async fn closed(shared: &Arc<Shared>, work: &Work, why: Option<String>, saved: Saved) -> Result<(), StepError> {
    let detail = why.unwrap_or_else(|| "What ran in it ended.".to_owned());
    end(
        shared,
        work,
        RunOutcome::Succeeded,
        Some(detail),
        saved,
        |_| {},
        |_, task, now| {
            task.machinery_failures = 0;
            Ok(task.pause(None, now)?)
        },
    )
    .await
}

/// A session's shell could not be started in its image.
pub(super) async fn not_opened(shared: &Arc<Shared>, work: &Work, why: String) -> Result<(), StepError> {
    let fix = "Delete the session and open one with another image or command.";
    blocked(shared, work, RunOutcome::Failed, BlockReason::new(BlockCode::Failed, why, fix)).await
}

/// The reason for a row that says Blocked.
pub(crate) fn row_blocked() -> BlockReason {
    BlockReason::new(
        BlockCode::BySource,
        "Its row in the backlog says Blocked.",
        "Set the row's Status to Pending when it may go on.",
    )
}

/// The agent failed; what it pushed is kept. A quota that resets parks the task until then.
pub(super) async fn agent_failed(
    shared: &Arc<Shared>,
    work: &Work,
    head: Option<String>,
    saved: Saved,
    failure: Failure,
) -> Result<(), StepError> {
    let Failure { detail, quota } = failure;
    let note = |run: &mut Run| run.head_commit = head;
    end(shared, work, RunOutcome::Failed, Some(detail.clone()), saved, note, |_, task, now| {
        if let Some(until) = quota {
            task.pause(Some(until), now)?;
        } else {
            // Retrying goes on with the same session: what the agent did until it failed is not thrown away.
            let message = format!("The agent failed: {}", detail.chars().take(500).collect::<String>());
            task.block(
                BlockReason::new(BlockCode::Failed, message, "Look at the run, then retry the task or change what it asks for."),
                now,
            )?;
        }
        Ok(())
    })
    .await
}

/// A set-up command failed. A host that the door refused is mostly why, and the command's own words seldom say so.
pub(super) async fn set_up_failed(shared: &Arc<Shared>, work: &Work, detail: &str) -> Result<(), StepError> {
    let failed = format!("A set-up command failed: {detail}");
    let then = |run: &mut Run, task: &mut Task, now| {
        let message = match run.refusals.iter().find(|refusal| !refusal.known_probe) {
            Some(refusal) => format!("The sandbox was refused a host: {}. {failed}", refusal.reason),
            None => failed.clone(),
        };
        let fix = if work.project.allow.is_empty() && work.project.internal.is_empty() {
            "Mend `setup:` of the project, then retry the task. The project allows no host: what `setup:` downloads needs `network.allow`."
        } else {
            "Mend `setup:` of the project (or what it needs: image, network, cache), then retry the task."
        };
        Ok(task.block(BlockReason::new(BlockCode::Failed, message, fix), now)?)
    };
    end(shared, work, RunOutcome::Failed, Some(failed.clone()), Saved::default(), |_| {}, then).await
}

/// A person must change something before another run makes sense.
pub(super) async fn blocked(
    shared: &Arc<Shared>,
    work: &Work,
    outcome: RunOutcome,
    reason: BlockReason,
) -> Result<(), StepError> {
    end(
        shared,
        work,
        outcome,
        Some(reason.message.clone()),
        Saved::default(),
        |_| {},
        |_, task, now| Ok(task.block(reason, now)?),
    )
    .await
}

/// The machinery failed: the task is tried again a little later, up to a limit.
pub(super) async fn machinery(shared: &Arc<Shared>, work: &Work, why: &str, saved: Saved) -> Result<(), StepError> {
    let backoff = i64::try_from(shared.config.backoff.as_millis()).unwrap_or(BACKOFF_LIMIT_MS);
    let begun = rescue::has_begun(shared, &work.run.id).await?;
    // What had an agent at work can start agents: engines are restarted and machines switched off, more often than a
    // machinery that starts nothing is worth trying.
    let (tries, growth) =
        if begun { (shared.config.machinery_tries.saturating_mul(BEGUN_TRIES), 0) } else { (shared.config.machinery_tries, 1) };
    let problem = saved.problem.as_ref().map(|problem| format!(" {problem}")).unwrap_or_default();
    end(
        shared,
        work,
        RunOutcome::Lost,
        Some(why.to_owned()),
        saved,
        |_| {},
        |run, task, now| {
            if task.machinery_failures + 1 >= tries {
                let message = format!(
                    "The machinery failed {tries} times in a row, last: {}{problem}",
                    why.chars().take(500).collect::<String>()
                );
                return Ok(task.block(
                    BlockReason::new(
                        BlockCode::MachineryFailed,
                        message,
                        "Run `strawboss doctor`, mend what it names, then retry the task.",
                    ),
                    now,
                )?);
            }
            let wait = backoff.saturating_mul(1 << (growth * task.machinery_failures).min(16)).min(BACKOFF_LIMIT_MS);
            // Whatever an agent may have done goes on: on the volume, or from what was saved.
            let resume = begun || run.agent_session.is_some() || run.saved_ref.is_some();
            Ok(task.requeue(resume, now.plus_ms(wait), now)?)
        },
    )
    .await
}

/// Ends a run whose step failed for good.
pub(super) async fn give_up(shared: &Arc<Shared>, id: &RunId, error: StepError) -> Result<(), StepError> {
    let Some(run) = shared.parts.store.run(id).await? else { return Ok(()) };
    let Some(task) = shared.parts.store.task(&run.task).await? else { return Ok(()) };
    let Some(project) = shared.project(&run.project) else {
        // Without its project nothing more can be said of limits; the run only has to end.
        let reason = BlockReason::new(
            BlockCode::NoSuchProject,
            format!("The project `{}` is no longer configured.", run.project),
            "Add it under `projects:` in strawboss.yaml again.",
        );
        let detail = reason.message.clone();
        return end_by_id(shared, id, |run, task, now| {
            if let Some(asked) = run.stop_requested {
                return stop(run, task, asked, 0, now);
            }
            run.finish(RunOutcome::Lost, Some(detail), now)?;
            Ok(task.block(reason, now)?)
        })
        .await;
    };
    let work = Work { run, task, project };
    match error {
        StepError::Person(reason) => blocked(shared, &work, RunOutcome::Failed, reason).await,
        StepError::Later(why) | StepError::Machinery(why) | StepError::Defect(why) => {
            tracing::warn!(run.id = %id, why, "a run failed for want of machinery");
            machinery(shared, &work, &why, Saved::default()).await
        }
    }
}
