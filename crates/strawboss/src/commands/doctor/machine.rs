//! The machine: variables, git, disk, port, engine, programs for sandboxes.

use super::Finding;
use crate::config::settings::{RunnerKind, Settings};
use crate::environment::Environment;
use crate::output::words;
use crate::serve::data_dir::{ADDRESS, INSTALLATION};
use crate::serve::runner::{NO_ENGINE, docker_config};
use crate::{git, tools};
use nix::sys::statvfs::statvfs;
use std::net::TcpListener;
use std::path::Path;
use strawboss_core::runner::Runner as _;
use strawboss_runner::{DockerRunner, EngineFacts};

/// Below this nothing works for long.
const DISK_FAIL: u64 = 512 << 20;
/// Below this a few runs fill it.
const DISK_WARN: u64 = 5 << 30;

/// Variables that look like ours and are not.
pub(super) fn variables(environment: &Environment) -> Vec<Finding> {
    let unknown = environment.unknown();
    let warn = |(name, near): (String, Option<&str>)| {
        let fix = match near {
            Some(near) => format!("Did you mean {near}? Correct or unset it."),
            None => "Unset it, or see docs/environment.md for those that are.".to_owned(),
        };
        Finding::warn("environment", format!("{name} is not known"), fix)
    };
    unknown.into_iter().map(warn).collect()
}

/// git, and whether it can merge without a working tree.
pub(super) async fn git() -> Finding {
    let fix = format!("Install git {}.{} or later.", git::LEAST.0, git::LEAST.1);
    match git::git(Path::new("/"), &["--version"]).await {
        Ok(text) => match git::version(&text) {
            Some(version) if version >= git::LEAST => Finding::ok("git", text),
            _ => Finding::fail("git", format!("`{text}` is too old to merge without a working tree"), fix),
        },
        Err(why) => Finding::fail("git", why, fix),
    }
}

/// The program that runs in every sandbox.
pub(super) fn supervisor(environment: &Environment) -> Finding {
    match tools::supervisor(environment) {
        Ok(tool) => Finding::ok("supervisor", tool.dir.join("bin/strawboss-supervisor").display().to_string()),
        Err(tried) => {
            let tried: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
            Finding::fail(
                "supervisor",
                format!("it is not in {}", tried.join(", ")),
                "Build it with `scripts/build-supervisor.sh`, or say where it is with STRAWBOSS_SUPERVISOR_DIR.",
            )
        }
    }
}

/// The nearest folder that is there.
pub(super) fn standing(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"))
}

/// Where state lies: writable, with room.
pub(super) fn data_dir(settings: &Settings) -> Vec<Finding> {
    let path = &settings.server.data_dir;
    let folder = standing(path);
    let fix = "Make it writable for this user, or name another with `server.data_dir`.";
    let writable = nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK);
    let place = match (&writable, path.is_dir()) {
        (Err(error), _) => Finding::fail("data directory", format!("{} cannot be written: {error}", folder.display()), fix),
        (Ok(()), false) => Finding::ok("data directory", format!("{} will be made", path.display())),
        (Ok(()), true) => {
            let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            if empty || path.join(INSTALLATION).is_file() {
                Finding::ok("data directory", path.display().to_string())
            } else {
                let detail = format!("{} is not empty and is no data directory of Strawboss", path.display());
                Finding::fail("data directory", detail, "Name a folder that is new or empty with `server.data_dir`.")
            }
        }
    };
    let mut found = vec![place, disk("disk", folder)];
    if settings.server.doors_dir != *path {
        found.push(disk("disk of the doors", standing(&settings.server.doors_dir)));
    }
    found
}

/// How many bytes are free where a folder is.
pub(super) fn free(folder: &Path) -> nix::Result<u64> {
    let disk = statvfs(folder)?;
    #[expect(clippy::useless_conversion, reason = "the widths differ between platforms")]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    Ok(free)
}

/// Whether there is room where a folder is.
pub(super) fn disk(what: &str, folder: &Path) -> Finding {
    match free(folder) {
        Ok(free) => room(what, folder, free),
        Err(error) => {
            Finding::warn(what, format!("the room at {} is not known: {error}", folder.display()), "Look with `df -h`.")
        }
    }
}

