//! What agents ask people: the answer reaches them whatever breaks, once, and the run waits for it.

use super::ground::{Ground, Played, soon, until};
use std::time::Duration;
use strawboss_core::project::AgentKind;
use strawboss_core::{RunId, TaskId};
use strawboss_engine::Refused;
use strawboss_protocol::agent::{Asked, MAX_ANSWER, MAX_CHOICE, MAX_QUESTION, MAX_QUESTIONS};
use strawboss_protocol::supervisor::{AgentEvent, End, Phase, ReportBody, ToSupervisor};
use tokio::task::JoinHandle;

type Asking = JoinHandle<Result<Asked, Refused>>;

fn ask(ground: &Ground, agent: &Played, question: &str, choices: &[&str]) -> Asking {
    let (engine, sandbox, question) = (ground.engine.clone(), agent.sandbox.clone(), question.to_owned());
    let choices: Vec<String> = choices.iter().map(|choice| (*choice).to_owned()).collect();
    tokio::spawn(async move { engine.agent_ask(&sandbox, &question, &choices).await })
}

async fn until_open(ground: &Ground, run: &RunId, number: u32) {
    until("the question is open", async || {
        ground.run(run).await.open_question().filter(|open| open.number == number).map(|_| ())
    })
    .await;
}

/// A run whose agent works; its questions are given up after a moment, or held for long.
async fn working(holds: bool) -> (Ground, TaskId, RunId, Played) {
    let mut ground = Ground::started(|project| project.agent = AgentKind::Claude).await;
    let wait = if holds { Duration::from_mins(10) } else { Duration::from_millis(1) };
    ground.again(|config| config.answer_wait = wait).await;
    let task = ground.add("Greet").await;
    let (run, agent) = ground.work(&task, "a.txt").await;
    (ground, task, run, agent)
}

fn message(event: AgentEvent) -> ReportBody {
    ReportBody::Agent { event, raw: None }
}

fn result(text: &str) -> ReportBody {
    message(AgentEvent::ToolResult { id: "t".to_owned(), is_error: false, text: text.to_owned() })
}

#[expect(clippy::option_option, reason = "whether it was told of, and what was told")]
fn open_of(told: &ToSupervisor) -> Option<Option<u32>> {
    match told {
        ToSupervisor::Question { open } => Some(*open),
        _ => None,
    }
}

