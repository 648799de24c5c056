//! What people tell the engine to do. Each command is checked against the state as it is, and committed or refused.

use crate::engine::Engine;
use crate::error::Refused;
use crate::queries::{load_run, load_task};
use crate::shared::{Writer, lock};
use crate::{cause, drive, figures, landing, rescue, tickets};
use strawboss_core::project::AgentMode;
use strawboss_core::run::{Run, StopReason};
use strawboss_core::store::ChangeSet;
use strawboss_core::task::{Task, UNREADABLE_PRIORITY};
use strawboss_core::{
    BlockCode, BlockReason, Date, Dependency, ProjectName, RunId, RunState, TaskId, TaskState, Timestamp, TransitionError,
};
use strawboss_protocol::api::{NewTask, RunDetail, TaskView};
use strawboss_protocol::supervisor::ToSupervisor;

/// The longest text of a task, a comment or a reason, in bytes.
pub(crate) const TEXT_LIMIT: usize = 256 * 1024;
/// The longest line for an agent, in bytes.
const SAY_LIMIT: usize = 16 * 1024;

pub(crate) fn text(what: &str, text: &str, limit: usize) -> Result<String, Refused> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.len() > limit || trimmed.contains('\0') {
        return Err(Refused::invalid(format!("{what} must be 1 to {limit} bytes of text."), "Send it again within that."));
    }
    Ok(trimmed.to_owned())
}

/// A task that no backlog has, waiting for approval.
pub(crate) fn blank_task(id: TaskId, project: ProjectName, action: String, now: Timestamp) -> Task {
    Task {
        id,
        project,
        action,
        priority: UNREADABLE_PRIORITY,
        deadline: None,
        needs_gpu: false,
        agent: None,
        model: None,
        mode: None,
        state: TaskState::Pending,
        block: None,
        source: None,
        run: None,
        attempts: 0,
        resume: None,
        machinery_failures: 0,
        sent_back: 0,
        depends_on: Vec::new(),
        not_before: None,
        preempted: false,
        preempted_at: None,
        created_by: None,
        session: None,
        pull_request: None,
        created_at: now,
        updated_at: now,
        version: 0,
    }
}

pub(crate) fn on_its_way(id: &TaskId) -> Refused {
    Refused::conflict(
        format!("The work of {id} is on its way into its target at this moment."),
        format!("See how that went with `strawboss task show {id}`."),
    )
}

impl Engine {
    /// Applies a transition to a task and commits it.
    pub(crate) async fn task_change(
        &self,
        id: &TaskId,
        transition: impl FnOnce(&mut Task) -> Result<(), Refused>,
    ) -> Result<TaskView, Refused> {
        let writer = self.shared.write().await;
        self.task_change_held(writer, id, transition).await
    }

    /// The same for who holds the right to change state already.
    async fn task_change_held(
        &self,
        writer: Writer<'_>,
        id: &TaskId,
        transition: impl FnOnce(&mut Task) -> Result<(), Refused>,
    ) -> Result<TaskView, Refused> {
        let shared = &self.shared;
        let mut task = load_task(shared, id).await?;
        if lock(&shared.moving).contains(id) {
            return Err(on_its_way(id));
        }
        let from = task.state;
        transition(&mut task)?;
        let to = task.state;
        self.shared.start_causes.note(id);
        let run = task.run.clone();
        writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
        drop(writer);
        tracing::info!(task.id = %id, from = from.word(), to = to.word(), "a person changed a task");
        if let Some(run) = run {
            rescue::release_volume(shared, &run).await;
        }
        self.task(id).await
    }

    /// Tasks that are there, by their keys: of any project, or of this one alone.
    pub(crate) async fn dependencies(&self, keys: &[String], of: Option<&ProjectName>) -> Result<Vec<Dependency>, Refused> {
        let mut depends_on = Vec::new();
        for key in keys.iter().map(|key| key.trim()) {
            let id = TaskId::parse(key).ok();
            let task = match &id {
                Some(id) => self.shared.parts.store.task(id).await?,
                None => None,
            };
            if task.is_none_or(|task| task.session.is_some() || of.is_some_and(|project| task.project != *project)) {
                return Err(Refused::invalid(
                    format!("There is no task `{}` to depend on.", key.chars().take(80).collect::<String>().escape_debug()),
                    "See the tasks with `strawboss task list`.",
                ));
            }
            depends_on.push(Dependency { name: key.to_owned(), task: id });
        }
        Ok(depends_on)
    }

