//! A person's shell in a sandbox of its own: opened, typed into, there after the control plane was killed, and deleted
//! with nothing lost and nothing left behind.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use strawboss_testkit::{RunnerKind, World, WorldOptions};

/// Waits until the session is in this state.
async fn until_state(world: &World, state: &str) -> Result<Value> {
    let probe = async |world: &World| {
        let view = world.get("/api/v1/sessions/try").await?;
        Ok((view["state"] == state).then_some(view))
    };
    world.until(&format!("the session to be {state}"), probe).await
}

/// Types a line into a session until it shows this; typed again where nobody was there to take it.
async fn typed(world: &World, line: &str, shown: &str) -> Result<()> {
    until_state(world, "running").await?;
    let what = format!("`{shown}` to be shown");
    let typing = async |world: &World| {
        let Ok(mut terminal) = world.attach_old("try").await else { return Ok(None) };
        if terminal.next().await?["type"] != "ready" {
            return Ok(None);
        }
        terminal.send(json!({ "type": "input", "payload": format!("{line}\r") })).await?;
        Ok(terminal.until_shown(shown).await.ok())
    };
    world.until(&what, typing).await
}

fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

async fn a_shell_of_ones_own(runner: RunnerKind) -> Result<()> {
    let mut world = World::new(WorldOptions { runner, ..WorldOptions::default() })?;
    // Its set-up is broken, and its checks are red: neither is a shell's affair.
    let repository = world.project("One", &[("README.md", "read me\n")], "setup: [\"false\"]\nchecks: [\"false\"]\n")?;
    world.start().await?;
    let made = json_of(&world.done(&["session", "create", "try", "--project", "One", "--json"])?)?;
    assert_eq!((made["source"].as_str(), made["project"].as_str()), (Some("container"), Some("One")));
    typed(&world, "MARK=$((6*7)); cat README.md; echo mark-$MARK-", "mark-42-").await?;
    typed(&world, "echo unpushed-$MARK- > work.txt; cat work.txt", "unpushed-42-").await?;
    let before = containers(&world, runner)?;
    if let [container] = before.as_slice() {
        let walls =
            world.docker(&["inspect", "--format", "{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}}", container])?;
        assert_eq!(walls.trim(), "none true");
    }
    world.kill()?;
    world.start().await?;
    typed(&world, "echo again-$MARK-", "again-42-").await?;
    assert_eq!(containers(&world, runner)?, before, "it is the same container");
    let listed = json_of(&world.done(&["session", "list", "--json"])?)?;
    assert_eq!((listed[0]["id"].as_str(), listed[0]["state"].as_str()), (Some("try"), Some("running")), "{listed}");
    assert_eq!(world.tasks().await?, Vec::<Value>::new(), "no board shows it");
    // Stopped and started again, it has its files.
    world.done(&["session", "stop", "try"])?;
    let stopped = until_state(&world, "stopped").await?;
    assert!(stopped["saved_ref"].is_string(), "{stopped}");
    world.done(&["session", "start", "try"])?;
    typed(&world, "echo back-$(cat work.txt)", "back-unpushed-42-").await?;
    let deleted = json_of(&world.done(&["session", "delete", "try", "--json"])?)?;
    assert_eq!(deleted["gone"], true, "{deleted}");
    let saved = deleted["saved_ref"].as_str().context("its work is saved nowhere")?;
    assert_eq!(world.mirror_file(saved, "work.txt")?.as_deref(), Some("unpushed-42-"));
    let from = deleted["repository"].as_str().context("no repository")?;
    repository.git(&["fetch", "--quiet", from, saved])?;
    assert_eq!(repository.git(&["show", "FETCH_HEAD:work.txt"])?, "unpushed-42-");
    assert_eq!(json_of(&world.done(&["session", "list", "--json"])?)?, json!([]));
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    let recordings = || std::fs::read_dir(world.data_dir().join("runs")).map_or(0, Iterator::count);
    assert_eq!(recordings(), 0, "what was printed is gone as well");
    world.stop().await
}

fn containers(world: &World, runner: RunnerKind) -> Result<Vec<String>> {
    if runner == RunnerKind::Docker { world.containers() } else { Ok(Vec::new()) }
}

#[tokio::test]
async fn a_shell_in_a_container_outlives_the_control_plane_and_is_deleted_without_loss() -> Result<()> {
    a_shell_of_ones_own(RunnerKind::Docker).await
}

#[tokio::test]
async fn a_shell_as_a_process_outlives_the_control_plane_and_is_deleted_without_loss() -> Result<()> {
    a_shell_of_ones_own(RunnerKind::Process).await
}

#[tokio::test]
async fn an_image_alone_is_enough_for_a_shell() -> Result<()> {
    let mut world = World::new(WorldOptions { runner: RunnerKind::Docker, ..WorldOptions::default() })?;
    world.start().await?;
    let why = world.refused(&["session", "create", "try"])?.1;
    assert!(why.contains("--project") && why.contains("--image"), "{why}");
    let image = ["session", "create", "try", "--image", "strawboss/sandbox:latest"];
    world.done(&image)?;
    typed(&world, "echo in-$(git rev-parse --abbrev-ref HEAD)-", "in-strawboss/session-1-").await?;
    let deleted = json_of(&world.done(&["session", "delete", "try", "--json"])?)?;
    assert_eq!((&deleted["gone"], &deleted["saved_ref"]), (&json!(true), &Value::Null), "there was nothing to save");
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    // One that can never start says what to do.
    world.done(&["session", "create", "try", "--image", "strawboss/no-such-image:1"])?;
    let failed = until_state(&world, "failed").await?;
    assert!(failed["detail"].as_str().is_some_and(|why| why.contains("no-such-image")), "{failed}");
    world.done(&["session", "delete", "try"])?;
    world.stop().await
}
