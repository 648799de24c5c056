//! A ticket of Plane goes the whole way with the real Claude Code CLI, by a client that was written for the ticket daemon and
//! the terminal service: waits, is approved, opens in a terminal, is completed by `/complete`, commented on and moved; once,
//! whatever is killed in between.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use strawboss_testkit::plane::{API_KEY, PROJECT, WORKSPACE};
use strawboss_testkit::{Plane, Repository, RunnerKind, World, WorldOptions};

const SCRIPT: &str = r#"
rules:
  - name: the greeting
    when: { prompt: Write the greeting }
    turns:
      - tools: [{ name: Bash, input: { description: Write, command: "echo hello > greeting.txt" } }]
      - text: The greeting says hello.
  - name: the greeting, with a word on it
    when: { prompt: Greet and say so }
    turns:
      - tools: [{ name: Bash, input: { description: Write, command: "echo hello > greeting.txt; echo 'It greets \"everybody\".' > /tmp/completion-WEB-1.txt" } }]
      - text: The greeting says hello, and so do I.
"#;

fn world(plane: &Plane, runner: RunnerKind, review: &str) -> Result<(World, Repository)> {
    let mut world = World::new(WorldOptions { runner, model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    let key = world.path().join("plane.key");
    std::fs::write(&key, format!("{API_KEY}\n"))?;
    let access = format!(
        "api_key_file: {}, workspace: {WORKSPACE}, api_url: \"{}\"",
        serde_json::to_string(&key.to_string_lossy())?,
        plane.url()
    );
    world.add_backlog(&format!(
        "{{ type: plane, projects: {{ {PROJECT}: One }}, {access}, triggers: {{ new_tickets: all }}, poll_interval: 1s }}"
    ));
    let more = format!("review: {review}\nchecks: [\"test -s greeting.txt\"]\n");
    let repository = world.project("One", &[("README.md", "one\n")], &more)?;
    Ok((world, repository))
}

/// The ticket, as one of the daemon's lists has it; none when it is not in it.
async fn listed(world: &World, list: &str) -> Result<Option<Value>> {
    let (status, tickets) = world.call("GET", list, None).await?;
    ensure!(status == 200, "{list}: {status} {tickets}");
    Ok(tickets.as_array().context("no list")?.iter().find(|ticket| ticket["id"] == "WEB-1").cloned())
}

/// Waits until the ticket is in the list.
async fn until_listed(world: &World, list: &str) -> Result<Value> {
    world.until(&format!("the ticket in {list}"), async |world| listed(world, list).await).await
}

/// Waits until the ticket's agent waits for people; gives its run.
async fn until_it_waits(world: &World) -> Result<String> {
    let waits = async |world: &World| {
        let tasks = world.tasks().await?;
        let run = tasks.first().map(|task| task["run"].clone()).unwrap_or_default();
        Ok((run["state"] == "waiting").then(|| run["id"].as_str().unwrap_or_default().to_owned()))
    };
    world.until("the agent to wait", waits).await
}

async fn was_done_once(world: &World, plane: &Plane, ticket: &str, repository: &Repository) -> Result<()> {
    let completed = until_listed(world, "/api/completed-tickets").await?;
    ensure!(completed["summary"] == "It greets \"everybody\".", "{completed}");
    ensure!(completed["completed_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{completed}");
    let done = async |_: &World| Ok((plane.state_of(ticket).as_deref() == Some("Done")).then_some(()));
    world.until("the ticket is Done", done).await?;
    let comments = plane.comments(ticket);
    ensure!(comments.len() == 1 && comments[0].contains("It greets"), "{comments:?}");
    let landed = repository.git(&["log", "--oneline", "--no-merges", "main", "--", "greeting.txt"])?;
    ensure!(landed.lines().count() == 1, "{landed}");
    ensure!(listed(world, "/api/pending-tickets").await?.is_none());
    Ok(())
}

async fn the_whole_way(runner: RunnerKind) -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, runner, "auto")?;
    let ticket = plane.create("Write the greeting", "<p>For <b>everybody</b>.</p>");
    world.start().await?;
    let pending = until_listed(&world, "/api/pending-tickets").await?;
    ensure!(pending["title"] == "Write the greeting" && pending["uuid"] == ticket.as_str(), "{pending}");
    ensure!(pending["description"].as_str().is_some_and(|text| text.contains("**everybody**")), "{pending}");
    ensure!(pending["trigger_type"] == "new_ticket" && pending["project_id"] == plane.project_id(PROJECT).as_str(), "{pending}");
    ensure!(pending["summary"].is_null() && pending["completed_at"].is_null() && pending["created_at"].is_string(), "{pending}");
    ensure!(world.call("POST", "/api/approve/WEB-7", None).await?.0 == 404);
    let (status, approved) = world.call("POST", "/api/approve/WEB-1", None).await?;
    ensure!(status == 200 && approved["ticket_id"] == "WEB-1" && approved["created_at"].is_string(), "{status} {approved}");
    let session = approved["session_id"].as_str().unwrap_or_default().to_owned();
    ensure!(session.starts_with("claude-WEB-1-") && session.len() == "claude-WEB-1-20270104-093000".len(), "{session}");
    ensure!(world.call("POST", "/api/approve/WEB-1", None).await?.0 == 404, "it does not wait any more");
    let mut terminal = world.attach_old(&session).await?;
    ensure!(terminal.next().await? == json!({ "type": "ready", "sessionId": session }));
    let (_, sessions) = world.call("GET", "/api/sessions", None).await?;
    ensure!(sessions["sessions"][0]["sessionId"] == session.as_str(), "{sessions}");
    terminal.send(json!({ "type": "resize", "cols": 100, "rows": 30 })).await?;
    terminal.until_shown("hello.").await?;
    until_it_waits(&world).await?;
    let (_, health) = world.call("GET", "/orchestrator/health", None).await?;
    ensure!(health["pending_count"] == 0 && health["active_count"] == 1 && health["tmux_service"].is_string(), "{health}");
    terminal.send(json!({ "type": "input", "payload": "/complete It greets \"everybody\".\r" })).await?;
    while terminal.next().await?["type"] != "exit" {}
    was_done_once(&world, &plane, &ticket, &repository).await?;
    let (_, metrics) = world.call("GET", "/metrics", None).await?;
    let metrics = metrics.as_str().unwrap_or_default();
    for line in ["plane_tickets_approved_total 1", "plane_tickets_completed_total 1", "plane_completed_tickets 1"] {
        ensure!(metrics.contains(line), "{line} is not in {metrics}");
    }
    world.stop().await
}

#[tokio::test]
async fn a_ticket_goes_the_whole_way_in_a_container() -> Result<()> {
    the_whole_way(RunnerKind::Docker).await
}

#[tokio::test]
async fn a_ticket_goes_the_whole_way_as_a_process() -> Result<()> {
    the_whole_way(RunnerKind::Process).await
}

#[tokio::test]
async fn a_ticket_that_is_approved_by_the_command_line_opens_beside_its_person() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, RunnerKind::Docker, "auto")?;
    let ticket = plane.create("Write the greeting", "");
    world.start().await?;
    until_listed(&world, "/api/pending-tickets").await?;
    world.done(&["task", "approve", "one-1"])?;
    let run = until_it_waits(&world).await?;
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    ensure!(detail["run"]["mode"] == "interactive", "{detail}");
    world.done(&["run", "say", &run, "/complete It greets \"everybody\"."])?;
    was_done_once(&world, &plane, &ticket, &repository).await?;
    world.stop().await
}

