//! Proves the door: a real sandbox of an image starts its supervisor, which must call home through its socket.
//!
//! It is what each run needs first: image, tools, volumes, limits, isolation and door at once. Nothing of it stays but
//! the tool's volume, which every installation on the engine shares.

use super::Finding;
use crate::config::settings::Settings;
use crate::environment::Environment;
use crate::serve::runner::docker_config;
use crate::tools;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use strawboss_core::project::Limits;
use strawboss_core::runner::{Purpose, Runner, RunnerError, SandboxHandle, SandboxSpec, SandboxStatus, SandboxVolume};
use strawboss_core::{ProjectName, TaskId};
use strawboss_runner::{DockerRunner, Door as _, SocketDoors};
use tokio::io::AsyncReadExt as _;

/// How long the supervisor may take to call, once its sandbox runs.
const CALL: Duration = Duration::from_secs(30);
/// How long the sandbox may take to end.
const END: Duration = Duration::from_secs(2);
/// What it asks for first.
const GREETING: &[u8] = b"POST /control/token";

/// Every image that projects use; none: the default one.
pub(super) fn images(settings: &Settings) -> BTreeSet<Option<String>> {
    let used: BTreeSet<_> = settings.projects.values().map(|project| project.image.clone()).collect();
    if used.is_empty() { BTreeSet::from([None]) } else { used }
}

/// Starts a sandbox and waits for its call.
pub(super) async fn prove(settings: &Settings, environment: &Environment, image: Option<&str>) -> Finding {
    let what = format!("door, with image {}", image.unwrap_or(&settings.runner.image));
    let began = Instant::now();
    match attempt(settings, environment, image).await {
        Ok(()) => {
            Finding::ok(what, format!("a sandbox without a network called home, {} ms in all", began.elapsed().as_millis()))
        }
        Err((why, fix)) => Finding::fail(what, why, fix),
    }
}

type Why = (String, String);

async fn attempt(settings: &Settings, environment: &Environment, image: Option<&str>) -> Result<(), Why> {
    let supervisor = tools::supervisor(environment)
        .map_err(|_| ("there is no supervisor".to_owned(), "See `supervisor` above.".to_owned()))?;
    let mark = std::process::id();
    let installation = format!("doctor{mark}");
    // Where real doors would be, since it is that place that the engine must be able to bind.
    let made = !settings.server.doors_dir.exists();
    let near = settings.server.doors_dir.parent().filter(|_| made).unwrap_or(&settings.server.doors_dir);
    let beside = if settings.runner.doors_volume.is_some() {
        // Among them, since the docker-proxy lets nothing else of the volume be bound.
        None
    } else {
        Some(tempfile::Builder::new().prefix(".doctor-").tempdir_in(near).map_err(|error| {
            (format!("{} cannot be written: {error}", near.display()), "Make the data directory writable.".to_owned())
        })?)
    };
    let folder = beside.as_ref().map_or(settings.server.doors_dir.as_path(), tempfile::TempDir::path);
    let runner = DockerRunner::new(docker_config(settings, &installation));
    let names = ProjectName::parse("doctor").ok().map(|project| (TaskId::nth(&project, u64::from(mark)), project));
    let Some((task, project)) = names else { return Err(("a name could not be made".to_owned(), String::new())) };
    let run = task.run(1);
    let id = run.sandbox(Purpose::Rescue, 1);
    let sockets = SocketDoors::new(folder).map_err(|error| (error.to_string(), "Look at the folder of doors.".to_owned()))?;
    // A control plane that runs has its doors in the same place, and closes those that it does not know.
    let door = sockets.open_guest(&id).map_err(|error| (error.to_string(), "Look at the folder of doors.".to_owned()))?;
    let spec = SandboxSpec {
        id: id.clone(),
        run,
        project,
        purpose: Purpose::Rescue,
        image: image.map(str::to_owned),
        limits: Limits::default(),
        volume: SandboxVolume::Fresh,
        caches: Vec::new(),
        tools: vec![supervisor],
        door_dir: door.dir().to_owned(),
        env: BTreeMap::new(),
    };
    let created = runner.create(&spec).await.map_err(engine)?;
    let called = call(&runner, &created, &door).await;
    // Whatever came of it, nothing stays.
    let _ = runner.stop(&created, END).await;
    let removed = runner.remove(&created).await;
    let _ = sockets.close(&id);
    called?;
    removed.map_err(engine)
}

fn engine(error: RunnerError) -> Why {
    match error {
        RunnerError::Image { image, why, fix } => (format!("image `{image}`: {why}"), fix),
        other => (other.to_string(), "Look at the engine: `docker info`, and its log.".to_owned()),
    }
}

async fn call(runner: &DockerRunner, sandbox: &SandboxHandle, door: &strawboss_runner::SocketDoor) -> Result<(), Why> {
    runner.start(sandbox).await.map_err(engine)?;
    let heard = async {
        let mut stream = door.accept().await.map_err(|error| error.to_string())?;
        let mut greeting = [0; GREETING.len()];
        stream.read_exact(&mut greeting).await.map_err(|error| error.to_string())?;
        if greeting == GREETING { Ok(()) } else { Err("something else than the supervisor called".to_owned()) }
    };
    let fix = unreachable(door.dir());
    tokio::select! {
        heard = tokio::time::timeout(CALL, heard) => match heard {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err((why, fix)),
            Err(_) => Err((format!("the sandbox runs, but its supervisor did not call within {} s", CALL.as_secs()), fix)),
        },
        ended = runner.wait(sandbox) => {
            let why = match ended {
                Ok(SandboxStatus::Exited { code: Some(code), .. }) => format!("the supervisor ended with {code} before it called"),
                Ok(status) => format!("the sandbox ended before its supervisor called: {status:?}"),
                Err(error) => error.to_string(),
            };
            Err((why, fix))
        }
    }
}

fn unreachable(dir: &Path) -> String {
    format!(
        "The engine must see {} as this program does: it must run on this machine, not in a virtual machine or on another one \
         (Docker Desktop and remote engines are not supported by this version). In Compose, `runner.doors_volume` names the \
         volume that is mounted at `server.doors_dir`.",
        dir.display()
    )
}
