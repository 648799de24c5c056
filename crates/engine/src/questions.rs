//! What agents ask people, and how the answers reach them.
//!
//! A question is stored with its run, and so is its answer. The agent gets it as the result of its call, if that still waits;
//! else as a line in its session. That it has it is known only from what its supervisor reports: until then the agent's end
//! of a turn is not its end, and the answer is told at that end. So whatever breaks in between, none is lost, and
//! none is told twice.

use crate::desk::{listened_to, text};
use crate::engine::Engine;
use crate::error::Refused;
use crate::queries::load_run;
use crate::sandbox::Present;
use crate::shared::lock;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};
use strawboss_core::project::AgentKind;
use strawboss_core::run::{Answer, Question, Run};
use strawboss_core::runner::Purpose;
use strawboss_core::store::ChangeSet;
use strawboss_core::{RunId, RunState, SandboxId, Timestamp};
use strawboss_protocol::agent::{Asked, MAX_ANSWER, MAX_CHOICE, MAX_CHOICES, MAX_QUESTION, MAX_QUESTIONS};
use strawboss_protocol::api::RunView;
use strawboss_protocol::supervisor::{AgentEvent, Phase, ToSupervisor};
use tokio::sync::Notify;

/// Why a run waits whose agent has asked something.
const WAITS_FOR: &str = "an answer to its question";

/// Calls that wait for answers.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: Mutex<HashMap<RunId, usize>>,
    /// Something was answered.
    answered: Notify,
}

impl Calls {
    fn wait(self: &Arc<Self>, run: &RunId) -> Call {
        *lock(&self.waiting).entry(run.clone()).or_default() += 1;
        Call { calls: Arc::clone(self), run: run.clone() }
    }

    fn is_waiting(&self, run: &RunId) -> bool {
        lock(&self.waiting).contains_key(run)
    }
}

