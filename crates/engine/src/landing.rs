//! Lands accepted work: merges it into the target as it is now, checks the result again if it is new, moves the branch.
//!
//! That work was accepted is stored on its run, so landing goes on after a restart; landing twice is no error.

use crate::drive::{self, StepError, Subject};
use crate::git::land::{self, LandError, Merge, Work};
use crate::git::mirror::{self, MirrorError};
use crate::shared::{Shared, lock};
use crate::{fault, figures, plans, prompt, proposing};
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::project::ReviewMode;
use strawboss_core::pull_request::{Merged, PullRequestState};
use strawboss_core::run::{CheckResult, Run};
use strawboss_core::store::{ChangeSet, StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{RunId, TaskId, TaskState};

/// How often a target may move under the merge before a person is told.
const MOVES: u32 = 5;

/// The longest problem that is kept, in characters.
const PROBLEM_LIMIT: usize = 4000;

/// How a try to land went.
enum Landed {
    /// At this commit. Nothing else becomes of the task until that is noted.
    At {
        commit: String,
        _moving: Moving,
    },
    Problem(String),
    /// It is no longer accepted.
    Withdrawn,
}

/// Why a try to land came to nothing.
enum Trouble {
    /// Something does not answer now: tried again for as long as that lasts.
    Away(String),
    /// Tried again a few times; then a person is asked.
    Failed(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Away(error.to_string())
    }
}

fn failed(error: impl std::fmt::Display) -> Trouble {
    Trouble::Failed(error.to_string())
}

/// Marks a task whose target is being moved; dropping it ends that.
struct Moving {
    shared: Arc<Shared>,
    task: TaskId,
}

impl Moving {
    /// Begins, if the work is still accepted: from here on nobody takes that back.
    async fn begin(shared: &Arc<Shared>, task: &TaskId, run: &RunId) -> Result<Option<Self>, StoreError> {
        let _writer = shared.write().await;
        if accepted(shared, task).await?.is_none_or(|(_, accepted)| accepted.id != *run) {
            return Ok(None);
        }
        lock(&shared.moving).insert(task.clone());
        Ok(Some(Self { shared: Arc::clone(shared), task: task.clone() }))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        lock(&self.shared.moving).remove(&self.task);
    }
}

/// Starts to land a task's accepted work, unless that is under way.
pub(crate) fn spawn(shared: &Arc<Shared>, task: &TaskId) {
    if !lock(&shared.landing).insert(task.clone()) {
        return;
    }
    let landing = Landing { shared: Arc::clone(shared), task: task.clone() };
    shared.tracker.spawn(async move {
        let Landing { shared, task } = &landing;
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = land_in_the_end(shared, task) => {}
        }
    });
}

/// A landing that is under way. However it ends, everybody is told.
struct Landing {
    shared: Arc<Shared>,
    task: TaskId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.shared.landing).remove(&self.task);
        self.shared.bus.changed(std::iter::once(&self.task));
        self.shared.nudge.notify_one();
    }
}

async fn land_in_the_end(shared: &Arc<Shared>, task: &TaskId) {
    let mut wait = shared.config.backoff;
    let mut failures = 0;
    loop {
        let why = match once(shared, task).await {
            Ok(()) => return,
            Err(Trouble::Away(why)) => why,
            Err(Trouble::Failed(why)) => {
                failures += 1;
                let problem = format!("The work could not be merged: {why}. Mend that, then approve again.");
                if failures >= shared.config.machinery_tries && settle(shared, task, None, Landed::Problem(problem)).await.is_ok()
                {
                    return;
                }
                why
            }
        };
        tracing::warn!(task.id = %task, why, "landing accepted work is tried again");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_mins(1));
    }
}

/// The task and its accepted run, when there is something to land.
async fn accepted(shared: &Shared, id: &TaskId) -> Result<Option<(Task, Run)>, StoreError> {
    let Some(task) = shared.parts.store.task(id).await?.filter(|task| task.state == TaskState::Review) else { return Ok(None) };
    let run = match &task.run {
        Some(run) => shared.parts.store.run(run).await?,
        None => None,
    };
    Ok(run.filter(|run| run.approved_at.is_some()).map(|run| (task, run)))
}

async fn once(shared: &Arc<Shared>, id: &TaskId) -> Result<(), Trouble> {
    let Some((_, run)) = accepted(shared, id).await? else { return Ok(()) };
    let turn = shared.turn(&run.project);
    let _ours = turn.lock().await;
    let Some((task, run)) = accepted(shared, id).await? else { return Ok(()) };
    let landed = try_to_land(shared, &task, &run).await?;
    fault::point("landing.landed");
    settle(shared, id, Some(&run.id), landed).await?;
    drive::clean(shared, &run.id).await;
    Ok(())
}

