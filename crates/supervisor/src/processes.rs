//! The processes of the sandbox: starting them, taking in orphans, and ending all of them.
//!
//! As PID 1 (or as the subreaper of its descendants) this process gets every orphan as a child and must wait for it.
//! Children that were started here are waited for by whoever started them, so only the others are taken. The runtime
//! has one thread: between a child's start and its entry in the list nothing else runs.

use crate::complain::complain;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// How long ends of children are gathered before orphans are looked for: a storm of them costs one look.
const GATHER: Duration = Duration::from_millis(20);
/// How long ending everything may take.
const END_ALL: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Processes {
    ours: Mutex<HashSet<i32>>,
    children_ended: Mutex<Option<SignalStream>>,
    first: bool,
}

/// A child that was started here. Dropped early, it is killed, and waited for like an orphan.
pub(crate) struct Started {
    /// The child.
    pub(crate) child: Child,
    pid: i32,
    processes: Arc<Processes>,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.processes.ours().remove(&self.pid);
    }
}

impl Started {
    /// Waits for its end. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends a signal to it and everything in its process group.
    pub(crate) fn signal(&self, signal: Signal) {
        self.group().signal(signal);
    }

    /// Its process group.
    pub(crate) fn group(&self) -> Group {
        Group(Pid::from_raw(self.pid))
    }
}

/// A child's process group. To be signalled only while the child was not waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Pid);

impl Group {
    pub(crate) fn signal(self, signal: Signal) {
        // Gone already: nothing to signal.
        let _ = killpg(self.0, signal);
    }
}

impl Processes {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            ours: Mutex::default(),
            children_ended: Mutex::new(Some(signal(SignalKind::child())?)),
            first: nix::unistd::getpid().as_raw() == 1,
        })
    }

    fn ours(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is PID 1.
    pub(crate) fn is_first(&self) -> bool {
        self.first
    }

    /// Starts a command in a process group of its own.
    pub(crate) fn start(self: &Arc<Self>, command: &mut Command) -> io::Result<Started> {
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn()?;
        Ok(self.adopt(child))
    }

    /// Enters a child that another way has started, in a process group of its own.
    pub(crate) fn adopt(self: &Arc<Self>, child: Child) -> Started {
        // A child that was not waited for yet has an id.
        let pid = child.id().map_or(0, |id| id as i32);
        self.ours().insert(pid);
        Started { child, pid, processes: Arc::clone(self) }
    }

    /// Waits for orphans, for ever.
    pub(crate) async fn reap_forever(self: Arc<Self>) {
        let Some(mut ended) = self.children_ended.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        while ended.recv().await.is_some() {
            tokio::time::sleep(GATHER).await;
            self.reap();
        }
    }

    /// Waits for every orphan that has ended.
    fn reap(&self) {
        for pid in children(std::process::id() as i32) {
            if !self.ours().contains(&pid) {
                let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
            }
        }
    }

    /// Ends every process of the sandbox but this one: nobody is left who could change the workspace.
    pub(crate) async fn end_all(&self) {
        let end = tokio::time::Instant::now() + END_ALL;
        while tokio::time::Instant::now() < end {
            if self.first {
                // One call reaches all at once, so no storm of forks outruns it.
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            } else {
                kill_descendants();
            }
            self.reap();
            if living(&descendants()).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        complain(format!("some processes did not end within {} s", END_ALL.as_secs()));
    }
}

/// Stops all descendants first, until a look finds no new one, so that no storm of forks outruns the kill.
fn kill_descendants() {
    let mut stopped = BTreeSet::new();
    for _ in 0..100 {
        let new: Vec<i32> = descendants().into_iter().filter(|pid| !stopped.contains(pid)).collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
            stopped.insert(pid);
        }
    }
    for pid in stopped {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn living(pids: &BTreeSet<i32>) -> Vec<i32> {
    pids.iter().copied().filter(|pid| stat(*pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))).collect()
}

/// All descendants of this process.
pub(crate) fn descendants() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut open = vec![std::process::id() as i32];
    while let Some(pid) = open.pop() {
        for child in children(pid) {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

/// The children of a process, by the kernel's own list where it has one, else by looking at every process.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match std::fs::read_to_string(thread.path().join("children")) {
            Ok(list) => found.extend(list.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // The thread ended meanwhile, or the kernel was built without the list.
            Err(_) if std::path::Path::new("/proc/self/task").join(std::process::id().to_string()).join("children").exists() => {}
            Err(_) => return children_by_parent(pid),
        }
    }
    found
}

fn children_by_parent(parent: i32) -> Vec<i32> {
    all_processes().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// Every process that can be seen.
pub(crate) fn all_processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: i32,
    /// CPU time of it and of its children that were waited for, in clock ticks.
    pub(crate) ticks: u64,
    /// Resident memory, in pages.
    pub(crate) pages: u64,
}

/// Reads it; none when the process is gone.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The program's name stands in parentheses and may hold anything, parentheses too.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        pages: number(21)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Stat, parse_stat};

    #[test]
    fn a_name_with_parentheses_is_no_trap() {
        let text = "7 (a) Z (b)) S 1 7 7 0 -1 4194560 100 0 0 0 3 4 5 6 20 0 1 0 100 1000000 321 18446744073709551615 1";
        assert_eq!(parse_stat(text), Some(Stat { state: 'S', parent: 1, ticks: 18, pages: 321 }));
        assert_eq!(parse_stat("7 (a"), None);
    }
}
