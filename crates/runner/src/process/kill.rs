//! Ending everything that a sandbox started. While its supervisor lives, everything below it is its descendant (it is
//! the subreaper); after that, what is left is known by the mark in its environment. A process that wiped its
//! environment and outlived its supervisor is not found: the process runner is no wall.

use super::state::{Identity, Stat, open_pid, signal};
use rustix::process::Signal;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// The variable that every process of a sandbox inherits.
pub(super) const MARK: &str = "STRAWBOSS_MARK";
/// Ending a tree that forks as fast as it can takes some rounds; one that survives so long is reported.
const LIMIT: Duration = Duration::from_secs(30);
/// Environments are read so far.
const ENVIRON_MAX: u64 = 256 * 1024;

/// Ends every process of the sandbox and returns when none is left. Blocking.
pub(super) fn kill_all(mark: &str, supervisor: Option<&Identity>) -> io::Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut stopped: HashSet<(i32, u64)> = HashSet::new();
    loop {
        let members = members(mark, supervisor);
        if members.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{} processes do not end", members.len())));
        }
        // All are stopped first, until no new one shows up: a stopped process cannot fork away from the kill.
        let mut grew = false;
        for stat in &members {
            if stopped.insert((stat.pid, stat.start)) {
                grew = true;
                send(stat, Signal::STOP)?;
            }
        }
        if !grew {
            for stat in &members {
                send(stat, Signal::KILL)?;
            }
            // Killed ones need a moment to go; those that show up after are stopped in the next round.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn send(stat: &Stat, what: Signal) -> io::Result<()> {
    match open_pid(stat.pid, stat.start)? {
        Some(process) => signal(&process, what),
        None => Ok(()),
    }
}

/// Every living process of the sandbox.
fn members(mark: &str, supervisor: Option<&Identity>) -> Vec<Stat> {
    let all = processes();
    let own = std::process::id().cast_signed();
    let root = supervisor.filter(|identity| identity.is_alive()).map(|identity| identity.pid);
    let marked = format!("{MARK}={mark}");
    let mut found: HashSet<i32> = all
        .values()
        .filter(|stat| stat.pid != own && stat.pid != 1 && (Some(stat.pid) == root || has_mark(stat.pid, marked.as_bytes())))
        .map(|stat| stat.pid)
        .collect();
    // Until nothing is added: a child may have a lower pid than its parent.
    loop {
        let before = found.len();
        found.extend(
            all.values().filter(|stat| stat.pid != own && found.contains(&stat.parent)).map(|stat| stat.pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            break;
        }
    }
    all.into_values().filter(|stat| found.contains(&stat.pid)).collect()
}

fn processes() -> HashMap<i32, Stat> {
    let Ok(items) = fs::read_dir("/proc") else { return HashMap::new() };
    items
        .filter_map(|item| item.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Stat::read)
        .filter(Stat::is_alive)
        .map(|stat| (stat.pid, stat))
        .collect()
}

fn has_mark(pid: i32, marked: &[u8]) -> bool {
    use io::Read;
    let mut environ = Vec::new();
    fs::File::open(format!("/proc/{pid}/environ")).and_then(|file| file.take(ENVIRON_MAX).read_to_end(&mut environ)).is_ok()
        && environ.split(|b| *b == 0).any(|variable| variable == marked)
}