#[tokio::test]
async fn a_ticket_is_completed_by_the_file_that_bears_its_name() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, RunnerKind::Docker, "auto")?;
    let ticket = plane.create("Greet and say so", "");
    world.start().await?;
    until_listed(&world, "/api/pending-tickets").await?;
    world.done(&["task", "approve", "one-1"])?;
    was_done_once(&world, &plane, &ticket, &repository).await?;
    world.stop().await
}

#[tokio::test]
async fn a_person_takes_it_the_whole_way_in_a_browser() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, RunnerKind::Docker, "manual")?;
    let ticket = plane.create("Write the greeting", "");
    world.start().await?;
    until_listed(&world, "/api/pending-tickets").await?;
    world.browse("ticket.mjs").await?;
    was_done_once(&world, &plane, &ticket, &repository).await?;
    world.stop().await
}

#[tokio::test]
async fn it_goes_the_whole_way_once_although_the_program_is_killed_at_each_step() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, repository) = world(&plane, RunnerKind::Process, "auto")?;
    let ticket = plane.create("Write the greeting", "");
    let again = async |world: &mut World| {
        world.kill()?;
        world.start().await
    };
    world.start().await?;
    until_listed(&world, "/api/pending-tickets").await?;
    again(&mut world).await?;
    until_listed(&world, "/api/pending-tickets").await?;
    ensure!(world.call("POST", "/api/approve/web-1", None).await?.0 == 200, "whatever the case");
    again(&mut world).await?;
    let run = until_it_waits(&world).await?;
    again(&mut world).await?;
    // Refused until its supervisor is there again.
    let completed = async |world: &World| {
        let summary = json!({ "summary": "It greets \"everybody\"." });
        Ok((world.call("POST", "/api/update-plane/WEB-1", Some(summary)).await?.0 == 200).then_some(()))
    };
    world.until("the summary to be taken", completed).await?;
    again(&mut world).await?;
    was_done_once(&world, &plane, &ticket, &repository).await?;
    ensure!(world.tasks().await?[0]["run"]["id"] == run.as_str(), "the same run all the way");
    again(&mut world).await?;
    was_done_once(&world, &plane, &ticket, &repository).await?;
    world.stop().await
}

