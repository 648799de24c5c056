//! What lasts and what ends: sessions end with their runs, use is counted once, and a sign of life is written down.

use super::ground::{Ground, Played, soon, until};
use std::time::Duration;
use strawboss_core::RunState;
use strawboss_core::meter::Meter as _;
use strawboss_core::run::Usage;
use strawboss_core::runner::Purpose;
use strawboss_engine::ViewerFrame;
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

#[tokio::test]
async fn a_session_that_has_ended_is_not_brought_back_by_a_late_supervisor() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    let gate = ground.runner.gate("stop", Purpose::Agent);
    agent.done(End::AgentFailed { detail: "no".to_owned() }).await;
    ground.until_state(&task, "blocked").await;
    until("its sandbox is being ended", async || gate.has_visitor().then_some(())).await;
    // What still comes over the old connection, and over a new one: answered, or the connection is closed.
    agent.print(0, b"late\n").await;
    agent.answer().await;
    if let Ok(mut late) = Played::dial(&ground.engine, agent.sandbox.clone(), agent.token.clone()).await {
        late.print(5, b"later\n").await;
        late.answer().await;
    }
    let mut viewer = ground.engine.session_attach(&run, Some(0)).await.unwrap();
    soon("its end", async { while viewer.next().await != ViewerFrame::Ended {} }).await;
    gate.open();
}

#[tokio::test]
async fn use_is_counted_once_though_the_write_of_the_runs_end_fails() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let (run, mut agent) = ground.work(&task, "work.txt").await;
    ground.store.refuse_commit(|changes| changes.runs.iter().any(|run| run.state == RunState::Finished));
    // Nothing of it is written before the run's end: the writer is kept busy until then.
    let gate = ground.store.hold_commit(|changes| changes.reports.iter().any(|report| report.body.contains("\"done\"")));
    agent.done(End::AgentFailed { detail: "no".to_owned() }).await;
    until("its last words are being stored", async || gate.has_visitor().then_some(())).await;
    ground.engine.used(&agent.sandbox, Usage { requests: 1, cost_microusd: 7, ..Usage::default() });
    gate.open();
    ground.until_state(&task, "blocked").await;
    let counted = until("the use is written", async || {
        let usage = ground.run(&run).await.usage;
        (usage.requests > 0).then_some(usage)
    })
    .await;
    assert_eq!((counted.requests, counted.cost_microusd), (1, 7));
}

#[tokio::test]
async fn a_heartbeat_is_a_sign_of_life_that_is_shown() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Do something").await;
    let run = task.run(1);
    let mut agent = ground.play(&run, "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    let first = ground.run(&run).await.heard_at.unwrap();
    let version = ground.run(&run).await.version;
    for _ in 0..20 {
        agent.beat().await;
    }
    ground.clock.forward(Duration::from_mins(1));
    agent.beat().await;
    let heard = until("it was heard", async || ground.run(&run).await.heard_at.filter(|heard| *heard > first)).await;
    assert!(heard.ms_since(first) >= 60_000);
    assert!(ground.run(&run).await.version <= version + 2, "no write for each beat");
}
