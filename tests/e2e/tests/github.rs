//! An issue on GitHub becomes merged work: commented and closed once, whatever is killed or away in between.

use anyhow::{Result, ensure};
use strawboss_testkit::github::{Fault, GitHub, REPOSITORY, TOKEN};
use strawboss_testkit::{Repository, World, WorldOptions};

const PROJECT: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

/// A world whose backlog is the issues of a GitHub.
fn world(hub: &GitHub) -> Result<(World, Repository)> {
    let mut world = World::new(WorldOptions::default())?;
    let token = world.path().join("github.token");
    std::fs::write(&token, format!("{TOKEN}\n"))?;
    let backlog = format!(
        "{{ type: github, repository: {REPOSITORY}, project: One, token_file: {}, base_url: \"{}\", poll_interval: 1s }}",
        serde_json::to_string(&token.to_string_lossy())?,
        hub.url()
    );
    world.add_backlog(&backlog);
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    Ok((world, repository))
}

async fn until_closed(world: &World, hub: &GitHub, number: u64) -> Result<()> {
    let closed = async |_: &World| {
        let issue = hub.issue(number).unwrap_or_default();
        let completed = issue["state"] == "closed" && issue["state_reason"] == "completed";
        // Our labels go last.
        Ok((completed && hub.labels(number).is_empty()).then_some(()))
    };
    world.until("the issue is closed, without a label of ours", closed).await
}

/// That all that was written about an issue was written once.
fn written_once(hub: &GitHub, number: u64, repository: &Repository, file: &str) -> Result<()> {
    let comments = hub.comments(number);
    ensure!(comments.len() == 1 && comments[0].contains("status=completed"), "{comments:?}");
    let asked = hub.asked();
    let closings = asked.iter().filter(|asked| asked.method == "PATCH" && asked.path.ends_with(&format!("/issues/{number}")));
    ensure!(closings.count() == 1, "{asked:?}");
    let landed = repository.git(&["log", "--oneline", "--no-merges", "main", "--", file])?;
    ensure!(landed.lines().count() == 1, "{landed}");
    Ok(())
}

#[tokio::test]
async fn an_issue_is_worked_on_commented_and_closed_and_a_strangers_waits() -> Result<()> {
    let hub = GitHub::start().await?;
    let (mut world, repository) = world(&hub)?;
    world.start().await?;
    let number = hub.open("echo done > done.txt", "");
    let stranger = hub.open_as("stranger", "NONE", "echo evil > evil.txt", "");
    until_closed(&world, &hub, number).await?;
    written_once(&hub, number, &repository, "done.txt")?;
    let task = world.until_task("echo evil", "pending").await?;
    ensure!(task["source_url"] == format!("https://github.com/{REPOSITORY}/issues/{stranger}"), "{task}");
    ensure!(task["ticket"] == format!("{REPOSITORY}#{stranger}"), "{task}");
    let id = task["id"].as_str().unwrap_or_default();
    ensure!(world.done(&["task", "show", id])?.contains("/issues/2"));
    world.done(&["task", "approve", id])?;
    until_closed(&world, &hub, stranger).await?;
    // A person opens it once more: it is new work, and waits again.
    hub.set_state(stranger, "open");
    world.until_task("echo evil", "pending").await?;
    hub.set_state(stranger, "closed");
    world.until_task("echo evil", "cancelled").await?;
    world.stop().await
}

#[tokio::test]
async fn it_is_written_once_also_when_the_program_is_killed_in_between() -> Result<()> {
    for point in ["run.committed", "run.ended", "landing.landed", "outbox.written"] {
        eprintln!("crash at {point}");
        let hub = GitHub::start().await?;
        let (mut world, repository) = world(&hub)?;
        let number = hub.open("echo done > done.txt", "");
        world.crash_at(point);
        world.start().await?;
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        until_closed(&world, &hub, number).await?;
        written_once(&hub, number, &repository, "done.txt")?;
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_done_while_github_was_down_is_written_when_it_is_back() -> Result<()> {
    let hub = GitHub::start().await?;
    let (mut world, repository) = world(&hub)?;
    let number = hub.open("read -r word; echo $word > done.txt", "");
    world.start().await?;
    let run = world
        .until("the agent works", async |world| {
            let task = world.task_by_action("read -r word").await.unwrap_or_default();
            let working = task["run"]["state"] == "working";
            Ok(working.then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
        })
        .await?;
    hub.fail(Fault::status(503, "Unavailable"));
    world
        .until("it is seen to be down", async |world| {
            let (_, status) = world.call("GET", "/api/v1/status", None).await?;
            let sources = status["sources"].as_array().cloned().unwrap_or_default();
            Ok(sources.iter().any(|source| source["readable"] == false && source["since"].is_i64()).then_some(()))
        })
        .await?;
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "written" })).await?;
    world.until_task("read -r word", "done").await?;
    ensure!(hub.issue(number).unwrap_or_default()["state"] == "open");
    world.kill()?;
    world.start().await?;
    world.until_task("read -r word", "done").await?;
    hub.mend();
    until_closed(&world, &hub, number).await?;
    written_once(&hub, number, &repository, "done.txt")?;
    world.stop().await
}
