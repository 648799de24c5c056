//! Plans, for the agents of their phases: what comes next, and what is done.
//!
//! A phase is done when work on it was checked and accepted. So an agent's word on its own phase hands its run over, and its
//! word on another one is kept with the run: a person sees it in the review, and accepting the work completes that phase too.

use crate::desk::{listened_to, text};
use crate::engine::Engine;
use crate::error::Refused;
use crate::queries::load_run;
use crate::shared::Shared;
use strawboss_core::backlog::{Outline, OutlinePhase, SourceLink};
use strawboss_core::run::{PhaseClaim, Run};
use strawboss_core::store::{ChangeSet, StoreError};
use strawboss_core::task::Task;
use strawboss_core::{SandboxId, TaskState};
use strawboss_protocol::agent::{AgentPhase, AgentPlan, MAX_SUMMARY, PhaseDone};

/// How many phases that are done are named.
const DONE_SHOWN: usize = 100;
/// The longest title that is kept or named, in characters.
const TITLE: usize = 200;
/// How many other phases one run may name.
const MAX_CLAIMS: usize = 50;

fn title(phase: &OutlinePhase) -> String {
    phase.title.chars().filter(|c| !c.is_control()).take(TITLE).collect()
}

fn named(number: usize, phase: &OutlinePhase, whole: bool) -> AgentPhase {
    AgentPhase { phase: number, title: title(phase), text: whole.then(|| phase.text.clone()) }
}

async fn task_of_run(shared: &Shared, run: &Run) -> Result<Task, Refused> {
    shared.parts.store.task(&run.task).await?.ok_or_else(|| Refused::not_found("task", &run.task))
}

/// The plan that a task is a phase of, as its file says now.
async fn outline(shared: &Shared, task: &Task) -> Result<(SourceLink, Outline), Refused> {
    let none = || {
        Refused::conflict(
            format!("The task {} comes from no open plan: there are no phases.", task.id),
            "Use `get_task` for what is to be done and `complete_task` when it is.",
        )
    };
    let link = task.source.clone().filter(|link| !link.detached).ok_or_else(none)?;
    let source = shared.config.sources.iter().find(|source| source.backlog.name() == link.source).ok_or_else(none)?;
    let outline = source.backlog.outline(&link.native_ref).await.map_err(Refused::Unavailable)?.ok_or_else(none)?;
    Ok((link, outline))
}

/// Whether a task is a phase of a plan. What cannot be read now says no.
pub(crate) async fn has_phase(shared: &Shared, task: &Task) -> bool {
    outline(shared, task).await.is_ok()
}

/// The tasks that are done with a run's accepted work, as it is committed. What is being worked on, or is over, stays.
pub(crate) async fn done_along(shared: &Shared, task: &Task, run: &Run) -> Result<Vec<Task>, StoreError> {
    let Some(link) = task.source.as_ref().filter(|_| !run.phases_done.is_empty()) else { return Ok(Vec::new()) };
    let now = shared.now();
    let mut done = shared.parts.store.task_list_by_source(&link.source).await?;
    done.retain_mut(|other| {
        let is_named = other
            .source
            .as_ref()
            .is_some_and(|other| !other.detached && run.phases_done.iter().any(|claim| claim.native_ref == other.native_ref));
        is_named && other.finish_along(now).is_ok()
    });
    Ok(done)
}

impl Engine {
    /// The plan of an agent's task: what is done, and what comes next.
    pub async fn agent_plan(&self, sandbox: &SandboxId) -> Result<AgentPlan, Refused> {
        let present = self.agents(sandbox)?;
        let run = load_run(&self.shared, &present.run).await?;
        let (link, outline) = outline(&self.shared, &task_of_run(&self.shared, &run).await?).await?;
        let is_own = |phase: &OutlinePhase| phase.native_ref == link.native_ref;
        let is_claimed = |phase: &OutlinePhase| run.phases_done.iter().any(|claim| claim.native_ref == phase.native_ref);
        let phases = || outline.phases.iter().enumerate();
        let done: Vec<AgentPhase> =
            phases().filter(|(_, phase)| phase.done).map(|(number, phase)| named(number, phase, false)).collect();
        Ok(AgentPlan {
            yours: phases().find(|(_, phase)| is_own(phase)).map(|(number, phase)| named(number, phase, false)),
            next: phases()
                .find(|(_, phase)| !phase.done && !is_own(phase) && !is_claimed(phase))
                .map(|(number, phase)| named(number, phase, true)),
            phases: outline.phases.len(),
            phases_done: done.len(),
            done: done[done.len().saturating_sub(DONE_SHOWN)..].to_vec(),
            claimed: run.phases_done.iter().map(|claim| claim.phase).collect(),
            plan: outline.id.clone(),
            description: outline.description.clone(),
        })
    }

