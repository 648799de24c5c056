//! Nothing that was not pushed is destroyed, and every rescue comes to an end.

use super::ground::{Ground, until};
use super::rows::Rows;
use std::sync::Arc;
use strawboss_core::project::Catalog;
use strawboss_core::runner::{Purpose, RunnerError};
use strawboss_core::{RunOutcome, SandboxId, TaskId};
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

fn broken() -> RunnerError {
    RunnerError::Failed { what: "start".to_owned(), why: "a test's sandbox does not start".to_owned() }
}

#[tokio::test]
async fn a_rescue_that_never_succeeds_ends_the_run_and_keeps_the_volume() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let run = task.run(1);
    let mut agent = ground.play(&run, "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    ground.runner.fail("create", Purpose::Agent, broken());
    ground.runner.end(&agent.sandbox);
    // Each rescue is raised, and ends without a word.
    let ended = until("the run is over", async || {
        for number in 1..100 {
            let id = run.sandbox(Purpose::Rescue, number);
            if !ground.runner.asked(&format!("start {id}")) {
                break;
            }
            ground.runner.end(&id);
        }
        Some(ground.run(&run).await).filter(|run| run.outcome.is_some())
    })
    .await;
    assert_eq!(ended.outcome, Some(RunOutcome::Lost));
    let detail = ended.outcome_detail.unwrap();
    assert!(detail.contains("kept"), "it says what became of the work: {detail}");
    ground.until_state(&task, "blocked").await;
    assert!(ground.runner.has_volume(&run), "{:?}", ground.runner.all_asked());
}

/// The first task of a row is stopped for good, and its supervisor pushed nothing.
async fn withdrawn(ground: &Ground, rows: &Rows) -> TaskId {
    rows.set(&["Do something"]);
    let task = TaskId::parse("demo-1").unwrap();
    let mut agent = ground.play(&task.run(1), "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    rows.set(&[]);
    agent.until_stop().await;
    agent.done(End::Stopped).await;
    ground.until_state(&task, "cancelled").await;
    task
}

#[tokio::test]
async fn a_volume_whose_work_nobody_pushed_is_rescued_before_it_goes() {
    let rows = Arc::new(Rows::default());
    let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    let task = withdrawn(&ground, &rows).await;
    let run = task.run(1);
    let mut rescue = ground.play(&run, "rescue").await;
    assert!(ground.runner.has_volume(&run), "{:?}", ground.runner.all_asked());
    let saved = run.saved_ref();
    let commit = ground.push("work.txt", "half done", &saved);
    rescue.report(ReportBody::Pushed { reference: saved.clone(), commit }).await;
    rescue.done(End::Complete { summary: None }).await;
    until("the volume goes", async || (!ground.runner.has_volume(&run)).then_some(())).await;
    assert_eq!(ground.run(&run).await.saved_ref, Some(saved));
    let live = ground.engine.session_list().await.unwrap();
    assert!(live.iter().all(|session| session.viewers == 0));
}

#[tokio::test]
async fn a_push_that_the_mirror_does_not_have_frees_no_volume() {
    let rows = Arc::new(Rows::default());
    let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    let task = withdrawn(&ground, &rows).await;
    let run = task.run(1);
    let mut rescue = ground.play(&run, "rescue").await;
    rescue.report(ReportBody::Pushed { reference: run.saved_ref(), commit: "0".repeat(40) }).await;
    rescue.done(End::Complete { summary: None }).await;
    until("the rescue is over", async || ground.runner.asked(&format!("remove {}", rescue.sandbox)).then_some(())).await;
    assert!(ground.runner.has_volume(&run), "{:?}", ground.runner.all_asked());
}

#[tokio::test]
async fn a_project_that_is_no_longer_configured_keeps_its_volumes() {
    let rows = Arc::new(Rows::default());
    let mut ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    ground.runner.fail("create", Purpose::Rescue, broken());
    let run = withdrawn(&ground, &rows).await.run(1);
    ground.again(|config| config.catalog = Catalog::default()).await;
    let listed = ground.store.calls("sandbox_list_present");
    until("it was looked at", async || (ground.store.calls("sandbox_list_present") > listed).then_some(())).await;
    ground.again(|_| {}).await;
    assert!(ground.runner.has_volume(&run), "{:?}", ground.runner.all_asked());
}

#[tokio::test]
async fn what_a_resumed_run_left_is_not_taken_for_what_the_first_one_pushed() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let (first, mut agent) = ground.work(&task, "work.txt").await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    ground.engine.review_reject(&task, Some("More".to_owned())).await.unwrap();
    // The second run goes on with the volume, and says that it failed without having pushed anything.
    let second = task.run(2);
    let mut agent = ground.play(&second, "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    agent.done(End::AgentFailed { detail: "the disk is full; and its work could not be saved".to_owned() }).await;
    ground.until_state(&task, "blocked").await;
    ground.engine.task_retry(&task).await.unwrap();
    // The third run has a volume of its own: nobody goes on with the first one.
    ground.play(&task.run(3), "agent").await;
    let rescue = SandboxId::parse(&format!("{second}-rescue")).unwrap();
    ground.engine.shutdown().await;
    let mut ground = ground;
    ground.again(|_| {}).await;
    until("it is rescued or removed", async || {
        (ground.runner.asked(&format!("create {rescue}")) || !ground.runner.has_volume(&first)).then_some(())
    })
    .await;
    assert!(ground.runner.has_volume(&first), "{:?}", ground.runner.all_asked());
}