/// Notes what came of it; of this run, if it is known which one was to land: another one may be accepted by now.
async fn settle(shared: &Arc<Shared>, id: &TaskId, landing: Option<&RunId>, landed: Landed) -> Result<(), Trouble> {
    let writer = shared.write().await;
    let Some((mut task, mut run)) = accepted(shared, id).await? else { return Ok(()) };
    if landing.is_some_and(|landing| *landing != run.id) {
        return Ok(());
    }
    let mut along = Vec::new();
    match &landed {
        Landed::At { commit, .. } => {
            tracing::info!(task.id = %task.id, commit, "accepted work landed");
            run.merged_commit = Some(commit.clone());
            run.merge_problem = None;
            if let Some(link) = task.pull_request.as_mut().filter(|link| link.state == PullRequestState::Open) {
                link.state = PullRequestState::Merged;
            }
            task.finish(shared.now()).map_err(failed)?;
            along = plans::done_along(shared, &task, &run).await?;
        }
        Landed::Problem(problem) => {
            tracing::info!(task.id = %task.id, problem, "accepted work did not land");
            run.merge_problem = Some(problem.chars().take(PROBLEM_LIMIT).collect());
            run.approved_at = None;
        }
        // Accepted again meanwhile: it is tried again.
        Landed::Withdrawn => return Ok(()),
    }
    let completed = task.is_ticket() && task.state == TaskState::Done;
    along.push(task);
    writer.commit(ChangeSet { tasks: along, runs: vec![run], ..ChangeSet::default() }).await?;
    if completed {
        figures::ticket_completed();
    }
    Ok(())
}

