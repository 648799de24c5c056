//! What the kernel says of processes and of this machine.

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The CPU time of a process so far, in milliseconds (in steps of the kernel's clock tick).
pub(crate) fn cpu_ms(pid: i32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("no stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("no CPU time in stat");
    let tick = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")? as f64;
    Ok((ticks(11)? + ticks(12)?) * 1000.0 / tick)
}

/// The CPU time of this thread so far, in milliseconds.
pub(crate) fn thread_cpu_ms() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}

/// The resident memory of a process, in MB.
pub(crate) fn rss_mb(pid: i32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kb * 1024.0 / 1e6)
}

/// The processes of this program's name that have `text` in their environment.
pub(crate) fn named(program: &str, text: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // The kernel keeps the first 15 bytes of the name.
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| !comm.trim().is_empty() && program.starts_with(comm.trim()))
            && fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    })
    .collect()
}

/// The bytes that a path and everything below it take on the disk, in MB; what is hard-linked counts where it is met first.
pub(crate) fn disk_mb(paths: &[&Path]) -> Result<f64> {
    let output = Command::new("du").args(["--summarize", "--total", "--block-size=1"]).args(paths).output()?;
    // A file that goes while it is counted is no error of the sum.
    let text = String::from_utf8_lossy(&output.stdout);
    let total = text.lines().last().and_then(|line| line.split_whitespace().next()).context("du said nothing")?;
    Ok(total.parse::<f64>()? / 1e6)
}

/// How many processes wanted a core over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// This machine, for reading the figures.
pub(crate) fn machine() -> Value {
    let info = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned())
    };
    json!({
        "at": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ").to_string(),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": info("/proc/cpuinfo", "model name"),
        "memory": info("/proc/meminfo", "MemTotal"),
        "system": info_os(),
        "kernel": said("uname", &["-sr"]),
        "git": said("git", &["--version"]),
        "docker": said("docker", &["version", "--format", "{{.Server.Version}}"]),
        "rustc": said("rustc", &["--version"]),
        "load_at_start": load(),
    })
}

fn info_os() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    Some(text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim_matches('"').to_owned())
}

/// The machine as Markdown.
pub(crate) fn machine_words(machine: &Value) -> String {
    let word = |key: &str| match &machine[key] {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    format!(
        "{} cores ({}), {} memory, {}, {}, {}, Docker {}, {}; load at the start {}; {}\n",
        word("cores"),
        word("cpu"),
        word("memory"),
        word("system"),
        word("kernel"),
        word("git"),
        word("docker"),
        word("rustc"),
        word("load_at_start"),
        word("at"),
    )
}

#[cfg(test)]
mod tests {
    use super::{cpu_ms, disk_mb, machine, machine_words, rss_mb};

    #[test]
    fn this_process_has_memory_and_this_machine_a_kernel() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(rss_mb(me).unwrap() > 0.5);
        assert!(cpu_ms(me).unwrap() >= 0.0);
        assert!(machine_words(&machine()).contains("Linux"));
    }

    #[test]
    fn what_two_names_share_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), vec![1; 3_000_000]).unwrap();
        std::fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let mb = disk_mb(&[dir.path()]).unwrap();
        assert!((2.9..3.2).contains(&mb), "{mb}");
    }
}
