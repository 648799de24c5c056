//! From a row to the agent's first byte, and a whole run of an agent that does nothing.

use super::{Size, docker_image, ms, say};
use crate::proc;
use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const GROUP: &str = "starting";
/// Writes when it was begun, in nanoseconds since 1970: its own first byte.
const STAMP: &str = "date +%s%N";
/// How many rounds come before the first that counts: mirror, image and caches are warm then.
const WARM_UP: usize = 2;

fn now_ms() -> Result<f64> {
    Ok(ms(SystemTime::now().duration_since(UNIX_EPOCH)?))
}

/// The stamp in what was printed, in milliseconds since 1970.
fn stamp(printed: &str) -> Option<f64> {
    let word = printed.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 19)?;
    Some(word.parse::<f64>().ok()? / 1e6)
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Row>> {
    let mut rows = first_byte(RunnerKind::Process, size, 300.0).await?;
    rows.extend(whole_process(size).await?);
    if let Some(image) = docker_image() {
        rows.extend(first_byte(RunnerKind::Docker, size, 600.0).await?);
        rows.extend(whole_docker(size, &image).await?);
    } else {
        say!(
            "no Docker engine with the sandboxes' image answers: rows about containers are left out (scripts/lab/sandbox-image.sh)"
        );
    }
    Ok(rows)
}

/// The same command by the same shell, without anything around it: how long until its first byte.
fn directly() -> Result<f64> {
    let began = now_ms()?;
    let output = Command::new("/bin/sh").args(["-c", STAMP]).stdin(Stdio::null()).output()?;
    Ok(stamp(&String::from_utf8_lossy(&output.stdout)).context("no stamp was printed")? - began)
}

fn word(runner: RunnerKind) -> &'static str {
    match runner {
        RunnerKind::Process => "process",
        RunnerKind::Docker => "docker",
    }
}

async fn world(runner: RunnerKind, shell: &str) -> Result<World> {
    let mut world = World::new(WorldOptions { runner, shell: shell.to_owned(), ..WorldOptions::default() })?;
    world.project("Bench", &[("README.md", "# Bench\n")], "agent: shell\n")?;
    world.start().await?;
    Ok(world)
}

/// Appends a row and waits until its run is over; gives when it was appended, and the run.
async fn work_off(world: &World, round: usize) -> Result<(f64, Value)> {
    let action = format!("Round {round}.");
    let appended = now_ms()?;
    world.backlog().append("Bench", "1", "Pending", &action, ",,")?;
    let task = world
        .until("the run is over", async |world| {
            let task = world.task_by_action(&action).await?;
            Ok(matches!(task["state"].as_str(), Some("review" | "done" | "blocked")).then_some(task))
        })
        .await?;
    if task["state"] == "blocked" {
        bail!("the run failed: {}", task["block"]);
    }
    let run = world.get(&format!("/api/v1/runs/{}", task["run"]["id"].as_str().context("no run")?)).await?;
    Ok((appended, run["run"].clone()))
}

fn moment(run: &Value, key: &str) -> Result<f64> {
    run[key].as_f64().with_context(|| format!("a run without {key}: {run}"))
}

async fn first_byte(runner: RunnerKind, size: Size, limit: f64) -> Result<Vec<Row>> {
    let repetitions = size.of(1, 20);
    let world_of = word(runner);
    say!("from a row to the agent's first byte ({world_of}) and the same command directly, in turn, {repetitions} times");
    let mut world = world(runner, STAMP).await?;
    let (mut direct, mut byte, mut noticed, mut prepared) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + repetitions {
        let (appended, run) = work_off(&world, round).await?;
        let id = run["id"].as_str().context("no id")?;
        let (_, printed) = world.call("GET", &format!("/api/v1/runs/{id}/terminal?from=0"), None).await?;
        // What is only digits is JSON as well.
        let printed = printed.as_str().map_or_else(|| printed.to_string(), str::to_owned);
        let at = stamp(&printed).with_context(|| format!("no stamp was printed: {printed}"))?;
        let alone = directly()?;
        if round >= WARM_UP {
            direct.push(alone);
            byte.push(at - appended);
            noticed.push(moment(&run, "created_at")? - appended);
            prepared.push(at - moment(&run, "created_at")?);
        }
    }
    let memory = proc::rss_mb(world.pid()?.as_raw())?;
    world.stop().await?;
    let direct = Samples::new(direct);
    let byte = Samples::new(byte);
    let added = byte.less(direct.median());
    Ok(vec![
        Row::new(GROUP, format!("row to the agent's first byte, {world_of}"), "ms", byte).against("the command alone", direct),
        Row::new(GROUP, format!("… added, {world_of}"), "ms", added).aim(Aim::Below(limit)),
        Row::new(GROUP, format!("… of it until the run is committed, {world_of}"), "ms", Samples::new(noticed)),
        Row::new(GROUP, format!("… of it mirror, sandbox, clone, {world_of}"), "ms", Samples::new(prepared)),
        Row::new(
            GROUP,
            format!("control plane after {} runs, {world_of}", WARM_UP + repetitions),
            "MB resident",
            Samples::one(memory),
        ),
    ])
}