async fn try_to_land(shared: &Arc<Shared>, task: &Task, run: &Run) -> Result<Landed, Trouble> {
    let Some(project) = shared.project(&run.project) else {
        return Ok(Landed::Problem(format!("The project `{}` is no longer configured.", run.project)));
    };
    let Some(head) = run.head_commit.clone() else { return Ok(Landed::Problem("There is no commit to merge.".to_owned())) };
    if project.review == ReviewMode::PullRequest
        && let Some(link) = proposing::open_link(task)
    {
        return merge_there(shared, task, run, link.number, &head).await;
    }
    let message = format!(
        "Merge {}: {}\n\nStrawboss-Task: {}\nStrawboss-Run: {}",
        run.branch,
        prompt::title(&task.action),
        task.id,
        run.id
    );
    let guard = shared.mirror_lock(&project.name);
    for _ in 0..MOVES {
        let held = guard.lock().await;
        let mirror = match mirror::sync(shared.data_dir(), &project).await {
            Ok(mirror) => mirror,
            Err(MirrorError::Unusable(unusable)) => return Ok(Landed::Problem(format!("{} {}", unusable.message, unusable.fix))),
            Err(error) => return Err(failed(error)),
        };
        if mirror.target != run.target {
            return Ok(Landed::Problem(format!(
                "The run was made for `{}`, but the target is now `{}`.",
                run.target, mirror.target
            )));
        }
        let merge = land::merge(&mirror, &run.id, &head, &message).await.map_err(failed)?;
        let (commit, from, checked) = match merge {
            Merge::Landed => {
                let Some(moving) = Moving::begin(shared, &task.id, &run.id).await? else { return Ok(Landed::Withdrawn) };
                // What was merged before a restart may not have been passed on yet.
                return match land::pass_on(&mirror, &project).await {
                    Ok(()) => Ok(Landed::At { commit: head, _moving: moving }),
                    Err(LandError::Person(problem)) => Ok(Landed::Problem(problem)),
                    Err(error) => Err(failed(error)),
                };
            }
            Merge::Conflict { files } => {
                let files = if files.is_empty() { String::new() } else { format!(" in {}", files.join(", ")) };
                return Ok(Landed::Problem(format!(
                    "It conflicts with `{}`{files}. Send it back with a word on how to resolve it, or merge the branch `{}` by hand.",
                    mirror.target, run.branch
                )));
            }
            Merge::Ready { commit, from, checked } => (commit, from, checked),
        };
        drop(held);
        if !checked && !project.checks.is_empty() {
            let subject = Subject {
                run: run.id.clone(),
                project: project.clone(),
                mirror: mirror.path.clone(),
                commit: commit.clone(),
                reference: land::merge_ref(&run.id),
                base: from.clone(),
            };
            let results = drive::run_checks(shared, &subject).await;
            shared.hub.end(&run.id);
            let results = match results {
                Ok(results) => results,
                Err(StepError::Later(why)) => return Err(Trouble::Away(why)),
                Err(StepError::Person(reason)) => return Ok(unchecked(&format!("{} {}", reason.message, reason.fix))),
                Err(StepError::Machinery(why) | StepError::Defect(why)) => return Ok(unchecked(&why)),
            };
            if let Some(red) = results.iter().find(|check| !check.passed()) {
                return Ok(Landed::Problem(red_after_merge(&mirror.target, red)));
            }
        }
        fault::point("landing.merged");
        let held = guard.lock().await;
        let Some(moving) = Moving::begin(shared, &task.id, &run.id).await? else { return Ok(Landed::Withdrawn) };
        let runs = shared.parts.store.run_list(&task.id).await?;
        let work = Work {
            run: run.id.clone(),
            branch: run.branch.clone(),
            heads: runs.into_iter().filter_map(|run| run.head_commit).collect(),
        };
        let landed = land::land(&shared.tracker, &mirror, &project, &work, &commit, &from).await;
        drop(held);
        match landed {
            Ok(()) => return Ok(Landed::At { commit, _moving: moving }),
            Err(LandError::Moved) => {}
            Err(LandError::Person(problem)) => return Ok(Landed::Problem(problem)),
            Err(LandError::Mirror(MirrorError::Unusable(unusable))) => {
                return Ok(Landed::Problem(format!("{} {}", unusable.message, unusable.fix)));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(Landed::Problem(format!(
        "`{}` moved {MOVES} times while the work was being merged. Approve again when it is quieter.",
        run.target
    )))
}

/// Merges the task's pull request where it is.
async fn merge_there(shared: &Arc<Shared>, task: &Task, run: &Run, number: u64, head: &str) -> Result<Landed, Trouble> {
    let Some(pulls) = shared.config.pull_requests.get(&task.project) else {
        let project = &task.project;
        return Ok(Landed::Problem(format!(
            "Nobody can be asked to merge pull requests of `{project}`: restart the service, then approve again."
        )));
    };
    let Some(moving) = Moving::begin(shared, &task.id, &run.id).await? else { return Ok(Landed::Withdrawn) };
    let merged = pulls.merge(number, head, &run.target).await;
    Ok(match merged.map_err(|error| if error.is_general { Trouble::Away(error.to_string()) } else { failed(error) })? {
        Merged::At(commit) => Landed::At { commit, _moving: moving },
        Merged::Refused(why) => Landed::Problem(why),
    })
}

fn unchecked(why: &str) -> Landed {
    Landed::Problem(format!("The result of the merge could not be checked: {why} Approve again when that is mended."))
}

fn red_after_merge(target: &str, red: &CheckResult) -> String {
    let tail: String = red.output_tail.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    format!(
        "`{target}` moved meanwhile, and on the result of the merge the check `{}` failed: {}. Send it back so that the agent can adapt it.",
        red.command,
        tail.trim()
    )
}

/// Notes that a task's work is accepted and starts to land it.
pub(crate) async fn approve(shared: &Arc<Shared>, id: &TaskId) -> Result<RunId, crate::Refused> {
    use crate::Refused;
    let writer = shared.write().await;
    let Some((task, run)) = writer.task_with_run(id).await? else { return Err(Refused::not_found("task", id)) };
    let Some(mut run) = run.filter(|_| task.state == TaskState::Review) else {
        return Err(Refused::conflict(
            format!("The task {id} is {}; only work in review can be approved.", task.state.word()),
            format!("See it with `strawboss task show {id}`."),
        ));
    };
    if run.head_commit.is_none() {
        return Err(Refused::conflict(
            format!("The run {} left no commit.", run.id),
            "Send it back with a comment, or discard it.",
        ));
    }
    if let Some(project) = shared.project(&task.project).filter(|project| project.review == ReviewMode::PullRequest)
        && run.head_commit != run.base_commit
        && proposing::open_link(&task).is_none_or(|link| run.head_commit.as_ref() != Some(&link.head))
    {
        let (why, fix) = if run.is_green() {
            ("it is not open yet", format!("See with `strawboss task show {id}` what keeps it, and approve again."))
        } else {
            ("its checks are not green", "Send it back with a comment, retry it, or discard it.".to_owned())
        };
        return Err(Refused::conflict(
            format!("`{}` is reviewed by pull requests, and there is none of the work of {id}: {why}.", project.name),
            fix,
        ));
    }
    run.approved_at = Some(shared.now());
    run.merge_problem = None;
    let run_id = run.id.clone();
    writer.commit_silently(&ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
    drop(writer);
    spawn(shared, id);
    Ok(run_id)
}

/// The runs whose work is accepted and has not landed yet.
pub(crate) async fn accepted_runs(shared: &Shared) -> Result<Vec<Run>, StoreError> {
    let filter = TaskFilter { states: vec![TaskState::Review], ..TaskFilter::default() };
    let mut runs = Vec::new();
    for task in shared.parts.store.task_list(&filter).await? {
        runs.extend(accepted(shared, &task.id).await?.map(|(_, run)| run));
    }
    Ok(runs)
}