fn answer_of(told: &ToSupervisor) -> Option<(u32, String)> {
    match told {
        ToSupervisor::Answer { question, text } => Some((*question, text.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn the_run_waits_and_the_answer_is_the_calls_result() {
    let (ground, task, run, mut agent) = working(true).await;
    let asking = ask(&ground, &agent, "Which\u{1b}[2J tongue?\u{202e}", &["Latin", " Latin\n", "Greek"]);
    until_open(&ground, &run, 1).await;
    assert_eq!(agent.until_told("it is asked", open_of).await, Some(1), "its turn's end is not its end");
    let view = ground.engine.task(&task).await.unwrap().run.unwrap();
    assert_eq!((view.state.word(), view.waiting_for.as_deref()), ("waiting", Some("an answer to its question")));
    let question = view.question.unwrap();
    assert_eq!((&*question.text, &*question.choices), ("Which[2J tongue?", &["Latin".to_owned(), "Greek".to_owned()][..]));
    assert_eq!(ground.engine.figures().await.unwrap().questions, 1);
    // What the supervisor says of other work meanwhile does not hide that it waits.
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    assert_eq!(ground.engine.run(&run).await.unwrap().run.state.word(), "waiting");

    let view = ground.engine.run_answer(&run, 1, "Latin\u{7}, please", "Ada").await.unwrap();
    assert_eq!((view.state.word(), view.question), ("working", None));
    let Asked::Answer(answer) = soon("the answer", asking).await.unwrap().unwrap() else { panic!("no answer") };
    assert_eq!(answer, "Answer of Ada to your question 1:\n\nLatin, please");
    let known = &ground.run(&run).await.questions[0];
    assert!(known.is_untold(), "nobody has seen it arrive");
    agent.tell(result(&answer)).await;
    assert_eq!(agent.until_told("it may end", open_of).await, None);
    let told = ground.engine.run(&run).await.unwrap().questions[0].answer.clone().unwrap();
    assert!(told.told_at.is_some() && told.by == "Ada");
    // In the same words again it is the same question.
    let again = soon("the same", ask(&ground, &agent, "Which[2J tongue?", &["Latin", "Greek"])).await.unwrap();
    assert_eq!(again.unwrap(), Asked::Answer(answer));
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
}

#[tokio::test]
async fn an_answer_that_comes_later_is_told_as_a_line_once() {
    let (ground, _task, run, mut agent) = working(false).await;
    let asked = soon("the question", ask(&ground, &agent, "Which tongue?", &[])).await.unwrap();
    assert_eq!(asked.unwrap(), Asked::Open);
    until_open(&ground, &run, 1).await;
    agent.report(ReportBody::Phase { phase: Phase::Waiting }).await;
    ground.engine.run_answer(&run, 1, "Latin", "Ada").await.unwrap();
    let (number, text) = agent.until_told("the answer", answer_of).await;
    assert_eq!((number, &*text), (1, "Answer of Ada to your question 1:\n\nLatin"));
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    agent.tell(message(AgentEvent::Told { text })).await;
    assert_eq!(agent.until_told("it is not told again", open_of).await, None);
    assert!(ground.run(&run).await.questions[0].told_at.is_some());
}

#[tokio::test]
async fn an_answer_that_got_lost_with_its_call_is_told_at_the_turns_end() {
    let (ground, _task, run, mut agent) = working(true).await;
    let asking = ask(&ground, &agent, "Which tongue?", &[]);
    until_open(&ground, &run, 1).await;
    ground.engine.run_answer(&run, 1, "Latin", "Ada").await.unwrap();
    soon("the answer", asking).await.unwrap().unwrap();
    // The client had given the call up: it never saw the result, and the agent ends its turn.
    agent.report(result("The call timed out.")).await;
    agent.tell(ReportBody::Phase { phase: Phase::Waiting }).await;
    assert_eq!(agent.until_told("the answer", answer_of).await.0, 1);
}

#[tokio::test]
async fn an_earlier_answer_is_not_forgotten_over_the_next_question() {
    let (ground, _task, run, mut agent) = working(true).await;
    for (number, question) in [(1, "Which tongue?"), (2, "And how loud?")] {
        let asking = ask(&ground, &agent, question, &[]);
        until_open(&ground, &run, number).await;
        let handed = ground.engine.agent_complete(&agent.sandbox, "Done.").await;
        assert!(matches!(handed, Err(Refused::Conflict { .. })), "what is asked is not complete: {handed:?}");
        ground.engine.run_answer(&run, number, "Yes", "Ada").await.unwrap();
        soon("the answer", asking).await.unwrap().unwrap();
    }
    for number in [1, 2] {
        assert_eq!(agent.until_told("what is asked", open_of).await, Some(number));
    }
    agent.tell(result("Answer of Ada to your question 2:\n\nYes")).await;
    assert_eq!(agent.until_told("the first one is still on its way", open_of).await, Some(1));
    agent.tell(ReportBody::Phase { phase: Phase::Waiting }).await;
    assert_eq!(agent.until_told("the first answer", answer_of).await.0, 1);
}

#[tokio::test]
async fn question_and_answer_outlive_a_restart() {
    let (mut ground, _task, run, agent) = working(true).await;
    let asking = ask(&ground, &agent, "Which tongue?", &["Latin"]);
    until_open(&ground, &run, 1).await;
    ground.again(|_| {}).await;
    assert!(matches!(soon("the call is given up", asking).await.unwrap(), Ok(Asked::Open)));
    let mut agent = ground.dial_again(agent).await;
    assert_eq!(agent.until_told("it still waits", open_of).await, Some(1));
    // Asked again in the same words, and answered: both ends meet again.
    let asking = ask(&ground, &agent, "Which tongue?", &["Latin"]);
    agent.report(ReportBody::Phase { phase: Phase::Waiting }).await;
    ground.engine.run_answer(&run, 1, "Latin", "Ada").await.unwrap();
    assert!(matches!(soon("the answer", asking).await.unwrap(), Ok(Asked::Answer(_))));
    assert_eq!(agent.until_told("a turn that is over gets a line", answer_of).await.0, 1);
    // Nobody saw it arrive before the next restart: it is told again, and its supervisor knows the number.
    ground.again(|_| {}).await;
    let mut agent = ground.dial_again(agent).await;
    assert_eq!(agent.until_told("again", answer_of).await.0, 1);
}

#[tokio::test]
async fn only_what_is_open_is_answered_and_once() {
    let (ground, task, run, mut agent) = working(false).await;
    let answer = async |number, text: &str| ground.engine.run_answer(&run, number, text, "Ada").await;
    assert!(matches!(answer(1, "Latin").await, Err(Refused::Conflict { .. })), "nothing is asked");
    let offered = |count: usize| vec!["x".to_owned(); count];
    for (question, choices) in [
        (String::new(), offered(0)),
        ("x".repeat(MAX_QUESTION + 1), offered(0)),
        ("well?".to_owned(), offered(11)),
        ("well?".to_owned(), vec!["x".repeat(MAX_CHOICE + 1)]),
        ("well?".to_owned(), vec![" ".to_owned()]),
    ] {
        let asked = ground.engine.agent_ask(&agent.sandbox, &question, &choices).await;
        assert!(matches!(asked, Err(Refused::Invalid { .. })), "{} bytes, {choices:?}", question.len());
    }
    ground.engine.agent_ask(&agent.sandbox, "Which tongue?", &[]).await.unwrap();
    let other = ground.engine.agent_ask(&agent.sandbox, "And how loud?", &[]).await;
    assert!(matches!(other, Err(Refused::Conflict { .. })), "one at a time: {other:?}");
    for text in ["", " \u{1b}", &"x".repeat(MAX_ANSWER + 1)] {
        assert!(matches!(answer(1, text).await, Err(Refused::Invalid { .. })), "{} bytes", text.len());
    }
    assert!(matches!(answer(2, "Latin").await, Err(Refused::Conflict { .. })));
    answer(1, "Latin").await.unwrap();
    let Err(Refused::Conflict { message, .. }) = answer(1, "Greek").await else { panic!("answered twice") };
    assert!(message.contains("Ada"), "{message}");
    for number in 2..=MAX_QUESTIONS as u32 {
        ground.engine.agent_ask(&agent.sandbox, &format!("And {number}?"), &[]).await.unwrap();
        answer(number, "Yes").await.unwrap();
    }
    let more = ground.engine.agent_ask(&agent.sandbox, "One more?", &[]).await;
    assert!(matches!(more, Err(Refused::Conflict { .. })), "{more:?}");
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    assert!(ground.engine.agent_ask(&agent.sandbox, "Which tongue?", &[]).await.is_err());
}

#[tokio::test]
async fn an_open_question_goes_with_its_run_and_the_next_one_knows() {
    let (ground, task, run, mut agent) = working(false).await;
    ground.engine.agent_ask(&agent.sandbox, "Which tongue?", &[]).await.unwrap();
    agent.report(ReportBody::Phase { phase: Phase::Waiting }).await;
    ground.engine.task_stop(&task).await.unwrap();
    let late = ground.engine.run_answer(&run, 1, "Latin", "Ada").await;
    assert!(matches!(late, Err(Refused::Conflict { .. })), "{late:?}");
    agent.until_stop().await;
    agent.done(End::Stopped).await;
    let view = ground.until_state(&task, "paused").await.run.unwrap();
    assert_eq!((view.question, view.waiting_for), (None, None));
    assert_eq!(ground.engine.figures().await.unwrap().questions, 0);
    ground.engine.task_start(&task).await.unwrap();
    let second = ground.play(&task.run(2), "agent").await;
    let prompt = &second.orders.agent.as_ref().unwrap().prompt;
    assert!(prompt.contains("Ask it again") && prompt.contains("Which tongue?"), "{prompt}");
}

#[tokio::test]
async fn an_answer_that_did_not_arrive_before_the_run_ended_is_told_to_the_next() {
    let (ground, task, run, mut agent) = working(false).await;
    ground.engine.agent_ask(&agent.sandbox, "Which tongue?", &[]).await.unwrap();
    ground.engine.run_answer(&run, 1, "Latin", "Ada").await.unwrap();
    ground.engine.task_stop(&task).await.unwrap();
    agent.until_stop().await;
    agent.done(End::Stopped).await;
    ground.until_state(&task, "paused").await;
    ground.engine.task_start(&task).await.unwrap();
    let second = ground.play(&task.run(2), "agent").await;
    let prompt = &second.orders.agent.as_ref().unwrap().prompt;
    assert!(prompt.contains("Answer of Ada") && prompt.contains("Latin"), "{prompt}");
}

#[tokio::test]
async fn a_program_that_says_nothing_of_what_it_reads_has_what_it_was_given() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Greet").await;
    let (run, agent) = ground.work(&task, "a.txt").await;
    let asking = ask(&ground, &agent, "Which tongue?", &[]);
    until_open(&ground, &run, 1).await;
    ground.engine.run_answer(&run, 1, "Latin", "Ada").await.unwrap();
    let first = soon("the answer", asking).await.unwrap().unwrap();
    assert!(ground.run(&run).await.questions[0].told_at.is_some());
    let again = soon("the same", ask(&ground, &agent, "Which tongue?", &[])).await.unwrap();
    assert_eq!(again.unwrap(), first);
}
