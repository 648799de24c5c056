//! With the system of compose.yaml, as people run it.

use super::{PROJECT, RUNS, action, at_work, count, counts, enough, gone_on, resumable, runs};
use anyhow::{Context as _, Result, ensure};
use std::process::{Command, Stdio};
use strawboss_testkit::programs::run;
use strawboss_testkit::{OwnEngine, Repository, System};

const TIMES: usize = 10;

/// No agent here asks a model.
const MODEL: &str = "models: []\nrules: []\n";

/// A system with room for twenty agents on four projects, and the rows for them. Nothing of it runs yet.
fn system_for_twenty(action: fn(usize) -> String) -> Result<(System, Vec<Repository>)> {
    let system = System::new(MODEL)?;
    system.set("STRAWBOSS_MAX_CONCURRENT", &RUNS.to_string())?;
    // What `up --wait` waits for is seen by the first check.
    system.set("HEALTH_INTERVAL", "2s")?;
    let mut projects = "projects:\n".to_owned();
    let mut repositories = Vec::new();
    for project in 0..4 {
        repositories.push(system.project(&format!("p{project}"), &[("README.md", "one\n")])?);
        projects +=
            &format!("  p{project}:\n    directory: /projects/p{project}\n    {}\n", PROJECT.trim_end().replace('\n', "\n    "));
    }
    system.configure(&projects)?;
    for row in 0..RUNS {
        system.backlog().append(&format!("p{}", row % 4), "1", "Pending", &action(row), ",,")?;
    }
    system.give_away()?;
    Ok((system, repositories))
}

/// Images that are removed with it, after the containers that need them.
struct Releases {
    of: String,
    made: Vec<String>,
}

