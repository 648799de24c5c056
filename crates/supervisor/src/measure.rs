//! What the sandbox uses, for heartbeats, and the guard of its disk limit.

use crate::halt::Halt;
use crate::processes::{all_processes, descendants, stat};
use crate::site::Site;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strawboss_protocol::supervisor::{HEARTBEAT_MS, Heartbeat};

/// How often the filesystem's free space is looked at, which costs nothing.
const GLANCE: Duration = Duration::from_secs(1);
/// How long between two walks of the volume at least; a walk that takes long makes the next one wait longer.
const WALK: Duration = Duration::from_secs(10);
/// How many entries one walk looks at: a volume with more is measured in part, and limited by inodes before that hurts.
const MAX_ENTRIES: usize = 3_000_000;

/// Sends heartbeats and watches the disk, for ever.
pub(crate) async fn forever(site: Arc<Site>) {
    let mut glance = tokio::time::interval(GLANCE);
    glance.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heartbeat = Instant::now().checked_sub(Duration::from_millis(HEARTBEAT_MS));
    let mut disk = Disk::default();
    loop {
        glance.tick().await;
        disk.look(&site).await;
        if heartbeat.is_none_or(|last| last.elapsed() >= Duration::from_millis(HEARTBEAT_MS)) {
            heartbeat = Some(Instant::now());
            let usage = if site.processes.is_first() { of_container() } else { of_descendants() };
            site.outbox.heartbeat(Heartbeat { disk_bytes: disk.used, ..usage });
        }
    }
}

#[derive(Debug, Default)]
struct Disk {
    used: Option<u64>,
    walked: Option<Instant>,
    took: Duration,
    /// Bytes free on the filesystem when it was last walked.
    free: Option<u64>,
}

impl Disk {
    async fn look(&mut self, site: &Site) {
        let limit = site.orders.disk_bytes;
        let free = free_bytes(&site.place.home);
        // Others may use the same filesystem: its free space only says when to look.
        let grown = self.free.zip(free).map_or(0, |(before, now)| before.saturating_sub(now));
        let left = limit.saturating_sub(self.used.unwrap_or_default());
        let due = match self.walked {
            None => true,
            Some(last) => {
                let rest = if grown > left / 2 { GLANCE } else { WALK };
                last.elapsed() >= rest.max(self.took * 10)
            }
        };
        if !due {
            return;
        }
        let began = Instant::now();
        let home = site.place.home.clone();
        let Ok(used) = tokio::task::spawn_blocking(move || walk(&home, MAX_ENTRIES)).await else { return };
        *self = Self { used: Some(used), walked: Some(Instant::now()), took: began.elapsed(), free };
        if used > limit {
            site.halts.ask(Halt::DiskFull { used, limit });
        }
    }
}

/// Bytes that this user may still write to the filesystem.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Bytes that a folder and everything in it take, without what is mounted in it (caches have limits of their own).
fn walk(root: &Path, budget: usize) -> u64 {
    let mounts = mounts();
    let (mut bytes, mut left) = (0u64, budget);
    let mut linked = HashSet::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Some(rest) = left.checked_sub(1) else { return bytes };
            left = rest;
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                let path = entry.path();
                if !mounts.contains(&path) {
                    open.push(path);
                }
            } else if meta.nlink() > 1 && !linked.insert((meta.dev(), meta.ino())) {
                continue;
            }
            bytes = bytes.saturating_add(meta.blocks().saturating_mul(512));
        }
    }
    bytes
}

/// Files of more than so many bytes, relative to the folder, without those of its repository.
pub(crate) fn large_files(root: &Path, more_than: u64) -> Vec<(PathBuf, u64)> {
    let (mut found, mut left) = (Vec::new(), MAX_ENTRIES);
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            left = left.saturating_sub(1);
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && entry.file_name() != ".git" && left > 0 {
                open.push(entry.path());
            } else if meta.is_file() && meta.len() > more_than {
                let path = entry.path();
                found.extend(path.strip_prefix(root).ok().map(|path| (path.to_path_buf(), meta.len())));
            }
        }
    }
    found
}

fn mounts() -> HashSet<PathBuf> {
    let list = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    list.lines().filter_map(|line| line.split(' ').nth(4)).map(|path| PathBuf::from(unescaped(path))).collect()
}

/// The kernel writes a space in a mount point as `\040`.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// What the container uses, by its control group, version 2 or 1; by its processes where neither is to be seen.
fn of_container() -> Heartbeat {
    let group = Path::new("/sys/fs/cgroup");
    let number = |file: &str| std::fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    let field = |file: &str, field: &str| {
        let text = std::fs::read_to_string(group.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    let cpu = field("cpu.stat", "usage_usec").map(|us| us / 1000);
    let cpu = cpu.or_else(|| number("cpuacct/cpuacct.usage").map(|ns| ns / 1_000_000));
    // The page cache is no need: what can be dropped at once does not count, as in `docker stats`.
    let memory = number("memory.current").map(|all| all.saturating_sub(field("memory.stat", "inactive_file").unwrap_or(0)));
    let memory = memory.or_else(|| {
        let cached = field("memory/memory.stat", "total_inactive_file").unwrap_or(0);
        number("memory/memory.usage_in_bytes").map(|all| all.saturating_sub(cached))
    });
    let processes = all_processes().count() as u32;
    if cpu.is_none() || memory.is_none() {
        return Heartbeat { cpu_ms: cpu, memory_bytes: memory, processes: Some(processes), ..of_descendants() };
    }
    Heartbeat { cpu_ms: cpu, memory_bytes: memory, disk_bytes: None, processes: Some(processes) }
}

/// What this process and its descendants use.
fn of_descendants() -> Heartbeat {
    // Both are fixed by the kernel's interface to programs on every machine that is served.
    const TICK_MS: u64 = 10;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |size| size as u64);
    let all: Vec<_> = descendants().into_iter().chain([std::process::id() as i32]).filter_map(stat).collect();
    Heartbeat {
        cpu_ms: Some(all.iter().map(|stat| stat.ticks).sum::<u64>() * TICK_MS),
        memory_bytes: Some(all.iter().map(|stat| stat.pages).sum::<u64>() * page),
        disk_bytes: None,
        processes: Some(all.len() as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::{unescaped, walk};

    #[test]
    fn a_walk_counts_blocks_and_a_linked_file_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/a"), vec![1; 1 << 20]).unwrap();
        let one = walk(dir.path(), 100);
        assert!((1 << 20..1 << 21).contains(&one), "{one}");
        std::fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        let linked = walk(dir.path(), 100);
        assert!(linked < one + (1 << 19), "{linked}");
        assert!(walk(dir.path(), 1) < one);
        assert_eq!(unescaped("/a\\040b\\134c"), "/a b\\c");
    }
}
