//! Whatever a sandbox says is bounded before it is stored.

use super::ground::{Ground, until};
use strawboss_core::run::CheckResult;
use strawboss_core::store::Store as _;
use strawboss_protocol::supervisor::{AgentEvent, End, Phase, ReportBody};

const LONG: usize = 200 * 1024;
/// More than any single text of a run that is kept.
const KEPT: usize = 64 * 1024;

#[tokio::test]
async fn what_a_sandbox_says_is_cut_before_it_is_stored() {
    let ground = Ground::started(|project| project.checks = vec!["true".to_owned()]).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    let long = "é".repeat(LONG / 2);
    let session = AgentEvent::Session { id: "-".repeat(LONG), model: Some(long.clone()) };
    agent.report(ReportBody::Agent { event: session, raw: Some(long.clone()) }).await;
    let call = AgentEvent::ToolCall {
        id: long[..LONG / 4].to_owned(),
        name: long[..LONG / 4].to_owned(),
        input: long[..LONG / 4].to_owned(),
    };
    agent.report(ReportBody::Agent { event: call, raw: None }).await;
    agent.report(ReportBody::Step { name: long.clone(), ok: false, duration_ms: 1, output_tail: Some(long.clone()) }).await;
    agent.done(End::Complete { summary: Some(long.clone()) }).await;
    let mut checks = ground.play(&run, "checks").await;
    let result =
        CheckResult { command: long.clone(), exit_code: Some(1), duration_ms: u64::MAX, output_tail: format!("{long}the end") };
    checks.report(ReportBody::Check { index: 0, result }).await;
    checks.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    let stored = ground.run(&run).await;
    assert!(stored.summary.is_some_and(|summary| summary.len() <= KEPT && !summary.is_empty()));
    assert!(stored.agent_session.is_none_or(|session| session.len() <= 200));
    assert!(stored.checks[0].output_tail.len() <= CheckResult::TAIL_BYTES && stored.checks[0].output_tail.ends_with("the end"));
    for (_, report) in ground.store.report_list(&run, 0, 1000).await.unwrap() {
        assert!(report.body.len() <= 2 * KEPT + 1024, "{} bytes: {}", report.body.len(), &report.body[..100]);
    }
}

#[tokio::test]
async fn a_failure_that_is_told_at_length_is_cut() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let mut agent = ground.play(&task.run(1), "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Preparing }).await;
    agent.done(End::SetupFailed { detail: "x".repeat(LONG) }).await;
    let view = ground.until_state(&task, "blocked").await;
    assert!(view.block.is_some_and(|block| block.message.len() <= 8 * 1024));
    let detail = until("its end", async || ground.run(&task.run(1)).await.outcome_detail).await;
    assert!(detail.len() <= 8 * 1024);
}

#[tokio::test]
async fn a_sandbox_that_reports_without_end_is_cut_off_also_after_a_restart() {
    let mut ground = Ground::started(|_| {}).await;
    ground.again(|config| config.report_limit = LONG as u64).await;
    let task = ground.add("Do something").await;
    let run = task.run(1);
    let mut agent = ground.play(&run, "agent").await;
    let message = || ReportBody::Agent { event: AgentEvent::Message { text: "x".repeat(KEPT / 2) }, raw: None };
    for _ in 0..LONG / KEPT {
        agent.report(message()).await;
    }
    for round in 0..2 {
        while agent.try_report(message()).await {}
        let stored: usize =
            ground.store.report_list(&run, 0, 1000).await.unwrap().iter().map(|(_, report)| report.body.len()).sum();
        assert!((LONG / 2..=LONG).contains(&stored), "{stored} bytes in round {round}");
        ground.again(|_| {}).await;
        agent = ground.dial_again(agent).await;
    }
}