    /// Adds a task by hand.
    pub async fn task_add(&self, new: NewTask) -> Result<TaskView, Refused> {
        let project = ProjectName::parse(new.project.trim())
            .map_err(|error| Refused::invalid(error.to_string(), "Name a configured project."))?;
        let Some(configured) = self.shared.project(&project) else {
            return Err(Refused::invalid(
                format!("There is no project `{project}`."),
                "See the configured ones with `strawboss project list`.",
            ));
        };
        let deadline = match new.deadline.as_deref() {
            None | Some("") => None,
            Some(day) => {
                Some(Date::parse(day).ok_or_else(|| Refused::invalid(format!("`{day}` is no day."), "Write it as YYYY-MM-DD."))?)
            }
        };
        let action = text("What shall be done", &new.action, TEXT_LIMIT)?;
        let depends_on = self.dependencies(&new.depends_on, None).await?;
        let now = self.shared.now();
        let number = self.shared.parts.store.task_numbers_next(&project.slug(), 1).await?;
        let id = TaskId::nth(&project, number);
        let manual = configured.approval == strawboss_core::project::Approval::Manual;
        let task = Task {
            priority: new.priority.unwrap_or(UNREADABLE_PRIORITY),
            deadline,
            needs_gpu: new.needs_gpu,
            agent: new.agent.filter(|word| !word.trim().is_empty()),
            model: new.model.filter(|name| !name.trim().is_empty()),
            mode: new.mode,
            state: if manual { TaskState::Pending } else { TaskState::Queued },
            depends_on,
            ..blank_task(id.clone(), project, action, now)
        };
        let writer = self.shared.write().await;
        writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
        drop(writer);
        self.task(&id).await
    }

    /// Lets an agent start on a pending task, in this mode if one is given.
    pub async fn task_approve(&self, id: &TaskId, mode: Option<AgentMode>) -> Result<TaskView, Refused> {
        let now = self.shared.now();
        self.task_admit(id, mode, |task| Ok(task.approve(now)?)).await
    }

    /// Queues a task that is paused, pending, blocked or cancelled; a paused one goes on with its agent's session.
    pub async fn task_start(&self, id: &TaskId) -> Result<TaskView, Refused> {
        let now = self.shared.now();
        self.task_admit(id, None, |task| Ok(task.queue(now)?)).await
    }

    /// A transition that approves of a task which waits for that.
    async fn task_admit(
        &self,
        id: &TaskId,
        mode: Option<AgentMode>,
        transition: impl FnOnce(&mut Task) -> Result<(), Refused>,
    ) -> Result<TaskView, Refused> {
        let catalog = self.shared.catalog();
        let mut is_ticket = false;
        let admitted = self.task_change(id, |task| {
            let waited = task.state == TaskState::Pending;
            transition(task)?;
            is_ticket = waited && tickets::approved(task, mode, &catalog);
            Ok(())
        });
        let admitted = admitted.await?;
        if is_ticket {
            figures::ticket_approved();
        }
        Ok(admitted)
    }

    /// Stops its run (work saved), or takes it out of the queue: paused.
    pub async fn task_stop(&self, id: &TaskId) -> Result<TaskView, Refused> {
        // Whether it runs is sure only while nobody else changes it: a run may begin or end right now.
        let writer = self.shared.write().await;
        let task = load_task(&self.shared, id).await?;
        if let (TaskState::Running, Some(run)) = (task.state, &task.run) {
            drive::request_stop_held(&self.shared, writer, run, StopReason::Person).await?;
            self.task(id).await
        } else {
            let now = self.shared.now();
            self.task_change_held(writer, id, |task| Ok(task.pause(None, now)?)).await
        }
    }

    /// Queues a task whose run failed, or that is in review, with a fresh run from the target's newest commit.
    pub async fn task_retry(&self, id: &TaskId) -> Result<TaskView, Refused> {
        let now = self.shared.now();
        self.task_change(id, |task| {
            let from = task.state;
            if task.attempts == 0 {
                return Err(Refused::conflict(
                    format!("The task {id} has not run yet."),
                    format!("Start it with `strawboss task start {id}`."),
                ));
            }
            if from == TaskState::Review {
                task.send_back(String::new(), now)?;
            } else {
                task.queue(now)?;
            }
            task.resume = None;
            task.machinery_failures = 0;
            task.sent_back = 0;
            Ok(())
        })
        .await
    }

