//! Ten thousand tasks and a thousand sessions at a start: all are found again, and one of them is typed into.
//!
//! The program and its doors are real. The supervisors behind the doors are played by the test, and all but the first run are copies
//! of it in the state: to start each takes longer than the rest of this together, and `crowd.rs` does so with eighty.

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt::Write as _;
use std::fs;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::runner::Purpose;
use strawboss_core::store::{ChangeSet, Store as _, TaskFilter};
use strawboss_core::{RunId, TaskState};
use strawboss_store::SqlStore;
use strawboss_testkit::{Crew, RunnerKind, World, WorldOptions};

const TASKS: usize = 10_000;
/// Each takes about four open files.
const SESSIONS: usize = 1_000;
/// What a program of this test may open unless it asks for more.
const FILES: u64 = 2_048;
/// What compose.yaml gives the control plane.
const MEMORY_KB: u64 = 2 << 20;

/// That many at their own work, and nothing about the service that is not as it should be.
async fn at_work(world: &World, sessions: usize) -> Result<()> {
    let wanted = [format!("strawboss_supervisors {sessions}"), format!("strawboss_runs{{state=\"working\"}} {sessions}")];
    world
        .until("every session there", async |world| {
            let (_, metrics) = world.call("GET", "/metrics", None).await?;
            let metrics = metrics.as_str().context("no metrics")?;
            let there = wanted.iter().all(|wanted| metrics.lines().any(|line| line == wanted));
            Ok((there && world.call("GET", "/ready", None).await?.0 == 200).then_some(()))
        })
        .await
}

/// While the program is away: makes of the one run that there is a thousand; the last of them.
async fn multiply(world: &World) -> Result<RunId> {
    let store = SqlStore::open_sqlite(&world.data_dir().join("strawboss.db")).await?;
    let run = store.run_list_live().await?.pop().context("no run")?;
    let sandbox = store.sandbox_list_present().await?.pop().context("no sandbox")?;
    let folders = world.process_root().context("no sandboxes")?;
    let order = folders.join("sandboxes").join(sandbox.id.as_str());
    let limit = u32::try_from(SESSIONS - 1)?;
    let mut changes = ChangeSet::default();
    for mut task in store.task_list(&TaskFilter { states: vec![TaskState::Queued], limit, ..TaskFilter::default() }).await? {
        let id = task.start(run.created_at)?;
        let its = id.sandbox(Purpose::Agent, 1);
        let folder = folders.join("sandboxes").join(its.as_str());
        fs::create_dir(&folder)?;
        fs::create_dir(folders.join("homes").join(id.as_str()))?;
        // What it was made from, and which process it is.
        for file in ["order.json", "state.json"] {
            fs::copy(order.join(file), folder.join(file))?;
        }
        let (handle, branch) = (Some(its.to_string()), task.id.branch());
        changes.sandboxes.push(Sandbox { id: its, run: id.clone(), handle, version: 0, ..sandbox.clone() });
        changes.runs.push(Run { id: id.clone(), task: task.id.clone(), volume: id, branch, version: 0, ..run.clone() });
        changes.tasks.push(task);
    }
    store.commit(&changes).await?;
    Ok(changes.runs.pop().context("no task was queued")?.id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_are_found_again() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, FILES, most)?;
    let stand_in = tempfile::tempdir()?;
    let supervisor = Some(Crew::stand_in(stand_in.path())?);
    let slots = u32::try_from(SESSIONS)?;
    let options = WorldOptions { runner: RunnerKind::Process, slots, supervisor, ..WorldOptions::default() };
    let mut world = World::new(options)?;
    let repository = world.project("One", &[("README.md", "one\n")], "agent: shell\n")?;
    let mut rows = world.backlog().text()?;
    for row in 0..TASKS {
        writeln!(rows, "One,1,Pending,,,row {row},,,")?;
    }
    world.backlog().write(&rows)?;
    let crew = Crew::play(world.data_dir().join("doors"));
    world.start().await?;
    at_work(&world, 1).await?;
    world.stop().await?;
    let run = multiply(&world).await?;
    world.forget("One");
    world.configure("One", repository.path(), &format!("agent: shell\nmax_concurrent: {SESSIONS}\n"));

    world.start().await?;
    at_work(&world, SESSIONS).await?;
    let states = world.get("/api/v1/status").await?["tasks"].clone();
    world.kill()?;
    world.start().await?;
    at_work(&world, SESSIONS).await?;
    assert_eq!(world.get("/api/v1/status").await?["tasks"], states, "no task was lost, begun twice or blocked");
    assert_eq!(crew.tokens(), 1, "no sandbox was raised a second time");

    let shown = world.type_until(run.as_str(), "are you there?", "are you there?").await?;
    assert_eq!(shown, format!("this is {run}-agent\r\nare you there?"), "its own terminal, from the first byte on");

    let process = format!("/proc/{}", world.pid()?);
    let status = fs::read_to_string(format!("{process}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no memory")?;
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse()?;
    let open = fs::read_dir(format!("{process}/fd"))?.count();
    println!("{SESSIONS} sessions of {TASKS} tasks: {resident} kB, {open} open files");
    ensure!(resident < MEMORY_KB, "{resident} kB are more than the control plane is given");
    ensure!(!world.log().contains("tasks may not run"));
    Ok(())
}
