//! A ticket in Plane waits for a person, is worked on, commented on and moved once, whatever is killed or away in between.

use anyhow::{Result, ensure};
use serde_json::Value;
use strawboss_testkit::plane::{API_KEY, Fault, GUEST, OWNER, PROJECT, WORKSPACE, complaint};
use strawboss_testkit::{Plane, Repository, World, WorldOptions};

const SETTINGS: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

/// A world whose backlog is the tickets of a Plane: with `claude`, all that is known of it stands in Claude Code's settings.
fn world(plane: &Plane, more: &str, claude: bool) -> Result<(World, Repository)> {
    world_of(plane, more, claude, "all")
}

/// The same, with what makes a new ticket work.
fn world_of(plane: &Plane, more: &str, claude: bool, new_tickets: &str) -> Result<(World, Repository)> {
    let mut world = World::new(WorldOptions::default())?;
    let file = world.path().join("plane.access");
    let path = serde_json::to_string(&file.to_string_lossy())?;
    let access = if claude {
        let url = format!("{}/api/v1", plane.url());
        let env = serde_json::json!({ "PLANE_API_KEY": API_KEY, "PLANE_WORKSPACE_SLUG": WORKSPACE, "PLANE_API_URL": url });
        std::fs::write(&file, serde_json::json!({ "mcpServers": { "plane": { "env": env } } }).to_string())?;
        format!("claude_json: {path}")
    } else {
        std::fs::write(&file, format!("{API_KEY}\n"))?;
        format!("api_key_file: {path}, workspace: {WORKSPACE}, api_url: \"{}\"", plane.url())
    };
    let triggers =
        format!("triggers: {{ new_tickets: {new_tickets} }}, failed_state: Todo, states: {{ in_progress: In Progress }}");
    world.add_backlog(&format!("{{ type: plane, projects: {{ {PROJECT}: One }}, {access}, {triggers}, poll_interval: 1s }}"));
    let repository = world.project("One", &[("README.md", "one\n")], &format!("{SETTINGS}{more}"))?;
    Ok((world, repository))
}

async fn until_in(world: &World, plane: &Plane, ticket: &str, state: &str) -> Result<()> {
    let there = async |_: &World| Ok((plane.state_of(ticket).as_deref() == Some(state)).then_some(()));
    world.until(&format!("the ticket is in {state}"), there).await
}

/// That all that was written about a ticket was written once.
fn written_once(plane: &Plane, ticket: &str, repository: &Repository, file: &str) -> Result<()> {
    let comments = plane.comments(ticket);
    let ours: Vec<&String> = comments.iter().filter(|comment| comment.contains("Strawboss")).collect();
    ensure!(ours.len() == 1 && ours[0].contains("completed") && ours[0].contains("passed   true"), "{comments:?}");
    let landed = repository.git(&["log", "--oneline", "--no-merges", "main", "--", file])?;
    ensure!(landed.lines().count() == 1, "{landed}");
    Ok(())
}

// Plane answers while a command of ours waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_waits_is_approved_worked_on_commented_and_moved() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, "", true)?;
    world.start().await?;
    let (first, second) = (plane.create("echo one > one.txt", ""), plane.create("echo two > two.txt", ""));
    let doctor = world.command(&["doctor", "--json"])?;
    let said = String::from_utf8_lossy(&doctor.stdout);
    ensure!(said.contains("tickets of Plane") && said.contains("2 tickets"), "{said}");
    let shown = world.done(&["config", "show"])?;
    ensure!(shown.contains("claude_json") && !shown.contains(API_KEY), "{shown}");
    // By the command line, and by the API.
    let task = world.until_task("echo one", "pending").await?;
    ensure!(task["source_url"] == format!("{}/{WORKSPACE}/browse/WEB-1/", plane.url()) && task["ticket"] == "WEB-1", "{task}");
    world.done(&["task", "approve", task["id"].as_str().unwrap_or_default()])?;
    until_in(&world, &plane, &first, "Done").await?;
    written_once(&plane, &first, &repository, "one.txt")?;
    let task = world.until_task("echo two", "pending").await?;
    world.post(&format!("/api/v1/tasks/{}/approve", task["id"].as_str().unwrap_or_default()), serde_json::json!({})).await?;
    until_in(&world, &plane, &second, "Done").await?;
    written_once(&plane, &second, &repository, "two.txt")?;
    // A person opens one once more: it is new work, and waits again. Another is closed before anybody approved of it.
    plane.move_to(&first, "Todo");
    world.until_task("echo one", "pending").await?;
    plane.move_to(&first, "Cancelled");
    world.until_task("echo one", "cancelled").await?;
    ensure!(plane.state_of(&first).as_deref() == Some("Cancelled"));
    world.stop().await
}

