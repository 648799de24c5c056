//! Each call converges when it is repeated, raced or ignored.

use super::lab::lab;
use super::{GRACE, exited};
use std::time::Duration;
use strawboss_core::runner::{Runner, RunnerError, SandboxHandle, SandboxStatus};
use strawboss_runner::DockerRunner;

#[tokio::test]
async fn every_call_can_be_repeated() {
    lab(async |lab| {
        let spec = lab.spec(1, "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done");
        let handle = lab.runner.create(&spec).await.unwrap();
        assert_eq!(lab.runner.create(&spec).await.unwrap(), handle);
        assert_eq!(lab.runner.status(&handle).await.unwrap(), SandboxStatus::Created);
        lab.runner.start(&handle).await.unwrap();
        lab.runner.start(&handle).await.unwrap();
        assert_eq!(lab.runner.create(&spec).await.unwrap(), handle);
        assert_eq!(lab.runner.status(&handle).await.unwrap(), SandboxStatus::Running);
        lab.hear(&handle, "up").await;
        lab.runner.stop(&handle, GRACE).await.unwrap();
        lab.runner.stop(&handle, GRACE).await.unwrap();
        assert_eq!(lab.runner.status(&handle).await.unwrap(), exited(5));
        assert_eq!(lab.runner.wait(&handle).await.unwrap(), exited(5));
        assert_eq!(lab.runner.create(&spec).await.unwrap(), handle);
        lab.runner.remove(&handle).await.unwrap();
        lab.runner.remove(&handle).await.unwrap();
        lab.runner.stop(&handle, GRACE).await.unwrap();
        assert_eq!(lab.runner.status(&handle).await.unwrap(), SandboxStatus::Gone);
        assert_eq!(lab.runner.wait(&handle).await.unwrap(), SandboxStatus::Gone);
        let error = lab.runner.start(&handle).await.unwrap_err();
        assert!(matches!(&error, RunnerError::Failed { .. }), "{error}");
        assert!(lab.containers().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn one_of_an_id_is_made_when_many_ask_at_once() {
    lab(async |lab| {
        let spec = lab.spec(1, "sleep 1000");
        // Two runners: as if a control plane that was believed dead still worked.
        let other = lab.another_runner(&lab.host);
        let asked = futures_util::future::join_all((0..6).map(|n| {
            let runner: &DockerRunner = if n % 2 == 0 { &lab.runner } else { &other };
            runner.create(&spec)
        }));
        let handles: Vec<SandboxHandle> = asked.await.into_iter().map(Result::unwrap).collect();
        assert!(handles.iter().all(|handle| *handle == handles[0]));
        assert_eq!(lab.containers().await, [handles[0].0.clone()]);
        assert_eq!(lab.tool_volumes().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn one_that_ignores_the_request_to_end_is_ended() {
    lab(async |lab| {
        let spec = lab.spec(1, "trap '' TERM; echo up; while :; do sleep 1; done");
        let handle = lab.runner.create(&spec).await.unwrap();
        lab.runner.start(&handle).await.unwrap();
        lab.hear(&handle, "up").await;
        lab.runner.stop(&handle, Duration::from_millis(300)).await.unwrap();
        assert_eq!(lab.runner.status(&handle).await.unwrap(), exited(137));
        // Removal needs no stop before it.
        let spec = lab.spec(2, "trap '' TERM; while :; do sleep 1; done");
        let handle = lab.runner.create(&spec).await.unwrap();
        lab.runner.start(&handle).await.unwrap();
        lab.runner.remove(&handle).await.unwrap();
        assert_eq!(lab.runner.status(&handle).await.unwrap(), SandboxStatus::Gone);
    })
    .await;
}