impl Releases {
    /// A new version of the control plane: another image, of the same programs.
    fn next(&mut self) -> Result<String> {
        let name = format!("{}-restarts-{}-{}", self.of, std::process::id(), self.made.len());
        let mut build = Command::new("docker");
        build.args(["build", "--quiet", "--tag", &name, "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut build = build.spawn()?;
        let text = format!("FROM {}\nLABEL round={}\n", self.of, self.made.len());
        std::io::Write::write_all(&mut build.stdin.take().context("docker build takes no input")?, text.as_bytes())?;
        ensure!(build.wait()?.success(), "docker build of:\n{text}");
        self.made.push(name.clone());
        Ok(name)
    }
}

impl Drop for Releases {
    fn drop(&mut self) {
        for name in &self.made {
            if let Err(error) = run(Command::new("docker").args(["rmi", name])) {
                eprintln!("{name} stays: {error:#}");
            }
        }
    }
}

/// Waits until every agent has gone on counting.
async fn all_go_on(system: &System, runs: &[String], since: &[usize]) -> Result<Vec<usize>> {
    system.until("every agent to go on", async |system| gone_on(system, runs, since).await).await
}

/// Every row's mark is in its repository, once, and nothing else is left.
async fn all_landed(system: &System, repositories: &[Repository]) -> Result<()> {
    system.until_statuses(&["Completed"; RUNS]).await?;
    for row in 0..RUNS {
        let landed = repositories[row % 4].file("main", &format!("row-{row}.txt"));
        assert_eq!(landed.as_deref(), Some(format!("row-{row}").as_str()));
    }
    let nothing = async |system: &System| {
        let left = system.leftovers()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(Some(()))
    };
    system.until("nothing is left behind", nothing).await
}

#[tokio::test]
async fn twenty_agents_work_on_while_images_are_replaced_and_the_database_is_restarted_ten_times() -> Result<()> {
    let mut releases = Releases { of: String::new(), made: Vec::new() };
    let (mut system, repositories) = system_for_twenty(action)?;
    releases.of = system.variable("STRAWBOSS_IMAGE");
    system.give_agents()?;
    system.up()?;
    let began = system.until("twenty agents at work", async |system| runs(system).await.map(Some)).await?;
    let mut counted = all_go_on(&system, &began, &[0; RUNS]).await?;
    for round in 0..TIMES {
        let ran = ["strawboss", "docker-proxy"].map(|service| system.inspect(service).map(|record| record["Image"].clone()));
        system.set("STRAWBOSS_IMAGE", &releases.next()?)?;
        system.up()?;
        let [control_plane, proxy] = ran;
        ensure!(system.inspect("strawboss")?["Image"] != control_plane?, "round {round}: the old control plane still runs");
        ensure!(system.inspect("docker-proxy")?["Image"] != proxy?, "round {round}: the old docker-proxy still runs");
        counted = all_go_on(&system, &began, &counted).await?;
        if round + 1 == TIMES {
            // Everything at once, in no order; the edge comes back on another port.
            system.done(&["restart"])?;
            system.up()?;
        } else if round % 2 == 0 {
            system.done(&["restart", "postgres"])?;
        } else {
            system.done(&["kill", "postgres"])?;
            system.done(&["up", "--detach", "--wait", "--no-build", "postgres"])?;
        }
        counted = all_go_on(&system, &began, &counted).await?;
        ensure!(runs(&system).await? == began, "the same runs go on");
    }
    enough(&system, &began).await?;
    all_landed(&system, &repositories).await?;
    assert_eq!(runs(&system).await?, began, "each row had one run");
    counts(&system, &began).await?;
    for (row, run) in began.iter().enumerate() {
        ensure!(system.terminal(run).await?.contains(&format!("row {row} heard enough")), "row {row}");
    }
    Ok(())
}

#[tokio::test]
async fn twenty_agents_and_the_system_come_back_after_each_of_ten_restarts_of_the_engine() -> Result<()> {
    let mut engine = OwnEngine::start()?;
    let (mut system, repositories) = system_for_twenty(resumable)?;
    system.on(&mut engine)?;
    system.set("EDGE_HTTP_PORT", "80")?;
    system.set("EDGE_HTTPS_PORT", "443")?;
    system.give_agents()?;
    system.up()?;
    let mut working = system.until("twenty agents at work", async |system| at_work(system, 1).await).await?;
    for round in 1..=TIMES {
        if round % 2 == 0 {
            engine.kill()?
        } else {
            engine.stop()?
        }
        // Nobody types anything: what the engine starts by itself is all there is.
        engine.again("")?;
        working = system.until("every agent at work again", async |system| at_work(system, round + 1).await).await?;
    }
    enough(&system, &working).await?;
    all_landed(&system, &repositories).await?;
    for row in 0..RUNS {
        let begun = repositories[row % 4].file("main", &format!("begun-{row}.txt")).unwrap_or_default();
        assert_eq!(begun, ["begun"; TIMES + 1].join("\n"), "row {row} lost what it had, or did it twice");
    }
    outlived(&mut engine, &system, &repositories).await.context("with live-restore")
}

/// Waits until the agent has counted on.
async fn goes_on(system: &System, row: usize, run: &str, since: usize) -> Result<usize> {
    let on = async |system: &System| {
        let now = count(system, row, run).await?;
        Ok((now > since + 2).then_some(now))
    };
    system.until("the agent to go on", on).await
}

/// With live-restore containers outlive the engine: nobody is interrupted, and the engine's new socket is found.
async fn outlived(engine: &mut OwnEngine, system: &System, repositories: &[Repository]) -> Result<()> {
    let row = RUNS;
    engine.stop()?;
    engine.again("--live-restore")?;
    system.backlog().append("p0", "1", "Pending", &action(row), ",,")?;
    let run = system.until("the agent at work", async |system| {
        let tasks = system.tasks().await?;
        let task = tasks.iter().find(|task| task["action"].as_str().is_some_and(|text| text.starts_with(&action(row))));
        Ok(task.and_then(|task| task["run"]["id"].as_str()).map(str::to_owned))
    });
    let run = run.await?;
    let mut counted = goes_on(system, row, &run, 0).await?;
    let started = |service| system.inspect(service).map(|record| record["State"]["StartedAt"].clone());
    let began = started("strawboss")?;
    let statuses = |rounds| {
        let mut expected = vec!["Completed"; RUNS + 1 + rounds];
        expected[RUNS] = "In Progress";
        expected
    };
    for round in 0..4 {
        if round % 2 == 0 {
            engine.stop()?
        } else {
            engine.kill()?
        }
        engine.again("--live-restore")?;
        counted = goes_on(system, row, &run, counted).await?;
        let since = format!("echo since >> since-{round}.txt");
        system.backlog().append("p0", "1", "Pending", &since, ",,")?;
        system.until_statuses(&statuses(round + 1)).await?;
        assert_eq!(started("strawboss")?, began, "the control plane was interrupted");
    }
    system.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    system.until_statuses(&["Completed"; RUNS + 5]).await?;
    assert_eq!(repositories[0].file("main", &format!("row-{row}.txt")).as_deref(), Some(format!("row-{row}").as_str()));
    goes_on(system, row, &run, 0).await?;
    ensure!(run.ends_with(".1"), "begun again: {run}");
    Ok(())
}
