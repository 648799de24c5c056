//! What a test takes from the machine and gives back, also when it fails: mounts, and a Docker engine of its own.

use crate::programs::run;
use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::AsRawFd as _;
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
    network: Option<File>,
}

impl OwnEngine {
    /// One with the image that sandboxes have by default, which the machine's own engine must have. It answers.
    pub fn start() -> Result<Self> {
        // A socket's path is short: directly in the folder for temporary files.
        let dir = tempfile::Builder::new().prefix("sb-eng-").tempdir()?;
        let mut engine = Self { dir, arguments: String::new(), network: None };
        engine.again("")?;
        engine.load(&["strawboss/sandbox:latest"])?;
        Ok(engine)
    }

    /// Gives it images that the machine's own engine has.
    pub fn load(&self, images: &[&str]) -> Result<()> {
        let mut save = Command::new("docker").arg("save").args(images).stdout(Stdio::piped()).spawn().context("docker save")?;
        let saved = save.stdout.take().context("docker save has no output")?;
        let loaded = run(Command::new("docker").arg("load").env("DOCKER_HOST", self.host()).stdin(saved));
        save.wait()?;
        loaded.map(drop)
    }

    /// Lets this thread, and whatever it starts from now on, reach the ports that containers publish: it leaves the machine's
    /// network for the engine's, which the engine keeps from then on. Only for root.
    pub fn enter_network(&mut self) -> Result<()> {
        let network = File::open(format!("/proc/{}/ns/net", self.pid()?))?;
        setns(&network, CloneFlags::CLONE_NEWNET)?;
        self.network = Some(network);
        run(Command::new("ip").args(["link", "set", "lo", "up"])).map(drop)
    }

    /// Its address, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("engine.sock")
    }

    /// Where it writes what it does.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("dockerd.log")
    }

    fn pid(&self) -> Result<i32> {
        Ok(std::fs::read_to_string(self.dir.path().join("dockerd.pid"))?.trim().parse()?)
    }

    fn script(&self, arguments: &[&str]) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/lab/engine.sh");
        let mut command = Command::new(script);
        command.args(arguments).env("STRAWBOSS_LAB", self.dir.path()).env("STRAWBOSS_DOCKERD_ARGS", &self.arguments);
        if let Some(network) = &self.network {
            command.env("STRAWBOSS_NETNS", format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd()));
        }
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
        let pid = self.pid()?;
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
