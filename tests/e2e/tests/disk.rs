//! The disk under the control plane gets full, and has room again: nothing is lost or damaged, and it goes on by itself.

use anyhow::Result;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use strawboss_testkit::{Mount, World, WorldOptions, programs};

/// Fills the file system at `folder` up to these bytes.
fn fill(folder: &Path, but_for: u64) -> Result<()> {
    let mut file = fs::File::create(folder.join("ballast"))?;
    for size in [1 << 20, 4096, 1] {
        let piece = vec![0_u8; size];
        while file.write_all(&piece).is_ok() {}
    }
    let filled = file.metadata()?.len();
    Ok(file.set_len(filled.saturating_sub(but_for))?)
}

fn empty(folder: &Path) -> Result<()> {
    Ok(fs::remove_file(folder.join("ballast"))?)
}

/// The numbers that a run's terminal shows between the lines of the machinery.
async fn numbers(world: &World, run: &str) -> Result<Vec<u32>> {
    let (_, shown) = world.call("GET", &format!("/api/v1/runs/{run}/terminal?from=0"), None).await?;
    let shown = shown.as_str().unwrap_or_default().to_owned();
    Ok(shown.lines().filter_map(|line| line.trim().strip_prefix("number ")?.parse().ok()).collect())
}

async fn a_full_disk(killed: bool) -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let _state = Mount::memory(&world.data_dir(), "48m")?;
    let more = "agent: shell\nreview: auto\nchecks: [\"test $(cat work.txt) = done\"]\n";
    let one = world.project("One", &[("a", "a\n")], more)?;
    let two = world.project("Two", &[("a", "a\n")], more)?;
    let folder = world.path().to_owned();
    let gate = |name: &str| folder.join(name).display().to_string();
    let action = format!(
        "until test -e '{}'; do sleep 0.05; done; seq -f 'number %g' 1 40000; until test -e '{}'; do sleep 0.05; done; echo done > work.txt",
        gate("print"),
        gate("end")
    );
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    let task = world
        .until("the agent at work", async |world| {
            let task = world.task_by_action("until").await?;
            Ok((task["run"]["state"] == "working").then_some(task))
        })
        .await?;
    let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();

    fill(&world.data_dir(), 0)?;
    fs::write(gate("print"), "")?;
    let full = |world: &World| world.log().contains("No space left on device") || world.log().contains("is full");
    world.until("that the disk is full", async |world| Ok(full(world).then_some(()))).await?;
    // The agent ends and is to be pushed, and new work comes, while there is no room for either.
    fs::write(gate("end"), "")?;
    world.backlog().append("Two", "1", "Pending", "echo done > work.txt", ",,")?;
    let before = world.log().len();
    world.until("more tries", async |world| Ok((world.log().len() > before + 2000).then_some(()))).await?;
    let (status, _) = world.call("GET", "/health", None).await?;
    assert_eq!(status, 200, "it still answers");
    if killed {
        world.kill()?;
        empty(&world.data_dir())?;
        world.start().await?;
    } else {
        empty(&world.data_dir())?;
    }

    world.until_statuses(&["Completed", "Completed"]).await?;
    for repository in [&one, &two] {
        assert_eq!(repository.file("main", "work.txt").as_deref(), Some("done"));
        repository.git(&["fsck", "--strict"])?;
    }
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(detail["run"]["outcome"], "succeeded", "the same run went on: {detail}");
    let numbers = numbers(&world, &run).await?;
    assert!(numbers.iter().copied().eq(1..=40_000), "the recording has each line once: {} lines", numbers.len());
    for mirror in fs::read_dir(world.data_dir().join("mirrors"))? {
        programs::run(Command::new("git").arg("-C").arg(mirror?.path()).args(["-c", "safe.directory=*", "fsck", "--strict"]))?;
    }
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await?;
    let sound = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('pragma integrity_check').fetchone()[0])";
    let said = programs::run(Command::new("python3").args(["-c", sound]).arg(world.data_dir().join("strawboss.db")))?;
    assert_eq!(said.trim(), "ok");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_loses_and_damages_nothing() -> Result<()> {
    a_full_disk(false).await
}

#[tokio::test]
async fn a_full_disk_and_a_kill_lose_and_damage_nothing() -> Result<()> {
    a_full_disk(true).await
}

#[tokio::test]
async fn work_that_begins_on_a_nearly_full_disk_waits_for_room() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let _state = Mount::memory(&world.data_dir(), "48m")?;
    // Text that no packing makes smaller.
    let mut random = 1_u64;
    let mut text = String::new();
    while text.len() < 4 << 20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "{:x}", random >> 8)?;
    }
    let repository = world.project("One", &[("large", &text)], "agent: shell\nreview: auto\nchecks: [\"true\"]\n")?;
    world.start().await?;
    // Enough for what is noted of the run, too little for its mirror.
    fill(&world.data_dir(), 1 << 20)?;
    world.backlog().append("One", "1", "Pending", "echo done > work.txt", ",,")?;
    world.until("some tries", async |world| Ok((world.log().matches("No space left").count() > 2).then_some(()))).await?;
    empty(&world.data_dir())?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "work.txt").as_deref(), Some("done"));
    assert_eq!(world.task_by_action("echo").await?["attempts"], 1, "a full disk costs no attempt");
    world.stop().await
}
