//! The whole system of compose.yaml at rest and as it starts, beside another control plane in containers.

use super::{Size, docker_image, ms, say, timed};
use crate::proc;
use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use strawboss_testkit::System;
use strawboss_testkit::programs::run;

const GROUP: &str = "the system of compose.yaml";
const PEER: &str = "Buildbot master";
const BASE: &str = "debian:bookworm-slim";
/// How long anything may take to answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is measured of each of the two.
struct Footprint {
    resident: f64,
    cpu: f64,
    together: f64,
    image: f64,
    starts: Vec<f64>,
}

/// A control plane in a container, and the containers that it cannot be without.
struct Served {
    id: String,
    others: Vec<String>,
    port: u16,
    /// What answers with 200 once it can work.
    ready: &'static str,
}

pub(crate) async fn measure(size: Size, peer: Option<&str>) -> Result<Vec<Row>> {
    if docker_image().is_none() || !nix::unistd::geteuid().is_root() {
        say!("no Docker engine with the sandboxes' image answers, or this is not root: the system's rows are left out");
        return Ok(Vec::new());
    }
    let (settle, watched, starts, ups) = size.of((1, 1, 1, 1), (30, 20, 10, 3));
    say!("the system of compose.yaml: {ups} times up, {watched} s at rest, {starts} starts");
    let system = System::new("models: []\nrules: []\n")?;
    system.project("Bench", &[("README.md", "# Bench\n")])?;
    let up = || system.done(&["up", "--detach", "--wait", "--no-build"]);
    // The first one makes volumes and database, and fetches the agents' programs.
    up()?;
    let mut whole = Vec::new();
    for _ in 0..ups {
        system.done(&["down", "--timeout", "30"])?;
        let (took, done) = timed(up);
        done?;
        whole.push(took);
    }
    let id = |service: &str| anyhow::Ok(system.done(&["ps", "--quiet", service])?.trim().to_owned());
    let proxy = id("docker-proxy")?;
    let others = vec![proxy.clone(), id("postgres")?, id("edge")?];
    let ours = Served { id: id("strawboss")?, others, port: 7070, ready: "/ready" };
    let peer = peer.and_then(|image| {
        Peer::start(image, &inspect(&ours.others[1], "{{.Config.Image}}").ok()?)
            .inspect_err(|error| say!("the peer does not start, its figures are left out: {error:#}"))
            .ok()
    });
    if peer.is_none() {
        say!("without a peer");
    }
    let both: Vec<&Served> = [&ours].into_iter().chain(peer.as_ref().map(|peer| &peer.served)).collect();
    for one in &both {
        until_ready(one).await?;
    }
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let before = both.iter().map(|one| proc::cpu_ms(pid(&one.id)?)).collect::<Result<Vec<_>>>()?;
    tokio::time::sleep(Duration::from_secs(watched)).await;
    let mut found = Vec::new();
    for (one, before) in both.iter().zip(before) {
        let pid = pid(&one.id)?;
        let cpu = (proc::cpu_ms(pid)? - before) / watched as f64;
        let together = one.others.iter().chain([&one.id]).map(|id| together_mb(id)).sum::<Result<f64>>()?;
        let image = compressed_beyond_base(&inspect(&one.id, "{{.Image}}")?)?;
        found.push(Footprint { resident: proc::rss_mb(pid)?, cpu, together, image, starts: Vec::new() });
    }
    let proxy = proc::rss_mb(pid(&proxy)?)?;
    for _ in 0..starts {
        for (one, found) in both.iter().zip(&mut found) {
            docker(&["stop", "--time", "45", &one.id])?;
            let began = Instant::now();
            docker(&["start", &one.id])?;
            until_ready(one).await?;
            found.starts.push(ms(began.elapsed()));
        }
    }
    let mut found = found.into_iter();
    let mine = found.next().context("nothing was measured")?;
    let its = found.next();
    let row = |name: &str, unit: &'static str, figure: fn(&Footprint) -> Samples| {
        let row = Row::new(GROUP, name, unit, figure(&mine));
        its.iter().fold(row, |row, its| row.against(PEER, figure(its)))
    };
    Ok(vec![
        row("control plane at rest", "MB resident", |one| Samples::one(one.resident)).aim(Aim::Below(40.0)),
        row(&format!("its CPU over {watched} s"), "ms a second", |one| Samples::one(one.cpu)).aim(Aim::Below(10.0)),
        Row::new(GROUP, "docker-proxy at rest", "MB resident", Samples::one(proxy)),
        row("every container's processes together, shared memory once", "MB", |one| Samples::one(one.together)),
        row("image beyond its base, compressed", "MB", |one| Samples::one(one.image)).aim(Aim::Below(80.0)),
        row("`docker start` to ready, database there", "ms", |one| Samples::new(one.starts.clone())),
        Row::new(GROUP, "`docker compose up --wait`, volumes there", "ms", Samples::new(whole)),
    ])
}