fn room(what: &str, folder: &Path, free: u64) -> Finding {
    let detail = format!("{} free at {}", words::size(free), folder.display());
    let fix = "Make room (`strawboss retention apply` removes what is kept no longer), or name a folder on another disk.";
    match free {
        0..DISK_FAIL => Finding::fail(what, detail, fix),
        DISK_FAIL..DISK_WARN => Finding::warn(what, detail, fix),
        _ => Finding::ok(what, detail),
    }
}

/// The port: free, or ours.
pub(super) fn port(settings: &Settings) -> Finding {
    let listen = settings.server.listen;
    let running = std::fs::read_to_string(settings.server.data_dir.join(ADDRESS)).ok();
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => match running {
            Some(address) => Finding::ok("port", format!("{listen} is taken, by the service that runs on {}", address.trim())),
            None => Finding::fail(
                "port",
                format!("{listen} is taken by another program"),
                "Stop that program, or choose another port: `server.listen` or `serve --listen`.",
            ),
        },
        Err(error) => Finding::fail(
            "port",
            format!("cannot listen on {listen}: {error}"),
            "Use an address of this machine and a port from 1024 on: `server.listen`.",
        ),
    }
}

/// What runs sandboxes, and whether it is an engine that answers.
pub(super) async fn runner(settings: &Settings) -> (Finding, bool) {
    if settings.runner.kind == RunnerKind::Process {
        let finding = Finding::warn(
            "runner",
            "process: agents are plain processes of this machine, with NO isolation",
            "Use Docker (`runner: { type: docker }`) for anything but demos and trusted work.",
        );
        return (finding, false);
    }
    let runner = DockerRunner::new(docker_config(settings, "doctor"));
    match runner.info().await {
        Ok(info) => match info.detail.split_once("; WARNING: ") {
            Some((detail, warning)) => {
                let finding =
                    Finding::warn("runner", format!("{detail}: {warning}"), "Sandboxes are walled off less than they could be.");
                (finding, true)
            }
            None => (Finding::ok("runner", info.detail), true),
        },
        Err(error) => (Finding::fail("runner", error.to_string(), NO_ENGINE), false),
    }
}

/// What the engine says of itself, and its clock.
pub(super) async fn engine(settings: &Settings) -> (Option<EngineFacts>, Option<Finding>) {
    let before = strawboss_core::Timestamp(words::now());
    // That it does not answer was said already.
    let facts = DockerRunner::new(docker_config(settings, "doctor")).facts().await.ok();
    let clock = facts.as_ref().and_then(|facts| super::deployment::engine(facts, before));
    (facts, clock)
}

/// The agents' own programs.
pub(super) fn agents(settings: &Settings, environment: &Environment) -> Vec<Finding> {
    let used = |kind| {
        settings.projects.values().any(|project| project.agent == kind)
            || settings.models.values().any(|model| model.agent == kind)
    };
    tools::agents(&settings.agents, environment)
        .into_iter()
        .map(|agent| {
            let what = format!("agent {}", agent.kind.word());
            match agent.unusable {
                Some(unusable) if used(agent.kind) => Finding::fail(what, unusable.message, unusable.fix),
                Some(unusable) => Finding::warn(what, unusable.message, unusable.fix),
                None => match (agent.version, agent.tool_dir, agent.command) {
                    (Some(version), Some(dir), _) => Finding::ok(what, format!("{version} in {}", dir.display())),
                    (None, Some(dir), _) => Finding::ok(what, dir.display().to_string()),
                    (_, None, command) => Finding::ok(what, format!("runs `{}`", words::one_line(&command.unwrap_or_default()))),
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::{DISK_FAIL, DISK_WARN, room};
    use std::path::Path;

    #[test]
    fn little_room_is_said_before_there_is_none() {
        for (free, verdict) in
            [(0, Verdict::Fail), (DISK_FAIL, Verdict::Warn), (DISK_WARN - 1, Verdict::Warn), (DISK_WARN, Verdict::Ok)]
        {
            assert_eq!(room("disk", Path::new("/"), free).result, verdict, "{free}");
        }
    }
}
