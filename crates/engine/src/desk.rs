//! What a run's agent asks for and tells, by the tools that it has. Its run is known by its sandbox, so that it reaches no
//! other's task; whatever it says is bounded, shown to people, and starts nothing.

use crate::commands::blank_task;
use crate::engine::Engine;
use crate::error::Refused;
use crate::prompt;
use crate::queries::load_run;
use crate::sandbox::Present;
use crate::shared::lock;
use std::sync::Arc;
use strawboss_core::project::AgentMode;
use strawboss_core::run::{Progress, Run};
use strawboss_core::runner::Purpose;
use strawboss_core::store::ChangeSet;
use strawboss_core::task::{Task, UNREADABLE_PRIORITY};
use strawboss_core::{RunState, SandboxId, TaskId};
use strawboss_protocol::agent::{
    AgentDependency, AgentNewTask, AgentSource, AgentTask, HandedOver, MAX_ACTION, MAX_PROGRESS, MAX_SUMMARY, MAX_TASKS,
    PROGRESS_EVERY_MS,
};
use strawboss_protocol::supervisor::ToSupervisor;

/// How many tasks one may depend on that an agent asks for.
const MAX_DEPENDENCIES: usize = 20;

/// A text for people's screens: no keys and no escapes of a terminal, nothing that turns the reading direction.
pub(crate) fn text(what: &str, text: &str, limit: usize) -> Result<String, Refused> {
    let odd =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = text.chars().filter(|c| !odd(*c)).collect();
    let clean = clean.trim();
    if clean.is_empty() || text.len() > limit {
        return Err(Refused::invalid(
            format!("{what} must be 1 to {limit} bytes of text, and has {}.", text.len()),
            "Say it again within that.",
        ));
    }
    Ok(clean.to_owned())
}

pub(crate) fn listened_to(run: &Run) -> Result<(), Refused> {
    if matches!(run.state, RunState::Working | RunState::Waiting) && run.stop_requested.is_none() {
        return Ok(());
    }
    let state = if run.stop_requested.is_some() { "being stopped" } else { run.state.word() };
    Err(Refused::conflict(format!("The run {} is {state}: nothing more is taken from its agent.", run.id), "End your turn."))
}

impl Engine {
    /// The sandbox, if it is an agent's.
    pub(crate) fn agents(&self, sandbox: &SandboxId) -> Result<Arc<Present>, Refused> {
        let present = lock(&self.shared.present).get(sandbox).cloned();
        present.filter(|present| present.purpose == Purpose::Agent).ok_or_else(|| Refused::not_found("agent's sandbox", sandbox))
    }

    /// The task that an agent works at.
    pub async fn agent_task(&self, sandbox: &SandboxId) -> Result<AgentTask, Refused> {
        let present = self.agents(sandbox)?;
        let run = load_run(&self.shared, &present.run).await?;
        let task = self.shared.parts.store.task(&run.task).await?.ok_or_else(|| Refused::not_found("task", &run.task))?;
        let checks = self.shared.project(&run.project).map(|project| project.checks).unwrap_or_default();
        let source = task.source.filter(|link| !link.detached);
        Ok(AgentTask {
            id: task.id.to_string(),
            title: prompt::title(&run.prompt),
            // A person may have changed the task since; the run goes on with what it was given.
            text: run.prompt,
            project: run.project.to_string(),
            run: run.id.to_string(),
            branch: run.branch,
            target: run.target,
            mode: match run.mode {
                AgentMode::Headless => "headless",
                AgentMode::Interactive => "interactive",
            },
            checks,
            depends_on: task
                .depends_on
                .into_iter()
                .map(|needed| AgentDependency { name: needed.name, task: needed.task.map(|id| id.to_string()) })
                .collect(),
            source: source.map(|link| AgentSource { name: link.source, item: link.native_ref, url: link.url }),
            comment: task.resume.and_then(|resume| resume.comment),
            tasks_created: run.tasks_created.iter().map(ToString::to_string).collect(),
        })
    }

