//! Tickets: tasks that people discuss where they come from, by the names that they have there.

use crate::commands::{TEXT_LIMIT, on_its_way, text};
use crate::drive;
use crate::engine::Engine;
use crate::error::Refused;
use crate::shared::{Shared, lock};
use std::time::Duration;
use strawboss_core::backlog::{BacklogStatus, TicketTrigger};
use strawboss_core::project::{AgentMode, Catalog};
use strawboss_core::run::StopReason;
use strawboss_core::store::ChangeSet;
use strawboss_core::{RunId, RunState, Task, TaskId, TaskState, Timestamp};
use strawboss_protocol::api::TaskView;

/// A ticket and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEntry {
    /// The task's key.
    pub task: TaskId,
    /// What people call it: `WEB-12`; the task's key where it has no such name.
    pub id: String,
    /// Its id in its own system.
    pub uuid: String,
    /// The id of its project in its own system, or the project's name here.
    pub project_id: String,
    /// What shall be done.
    pub action: String,
    /// What made it work.
    pub trigger: TicketTrigger,
    /// Where its task stands.
    pub state: TaskState,
    /// What the agent says of the work, once there is any.
    pub summary: Option<String>,
    /// Whether that it was completed stands where it comes from.
    pub is_written: bool,
    /// When its task was made.
    pub created_at: Timestamp,
    /// When its task's state changed last.
    pub updated_at: Timestamp,
}

/// How many tickets are in which part of their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TicketCounts {
    /// They wait for a person's approval.
    pub pending: u64,
    /// Approved, and not completed yet.
    pub active: u64,
    /// Their work was accepted.
    pub completed: u64,
}

impl TicketCounts {
    fn add(&mut self, state: TaskState) {
        match state {
            TaskState::Pending => self.pending += 1,
            TaskState::Done => self.completed += 1,
            TaskState::Queued | TaskState::Running | TaskState::Review | TaskState::Paused => self.active += 1,
            TaskState::Blocked | TaskState::Cancelled => {}
        }
    }
}

/// A person approved of a task, wherever they said so: whoever approves of a ticket is there and sits beside it, unless
/// somebody says otherwise, that person now (`mode`) or its project. Whether it is one.
pub(crate) fn approved(task: &mut Task, mode: Option<AgentMode>, catalog: &Catalog) -> bool {
    let is_ticket = task.is_ticket();
    let said = catalog.projects.get(&task.project).is_some_and(|project| project.mode.is_some());
    task.mode = mode.or(task.mode).or_else(|| (is_ticket && !said).then_some(AgentMode::Interactive));
    is_ticket
}

async fn tickets(shared: &Shared) -> Result<Vec<Task>, Refused> {
    let mut found = Vec::new();
    for source in shared.config.sources.iter().filter(|source| source.backlog.holds_tickets()) {
        let tasks = shared.parts.store.task_list_by_source(source.backlog.name()).await?;
        found.extend(tasks.into_iter().filter(Task::is_ticket));
    }
    Ok(found)
}

fn entry(task: Task, summary: Option<String>) -> TicketEntry {
    let link = task.source.as_ref();
    let ticket = link.and_then(|link| link.ticket.as_deref());
    TicketEntry {
        id: ticket.map_or_else(|| task.id.to_string(), |ticket| ticket.id.clone()),
        uuid: ticket.map_or_else(|| link.map_or_else(String::new, |link| link.native_ref.clone()), |ticket| ticket.uuid.clone()),
        project_id: ticket.map_or_else(|| task.project.to_string(), |ticket| ticket.project_id.clone()),
        trigger: ticket.map_or(TicketTrigger::NewTicket, |ticket| ticket.trigger),
        is_written: link.is_some_and(|link| link.row_status == BacklogStatus::Completed),
        action: task.action,
        state: task.state,
        summary,
        created_at: task.created_at,
        updated_at: task.updated_at,
        task: task.id,
    }
}

impl Engine {
    /// Tickets in these states, oldest first.
    pub async fn ticket_list(&self, states: &[TaskState]) -> Result<Vec<TicketEntry>, Refused> {
        let mut entries = Vec::new();
        for task in tickets(&self.shared).await?.into_iter().filter(|task| states.contains(&task.state)) {
            let run = match &task.run {
                Some(run) => self.shared.parts.store.run(run).await?,
                None => None,
            };
            entries.push(entry(task, run.and_then(|run| run.summary)));
        }
        entries.sort_by_key(|entry| (entry.created_at, entry.task.clone()));
        Ok(entries)
    }

    /// How many there are.
    pub async fn ticket_counts(&self) -> Result<TicketCounts, Refused> {
        let mut counts = TicketCounts::default();
        tickets(&self.shared).await?.iter().for_each(|task| counts.add(task.state));
        Ok(counts)
    }