    /// Blocks a task with a person's reason; a live run is stopped first.
    pub async fn task_block(&self, id: &TaskId, reason: &str) -> Result<TaskView, Refused> {
        let reason = text("The reason", reason, 2000)?;
        let now = self.shared.now();
        self.task_change(id, |task| {
            if task.state == TaskState::Running {
                return Err(TransitionError {
                    task: task.id.clone(),
                    from: task.state,
                    step: "be blocked while it runs; stop it first",
                }
                .into());
            }
            Ok(task.block(
                BlockReason::new(BlockCode::ByPerson, reason, format!("Start it again with `strawboss task start {id}`.")),
                now,
            )?)
        })
        .await
    }

    /// Stops a run; its work is saved and its task paused.
    pub async fn run_stop(&self, id: &RunId) -> Result<RunDetail, Refused> {
        let run = load_run(&self.shared, id).await?;
        if !run.is_live() {
            return Err(Refused::conflict(format!("The run {id} is over."), "There is nothing to stop."));
        }
        drive::request_stop(&self.shared, id, StopReason::Person).await?;
        self.run(id).await
    }

    /// A line for a run's agent.
    pub async fn run_say(&self, id: &RunId, line: &str) -> Result<(), Refused> {
        let line = text("A line", line, SAY_LIMIT)?;
        let run = load_run(&self.shared, id).await?;
        if !matches!(run.state, RunState::Working | RunState::Waiting) {
            return Err(Refused::conflict(
                format!("The run {id} is {}; its agent does not listen.", run.state.word()),
                "Send finished work back with a comment instead.",
            ));
        }
        let present = lock(&self.shared.present)
            .values()
            .find(|present| present.run == *id && present.purpose == strawboss_core::runner::Purpose::Agent)
            .cloned();
        if present.is_some_and(|present| present.tell(&ToSupervisor::Say { text: line, cause: cause::current() })) {
            Ok(())
        } else {
            Err(Refused::Unavailable(format!(
                "The supervisor of {id} is not connected now; nothing was said. Try again in a moment."
            )))
        }
    }

    /// Merges the work and completes the task. Returns at once when the merge needs longer than a moment: the task's view
    /// says how it stands.
    pub async fn review_approve(&self, id: &TaskId) -> Result<TaskView, Refused> {
        landing::approve(&self.shared, id).await?;
        let moment = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        let mut events = self.events();
        // Every end of a landing is announced; a snapshot that comes first is as good a moment to look.
        while lock(&self.shared.landing).contains(id) && events.more_until(moment).await {}
        self.task(id).await
    }

    /// Sends it back with a comment, or discards it without one: the task is cancelled and the branch stays in the mirror.
    pub async fn review_reject(&self, id: &TaskId, comment: Option<String>) -> Result<TaskView, Refused> {
        let comment = comment.map(|comment| text("A comment", &comment, TEXT_LIMIT)).transpose()?;
        if lock(&self.shared.landing).contains(id) {
            return Err(Refused::conflict(format!("The work of {id} is being merged."), "Wait until that is done."));
        }
        let Some(comment) = comment else { return self.discard(id).await };
        let now = self.shared.now();
        self.task_change(id, |task| Ok(task.send_back(comment, now)?)).await
    }

    /// Cancels a task in review, and notes on its run that nobody wants the work any more.
    async fn discard(&self, id: &TaskId) -> Result<TaskView, Refused> {
        let shared = &self.shared;
        let now = shared.now();
        let writer = shared.write().await;
        let Some((mut task, run)) = writer.task_with_run(id).await? else { return Err(Refused::not_found("task", id)) };
        if lock(&shared.moving).contains(id) {
            return Err(on_its_way(id));
        }
        if task.state != TaskState::Review {
            return Err(TransitionError { task: task.id, from: task.state, step: "be discarded" }.into());
        }
        task.cancel(now)?;
        let last = task.run.clone();
        let runs = run.into_iter().map(|run| Run { discarded_at: Some(now), ..run }).collect();
        writer.commit(ChangeSet { tasks: vec![task], runs, ..ChangeSet::default() }).await?;
        drop(writer);
        if let Some(run) = last {
            rescue::release_volume(shared, &run).await;
        }
        self.task(id).await
    }
}
