//! Reconciliation touches nothing that is just being made.

use super::ground::{Ground, until};
use strawboss_core::SandboxId;
use strawboss_core::runner::Purpose;
use strawboss_core::store::Store as _;

#[tokio::test]
async fn a_sandbox_that_is_being_made_while_strays_are_swept_stays() {
    let ground = Ground::new(|_| {}).await;
    let sweep = ground.store.gate("sandbox_list_present");
    let making = ground.runner.gate("create", Purpose::Agent);
    ground.engine.start().await.unwrap();
    until("a sweep is on its way", async || sweep.has_visitor().then_some(())).await;
    let task = ground.add("Do something").await;
    let sandbox = SandboxId::parse(&format!("{}-agent", task.run(1))).unwrap();
    until("it is being made", async || making.has_visitor().then_some(())).await;
    let listed = ground.store.calls("sandbox_list_present");
    sweep.open();
    until("the sweep has looked", async || (ground.store.calls("sandbox_list_present") > listed).then_some(())).await;
    // Enough rounds for the sweep to have done its worst.
    let rounds = ground.store.calls("run_list_live");
    until("rounds later", async || (ground.store.calls("run_list_live") > rounds + 5).then_some(())).await;
    assert!(ground.doors.has(&sandbox), "its door is open");
    assert!(!ground.store.sandbox(&sandbox).await.unwrap().unwrap().removed);
    making.open();
    ground.play(&task.run(1), "agent").await;
}