#[tokio::test]
async fn what_fails_is_said_on_the_ticket_and_what_is_deleted_stops() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, _repository) = world(&plane, "approval: auto\n", false)?;
    world.start().await?;
    let failing = plane.create("exit 3", "");
    until_in(&world, &plane, &failing, "Todo").await?;
    ensure!(plane.comments(&failing).len() == 1, "{:?}", plane.comments(&failing));
    world.until_task("exit 3", "blocked").await?;
    // Its text and what is said on it change while the agent works: it goes on with what it was told, until it is deleted.
    let deleted = plane.create("read -r word", "");
    until_in(&world, &plane, &deleted, "In Progress").await?;
    plane.edit(&deleted, |ticket| ticket["description_html"] = "<p>and more</p>".into());
    plane.comment(&deleted, OWNER, "<p>quick</p>");
    plane.delete(&deleted);
    world.until_task("read -r word", "cancelled").await?;
    // A guest's waits, although its project starts by itself what others want.
    plane.create_as(PROJECT, GUEST, "echo evil > evil.txt", "");
    world.until_task("echo evil", "pending").await?;
    world.stop().await
}

#[tokio::test]
async fn it_is_written_once_also_when_the_program_is_killed_in_between() -> Result<()> {
    for point in ["run.committed", "run.ended", "landing.landed", "outbox.written"] {
        eprintln!("crash at {point}");
        let plane = Plane::start().await?;
        let (mut world, repository) = world(&plane, "approval: auto\n", false)?;
        let ticket = plane.create("echo done > done.txt", "");
        world.crash_at(point);
        world.start().await?;
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        until_in(&world, &plane, &ticket, "Done").await?;
        written_once(&plane, &ticket, &repository, "done.txt")?;
        let asked = plane.asked();
        let moves =
            asked.iter().filter(|asked| asked.method == "PATCH" && asked.path.ends_with(&format!("/work-items/{ticket}/")));
        ensure!(moves.count() == 2, "once into In Progress, once into Done: {asked:?}");
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_done_while_plane_was_down_is_written_when_it_is_back() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, "approval: auto\n", false)?;
    let ticket = plane.create("read -r word; echo $word > done.txt", "");
    world.start().await?;
    let run = world
        .until("the agent works", async |world| {
            let task = world.task_by_action("read -r word").await.unwrap_or_default();
            let working = task["run"]["state"] == "working";
            Ok(working.then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
        })
        .await?;
    until_in(&world, &plane, &ticket, "In Progress").await?;
    plane.fail(complaint(503, "Unavailable"));
    world
        .until("it is seen to be down", async |world| {
            let (_, status) = world.call("GET", "/api/v1/status", None).await?;
            let sources = status["sources"].as_array().cloned().unwrap_or_default();
            Ok(sources.iter().any(|source| source["readable"] == false && source["since"].is_i64()).then_some(()))
        })
        .await?;
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "written" })).await?;
    world.until_task("read -r word", "done").await?;
    ensure!(plane.state_of(&ticket).as_deref() == Some("In Progress"));
    world.kill()?;
    world.start().await?;
    world.until_task("read -r word", "done").await?;
    plane.mend();
    // The answer that says that it was written is lost.
    plane.fail(Fault::status(0, "").on("POST", 1));
    until_in(&world, &plane, &ticket, "Done").await?;
    written_once(&plane, &ticket, &repository, "done.txt")?;
    world.stop().await
}

#[tokio::test]
async fn what_it_remembers_of_tickets_comes_back_from_a_backup() -> Result<()> {
    let plane = Plane::start().await?;
    plane.create("echo old > old.txt", "");
    let (mut world, repository) = world_of(&plane, "", false, "true")?;
    world.start().await?;
    world
        .until("Plane was read", async |world| {
            let status = world.get("/api/v1/status").await?;
            let is_plane = |source: &Value| source["name"].as_str().is_some_and(|name| name.starts_with("plane:"));
            let mut sources = status["sources"].as_array().into_iter().flatten();
            Ok(sources.any(|source| is_plane(source) && source["readable"] == true).then_some(()))
        })
        .await?;
    let second = plane.create("echo second > second.txt", "");
    world.until_task("echo second", "pending").await?;
    world.stop().await?;
    let folder = world.path().join("backups");
    let made: serde_json::Value =
        serde_json::from_str(&world.done(&["db", "backup", "--json", "--to", &folder.to_string_lossy()])?)?;
    std::fs::remove_dir_all(world.data_dir())?;
    // Made while all was away: it is newer than what is remembered.
    let third = plane.create("echo third > third.txt", "");
    world.done(&["db", "restore", made["file"].as_str().unwrap_or_default()])?;
    world.start().await?;
    for (action, ticket, file) in [("echo second", &second, "second.txt"), ("echo third", &third, "third.txt")] {
        let task = world.until_task(action, "pending").await?;
        world.done(&["task", "approve", task["id"].as_str().unwrap_or_default()])?;
        until_in(&world, &plane, ticket, "Done").await?;
        written_once(&plane, ticket, &repository, file)?;
    }
    ensure!(world.tasks().await?.len() == 2, "what was there before the first start is no work: {:?}", world.tasks().await?);
    world.stop().await
}
