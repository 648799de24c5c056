//! A row of a Google Sheet becomes merged work: its state is written to its own row, whatever is killed, away, or done by people
//! in between.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use strawboss_testkit::sheets::{SPREADSHEET, fault};
use strawboss_testkit::{Repository, Sheets, World, WorldOptions};

const PROJECT: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";
/// Work that waits for a word.
const WAITS: &str = "read -r word; echo $word > done.txt";

/// A world whose backlog is the first worksheet of a spreadsheet.
fn world(google: &Sheets) -> Result<(World, Repository)> {
    let mut world = World::new(WorldOptions::default())?;
    let key = world.path().join("key.json");
    std::fs::write(&key, google.make_key()?)?;
    let backlog = format!(
        "{{ type: sheets, spreadsheet: {SPREADSHEET}, credentials_file: {}, base_url: \"{}\", poll_interval: 1s }}",
        serde_json::to_string(&key.to_string_lossy())?,
        google.url()
    );
    world.add_backlog(&backlog);
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    Ok((world, repository))
}

/// What stands in the row of an action, wherever it is.
fn row(google: &Sheets, action: &str) -> Result<Vec<String>> {
    google.rows().into_iter().find(|row| row.iter().any(|cell| cell == action)).context("the row is gone")
}

async fn until_row_says(world: &World, google: &Sheets, action: &str, status: &str) -> Result<()> {
    let says = async |_: &World| Ok((row(google, action)?[2] == status).then_some(()));
    world.until(&format!("the row says {status}"), says).await
}

/// The run of the agent that works on an action.
async fn at_work(world: &World, action: &str) -> Result<String> {
    let working = async |world: &World| {
        let task = world.task_by_action(action).await.unwrap_or_default();
        let working = task["run"]["state"] == "working";
        Ok(working.then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
    };
    world.until("the agent works", working).await
}

fn landed_once(repository: &Repository) -> Result<()> {
    let landed = repository.git(&["log", "--oneline", "--no-merges", "main", "--", "done.txt"])?;
    ensure!(landed.lines().count() == 1, "{landed}");
    Ok(())
}

#[tokio::test]
async fn a_row_is_worked_on_and_written_to_wherever_people_move_it() -> Result<()> {
    let google = Sheets::start().await?;
    let (mut world, repository) = world(&google)?;
    google.append(&["One", "1", "Pending", "", "", WAITS, "2026-02-01"]);
    world.start().await?;
    let run = at_work(&world, WAITS).await?;
    until_row_says(&world, &google, WAITS, "In Progress").await?;
    let before = row(&google, WAITS)?;
    ensure!(before[3].contains("shell") && before[4].starts_with("20"), "{before:?}");
    // People work in the same sheet, also between two requests of one write.
    google.insert_row(2, &["One", "5", "Paused", "sarah", "today", "Later"]);
    google.once_asked("/values:batchUpdate", |sheet| sheet.insert_row(2, &["", "", "", "", "", "", "a note"]));
    google.once_asked(&format!("{SPREADSHEET}:batchUpdate"), |sheet| {
        sheet.insert_row(2, &["One", "6", "Paused", "tom", "today", "Even later"])
    });
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "written" })).await?;
    until_row_says(&world, &google, WAITS, "Completed").await?;
    landed_once(&repository)?;
    ensure!(repository.git(&["show", "main:done.txt"])? == "written");
    ensure!(row(&google, "Later")?[2..5] == ["Paused", "sarah", "today"], "{:?}", google.rows());
    ensure!(row(&google, "Even later")?[2..5] == ["Paused", "tom", "today"], "{:?}", google.rows());
    // A person sets a row to Pending: it is worked on.
    let later = google.rows().iter().position(|row| row.iter().any(|cell| cell == "Later")).context("the row is gone")? + 1;
    google.type_in(&format!("F{later}"), "echo more > more.txt");
    google.type_in(&format!("C{later}"), "Pending");
    until_row_says(&world, &google, "echo more > more.txt", "Completed").await?;
    world.until("no name of a cell is left", async |_| Ok(google.names().is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn it_is_written_once_also_when_the_program_is_killed_in_between() -> Result<()> {
    for point in ["run.committed", "run.ended", "landing.landed", "outbox.written"] {
        eprintln!("crash at {point}");
        let google = Sheets::start().await?;
        let (mut world, repository) = world(&google)?;
        google.append(&["One", "1", "Pending", "", "", "echo done > done.txt"]);
        world.crash_at(point);
        world.start().await?;
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        until_row_says(&world, &google, "echo done > done.txt", "Completed").await?;
        landed_once(&repository)?;
        ensure!(google.rows().len() == 2, "{:?}", google.rows());
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_done_while_google_was_away_is_written_when_it_is_back() -> Result<()> {
    let google = Sheets::start().await?;
    let (mut world, repository) = world(&google)?;
    google.append(&["One", "1", "Pending", "", "", WAITS]);
    world.start().await?;
    let run = at_work(&world, WAITS).await?;
    google.fail(fault(503, "UNAVAILABLE", "The service is currently unavailable."));
    let down = async |world: &World| {
        let (_, status) = world.call("GET", "/api/v1/status", None).await?;
        let sources: Vec<Value> = status["sources"].as_array().cloned().unwrap_or_default();
        Ok(sources.iter().any(|source| source["readable"] == false && source["since"].is_i64()).then_some(()))
    };
    world.until("it is seen to be down", down).await?;
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "written" })).await?;
    world.until_task(WAITS, "done").await?;
    ensure!(row(&google, WAITS)?[2] != "Completed");
    world.kill()?;
    world.start().await?;
    world.until_task(WAITS, "done").await?;
    google.insert_row(2, &["One", "5", "Paused", "sarah", "today", "Later"]);
    google.mend();
    until_row_says(&world, &google, WAITS, "Completed").await?;
    landed_once(&repository)?;
    ensure!(row(&google, "Later")?[2..5] == ["Paused", "sarah", "today"], "{:?}", google.rows());
    world.stop().await
}
