//! Clone, push and merge of a large repository: time, and bytes on the disk.

use super::{Size, docker_image, ms, say, timed};
use crate::proc;
use crate::samples::Samples;
use crate::table::Row;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use strawboss_testkit::{Repository, RunnerKind, World, WorldOptions, programs};

const GROUP: &str = "large repository";
/// How many commits the repository is made of.
const COMMITS: usize = 4;
/// The size of one of its files, in bytes.
const FILE: usize = 4 << 20;

/// The agent: changes a large file, adds a small one, says what its volume takes on the disk, and waits for a word.
const AGENT: &str = "head -c 4194304 /dev/urandom > part-0/file-0 && echo done > result && \
    echo \"volume=$(du --summarize --block-size=1 \"$HOME\" | cut -f1) bytes\" && read -r word";

pub(crate) async fn measure(size: Size) -> Result<Vec<Row>> {
    let megabytes = size.of(8, 1000);
    let dir = tempfile::tempdir()?;
    let source = dir.path().join("source");
    say!("making a repository of {megabytes} MB in {COMMITS} commits");
    make(&source, megabytes)?;
    let mut rows = Vec::new();
    let (linked, copied) = clones(dir.path(), &source, size.of(1, 3))?;
    let source_mb = proc::disk_mb(&[&source])?;
    let peer_mb = proc::disk_mb(&[&dir.path().join("copied")])?;
    std::fs::remove_dir_all(dir.path().join("copied"))?;
    rows.push(Row::new(GROUP, "for comparison: git clone with hard links, same disk", "ms", linked));
    let mut runners = vec![RunnerKind::Process];
    if docker_image().is_some() {
        runners.push(RunnerKind::Docker);
    }
    for runner in runners {
        rows.extend(work_off(runner, &source, &copied, peer_mb, source_mb, size).await?);
    }
    Ok(rows)
}

/// A repository of files that no compression makes smaller.
fn make(path: &Path, megabytes: usize) -> Result<()> {
    let repository = Repository::create(path, &[("README.md", "# Large\n")])?;
    let mut noise = std::fs::File::open("/dev/urandom")?;
    let mut bytes = vec![0; FILE.min(megabytes * 1_000_000 / COMMITS)];
    for part in 0..COMMITS {
        let folder = path.join(format!("part-{part}"));
        std::fs::create_dir(&folder)?;
        for number in 0..(megabytes * 1_000_000 / COMMITS / bytes.len()).max(1) {
            noise.read_exact(&mut bytes)?;
            std::fs::File::create(folder.join(format!("file-{number}")))?.write_all(&bytes)?;
        }
        repository.commit(&[], &format!("Part {part}"))?;
    }
    // As a repository that was once cloned or pushed is: in packs.
    repository.git(&["gc", "--quiet"])?;
    Ok(())
}

/// `git clone`: with hard links, and with objects copied as over any transport.
fn clones(dir: &Path, source: &Path, repetitions: usize) -> Result<(Samples, Samples)> {
    let (mut linked, mut copied) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        for (times, name, flag) in [(&mut linked, "linked", "--local"), (&mut copied, "copied", "--no-local")] {
            say!("git clone {flag}");
            let to = dir.join(name);
            if to.exists() {
                std::fs::remove_dir_all(&to)?;
            }
            let (took, done) = timed(|| Command::new("git").args(["clone", "--quiet", flag]).arg(source).arg(&to).output());
            let done = done?;
            if !done.status.success() {
                bail!("git clone: {}", String::from_utf8_lossy(&done.stderr));
            }
            times.push(took);
        }
    }
    std::fs::remove_dir_all(dir.join("linked"))?;
    Ok((Samples::new(linked), Samples::new(copied)))
}

