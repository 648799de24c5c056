//! The launcher: a process that becomes a sandbox's supervisor. It takes the sandbox's lock, writes down who it is,
//! gives up what it can (privileges, its session, the terminal) and executes the supervisor in its own place.
//!
//! It exists so that a control plane killed at any moment never loses a supervisor it started, nor starts a second:
//! who runs is written by the one that runs, under a lock.

use super::files::User;
use super::state::Identity;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

pub(super) const ORDER: &str = "order.json";
pub(super) const STATE: &str = "state.json";
pub(super) const LOG: &str = "supervisor.log";
const LOCK: &str = "lock";
/// Processes of the sandbox's user in all, when it is not our own: what a fork bomb is stopped at.
const PROCESSES: u64 = 4096;
/// Open files of one process.
const OPEN_FILES: u64 = 65_536;

/// What to launch. Written by the runner, read by the launcher; a sandbox cannot reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) purpose: strawboss_core::runner::Purpose,
    pub(super) program: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) home: PathBuf,
    pub(super) door_dir: PathBuf,
    /// The largest file that may be written, in bytes.
    pub(super) file_size: u64,
    /// Links to make in the home: path below it, and target.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    pub(super) user: Option<User>,
}

/// Becomes the supervisor of the sandbox whose folder is the only argument. Returns only when that failed, after
/// saying why on standard output. Must be called before any other thread was started.
pub fn launch(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    close_inherited();
    let Some(dir) = arguments.next().map(PathBuf::from) else {
        return report(&mut io::stdout(), &"the launcher needs a sandbox's folder".to_owned());
    };
    // The runner reads our standard output to its end: an answer, or the moment the supervisor took our place.
    let mut answer = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(fd) => File::from(fd),
        Err(error) => return report(&mut io::stdout(), &error),
    };
    match prepare(&dir) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(mut supervisor)) => report(&mut answer, &supervisor.exec()),
        Err(error) => report(&mut answer, &error),
    }
}

/// Closes every descriptor but the standard ones: whatever our starter's starter left open is no business of an agent's.
fn close_inherited() {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> = open.filter_map(|item| item.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The listing's own descriptor is closed already.
        let _ = nix::unistd::close(number);
    }
}

fn report(to: &mut impl Write, error: &dyn std::fmt::Display) -> ExitCode {
    // With nobody reading there is nobody to tell.
    let _ = write!(to, "{error}");
    ExitCode::FAILURE
}

/// Everything up to the exec; none when the sandbox's supervisor runs already.
fn prepare(dir: &Path) -> Result<Option<Command>, String> {
    let order: Order = fs::read(dir.join(ORDER))
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        .map_err(|error| format!("read its order: {error}"))?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(LOCK))
        .map_err(|error| format!("open its lock: {error}"))?;
    // Held until the exec closes it.
    let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| format!("take its lock: {error}"))?;
    let state = dir.join(STATE);
    if Identity::load(&state).map_err(|error| format!("read its state: {error}"))?.is_some_and(|identity| identity.is_alive()) {
        return Ok(None);
    }
    let fail = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    let io_fail = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    Identity::own().and_then(|own| own.save(&state)).map_err(io_fail("write down who runs"))?;
    std::mem::forget(lock);
    // A session of its own: no terminal of ours to push input into, no signal of ours to share.
    setsid().map_err(fail("leave the session"))?;
    prctl::set_child_subreaper(true).map_err(fail("become the parent of orphans"))?;
    prctl::set_no_new_privs().map_err(fail("give up new privileges"))?;
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(LOG)).map_err(io_fail("open its log"))?;
    let log_too = log.try_clone().map_err(io_fail("open its log"))?;
    // Inherited on purpose: through this descriptor the supervisor reaches its door wherever the data directory lies.
    let door =
        nix::fcntl::open(&order.door_dir, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).map_err(fail("open its door"))?;
    let door = format!("/proc/self/fd/{}/door.sock", door.into_raw_fd());
    limit(Resource::RLIMIT_CORE, 0)?;
    limit(Resource::RLIMIT_NOFILE, OPEN_FILES)?;
    limit(Resource::RLIMIT_FSIZE, order.file_size.max(1 << 20))?;
    if let Some(user) = order.user {
        limit(Resource::RLIMIT_NPROC, PROCESSES)?;
        setgroups(&[]).map_err(fail("give up groups"))?;
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        setresgid(gid, gid, gid).map_err(fail("become the sandbox's group"))?;
        setresuid(uid, uid, uid).map_err(fail("become the sandbox's user"))?;
    }
    // From here on as the sandbox's user: whatever an earlier agent left in the home can lead only where it may go.
    std::env::set_current_dir(&order.home).map_err(io_fail("enter its home"))?;
    nix::sys::stat::umask(Mode::S_IWGRP | Mode::S_IWOTH);
    for (link, target) in &order.links {
        make_link(&order.home.join(link), target).map_err(|error| format!("link the cache {}: {error}", link.display()))?;
    }
    let mut command = Command::new(&order.program);
    command.env_clear().envs(&order.env).env("STRAWBOSS_DOOR", door).stdin(Stdio::null()).stdout(log).stderr(log_too);
    Ok(Some(command))
}

fn limit(resource: Resource, most: u64) -> Result<(), String> {
    getrlimit(resource)
        .and_then(|(_, hard)| setrlimit(resource, most.min(hard), most.min(hard)))
        .map_err(|error| format!("limit {resource:?}: {error}"))
}

/// Makes the link; what is there already stays, a folder with work in it above all.
fn make_link(link: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent)?;
    }
    match std::os::unix::fs::symlink(target, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}