    /// The ticket of this name: a task's key, a ticket's name or its id. Names of two systems may be the same, then only the
    /// others tell them apart.
    pub async fn ticket_find(&self, name: &str) -> Result<TicketEntry, Refused> {
        let named =
            |entry: &TicketEntry| entry.task.as_str() == name || entry.uuid == name || entry.id.eq_ignore_ascii_case(name);
        let mut found: Vec<TicketEntry> =
            tickets(&self.shared).await?.into_iter().map(|task| entry(task, None)).filter(named).collect();
        if found.len() > 1 {
            let tasks: Vec<&str> = found.iter().map(|entry| entry.task.as_str()).collect();
            return Err(Refused::conflict(
                format!("`{name}` is the name of several tickets."),
                format!("Say which by its task: {}.", tasks.join(", ")),
            ));
        }
        found.pop().ok_or_else(|| Refused::not_found("ticket", name.chars().take(80).collect::<String>()))
    }

    /// The run of a ticket's task, which is waited for as long as its start may take.
    pub async fn ticket_run(&self, task: &TaskId, patience: Duration) -> Result<Option<RunId>, Refused> {
        let until = tokio::time::Instant::now() + patience;
        let mut events = self.events();
        loop {
            let view = self.task(task).await?;
            let run = view.run.and_then(|run| RunId::parse(&run.id).ok());
            let may_start = matches!(view.state, TaskState::Queued | TaskState::Running);
            if !may_start || (view.state == TaskState::Running && run.is_some()) {
                return Ok(run);
            }
            // Every change of a task is announced; a snapshot that comes first is as good a moment to look.
            if !events.more_until(until).await {
                return Ok(run);
            }
        }
    }

    /// A person says that a ticket's task is complete: its agent is ended and its work goes the way of all work. Of work that
    /// has ended the summary is kept. True: people are still to be told of it.
    pub async fn ticket_complete(&self, task: &TaskId, summary: &str) -> Result<bool, Refused> {
        if let Some(is_new) = self.summary_keep(task, summary).await? {
            return Ok(is_new);
        }
        let view = self.task(task).await?;
        let run = view.run.as_ref().filter(|_| view.state == TaskState::Running);
        let Some(run) = run else {
            return Err(Refused::conflict(
                format!("The task {task} is {}; nobody works on it.", view.state.word()),
                "Only work that is under way can be completed.",
            ));
        };
        if run.mode != AgentMode::Interactive {
            return Err(Refused::conflict(
                format!("The agent of {} works by itself and says itself when it is done.", run.id),
                format!("Stop it with `strawboss task stop {task}`, or wait."),
            ));
        }
        let id = RunId::parse(&run.id).map_err(|error| Refused::Internal(error.to_string()))?;
        self.run_say(&id, format!("/complete {}", summary.trim()).trim_end()).await?;
        Ok(true)
    }

    /// Keeps a person's summary of work that has ended, and has it told; whether it is another than there was. None: the work
    /// has not ended, or there is none.
    async fn summary_keep(&self, task: &TaskId, summary: &str) -> Result<Option<bool>, Refused> {
        let shared = &self.shared;
        let writer = shared.write().await;
        let Some((task, Some(mut run))) = writer.task_with_run(task).await? else { return Ok(None) };
        let is_checked = task.state == TaskState::Running && run.state == RunState::Checking;
        if !is_checked && !matches!(task.state, TaskState::Review | TaskState::Done) {
            return Ok(None);
        }
        if summary.trim().is_empty() || run.summary.as_deref() == Some(summary.trim()) {
            return Ok(Some(false));
        }
        run.summary = Some(text("A summary", summary, TEXT_LIMIT)?);
        if lock(&shared.landing).contains(&task.id) {
            return Err(on_its_way(&task.id));
        }
        // What is being checked is told of when that is over.
        let tasks = if is_checked { Vec::new() } else { vec![task] };
        writer.commit(ChangeSet { tasks, runs: vec![run], ..ChangeSet::default() }).await?;
        Ok(Some(true))
    }

    /// Withdraws a ticket's task; one that is done is let go, so that no list of tickets has it any more.
    pub async fn ticket_remove(&self, id: &TaskId) -> Result<TaskView, Refused> {
        let writer = self.shared.write().await;
        let done = writer.task_with_run(id).await?.map(|(task, _)| task).filter(|task| task.state == TaskState::Done);
        let Some(mut task) = done else {
            drop(writer);
            return self.task_withdraw(id).await;
        };
        if let Some(link) = &mut task.source {
            link.detached = true;
        }
        writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
        drop(writer);
        self.task(id).await
    }

    /// Withdraws a task: its run stops with its work saved, and nobody works on it until somebody starts it again.
    pub async fn task_withdraw(&self, id: &TaskId) -> Result<TaskView, Refused> {
        let task = self.shared.parts.store.task(id).await?.ok_or_else(|| Refused::not_found("task", id))?;
        if let (TaskState::Running, Some(run)) = (task.state, &task.run) {
            drive::request_stop(&self.shared, run, StopReason::Withdrawn).await?;
            return self.task(id).await;
        }
        let now = self.shared.now();
        self.task_change(id, |task| Ok(task.cancel(now)?)).await
    }
}
