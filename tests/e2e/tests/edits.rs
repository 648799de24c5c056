//! A person edits the backlog while the crew works on it.

use anyhow::Result;
use std::os::unix::fs::MetadataExt as _;
use strawboss_testkit::{Mount, World, WorldOptions};

const CHECKED: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

/// An agent that works until a file appears in the world: the test decides how long.
fn until_released(world: &World, row: &str) -> String {
    let gate = world.path().join(format!("release-{row}"));
    format!("echo {row} > {row}.txt; echo begun; until test -e '{}'; do sleep 0.05; done", gate.display())
}

fn release(world: &World, row: &str) -> Result<()> {
    Ok(std::fs::write(world.path().join(format!("release-{row}")), "")?)
}

/// The run that works on the row that begins with `action`, once its agent has begun.
async fn at_work(world: &World, action: &str) -> Result<String> {
    world
        .until("the agent at work", async |world| {
            let task = world.task_by_action(action).await?;
            let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((task["run"]["state"] == "working" && world.terminal_has(&run, "begun").await?).then_some(run))
        })
        .await
}

#[tokio::test]
async fn an_edited_live_row_goes_on_with_the_old_text_and_the_edit_is_new_work() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let first = until_released(&world, "first");
    world.backlog().append("One", "1", "Pending", &first, ",,")?;
    world.start().await?;
    world.until_statuses(&["In Progress"]).await?;
    let text = world.backlog().text()?;
    let edited = text.replace(&first, "echo second > second.txt");
    assert_ne!(text, edited);
    world.backlog().write(&edited)?;
    world.until_task("echo second", "queued").await?;
    assert_eq!(world.task_by_action("echo first").await?["state"], "running", "the run goes on");
    release(&world, "first")?;
    world.until_task("echo first", "done").await?;
    world.until_task("echo second", "done").await?;
    world.until_statuses(&["Completed"]).await?;
    assert!(repository.file("main", "first.txt").is_some() && repository.file("main", "second.txt").is_some());
    world.stop().await
}

#[tokio::test]
async fn a_deleted_live_row_stops_its_run_and_keeps_its_work() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let action = until_released(&world, "lost");
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    let run = at_work(&world, "echo lost").await?;
    world.backlog().write(&format!("{}\n", strawboss_testkit::backlog::HEADER))?;
    world.until_task("echo lost", "cancelled").await?;
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(detail["run"]["outcome"], "stopped");
    assert_eq!(detail["saved_ref"], format!("refs/strawboss/saved/{run}"));
    let saved = world.mirror_file(&format!("refs/strawboss/saved/{run}"), "lost.txt")?;
    assert_eq!(saved.as_deref(), Some("lost"));
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn a_row_that_a_person_pauses_stops_and_goes_on_when_set_pending() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let gate = world.path().join("release-paused");
    let action = format!(
        "echo paused > paused.txt; cat $HOME/kept > kept.txt; echo once >> $HOME/kept; echo begun; until test -e '{}'; do sleep 0.05; done",
        gate.display()
    );
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    world.until_statuses(&["In Progress"]).await?;
    at_work(&world, &action).await?;
    world.backlog().write(&world.backlog().text()?.replace(",In Progress,", ",Paused,"))?;
    world.until_task("echo paused", "paused").await?;
    let left = |world: &World| Ok::<_, anyhow::Error>(world.leftovers()?.into_iter().filter(|left| !left.contains("/homes/")));
    world.until("nothing is left but its home", async |world| Ok(left(world)?.next().is_none().then_some(()))).await?;
    release(&world, "paused")?;
    world.backlog().write(&world.backlog().text()?.replace(",Paused,", ",Pending,"))?;
    world.until_statuses(&["Completed"]).await?;
    let task = world.task_by_action("echo paused").await?;
    assert_eq!(task["attempts"], 2, "stopped once, resumed once");
    assert_eq!(repository.file("main", "paused.txt").as_deref(), Some("paused"));
    assert_eq!(repository.file("main", "kept.txt").as_deref(), Some("once"), "what is in no commit was there again");
    world.stop().await
}