/// A call that waits, until it is dropped.
struct Call {
    calls: Arc<Calls>,
    run: RunId,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.calls.waiting).entry(self.run.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Whether the agent has ended its turn: then no call of it waits, whatever is still held here.
fn turn_is_over(present: &Present) -> bool {
    present.progress().phase == Some(Phase::Waiting)
}

/// Tells a run's supervisor how it stands with what its agent asked. May be called at any time, and twice.
pub(crate) fn tell(present: &Present, run: &Run) {
    if !present.takes_questions() {
        return;
    }
    let untold = || run.questions.iter().filter(|asked| asked.is_untold());
    let over = turn_is_over(present);
    // What is not heard now is told again when it connects.
    for asked in untold().filter(|_| over) {
        let _ = present.tell(&ToSupervisor::Answer { question: asked.number, text: asked.reply().unwrap_or_default() });
    }
    // An answer on its way is waited for as if it were still to come.
    let open = run.open_question().or_else(|| untold().next_back()).map(|asked| asked.number);
    let _ = present.tell(&ToSupervisor::Question { open });
}

/// Notes that an answer was seen to reach the agent; true when the run is to be written.
pub(crate) fn heard(run: &mut Run, event: &AgentEvent, now: Timestamp) -> bool {
    let (AgentEvent::ToolResult { is_error: false, text, .. } | AgentEvent::Told { text }) = event else { return false };
    let known = run.questions.iter_mut().find(|asked| asked.is_untold() && text.contains(&asked.mark()));
    known.map(|asked| asked.told_at = Some(now)).is_some()
}

/// What an agent that goes on after another run's end must know of what that one asked and said.
pub(crate) fn left_over(earlier: &Run) -> Option<String> {
    let mut words: Vec<String> = earlier.questions.iter().filter(|asked| asked.is_untold()).filter_map(Question::reply).collect();
    words.extend(earlier.questions.last().filter(|last| last.answer.is_none()).map(|open| {
        format!(
            "Nobody answered your question before the interruption, and it is not asked any more. Ask it again if it still matters:\n\n{}",
            open.text
        )
    }));
    if !earlier.phases_done.is_empty() {
        let phases: Vec<String> = earlier.phases_done.iter().map(|claim| claim.phase.to_string()).collect();
        words.push(format!(
            "You said that this work does other phases of the plan too: {}. That lapsed with the interruption. Say it again with \
             `plan_done` when the work is done, if it still holds.",
            phases.join(", ")
        ));
    }
    (!words.is_empty()).then(|| words.join("\n\n"))
}

fn choices(choices: &[String]) -> Result<Vec<String>, Refused> {
    if choices.len() > MAX_CHOICES {
        return Err(Refused::invalid(
            format!("A question offers {MAX_CHOICES} answers at most."),
            "Leave the unlikely ones out.",
        ));
    }
    let mut clean = Vec::new();
    for choice in choices {
        let choice = text("An answer that you offer", choice, MAX_CHOICE)?.replace(['\n', '\t'], " ");
        if !clean.contains(&choice) {
            clean.push(choice);
        }
    }
    Ok(clean)
}

impl Engine {
    /// Asks people for an agent, and waits a while for the answer. Asked in the same words again it is the same question: its
    /// answer is given, or waited for.
    pub async fn agent_ask(&self, sandbox: &SandboxId, question: &str, offered: &[String]) -> Result<Asked, Refused> {
        let shared = &self.shared;
        let present = self.agents(sandbox)?;
        let (question, choices) = (text("The question", question, MAX_QUESTION)?, choices(offered)?);
        let (number, call) = self.asked(&present, question, choices).await?;
        let until = tokio::time::Instant::now() + shared.config.answer_wait;
        loop {
            let answered = shared.calls.answered.notified();
            tokio::pin!(answered);
            // Before the look: what is answered after it wakes this.
            answered.as_mut().enable();
            if let Some(reply) = self.reply(&present, number).await? {
                return Ok(Asked::Answer(reply));
            }
            tokio::select! {
                () = answered => {}
                () = tokio::time::sleep_until(until) => break,
                () = shared.stop.cancelled() => break,
            }
        }
        // Nobody answers between this look and the end of the wait: it is either in the result or told as a line.
        let _writer = shared.write().await;
        let run = load_run(shared, &present.run).await?;
        drop(call);
        let reply = run.questions.iter().find(|asked| asked.number == number).and_then(Question::reply);
        Ok(reply.map_or(Asked::Open, Asked::Answer))
    }

    /// Notes a question, if it is new; from here on its call counts as waiting.
    async fn asked(&self, present: &Present, question: String, choices: Vec<String>) -> Result<(u32, Call), Refused> {
        let shared = &self.shared;
        let now = shared.now();
        let writer = shared.write().await;
        let mut run = load_run(shared, &present.run).await?;
        listened_to(&run)?;
        let call = shared.calls.wait(&run.id);
        if let Some(known) = run.questions.iter().find(|asked| asked.text == question && asked.choices == choices) {
            return Ok((known.number, call));
        }
        if let Some(open) = run.open_question() {
            return Err(Refused::conflict(
                format!("Your question {} is not answered yet, and people are asked one thing at a time.", open.number),
                "Ask that one again in the same words to wait for its answer, or end your turn.",
            ));
        }
        if run.questions.len() >= MAX_QUESTIONS {
            return Err(Refused::conflict(
                format!("This run has asked {MAX_QUESTIONS} questions, and no more are taken."),
                "Decide yourself, and say in your summary what you decided.",
            ));
        }
        let number = u32::try_from(run.questions.len()).unwrap_or(u32::MAX) + 1;
        // Before it is stored: should this process end in between, the agent's turn must not end its run.
        if !present.takes_questions() || !present.tell(&ToSupervisor::Question { open: Some(number) }) {
            return Err(Refused::Unavailable(
                "The supervisor is not connected now; nothing was asked. Try again in a moment.".to_owned(),
            ));
        }
        let before = run.clone();
        run.questions.push(Question { number, text: question, choices, at: now, answer: None, told_at: None });
        run.advance(RunState::Waiting, now)?;
        run.waiting_for = Some(WAITS_FOR.to_owned());
        tracing::info!(run.id = %run.id, question = number, "an agent asks people");
        if let Err(error) = writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await {
            tell(present, &before);
            return Err(error.into());
        }
        Ok((number, call))
    }

    /// The answer to a question, if there is one.
    async fn reply(&self, present: &Present, number: u32) -> Result<Option<String>, Refused> {
        let shared = &self.shared;
        let mut run = load_run(shared, &present.run).await?;
        let is_shell = run.agent == AgentKind::Shell;
        let known = run.questions.iter().find(|asked| asked.number == number);
        let Some(reply) = known.and_then(Question::reply) else {
            listened_to(&run)?;
            return Ok(None);
        };
        if is_shell && known.is_some_and(Question::is_untold) {
            // It says nothing of what it reads: nobody will see that it has it.
            let now = shared.now();
            let writer = shared.write().await;
            run = load_run(shared, &present.run).await?;
            run.questions.iter_mut().filter(|asked| asked.number == number).for_each(|asked| asked.told_at = Some(now));
            writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
        }
        Ok(Some(reply))
    }

    /// A person answers what a run's agent asks.
    pub async fn run_answer(&self, id: &RunId, number: u32, answer: &str, by: &str) -> Result<RunView, Refused> {
        let shared = &self.shared;
        let answer = text("An answer", answer, MAX_ANSWER)?;
        let by = text("Who answers", by, MAX_CHOICE)?.replace(['\n', '\t'], " ");
        let now = shared.now();
        let writer = shared.write().await;
        let mut run = load_run(shared, id).await?;
        let is_open = run.open_question().is_some_and(|open| open.number == number);
        let state = if run.stop_requested.is_some() { "being stopped" } else { run.state.word() };
        let next = format!("See what it asks now with `strawboss run show {id}`.");
        let Some(asked) = run.questions.iter_mut().find(|asked| asked.number == number) else {
            return Err(Refused::conflict(format!("The agent of {id} has asked no question {number}."), next));
        };
        if let Some(known) = &asked.answer {
            let message = format!("{} has answered question {number} of {id} already: it is open no more.", known.by);
            return Err(Refused::conflict(message, next));
        }
        if !is_open {
            let message = format!("The run {id} is {state}, and its question {number} went with its agent.");
            return Err(Refused::conflict(message, "Send finished work back with a comment instead."));
        }
        asked.answer = Some(Answer { text: answer, by: by.clone(), at: now });
        let reply = asked.reply().unwrap_or_default();
        run.advance(RunState::Working, now)?;
        tracing::info!(run.id = %id, question = number, by, "a person answered an agent");
        // Before a waiting call can have it: one that has had it waits no more, and would be told again.
        let waits = shared.calls.is_waiting(id);
        writer.commit(ChangeSet { runs: vec![run.clone()], ..ChangeSet::default() }).await?;
        shared.calls.answered.notify_waiters();
        let agents = lock(&shared.present).values().find(|one| one.run == *id && one.purpose == Purpose::Agent).cloned();
        if let Some(present) = agents.filter(|present| turn_is_over(present) || !waits) {
            // Where it is not connected now, it is told when it is.
            let _ = present.tell(&ToSupervisor::Answer { question: number, text: reply });
        }
        drop(writer);
        shared.wake(id);
        Ok(crate::views::run(&run))
    }
}
