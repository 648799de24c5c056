//! What people ask.

use crate::engine::Engine;
use crate::error::Refused;
use crate::events::Events;
use crate::git::{diff, mirror};
use crate::session::Viewer;
use crate::shared::{Shared, lock};
use crate::{sources, views};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use strawboss_core::run::Run;
use strawboss_core::store::TaskFilter;
use strawboss_core::task::Task;
use strawboss_core::{RunId, TaskId, TaskState};
use strawboss_protocol::api::{
    DiffStat, DiffView, Page, ProjectView, ReviewView, RunDetail, RunEvent, RunView, SessionSource, SessionView, StateCount,
    StatusView, TaskView,
};

/// The most that a list gives at once.
const PAGE_LIMIT: u32 = 1000;
/// How many finished runs' sessions are listed.
const SESSIONS_LISTED: u32 = 50;

/// Which tasks a list shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only these states; empty: all.
    pub states: Vec<TaskState>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only what comes after this key.
    pub after: Option<TaskId>,
    /// At most this many, 1 to 1000; 0: 1000.
    pub limit: u32,
}

fn page_size(limit: u32) -> u32 {
    if limit == 0 { PAGE_LIMIT } else { limit.min(PAGE_LIMIT) }
}

/// A run that an agent works in. What a session's run says may be meant for few: it is asked for by the session.
pub(crate) async fn load_run(shared: &Shared, id: &RunId) -> Result<Run, Refused> {
    shared.parts.store.run(id).await?.filter(|run| !run.session).ok_or_else(|| Refused::not_found("run", id))
}

/// A task that is no session.
pub(crate) async fn load_task(shared: &Shared, id: &TaskId) -> Result<Task, Refused> {
    let task = shared.parts.store.task(id).await?.filter(|task| task.session.is_none());
    task.ok_or_else(|| Refused::not_found("task", id))
}

fn diff_of(shared: &Shared, run: &Run) -> Result<Option<(std::path::PathBuf, String, String)>, Refused> {
    let (Some(base), Some(head)) = (run.base_commit.clone(), run.head_commit.clone()) else { return Ok(None) };
    let project = shared.project(&run.project).ok_or_else(|| Refused::not_found("project", &run.project))?;
    let path = mirror::path_of(shared.data_dir(), &project);
    // Work that a resumed run goes on with belongs to the whole: its base is the first run's.
    Ok(path.is_dir().then_some((path, base, head)))
}

impl Engine {
    /// What `GET /api/v1/status` says.
    pub async fn status(&self) -> Result<StatusView, Refused> {
        let shared = &self.shared;
        let store = &shared.parts.store;
        let waiting = store.outbox_list(u32::MAX).await?;
        let now = shared.now().0;
        let mut parts = self.parts();
        let mut part =
            |name: &str| parts.remove(name).ok_or_else(|| Refused::Internal(format!("the part `{name}` is not looked at")));
        let (runner, store_part, engine, gateway) = (part("runner")?, part("store")?, part("engine")?, part("gateway")?);
        let paused = match (shared.draining.load(Ordering::Relaxed), runner.ok) {
            (true, _) => Some("Strawboss is shutting down; nothing new starts.".to_owned()),
            (_, false) => Some(format!("Nothing starts while the runner does not answer: {}", runner.detail)),
            _ => None,
        };
        let mut live = store.run_list_live().await?;
        live.retain(|run| !run.session);
        Ok(StatusView {
            version: shared.config.version.clone(),
            started_at: shared.started_at.0.min(now),
            runner,
            store: store_part,
            engine,
            gateway,
            sources: sources::views(shared, &waiting).await?,
            tasks: store
                .task_counts()
                .await?
                .into_iter()
                .map(|(state, count)| StateCount { state: state.word().to_owned(), count })
                .collect(),
            live_runs: u32::try_from(live.len()).unwrap_or(u32::MAX),
            asking: live.iter().filter(|run| run.open_question().is_some()).map(|run| run.id.to_string()).collect(),
            slots: shared.slots(),
            outbox_waiting: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
            paused,
        })
    }

    /// Tasks in order of making.
    pub async fn task_list(&self, query: &TaskQuery) -> Result<Page<TaskView>, Refused> {
        let limit = page_size(query.limit);
        let filter = TaskFilter {
            states: query.states.clone(),
            project: query.project.clone(),
            after: query.after.clone(),
            sessions: false,
            limit: limit + 1,
        };
        let mut tasks = self.shared.parts.store.task_list(&filter).await?;
        let more = tasks.len() > limit as usize;
        tasks.truncate(limit as usize);
        let next = tasks.last().filter(|_| more).map(|task| task.id.to_string());
        Ok(Page { items: views::tasks(&self.shared, tasks).await?, next })
    }

    /// One task.
    pub async fn task(&self, id: &TaskId) -> Result<TaskView, Refused> {
        views::task_by_id(&self.shared, id).await?.ok_or_else(|| Refused::not_found("task", id))
    }