#[tokio::test]
async fn a_live_row_that_cannot_be_understood_for_a_while_keeps_its_run() -> Result<()> {
    let mut world = World::new(WorldOptions { slots: 1, ..WorldOptions::default() })?;
    world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let action = until_released(&world, "typed");
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    world.until_statuses(&["In Progress"]).await?;
    // A person begins to type, and the editor saves.
    world.backlog().write(&world.backlog().text()?.replace(",In Progress,", ",Pau,"))?;
    let unclear = async |world: &World| {
        let status = world.get("/api/v1/status").await?;
        Ok((status["sources"][0]["problems"][0]["column"] == "Status").then_some(()))
    };
    world.until("the problem is reported", unclear).await?;
    // Another row is read and written to meanwhile.
    world.backlog().append("One", "2", "Paused", "echo other > other.txt", ",,")?;
    let other = world.until_task("echo other", "paused").await?;
    world.post(&format!("/api/v1/tasks/{}/start", other["id"].as_str().unwrap_or_default()), serde_json::json!({})).await?;
    world.until_statuses(&["Pau", "Queued"]).await?;
    assert_eq!(world.task_by_action("echo typed").await?["state"], "running", "the run goes on");
    world.until("the problem is still reported", unclear).await?;
    world.backlog().write(&world.backlog().text()?.replace(",Pau,", ",Paused,"))?;
    world.until_task("echo typed", "paused").await?;
    let status = world.get("/api/v1/status").await?;
    assert_eq!(status["sources"][0]["problems"], serde_json::json!([]));
    // It has the slot now. A row that is still written to would be written over with what stood there before.
    world.until_statuses(&["Paused", "Completed"]).await?;
    // And one that ends while its row cannot be understood says so as soon as it can.
    world.backlog().write(&world.backlog().text()?.replace(",Paused,", ",Pending,"))?;
    world.until_task("echo typed", "running").await?;
    world.until("its row says so", async |world| Ok((world.backlog().statuses()?[0] == "In Progress").then_some(()))).await?;
    world.backlog().write(&world.backlog().text()?.replace(",In Progress,", ",In Pro,"))?;
    world.until("the problem is reported", unclear).await?;
    release(&world, "typed")?;
    world.until_task("echo typed", "done").await?;
    world.backlog().write(&world.backlog().text()?.replace(",In Pro,", ",In Progress,"))?;
    world.until_statuses(&["Completed", "Completed"]).await?;
    world.stop().await
}

#[tokio::test]
async fn rows_that_move_or_are_duplicated_keep_their_tasks() -> Result<()> {
    let mut world = World::new(WorldOptions { slots: 1, ..WorldOptions::default() })?;
    world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let action = until_released(&world, "moved");
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.backlog().append("One", "2", "Pending", "echo other > other.txt", ",,")?;
    world.start().await?;
    world.until_statuses(&["In Progress", "Queued"]).await?;
    let text = world.backlog().text()?;
    let lines: Vec<&str> = text.lines().collect();
    let copy = lines[2];
    world.backlog().write(&format!("{}\n{}\n{}\n{copy}\n", lines[0], lines[2], lines[1]))?;
    world.until("three tasks", async |world| Ok((world.tasks().await?.len() == 3).then_some(()))).await?;
    assert_eq!(world.task_by_action("echo moved").await?["state"], "running");
    release(&world, "moved")?;
    // The copy of a row is work of its own; here it changes nothing, so a person decides on it.
    world
        .until("both first rows done", async |world| {
            let tasks = world.tasks().await?;
            Ok((tasks.iter().filter(|task| task["state"] == "done").count() == 2).then_some(()))
        })
        .await?;
    world.until_task("echo other", "review").await?;
    assert_eq!(world.tasks().await?.len(), 3, "nothing was made twice");
    world.stop().await
}

