//! Which process a sandbox is: its pid together with when it began, so that a reused pid is never taken for it.

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A process of this boot of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// In clock ticks since boot, as `/proc/<pid>/stat` has it.
    pub(super) start: u64,
    pub(super) boot: String,
}

/// A line of `/proc/<pid>/stat`, as far as we read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) state: u8,
    pub(super) parent: i32,
    pub(super) start: u64,
}

impl Stat {
    pub(super) fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name stands in parentheses and may hold anything, parentheses too: the last one ends it.
    fn parse(line: &[u8]) -> Option<Self> {
        let close = line.iter().rposition(|b| *b == b')')?;
        let pid = std::str::from_utf8(line.get(..line.iter().position(|b| *b == b' ')?)?).ok()?.parse().ok()?;
        let rest = std::str::from_utf8(line.get(close + 2..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

impl Identity {
    /// Of this process.
    pub(super) fn own() -> io::Result<Self> {
        let pid = std::process::id().cast_signed();
        let stat = Stat::read(pid).ok_or_else(|| io::Error::other("/proc is not there"))?;
        Ok(Self { pid, start: stat.start, boot: boot()? })
    }

    /// Reads what [`Identity::save`] wrote; none when nothing was.
    pub(super) fn load(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        super::files::write_whole(path, &serde_json::to_vec(self)?)
    }

    pub(super) fn is_alive(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot)
            && Stat::read(self.pid).is_some_and(|stat| stat.start == self.start && stat.is_alive())
    }

    /// A descriptor of exactly this process; none when it has ended.
    pub(super) fn open(&self) -> io::Result<Option<OwnedFd>> {
        if !boot().is_ok_and(|boot| boot == self.boot) {
            return Ok(None);
        }
        open_pid(self.pid, self.start)
    }
}

/// A descriptor of the process that has this pid and began then; none when it has ended.
pub(super) fn open_pid(pid: i32, start: u64) -> io::Result<Option<OwnedFd>> {
    let Some(raw) = Pid::from_raw(pid) else { return Ok(None) };
    let fd = match rustix::process::pidfd_open(raw, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Looked at after the descriptor exists: from here on it cannot mean another process.
    Ok(Stat::read(pid).filter(|stat| stat.start == start && stat.is_alive()).map(|_| fd))
}

/// Sends a signal; no error when the process has ended.
pub(super) fn signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Identity, Stat};

    #[test]
    fn a_name_cannot_forge_the_fields_after_it() {
        let line = b"42 (x) S 1 (y)) R 7 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 123456 0 0";
        assert_eq!(Stat::parse(line), Some(Stat { pid: 42, state: b'R', parent: 7, start: 123_456 }));
        assert_eq!(Stat::parse(b"42 (x"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive() && own.open().unwrap().is_some());
        let earlier = Identity { start: own.start - 1, ..own.clone() };
        assert!(!earlier.is_alive() && earlier.open().unwrap().is_none());
        let last_boot = Identity { boot: "x".to_owned(), ..own };
        assert!(!last_boot.is_alive() && last_boot.open().unwrap().is_none());
    }
}