fn docker(arguments: &[&str]) -> Result<String> {
    Ok(run(Command::new("docker").args(arguments))?.trim().to_owned())
}

fn inspect(id: &str, what: &str) -> Result<String> {
    docker(&["inspect", "--format", what, id])
}

fn pid(id: &str) -> Result<i32> {
    let pid = inspect(id, "{{.State.Pid}}")?.parse()?;
    ensure!(pid != 0, "{id} does not run:\n{}", docker(&["logs", "--tail", "20", id])?);
    Ok(pid)
}

/// The memory of a container's processes, in MB; what several share counts in parts.
fn together_mb(id: &str) -> Result<f64> {
    let pids = docker(&["top", id, "-o", "pid"])?;
    let mut kb = 0.0;
    // A process that goes while it is counted (a health check) is none of it.
    for text in pids.lines().filter_map(|pid| fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.trim())).ok()) {
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
        kb += line.trim().trim_end_matches("kB").trim().parse::<f64>()?;
    }
    Ok(kb * 1024.0 / 1e6)
}

/// What an image's layers beyond its base's weigh as they are pulled, in MB.
fn compressed_beyond_base(image: &str) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let json = |name: &str| anyhow::Ok(serde_json::from_slice::<Value>(&fs::read(dir.path().join(name))?)?);
    shell("docker save \"$1\" | tar -x -C \"$2\"", &[image.as_ref(), dir.path()])?;
    let manifest = json("manifest.json")?;
    let config = json(manifest[0]["Config"].as_str().context("an image without a configuration")?)?;
    let base: Value = serde_json::from_str(&docker(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", BASE])?)?;
    let (base, all) = (base.as_array().context("no layers")?, config["rootfs"]["diff_ids"].as_array().context("no layers")?);
    ensure!(all.starts_with(base), "{image} was not made from this {BASE}");
    let mut bytes = 0.0;
    for layer in manifest[0]["Layers"].as_array().context("no layers")?.iter().skip(base.len()) {
        let file = dir.path().join(layer.as_str().context("no file")?);
        bytes += shell("gzip -6 <\"$1\" | wc -c", &[&file])?.trim().parse::<f64>()?;
    }
    Ok(bytes / 1e6)
}

fn shell(line: &str, arguments: &[&Path]) -> Result<String> {
    run(Command::new("bash").args(["-o", "pipefail", "-c", line, "bash"]).args(arguments))
}

/// Waits until it answers on its own network that it is ready.
async fn until_ready(one: &Served) -> Result<()> {
    let addresses = inspect(&one.id, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")?;
    let address = addresses.split_whitespace().next().context("a container without an address")?;
    let url = format!("http://{address}:{}{}", one.port, one.ready);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(&url).header("host", "localhost").send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("{url} was asked in vain: {answer:?}\n{}", docker(&["logs", "--tail", "20", &one.id])?);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The peer with a database like ours. Its containers go when it is dropped.
struct Peer {
    name: String,
    served: Served,
}

impl Peer {
    fn start(image: &str, postgres: &str) -> Result<Self> {
        let name = format!("strawboss-bench-{}", std::process::id());
        let database = format!("{name}-postgres");
        let served = Served { id: name.clone(), others: vec![database.clone()], port: 8010, ready: "/api/v2/builders" };
        let peer = Self { name, served };
        let network = &["--network", peer.name.as_str()];
        let url = &["--env", "DATABASE_URL=postgresql://bench:bench@postgres/bench"];
        docker(&["network", "create", &peer.name])?;
        let settings =
            ["POSTGRES_USER=bench", "POSTGRES_DB=bench", "POSTGRES_PASSWORD=bench", "PGDATA=/var/lib/postgresql/data/d"];
        let mut arguments = vec!["run", "--detach", "--name", &database, "--network-alias", "postgres", "--shm-size", "128m"];
        arguments.extend(settings.iter().flat_map(|setting| ["--env", *setting]));
        docker(&[&arguments[..], network, &[postgres]].concat())?;
        let until = Instant::now() + PATIENCE;
        while let Err(error) = docker(&["exec", &database, "pg_isready", "--quiet", "--host=127.0.0.1", "--username=bench"]) {
            ensure!(Instant::now() < until, "its database does not answer: {error:#}");
            std::thread::sleep(Duration::from_millis(200));
        }
        docker(&[&["run", "--rm"], &network[..], url, &[image, "buildbot", "upgrade-master"]].concat())?;
        docker(
            &[&["run", "--detach", "--restart", "unless-stopped", "--name", &peer.name], &network[..], url, &[image]].concat(),
        )?;
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for remove in [&["rm", "--force", "--volumes", &self.name, &self.served.others[0]][..], &["network", "rm", &self.name]] {
            if let Err(error) = docker(remove) {
                say!("something of the peer does not go: {error:#}");
            }
        }
    }
}