    /// Keeps what an agent says of how far it is, in place of what it said before.
    pub async fn agent_progress(&self, sandbox: &SandboxId, said: &str, percent: Option<u8>) -> Result<(), Refused> {
        let present = self.agents(sandbox)?;
        let text = text("The text", said, MAX_PROGRESS)?;
        if percent.is_some_and(|percent| percent > 100) {
            return Err(Refused::invalid("`percent` goes from 0 to 100.", "Say it again within that, or leave it out."));
        }
        let now = self.shared.now();
        let writer = self.shared.write().await;
        let mut run = load_run(&self.shared, &present.run).await?;
        listened_to(&run)?;
        if run.progress.as_ref().is_some_and(|before| (0..PROGRESS_EVERY_MS).contains(&now.ms_since(before.at))) {
            return Err(Refused::conflict(
                "This was not taken: a report came less than a second ago.",
                "Go on with the work, and report at the next real step.",
            ));
        }
        run.progress = Some(Progress { text, percent, at: now });
        Ok(writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?)
    }

    /// Takes an agent's word that its task is complete: one in its own interface is ended as by `/complete`, one that works
    /// by itself ends when its turn does.
    pub async fn agent_complete(&self, sandbox: &SandboxId, summary: &str) -> Result<HandedOver, Refused> {
        let present = self.agents(sandbox)?;
        let summary = text("The summary", summary, MAX_SUMMARY)?;
        let writer = self.shared.write().await;
        let mut run = load_run(&self.shared, &present.run).await?;
        listened_to(&run)?;
        if let Some(open) = run.open_question() {
            return Err(Refused::conflict(
                format!("Your question {} is not answered yet, and what is asked is not complete.", open.number),
                "End your turn: the answer opens the next one. Hand the task over after that.",
            ));
        }
        if run.mode == AgentMode::Interactive {
            let line = ToSupervisor::Say { text: format!("/complete {summary}"), cause: crate::cause::current() };
            return if present.tell(&line) {
                Ok(HandedOver::Now)
            } else {
                Err(Refused::Unavailable(
                    "The supervisor is not connected now; nothing was said. Try again in a moment.".to_owned(),
                ))
            };
        }
        run.summary = Some(summary);
        writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
        Ok(HandedOver::AtTurnsEnd)
    }

    /// Notes a task that an agent asks for, in its own project. It waits for a person whatever the project says: an agent's
    /// word starts no agent.
    pub async fn agent_create(&self, sandbox: &SandboxId, new: AgentNewTask) -> Result<TaskId, Refused> {
        let present = self.agents(sandbox)?;
        let action = text("What shall be done", &new.action, MAX_ACTION)?;
        if new.depends_on.len() > MAX_DEPENDENCIES {
            return Err(Refused::invalid(
                format!("A task may depend on {MAX_DEPENDENCIES} others at most."),
                "Name those that come right before it.",
            ));
        }
        let now = self.shared.now();
        let writer = self.shared.write().await;
        let mut run = load_run(&self.shared, &present.run).await?;
        listened_to(&run)?;
        let depends_on = self.dependencies(&new.depends_on, Some(&run.project)).await?;
        if run.tasks_created.len() >= MAX_TASKS {
            return Err(Refused::conflict(
                format!("This run has asked for {MAX_TASKS} tasks, and no more are taken."),
                "Name the rest in your summary.",
            ));
        }
        let number = self.shared.parts.store.task_numbers_next(&run.project.slug(), 1).await?;
        let id = TaskId::nth(&run.project, number);
        let task = Task {
            priority: new.priority.unwrap_or(UNREADABLE_PRIORITY),
            depends_on,
            created_by: Some(run.id.clone()),
            ..blank_task(id.clone(), run.project.clone(), action, now)
        };
        run.tasks_created.push(id.clone());
        writer.commit(ChangeSet { tasks: vec![task], runs: vec![run], ..ChangeSet::default() }).await?;
        tracing::info!(task.id = %id, "an agent asked for a task");
        Ok(id)
    }
}