    /// Takes an agent's word that a phase of its plan is done. Saying the same twice is no error.
    pub async fn agent_phase_done(&self, sandbox: &SandboxId, number: u32, summary: &str) -> Result<PhaseDone, Refused> {
        let shared = &self.shared;
        let present = self.agents(sandbox)?;
        let run = load_run(shared, &present.run).await?;
        listened_to(&run)?;
        let (link, outline) = outline(shared, &task_of_run(shared, &run).await?).await?;
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(phase) = outline.phases.get(at) else {
            let last = outline.phases.len().saturating_sub(1);
            return Err(Refused::invalid(
                format!("The plan `{}` has no phase {number}.", outline.id),
                format!("Its phases go from 0 to {last}; `plan_next` names them."),
            ));
        };
        if phase.native_ref == link.native_ref {
            let summary = if summary.trim().is_empty() { format!("Phase {number} is done.") } else { summary.to_owned() };
            return Ok(PhaseDone::Own(self.agent_complete(sandbox, &summary).await?));
        }
        if phase.done {
            return Ok(PhaseDone::Already);
        }
        if !summary.trim().is_empty() {
            text("The summary", summary, MAX_SUMMARY)?;
        }
        let own = outline.phases.iter().position(|phase| phase.native_ref == link.native_ref);
        let writer = shared.write().await;
        let mut run = load_run(shared, &present.run).await?;
        listened_to(&run)?;
        let is_claimed =
            |run: &Run, phase: &OutlinePhase| run.phases_done.iter().any(|claim| claim.native_ref == phase.native_ref);
        if is_claimed(&run, phase) {
            return Ok(PhaseDone::WithThisWork);
        }
        let before = outline.phases[..at].iter().enumerate();
        if let Some((open, _)) =
            before.clone().find(|(other, phase)| !phase.done && Some(*other) != own && !is_claimed(&run, phase))
        {
            return Err(Refused::conflict(
                format!("Phase {open} comes before phase {number} and is not done."),
                "Phases are done in order.",
            ));
        }
        self.claimable(&link, number, phase, &run).await?;
        if run.phases_done.len() >= MAX_CLAIMS {
            return Err(Refused::conflict(
                format!("This run has named {MAX_CLAIMS} other phases, and no more are taken."),
                "Hand over what you have: `complete_task`.",
            ));
        }
        run.phases_done.push(PhaseClaim { native_ref: phase.native_ref.clone(), phase: number, title: title(phase) });
        writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
        Ok(PhaseDone::WithThisWork)
    }

    /// Whether another phase can be done with a run's work at all.
    async fn claimable(&self, link: &SourceLink, number: u32, phase: &OutlinePhase, run: &Run) -> Result<(), Refused> {
        let tasks = self.shared.parts.store.task_list_by_source(&link.source).await?;
        let other = tasks
            .into_iter()
            .find(|task| task.source.as_ref().is_some_and(|other| !other.detached && other.native_ref == phase.native_ref));
        let Some(other) = other else {
            return Err(Refused::conflict(
                format!("Phase {number} is not known as work here."),
                "A person can tick it in the plan; say in your summary that it is done.",
            ));
        };
        if other.project != run.project {
            return Err(Refused::conflict(
                format!("Phase {number} belongs to the project `{}`, whose checks do not run on your work.", other.project),
                "Leave it to its own run.",
            ));
        }
        if matches!(other.state, TaskState::Running | TaskState::Review) {
            return Err(Refused::conflict(
                format!("Phase {number} has work of its own: {} is {}.", other.id, other.state.word()),
                "Leave it to that.",
            ));
        }
        Ok(())
    }
}