#[tokio::test]
async fn it_goes_the_whole_way_once_although_the_program_ends_between_what_belongs_together() -> Result<()> {
    for point in
        ["run.committed", "token.granted", "agent.ended", "run.ended", "landing.merged", "landing.landed", "outbox.written"]
    {
        eprintln!("crash at {point}");
        let plane = Plane::start().await?;
        let (mut world, repository) = world(&plane, RunnerKind::Process, "auto")?;
        let ticket = plane.create("Write the greeting", "");
        world.crash_at(point);
        world.start().await?;
        let mut crashed = false;
        let patience = Instant::now() + Duration::from_mins(3);
        // What a person does: again and again, until it is done.
        loop {
            ensure!(Instant::now() < patience, "{point}: {:?}\n{}", world.tasks().await, world.log());
            if !crashed && world.has_crashed() {
                world.kill()?;
                world.start().await?;
                crashed = true;
            }
            let Ok(tasks) = world.tasks().await else { continue };
            let Some(task) = tasks.first() else { continue };
            let summary = json!({ "summary": "It greets \"everybody\"." });
            let _ = match (task["state"].as_str(), task["run"]["state"].as_str()) {
                (Some("pending"), _) => world.call("POST", "/api/approve/WEB-1", None).await,
                (Some("running"), Some("waiting")) => world.call("POST", "/api/update-plane/WEB-1", Some(summary)).await,
                (Some("done"), _) if crashed => break,
                (Some("queued" | "running" | "review" | "done"), _) => Ok((0, Value::Null)),
                _ => anyhow::bail!("{task}"),
            };
            tokio::task::yield_now().await;
        }
        was_done_once(&world, &plane, &ticket, &repository).await?;
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_ticket_that_is_deleted_here_stays_where_it_is_and_is_worked_on_no_more() -> Result<()> {
    let plane = Plane::start().await?;
    let (mut world, _repository) = world(&plane, RunnerKind::Process, "auto")?;
    let ticket = plane.create("Write the greeting", "");
    world.start().await?;
    until_listed(&world, "/api/pending-tickets").await?;
    ensure!(world.call("POST", "/api/approve/WEB-1", None).await?.0 == 200);
    until_it_waits(&world).await?;
    let (status, deleted) = world.call("DELETE", "/api/tickets/WEB-1", None).await?;
    ensure!(status == 200 && deleted == json!({ "status": "deleted", "ticket_id": "WEB-1" }), "{status} {deleted}");
    world.until_task("Write the greeting", "cancelled").await?;
    ensure!(world.call("DELETE", "/api/tickets/WEB-1", None).await?.0 == 404);
    ensure!(world.call("POST", "/api/update-plane/WEB-1", Some(json!({ "summary": "x" }))).await?.0 == 409);
    ensure!(plane.ticket(&ticket).is_some());
    world.stop().await
}