#[tokio::test]
async fn a_finished_row_set_pending_is_new_work_and_a_bad_row_is_reported() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    world.backlog().append("One", "1", "Pending", "date +%N >> again.txt", ",,")?;
    world.backlog().append("One", "1", "Pending", "echo never", "next week,,")?;
    world.start().await?;
    world.until_statuses(&["Completed", "Pending"]).await?;
    let status = world.get("/api/v1/status").await?;
    let problem = &status["sources"][0]["problems"][0];
    assert_eq!(
        (problem["line"].as_u64(), problem["column"].as_str(), problem["skipped"].as_bool()),
        (Some(3), Some("Deadline"), Some(true))
    );
    world.backlog().write(&world.backlog().text()?.replace(",Completed,", ",Pending,"))?;
    world
        .until("the row's second task", async |world| {
            let tasks = world.tasks().await?;
            Ok((tasks.len() == 2 && tasks.iter().all(|task| task["state"] == "done")).then_some(()))
        })
        .await?;
    world.until_statuses(&["Completed", "Pending"]).await?;
    assert_eq!(repository.file("main", "again.txt").map_or(0, |text| text.lines().count()), 2);
    world.stop().await
}

#[tokio::test]
async fn a_file_that_is_mounted_alone_is_written_in_place() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let action = until_released(&world, "mounted");
    let kept = "Project,Notes,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\r\nNobody's,\"a \"\"note\"\"\",2,Paused,,,not ours,,,\r\n";
    world.backlog().write(&format!("{kept}One,mine,1,Pending,,,{},,,\r\n", strawboss_testkit::backlog::field(&action)))?;
    let path = world.backlog().path().to_owned();
    let _mount = Mount::onto_itself(&path)?;
    let inode = std::fs::metadata(&path)?.ino();
    let refused = world.backlog().write("never");
    assert!(refused.is_err(), "it cannot be replaced");
    world.start().await?;
    world.until_statuses(&["Paused", "In Progress"]).await?;
    release(&world, "mounted")?;
    world.until_statuses(&["Paused", "Completed"]).await?;
    assert!(world.backlog().text()?.starts_with(kept), "not a byte that is not ours: {}", world.backlog().text()?);
    assert_eq!(std::fs::metadata(&path)?.ino(), inode, "the same file");
    world
        .until("no backup is left beside it", async |world| {
            let names: Vec<_> = std::fs::read_dir(world.path())?.flatten().map(|entry| entry.file_name()).collect();
            Ok(names.iter().all(|name| !name.to_string_lossy().contains(".strawboss")).then_some(()))
        })
        .await?;
    world.stop().await
}

#[tokio::test]
async fn a_finished_row_with_another_text_is_new_work() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    world.backlog().append("One", "1", "Pending", "echo first > first.txt", ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed"]).await?;
    world.backlog().write(&world.backlog().text()?.replace("first", "second"))?;
    world.until_task("echo second", "done").await?;
    world.until_statuses(&["Completed"]).await?;
    assert!(repository.file("main", "first.txt").is_some() && repository.file("main", "second.txt").is_some());
    world.stop().await
}

