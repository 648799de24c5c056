//! Stops: whenever one comes, it is honoured; and a drain starts nothing.

use super::ground::{Ground, git, soon, until};
use super::rows::Rows;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::backlog::BacklogStatus;
use strawboss_core::project::ReviewMode;
use strawboss_core::run::CheckResult;
use strawboss_core::runner::{Purpose, RunnerError};
use strawboss_core::store::Store as _;
use strawboss_core::{RunOutcome, RunState, TaskId};
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

fn green() -> ReportBody {
    let result = CheckResult { command: "true".to_owned(), exit_code: Some(0), duration_ms: 1, output_tail: String::new() };
    ReportBody::Check { index: 0, result }
}

fn away() -> RunnerError {
    RunnerError::Unreachable { what: "create".to_owned(), why: "a test's engine is away".to_owned() }
}

#[tokio::test]
async fn nothing_starts_once_the_drain_has_begun() {
    let ground = Ground::new(|_| {}).await;
    let gate = ground.store.gate("run_list_live");
    ground.engine.start().await.unwrap();
    let task = ground.add("Do something").await;
    until("a round is on its way", async || gate.has_visitor().then_some(())).await;
    let engine = ground.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown().await });
    // The shutdown runs as far as it can before this goes on: it waits for the round.
    tokio::task::yield_now().await;
    gate.open();
    soon("the engine has drained", shutdown).await.unwrap();
    assert_eq!(ground.store.run_list(&task).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_starts_while_the_rest_of_the_program_drains() {
    let ground = Ground::started(|_| {}).await;
    ground.engine.drain();
    let task = ground.add("Do something").await;
    let rounds = ground.store.calls("run_list_live");
    until("rounds later", async || (ground.store.calls("run_list_live") > rounds + 5).then_some(())).await;
    assert_eq!(ground.store.run_list(&task).await.unwrap(), []);
    let why = ground.engine.status().await.unwrap().paused;
    assert!(why.is_some_and(|why| why.contains("shutting down")));
}

#[tokio::test]
async fn what_a_person_set_to_stop_a_run_is_not_written_over_while_it_stops() {
    let rows = Arc::new(Rows::default());
    let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    rows.set(&["Do something"]);
    let task = TaskId::parse("demo-1").unwrap();
    let mut agent = ground.play(&task.run(1), "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    until("its row says so", async || (rows.status("Do something") == Some(BacklogStatus::InProgress)).then_some(())).await;
    rows.edit("Do something", BacklogStatus::Paused, &["Do more"]);
    agent.until_stop().await;
    // What is written to the other row comes after whatever would be written to this one.
    until("the other row was written", async || (rows.status("Do more") == Some(BacklogStatus::Queued)).then_some(())).await;
    assert_eq!(rows.status("Do something"), Some(BacklogStatus::Paused));
    agent.done(End::Stopped).await;
    ground.until_state(&task, "paused").await;
    assert_eq!(rows.status("Do something"), Some(BacklogStatus::Paused));
}

#[tokio::test]
async fn what_a_person_says_while_a_run_stops_is_what_becomes_of_its_task() {
    for (word, state) in [
        (BacklogStatus::Blocked, "blocked"),
        (BacklogStatus::Completed, "cancelled"),
        (BacklogStatus::Pending, "running"),
        (BacklogStatus::Queued, "running"),
    ] {
        let rows = Arc::new(Rows::default());
        let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
        ground.engine.start().await.unwrap();
        rows.set(&["Do something"]);
        let task = TaskId::parse("demo-1").unwrap();
        let mut agent = ground.play(&task.run(1), "agent").await;
        agent.report(ReportBody::Phase { phase: Phase::Working }).await;
        until("its row says so", async || (rows.status("Do something") == Some(BacklogStatus::InProgress)).then_some(())).await;
        rows.edit("Do something", BacklogStatus::Paused, &[]);
        agent.until_stop().await;
        rows.edit("Do something", word, &[&format!("Do more after {}", word.word())]);
        let more = format!("Do more after {}", word.word());
        until("that is read", async || (rows.status(&more) == Some(BacklogStatus::Queued)).then_some(())).await;
        agent.done(End::Stopped).await;
        if state == "running" {
            let _next = ground.play(&task.run(2), "agent").await;
        }
        ground.until_state(&task, state).await;
        let expected = if state == "running" { BacklogStatus::InProgress } else { word };
        until("its row says it", async || (rows.status("Do something") == Some(expected)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_stop_that_comes_as_a_run_begins_stops_that_run() {
    let ground = Ground::started(|_| {}).await;
    let gate = ground.store.hold_commit(|changes| !changes.runs.is_empty());
    let task = ground.add("Do something").await;
    until("it begins", async || gate.has_visitor().then_some(())).await;
    let begin = async {
        // Whoever stops it has looked at it by now, if they look before it is their turn.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (stopped, ()) = tokio::join!(ground.engine.task_stop(&task), begin);
    stopped.unwrap();
    ground.until_state(&task, "paused").await;
    assert_eq!(ground.run(&task.run(1)).await.outcome, Some(RunOutcome::Stopped));
}

#[tokio::test]
async fn a_stop_while_the_runner_does_not_answer_is_honoured() {
    let ground = Ground::new(|_| {}).await;
    ground.runner.fail("create", Purpose::Agent, away());
    ground.engine.start().await.unwrap();
    let task = ground.add("Do something").await;
    let run = task.run(1);
    until("it was tried", async || ground.runner.asked(&format!("create {run}-agent")).then_some(())).await;
    ground.engine.run_stop(&run).await.unwrap();
    ground.until_state(&task, "paused").await;
    assert_eq!(ground.run(&run).await.outcome, Some(RunOutcome::Stopped));
}

#[tokio::test]
async fn a_stop_while_the_sandbox_is_made_is_honoured_at_once() {
    let ground = Ground::new(|_| {}).await;
    let gate = ground.runner.gate("create", Purpose::Agent);
    ground.engine.start().await.unwrap();
    let task = ground.add("Do something").await;
    let run = task.run(1);
    until("it is being made", async || gate.has_visitor().then_some(())).await;
    ground.engine.run_stop(&run).await.unwrap();
    ground.until_state(&task, "paused").await;
    gate.open();
    assert!(!ground.runner.asked(&format!("start {run}-agent")));
}

#[tokio::test]
async fn a_stop_that_comes_as_the_checks_end_is_honoured() {
    let ground = Ground::started(|project| {
        project.checks = vec!["true".to_owned()];
        project.review = ReviewMode::Auto;
    })
    .await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    agent.done(End::Complete { summary: None }).await;
    let mut checks = ground.play(&run, "checks").await;
    checks.report(green()).await;
    // The last write before the run's end waits; the stop waits behind it, and the end behind the stop.
    let gate = ground.store.hold_commit(|changes| changes.sandboxes.iter().any(|sandbox| sandbox.removed));
    checks.done(End::Complete { summary: None }).await;
    until("the checks are over", async || gate.has_visitor().then_some(())).await;
    let before = ground.store.calls("run");
    let (engine, id) = (ground.engine.clone(), run.clone());
    let stop = tokio::spawn(async move { engine.run_stop(&id).await });
    until("the stop is asked for", async || (ground.store.calls("run") > before).then_some(())).await;
    gate.open();
    soon("the stop is answered", stop).await.unwrap().unwrap();
    ground.until_state(&task, "paused").await;
    assert_eq!(ground.run(&run).await.outcome, Some(RunOutcome::Stopped));
    assert!(!ground.on_main("work.txt"), "what was stopped is not merged");
}

#[tokio::test]
async fn an_agent_that_fails_because_it_is_stopped_was_stopped() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    ground.engine.run_stop(&run).await.unwrap();
    agent.until_stop().await;
    agent.done(End::AgentFailed { detail: "it was interrupted".to_owned() }).await;
    ground.until_state(&task, "paused").await;
    assert_eq!(ground.run(&run).await.outcome, Some(RunOutcome::Stopped));
}

#[tokio::test]
async fn work_that_is_blocked_while_its_merge_is_checked_does_not_land() {
    let ground = Ground::started(|project| project.checks = vec!["true".to_owned()]).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    agent.done(End::Complete { summary: None }).await;
    let mut checks = ground.play(&run, "checks").await;
    checks.report(green()).await;
    checks.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    ground.move_main("other.txt");
    let approve = {
        let (engine, task) = (ground.engine.clone(), task.clone());
        tokio::spawn(async move { engine.review_approve(&task).await })
    };
    let mut again = ground.play(&run, "checks2").await;
    again.report(green()).await;
    ground.engine.task_block(&task, "Not this").await.unwrap();
    again.done(End::Complete { summary: None }).await;
    soon("the approval is answered", approve).await.unwrap().unwrap();
    until("the landing is over", async || {
        (!ground.engine.session_list().await.unwrap().iter().any(|session| session.live)
            && ground.store.sandbox_list_present().await.unwrap().is_empty())
        .then_some(())
    })
    .await;
    soon("the engine has drained", ground.engine.shutdown()).await;
    assert!(!ground.on_main("work.txt"), "what was blocked is not merged");
    assert_eq!(ground.engine.task(&task).await.unwrap().state.word(), "blocked");
}

#[tokio::test]
async fn a_merge_that_cannot_be_checked_goes_back_to_a_person() {
    let ground = Ground::started(|project| project.checks = vec!["true".to_owned()]).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    agent.done(End::Complete { summary: None }).await;
    let mut checks = ground.play(&run, "checks").await;
    checks.report(green()).await;
    checks.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    ground.move_main("other.txt");
    let image = RunnerError::Image { image: "x".to_owned(), why: "it is gone".to_owned(), fix: "Get it back".to_owned() };
    ground.runner.fail("create", Purpose::Checks, image);
    ground.engine.review_approve(&task).await.unwrap();
    let view = until("a person is asked", async || {
        let view = ground.engine.task(&task).await.unwrap();
        view.waits_for.as_deref().is_some_and(|why| why.contains("it is gone")).then_some(view)
    })
    .await;
    assert_eq!(view.state.word(), "review");
    assert!(ground.run(&run).await.state == RunState::Finished && !ground.on_main("work.txt"));
    ground.runner.mend();
    let approve = ground.engine.review_approve(&task);
    let check = async {
        let mut again = ground.play(&run, "checks3").await;
        again.report(green()).await;
        again.done(End::Complete { summary: None }).await;
    };
    let _ = tokio::join!(approve, check);
    ground.until_state(&task, "done").await;
    assert!(ground.on_main("work.txt"));
}

#[tokio::test]
async fn accepted_work_of_one_project_lands_one_after_the_other() {
    let ground = Ground::started(|project| {
        project.checks = vec!["true".to_owned()];
        project.max_concurrent = 2;
    })
    .await;
    let tasks = [ground.add("One").await, ground.add("Two").await];
    for (task, file) in tasks.iter().zip(["one.txt", "two.txt"]) {
        let (run, mut agent) = ground.work(task, file).await;
        agent.done(End::Complete { summary: None }).await;
        let mut checks = ground.play(&run, "checks").await;
        checks.report(green()).await;
        checks.done(End::Complete { summary: None }).await;
        ground.until_state(task, "review").await;
    }
    ground.move_main("other.txt");
    let runs = tasks.each_ref().map(|task| task.run(1));
    let approve = async |task: &TaskId| ground.engine.review_approve(task).await.unwrap();
    let merge = async {
        let mut first = ground.play(&runs[0], "checks2").await;
        first.report(green()).await;
        let second = async {
            until("it is accepted", async || ground.run(&runs[1]).await.approved_at).await;
            first.done(End::Complete { summary: None }).await;
            let mut second = ground.play(&runs[1], "checks2").await;
            second.report(green()).await;
            second.done(End::Complete { summary: None }).await;
        };
        tokio::join!(approve(&tasks[1]), second);
    };
    tokio::join!(approve(&tasks[0]), merge);
    for task in &tasks {
        ground.until_state(task, "done").await;
    }
    assert!(ground.on_main("one.txt") && ground.on_main("two.txt") && ground.on_main("other.txt"));
    let made = ground.runner.all_asked();
    assert!(!made.iter().any(|asked| asked.contains("checks3")), "none was checked in vain: {made:?}");
}

/// A file that is made when this goes.
struct Opens(String);

impl Drop for Opens {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

#[tokio::test]
async fn nobody_waits_for_what_an_engine_that_has_ended_would_announce() {
    let ground = Ground::new(|_| {}).await;
    let task = ground.add("Do something").await;
    ground.engine.shutdown().await;
    let run = soon("it says that there is none", ground.engine.ticket_run(&task, Duration::from_hours(1))).await.unwrap();
    assert_eq!(run, None);
}

#[tokio::test]
async fn a_drain_does_not_cut_short_what_is_done_in_a_persons_work_tree() {
    let ground = Ground::new(|_| {}).await;
    // A checkout that takes until the test says so.
    let at = |name: &str| ground.repository.with_file_name(name).display().to_string();
    let slow = format!("touch '{}'; until test -e '{}'; do sleep 0.01; done; cat", at("begun"), at("gate"));
    git(&ground.repository, &["config", "filter.slow.smudge", &slow]);
    // However this ends: git is waited for.
    let gate = Opens(at("gate"));
    std::fs::write(ground.repository.join(".git/info/attributes"), "work.txt filter=slow\n").unwrap();
    git(&ground.repository, &["checkout", "--quiet", "main"]);
    ground.engine.start().await.unwrap();
    let task = ground.add("Do something").await;
    let (_, mut agent) = ground.work(&task, "work.txt").await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    let approve = {
        let (engine, task) = (ground.engine.clone(), task.clone());
        tokio::spawn(async move { engine.review_approve(&task).await })
    };
    until("the checkout has begun", async || std::fs::exists(at("begun")).unwrap().then_some(())).await;
    let engine = ground.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown().await });
    until("the landing was let go", async || approve.is_finished().then_some(())).await;
    drop(gate);
    soon("the engine has drained", shutdown).await.unwrap();
    assert_eq!(git(&ground.repository, &["status", "--porcelain"]), "");
    assert!(ground.on_main("work.txt") && ground.repository.join("work.txt").exists());
    let mut ground = ground;
    ground.again(|_| {}).await;
    ground.until_state(&task, "done").await;
}