async fn work_off(
    runner: RunnerKind,
    source: &Path,
    peer: &Samples,
    peer_mb: f64,
    source_mb: f64,
    size: Size,
) -> Result<Vec<Row>> {
    let word = match runner {
        RunnerKind::Process => "process",
        RunnerKind::Docker => "docker",
    };
    let mut world = World::new(WorldOptions { runner, shell: AGENT.to_owned(), ..WorldOptions::default() })?;
    // The user's repository of this world: the source itself, cloned by hard links, so that its growth can be told.
    let own = world.path().join("repositories/Large");
    std::fs::create_dir_all(own.parent().context("no parent")?)?;
    programs::run(Command::new("git").args(["clone", "--quiet", "--no-local"]).arg(source).arg(&own))?;
    world.configure("Large", &own, "agent: shell\nreview: auto\nchecks: [\"test -e result\"]\n");
    world.start().await?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    let mut cloned = Vec::new();
    let mut landed = Vec::new();
    let (mut mirror_mb, mut volume_mb) = (0.0, 0.0);
    let before_mb = proc::disk_mb(&[&own])?;
    let rounds = size.of(2, 4);
    for round in 0..rounds {
        say!("a run on it ({word}), {} of {rounds}", round + 1);
        let began = Instant::now();
        let action = format!("Round {round}.");
        world.backlog().append("Large", "1", "Pending", &action, ",,")?;
        let (run, bytes) = world
            .until("the agent has done its work", async |world| {
                let task = world.task_by_action(&action).await?;
                anyhow::ensure!(task["state"] != "blocked", "blocked: {}", task["block"]);
                let Some(run) = task["run"]["id"].as_str() else { return Ok(None) };
                let (_, shown) = world.call("GET", &format!("/api/v1/runs/{run}/terminal?from=0"), None).await?;
                Ok(volume_of(shown.as_str().unwrap_or_default()).map(|bytes| (run.to_owned(), bytes)))
            })
            .await?;
        let until_worked = ms(began.elapsed());
        mirror_mb = proc::disk_mb(&[&world.data_dir().join("mirrors")])?;
        volume_mb = bytes / 1e6;
        let began = Instant::now();
        world.post(&format!("/api/v1/runs/{run}/say"), json!({ "text": "go on" })).await?;
        world
            .until("it is merged", async |world| {
                let task = world.task_by_action(&action).await?;
                anyhow::ensure!(task["state"] != "blocked", "blocked: {}", task["block"]);
                Ok((task["state"] == "done").then_some(()))
            })
            .await?;
        let merged = ms(began.elapsed());
        if round == 0 { &mut cold } else { &mut warm }.push(until_worked);
        landed.push(merged);
        cloned.push(step_ms(&world, &run).await?);
    }
    let grown = proc::disk_mb(&[&own])? - before_mb;
    world.stop().await?;
    let against = |row: Row| row.against("git clone --no-local", peer.clone());
    Ok(vec![
        against(Row::new(GROUP, format!("clone in the sandbox, {word}"), "ms", Samples::new(cloned))),
        against(Row::new(GROUP, format!("row to the agent's end, no mirror yet, {word}"), "ms", Samples::new(cold))),
        against(Row::new(GROUP, format!("row to the agent's end, mirror warm, {word}"), "ms", Samples::new(warm))),
        against(Row::new(
            GROUP,
            format!("commit, push, check on a fresh clone, merge, checkout follows, {word}"),
            "ms",
            Samples::new(landed),
        )),
        Row::new(
            GROUP,
            format!("mirror and the live run's volume on the disk, {word}"),
            "MB",
            Samples::one(mirror_mb + volume_mb),
        )
        .against("git clone --no-local", Samples::one(peer_mb)),
        Row::new(GROUP, format!("… of it the mirror, {word}"), "MB", Samples::one(mirror_mb))
            .against("the repository", Samples::one(source_mb)),
        Row::new(
            GROUP,
            format!("growth of the user's repository, a merge of 4.2 MB, {word}"),
            "MB a merge",
            Samples::one(grown / f64::from(rounds)),
        ),
    ])
}

/// The bytes that the agent says its volume takes.
fn volume_of(shown: &str) -> Option<f64> {
    shown.split("volume=").find_map(|rest| rest.split_once(" bytes")?.0.parse().ok())
}

/// How long the supervisor's clone took, by its own report.
async fn step_ms(world: &World, run: &str) -> Result<f64> {
    let events = world.get(&format!("/api/v1/runs/{run}/events?limit=1000")).await?;
    let items = events["items"].as_array().cloned().unwrap_or_default();
    let step = items.iter().find_map(|event| {
        let body = &event["body"];
        (body["kind"] == "step" && body["name"] == "clone").then(|| body["duration_ms"].as_f64())?
    });
    step.with_context(|| format!("no clone among the reports: {events}"))
}

#[cfg(test)]
mod tests {
    use super::volume_of;

    #[test]
    fn the_command_itself_is_not_taken_for_what_it_prints() {
        assert_eq!(volume_of("+ echo \"volume=$(du …) bytes\"\r\n"), None);
        assert_eq!(volume_of("+ echo \"volume=$(du …) bytes\"\r\nvolume=4096 bytes\r\n"), Some(4096.0));
    }
}