#[tokio::test]
async fn a_live_row_that_a_person_sets_blocked_or_completed_stops_and_keeps_its_work() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repositories =
        [world.project("One", &[("README.md", "one\n")], CHECKED)?, world.project("Two", &[("README.md", "two\n")], CHECKED)?];
    let actions = [until_released(&world, "blocked"), until_released(&world, "completed")];
    world.backlog().append("One", "1", "Pending", &actions[0], ",,")?;
    world.backlog().append("Two", "1", "Pending", &actions[1], ",,")?;
    world.start().await?;
    let mut runs = Vec::new();
    for action in &actions {
        runs.push(at_work(&world, action).await?);
    }
    world.until_statuses(&["In Progress"; 2]).await?;
    let text = world.backlog().text()?;
    let (one, two) = text.split_once("Two,").unwrap_or_default();
    let statuses = [one.replace(",In Progress,", ",Blocked,"), two.replace(",In Progress,", ",Completed,")];
    world.backlog().write(&statuses.join("Two,"))?;
    world.until_task("echo blocked", "blocked").await?;
    world.until_task("echo completed", "cancelled").await?;
    for (run, name) in runs.iter().zip(["blocked", "completed"]) {
        let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
        assert_eq!(detail["run"]["outcome"], "stopped", "{detail}");
        let saved = world.mirror_file(&format!("refs/strawboss/saved/{run}"), &format!("{name}.txt"))?;
        assert_eq!(saved.as_deref(), Some(name));
    }
    for repository in &repositories {
        assert_eq!(repository.git(&["rev-list", "--count", "main"])?, "1", "nothing landed");
    }
    assert_eq!(world.backlog().statuses()?, ["Blocked", "Completed"], "what a person wrote stays");
    world.stop().await
}

#[tokio::test]
async fn a_live_row_that_cannot_be_read_for_a_while_is_no_deleted_one() -> Result<()> {
    let mut world = World::new(WorldOptions { slots: 1, ..WorldOptions::default() })?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let action = until_released(&world, "live");
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    let run = at_work(&world, &action).await?;
    world.until_statuses(&["In Progress"]).await?;
    let good = world.backlog().text()?;
    let row = good.lines().nth(1).unwrap_or_default();
    // A date that is none: the row is known by its name. A wrong quote: nobody knows which row it is. No header: no list.
    let dated = row.replace(",,,", ",soon,,");
    assert_ne!(row, dated);
    for (broken, marker) in [(dated.as_str(), "first"), ("\"One\"?,1,Pending,,,,,,", "second")] {
        world
            .backlog()
            .write(&format!("{}\nOne,1,Pending,,,echo {marker},,,\n{broken}\n", strawboss_testkit::backlog::HEADER))?;
        // The row beside it was read in the same look.
        world.until_task(&format!("echo {marker}"), "queued").await?;
    }
    world.backlog().write("nobody's file\n")?;
    world
        .until("that the file is unreadable", async |world| {
            Ok((world.get("/api/v1/status").await?["sources"][0]["readable"] == false).then_some(()))
        })
        .await?;
    world.backlog().write(&good)?;
    world.until_task("echo second", "cancelled").await?;
    let live = world.task_by_action("echo live").await?;
    assert_eq!(
        (live["state"].as_str(), live["run"]["id"].as_str()),
        (Some("running"), Some(run.as_str())),
        "it was never stopped"
    );
    release(&world, "live")?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "live.txt").as_deref(), Some("live"));
    assert_eq!(world.task_by_action("echo live").await?["attempts"], 1);
    world.stop().await
}

#[tokio::test]
async fn a_live_row_with_an_id_and_another_text_goes_on_and_is_new_work() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    let repository = world.project("One", &[("README.md", "one\n")], CHECKED)?;
    let first = until_released(&world, "first");
    let header = format!("ID,{}", strawboss_testkit::backlog::HEADER);
    world.backlog().write(&format!("{header}\n7,One,1,Pending,,,{},,,\n", strawboss_testkit::backlog::field(&first)))?;
    world.start().await?;
    at_work(&world, &first).await?;
    world.until_statuses(&["In Progress"]).await?;
    world.backlog().write(&world.backlog().text()?.replace(&first, "echo second > second.txt"))?;
    world.until_task("echo second", "queued").await?;
    assert_eq!(world.task_by_action("echo first").await?["state"], "running", "the run goes on");
    release(&world, "first")?;
    world.until_task("echo first", "done").await?;
    world.until_task("echo second", "done").await?;
    world.until_statuses(&["Completed"]).await?;
    assert!(repository.file("main", "first.txt").is_some() && repository.file("main", "second.txt").is_some());
    world.stop().await
}