    /// Runs, newest first; of one task if given.
    pub async fn run_list(&self, task: Option<&TaskId>, limit: u32) -> Result<Vec<RunView>, Refused> {
        let limit = page_size(limit);
        let runs = match task {
            None => self.shared.parts.store.run_list_recent(limit).await?,
            Some(task) => {
                let mut runs = self.shared.parts.store.run_list(task).await?;
                runs.reverse();
                runs.truncate(limit as usize);
                runs
            }
        };
        Ok(runs.iter().filter(|run| !run.session).map(views::run).collect())
    }

    /// One run with its evidence.
    pub async fn run(&self, id: &RunId) -> Result<RunDetail, Refused> {
        Ok(views::run_detail(&self.shared, &load_run(&self.shared, id).await?))
    }

    /// A run's reports after a row number.
    pub async fn run_events(&self, id: &RunId, after: i64, limit: u32) -> Result<Page<RunEvent>, Refused> {
        load_run(&self.shared, id).await?;
        let limit = page_size(limit);
        let mut reports = self.shared.parts.store.report_list(id, after, limit + 1).await?;
        let more = reports.len() > limit as usize;
        reports.truncate(limit as usize);
        let next = reports.last().filter(|_| more).map(|(row, _)| row.to_string());
        Ok(Page { items: reports.iter().map(|(row, report)| views::report(*row, report)).collect(), next })
    }

    /// What a run changed.
    pub async fn run_diff(&self, id: &RunId) -> Result<DiffView, Refused> {
        let run = load_run(&self.shared, id).await?;
        match diff_of(&self.shared, &run)? {
            Some((mirror, base, head)) => {
                diff::between(&mirror, &base, &head).await.map_err(|error| Refused::Internal(error.to_string()))
            }
            None => {
                Err(Refused::conflict(format!("The run {id} has not pushed a commit yet."), "Ask again when it is in review."))
            }
        }
    }

    async fn review_view(&self, task: Task) -> Result<Option<ReviewView>, Refused> {
        let Some(run) = task.run.clone() else { return Ok(None) };
        let run = load_run(&self.shared, &run).await?;
        let stat = match diff_of(&self.shared, &run)? {
            Some((mirror, base, head)) => {
                diff::stat(&mirror, &base, &head).await.map_err(|error| Refused::Internal(error.to_string()))?
            }
            None => DiffStat::default(),
        };
        let evidence = views::run_detail(&self.shared, &run);
        Ok(Some(ReviewView { task: views::task(&self.shared, task, Some(&run)), evidence, stat }))
    }

    /// Tasks in review.
    pub async fn review_list(&self) -> Result<Vec<ReviewView>, Refused> {
        let filter = TaskFilter { states: vec![TaskState::Review], ..TaskFilter::default() };
        let mut reviews = Vec::new();
        for task in self.shared.parts.store.task_list(&filter).await? {
            reviews.extend(self.review_view(task).await?);
        }
        Ok(reviews)
    }

    /// One, also of a task that was in review.
    pub async fn review(&self, id: &TaskId) -> Result<ReviewView, Refused> {
        let task = load_task(&self.shared, id).await?;
        self.review_view(task).await?.ok_or_else(|| Refused::not_found("review of task", id))
    }

    /// Projects as configured.
    pub fn project_list(&self) -> Vec<ProjectView> {
        self.shared.catalog().projects.values().map(views::project).collect()
    }

    /// Sessions of live runs, and of the newest finished ones.
    pub async fn session_list(&self) -> Result<Vec<SessionView>, Refused> {
        let runs = self.shared.parts.store.run_list_recent(SESSIONS_LISTED).await?;
        Ok(runs
            .iter()
            .filter(|run| !run.session)
            .map(|run| {
                let (bytes, viewers) = self.shared.hub.count(&run.id).unwrap_or_default();
                SessionView {
                    run: Some(run.id.to_string()),
                    command: run.agent.word().to_owned(),
                    live: run.is_live(),
                    viewers,
                    bytes: Some(bytes),
                    project: Some(run.project.to_string()),
                    ..views::session(run.id.to_string(), SessionSource::Run, run.created_at)
                }
            })
            .collect())
    }

    /// Attaches a viewer from an offset (or from what a newcomer should see).
    pub async fn session_attach(&self, id: &RunId, from: Option<u64>) -> Result<Viewer, Refused> {
        let run = load_run(&self.shared, id).await?;
        self.attach_run(&run, from).await
    }

    pub(crate) async fn attach_run(&self, run: &Run, from: Option<u64>) -> Result<Viewer, Refused> {
        let (shared, id, was_live) = (&self.shared, &run.id, run.is_live());
        let viewer = shared
            .hub
            .attach(id, was_live, from)
            .map_err(|error| Refused::Unavailable(format!("The recording of {id} cannot be read: {error}.")))?;
        // It may have ended in between, and the session with it: one that was just opened would never end.
        let is_live = async || Ok::<_, Refused>(shared.parts.store.run(id).await?.is_some_and(|run| run.is_live()));
        if was_live && !is_live().await? && !lock(&shared.landing).contains(&id.task()) {
            shared.hub.end(id);
        }
        Ok(viewer)
    }

    /// Subscribes, then snapshots: the first event is a snapshot.
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared))
    }
}
