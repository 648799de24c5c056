//! What a test takes from the machine and gives back, also when it fails: mounts, and a Docker engine of its own.

use crate::programs::run;
use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A program as root: itself, or by way of `sudo`.
fn as_root(program: &str) -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

/// Something mounted, until it is dropped.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A file system in memory of this size (`32m`).
    pub fn memory(at: &Path, size: &str) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let options = format!("size={size},mode=0700,uid={uid},gid={gid}");
        run(as_root("mount").args(["-t", "tmpfs", "-o", &options, "strawboss-test"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// A file or folder onto itself: it can be written and no longer be replaced.
    pub fn onto_itself(at: &Path) -> Result<Self> {
        run(as_root("mount").arg("--bind").arg(at).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// How many bytes are free in it.
    pub fn free(&self) -> Result<u64> {
        let found = nix::sys::statvfs::statvfs(&self.at)?;
        Ok(found.blocks_available() * found.fragment_size())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open in it keeps that file, and the machine gets rid of the mount.
        let _ = run(as_root("umount").arg("--lazy").arg(&self.at));
    }
}

/// A Docker engine that only one test uses, so that it may be ended at any moment.
#[derive(Debug)]
pub struct OwnEngine {
    dir: TempDir,
    arguments: String,
}

impl OwnEngine {
    /// One with the image that sandboxes have by default, which the machine's own engine must have. It answers.
    pub fn start() -> Result<Self> {
        // A socket's path is short: directly in the folder for temporary files.
        let mut engine = Self { dir: tempfile::Builder::new().prefix("sb-eng-").tempdir()?, arguments: String::new() };
        engine.again("")?;
        let mut save = Command::new("docker")
            .args(["save", "strawboss/sandbox:latest"])
            .stdout(Stdio::piped())
            .spawn()
            .context("docker save")?;
        let image = save.stdout.take().context("docker save has no output")?;
        let loaded = run(Command::new("docker").arg("load").env("DOCKER_HOST", engine.host()).stdin(image));
        save.wait()?;
        loaded?;
        Ok(engine)
    }

    /// Its address, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/engine.sock", self.dir.path().display())
    }

    fn script(&self, arguments: &[&str]) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/lab/engine.sh");
        let mut command = Command::new(script);
        command.args(arguments).env("STRAWBOSS_LAB", self.dir.path()).env("STRAWBOSS_DOCKERD_ARGS", &self.arguments);
        command.env_remove("DOCKER_HOST").stdin(Stdio::null());
        run(&mut command).map(drop)
    }

    /// Starts it after [`Self::stop`] or [`Self::kill`], with these arguments for `dockerd`.
    pub fn again(&mut self, arguments: &str) -> Result<()> {
        arguments.clone_into(&mut self.arguments);
        self.script(&["start", "--own"])
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&self) -> Result<()> {
        self.script(&["stop"])
    }

    /// kill -9, and waits for its end.
    pub fn kill(&self) -> Result<()> {
        let pid: i32 = std::fs::read_to_string(self.dir.path().join("dockerd.pid"))?.trim().parse()?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        while Path::new(&format!("/proc/{pid}")).exists() {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // Started again first when a test failed after killing it, so that it ends the containers that outlived it.
        if let Err(error) = self.again("") {
            eprintln!("the test's own engine does not start again: {error:#}");
        }
        let host = self.host();
        for container in run(Command::new("docker").args(["ps", "--all", "--quiet"]).env("DOCKER_HOST", &host))
            .unwrap_or_default()
            .split_whitespace()
        {
            let _ = run(Command::new("docker").args(["rm", "--force", container]).env("DOCKER_HOST", &host));
        }
        if let Err(error) = self.stop() {
            eprintln!("the test's own engine in {} does not end: {error:#}", self.dir.path().display());
        }
    }
}
