//! A PostgreSQL server whose connections others have taken: said as such, and gone on with when there are some again.

use anyhow::{Context as _, Result, ensure};
use std::process::{Child, Command, Stdio};
use strawboss_testkit::{Postgres, World, WorldOptions};

/// Takes connections as they become free, until it is dropped.
struct Others(Vec<Child>);

impl Others {
    fn new(server: &Postgres, many: usize) -> Result<Self> {
        let url = server.url("postgres");
        let (_, folder) = url.split_once("host=").context("no socket")?;
        // A process group of its own, so that what it started ends with it.
        let one = || {
            Command::new("setsid")
                .args(["bash", "-c", "while :; do psql -qX -U other -h \"$0\" postgres; done", folder])
                .stdin(Stdio::piped()) // never written to: each waits for a command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        Ok(Self((0..many).map(|_| one()).collect::<Result<_, _>>()?))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let group = nix::unistd::Pid::from_raw(child.id().try_into().unwrap_or_default());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn a_database_that_has_no_connection_left_is_waited_for_and_named() -> Result<()> {
    let server = Postgres::start(&["max_connections=12", "superuser_reserved_connections=3"])?;
    server.sql("postgres", "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN")?;
    server.sql("postgres", "CREATE DATABASE state OWNER app")?;
    let url = server.url("state").replace("strawboss@", "app@");
    let mut world = World::new(WorldOptions { more: format!("database: '{url}'\n"), ..WorldOptions::default() })?;
    let repository = world.project("One", &[("a", "a\n")], "agent: shell\nreview: auto\n")?;
    let action = "echo begun; read -r word; echo begun >> begun.txt; echo \"$word\" > word.txt";
    world.backlog().append("One", "1", "Pending", action, ",,")?;
    world.start().await?;
    let run = world
        .until("the agent at work", async |world| {
            let run = world.task_by_action(action).await?["run"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((!run.is_empty() && world.terminal_has(&run, "begun").await?).then_some(run))
        })
        .await?;

    let others = Others::new(&server, 9)?;
    world
        .until("others to have taken every connection", async |_| {
            server.sql("postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'")?;
            Ok((server.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'other'")? == "9").then_some(()))
        })
        .await?;
    world
        .until("it says so", async |world| {
            let (status, ready) = world.call("GET", "/ready", None).await?;
            Ok((status == 503 && ready.to_string().contains("max_connections")).then_some(()))
        })
        .await?;
    ensure!(world.get("/health").await.is_ok(), "it is alive");
    let (status, refused) = world.call("GET", "/api/v1/tasks", None).await?;
    ensure!(status == 503 && refused["code"] == "unavailable", "{status} {refused}");

    drop(others);
    world
        .until("the store to answer", async |world| Ok((world.call("GET", "/ready", None).await?.0 == 200).then_some(())))
        .await?;
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "word.txt").as_deref(), Some("enough"));
    assert_eq!(repository.file("main", "begun.txt").as_deref(), Some("begun"), "it was begun once");
    world.stop().await
}