async fn whole_process(size: Size) -> Result<Vec<Row>> {
    let repetitions = size.of(1, 20);
    say!("whole runs of an agent that does nothing (process), {repetitions} times");
    let mut world = world(RunnerKind::Process, "true").await?;
    let mut whole = Vec::new();
    for round in 0..WARM_UP + repetitions {
        let (appended, run) = work_off(&world, round).await?;
        whole.push(moment(&run, "finished_at")? - appended);
    }
    world.stop().await?;
    Ok(vec![Row::new(GROUP, "row to finished run of `true`, process", "ms", Samples::new(whole.split_off(WARM_UP)))])
}

/// When containers of this world went, as the engine says it.
struct Removals {
    docker: Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Removals {
    fn of(installation: &str) -> Result<Self> {
        let filter = format!("label=strawboss.installation={installation}");
        let mut docker = Command::new("docker")
            .args(["events", "--filter", "type=container", "--filter", "event=destroy", "--filter", &filter])
            .args(["--format", "{{.TimeNano}} {{index .Actor.Attributes \"name\"}}"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = docker.stdout.take().context("no output of docker events")?;
        let (tell, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { docker, lines })
    }

    /// When the last of them went, in milliseconds since 1970. None must be left.
    async fn last(&mut self) -> Result<f64> {
        let mut last = f64::NAN;
        // The engine says it as it happens; what it has not said for so long has not happened.
        while let Ok(line) = tokio::time::timeout(Duration::from_millis(500), self.lines.recv()).await {
            let line = line.context("docker events ended")?;
            last = stamp(&line).with_context(|| format!("docker events said {line}"))?;
        }
        if last.is_nan() {
            bail!("docker events said nothing of the container");
        }
        Ok(last)
    }
}

impl Drop for Removals {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.docker.kill();
        let _ = self.docker.wait();
    }
}

async fn whole_docker(size: Size, image: &str) -> Result<Vec<Row>> {
    let repetitions = size.of(1, 15);
    say!("whole runs of an agent that does nothing (docker) and `docker run --rm`, in turn, {repetitions} times");
    let mut world = world(RunnerKind::Docker, "true").await?;
    let mut removals = Removals::of(&world.installation()?)?;
    let (mut whole, mut bridge, mut none) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + repetitions {
        let (appended, run) = work_off(&world, round).await?;
        let over = moment(&run, "finished_at")?;
        world.until("its containers are gone", async |world| Ok(world.containers()?.is_empty().then_some(()))).await?;
        whole.push(removals.last().await?.max(over) - appended);
        for (times, network) in [(&mut bridge, "bridge"), (&mut none, "none")] {
            let began = Instant::now();
            let done = Command::new("docker").args(["run", "--rm", "--network", network, image, "true"]).output()?;
            if !done.status.success() {
                bail!("docker run: {}", String::from_utf8_lossy(&done.stderr));
            }
            times.push(ms(began.elapsed()));
        }
    }
    drop(removals);
    world.stop().await?;
    let counted = |mut times: Vec<f64>| Samples::new(times.split_off(WARM_UP));
    Ok(vec![
        Row::new(GROUP, "row to finished run of `true` and its container gone, docker", "ms", counted(whole))
            .against("docker run --rm", counted(bridge))
            .aim(Aim::Times(2.0)),
        Row::new(GROUP, "for comparison: docker run --rm --network none", "ms", counted(none)),
    ])
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn a_stamp_is_found_among_other_words() {
        let at = stamp("\u{1b}[2mcloned 0123456789ab in 12 ms\r\n1767225600123456789\r\n").unwrap();
        assert!((at - 1_767_225_600_123.456_8).abs() < 0.01, "{at}");
        assert_eq!(stamp("in 12 ms"), None);
    }
}
