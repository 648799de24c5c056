//! The host's clock is set back an hour: nothing stops, and nothing is done twice.

use super::ground::{Ground, until};
use super::rows::Rows;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::RunOutcome;
use strawboss_core::backlog::BacklogStatus;
use strawboss_core::runner::{Purpose, RunnerError};
use strawboss_core::store::Store as _;
use strawboss_engine::ports::Clock as _;
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_run_goes_on_and_lands_once_and_its_row_is_written() {
    let rows = Arc::new(Rows::default());
    let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    rows.set(&["Do something"]);
    let task = strawboss_core::TaskId::parse("demo-1").unwrap();
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    ground.clock.back(HOUR);
    agent.beat().await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    until("the row says so", async || (rows.status("Do something") == Some(BacklogStatus::InReview)).then_some(())).await;
    ground.clock.back(HOUR);
    ground.engine.review_approve(&task).await.unwrap();
    ground.until_state(&task, "done").await;
    until("the row says so", async || (rows.status("Do something") == Some(BacklogStatus::Completed)).then_some(())).await;
    assert!(ground.on_main("work.txt"));
    let runs = ground.store.run_list(&task).await.unwrap();
    assert_eq!(runs.iter().map(|run| (&run.id, run.outcome)).collect::<Vec<_>>(), [(&run, Some(RunOutcome::Succeeded))]);
}

#[tokio::test]
async fn a_write_back_that_waits_does_not_wait_for_the_old_time() {
    let rows = Arc::new(Rows::default());
    let ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    let due = ground.store.gate("outbox_due");
    ground.engine.start().await.unwrap();
    rows.set(&["Do something"]);
    until("a message waits", async || {
        let waiting = ground.store.outbox_list(10).await.unwrap();
        (due.has_visitor() && !waiting.is_empty()).then_some(())
    })
    .await;
    ground.clock.back(HOUR);
    due.open();
    until("the row says so", async || (rows.status("Do something") == Some(BacklogStatus::InProgress)).then_some(())).await;
}

#[tokio::test]
async fn a_task_that_backs_off_does_not_wait_for_the_old_time() {
    let mut ground = Ground::new(|_| {}).await;
    ground.again(|config| config.backoff = Duration::from_mins(2)).await;
    let broken = RunnerError::Failed { what: "start".to_owned(), why: "a test's sandbox does not start".to_owned() };
    ground.runner.fail("create", Purpose::Agent, broken);
    let task = ground.add("Do something").await;
    let failed = until("it backs off", async || {
        let task = ground.store.task(&task).await.unwrap().unwrap();
        task.not_before.filter(|_| task.run.is_some())
    })
    .await;
    ground.runner.mend();
    ground.clock.back(HOUR);
    assert!(failed.ms_since(ground.clock.now()) > 3_600_000);
    ground.play(&task.run(2), "agent").await;
    assert_eq!(ground.store.run_list(&task).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_quota_is_waited_for_by_the_providers_time() {
    let ground = Ground::new(|_| {}).await;
    let task = ground.add("Do something").await;
    ground.engine.task_stop(&task).await.unwrap();
    let mut stored = ground.store.task(&task).await.unwrap().unwrap();
    stored.not_before = Some(ground.clock.now().plus_ms(3 * 3_600_000));
    ground.store.commit(&strawboss_core::store::ChangeSet { tasks: vec![stored], ..Default::default() }).await.unwrap();
    ground.engine.start().await.unwrap();
    ground.clock.back(HOUR);
    ground.clock.forward(3 * HOUR);
    let rounds = ground.store.calls("run_list_live");
    until("rounds later", async || (ground.store.calls("run_list_live") > rounds + 3).then_some(())).await;
    assert_eq!(ground.engine.task(&task).await.unwrap().state.word(), "paused");
    ground.clock.forward(HOUR);
    ground.play(&task.run(1), "agent").await;
}

#[tokio::test]
async fn what_is_shown_began_before_now() {
    let ground = Ground::started(|_| {}).await;
    ground.clock.back(HOUR);
    let status = ground.engine.status().await.unwrap();
    let now = ground.clock.now().0;
    assert!(status.started_at <= now && status.runner.since <= now && status.store.since <= now, "{status:?} at {now}");
}
