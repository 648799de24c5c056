//! A folder with the program in it, run as a person would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take; machines are shared, and it only ends what hangs.
const DEADLINE: Duration = Duration::from_mins(2);

/// What a command did.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// A folder of its own.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("strawboss-cli-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A stand-in for the supervisor: enough for a service that starts no sandbox.
    fn supervisor(&self) -> PathBuf {
        let tool = self.path().join("supervisor");
        std::fs::create_dir_all(tool.join("bin")).unwrap();
        std::fs::write(tool.join("bin/strawboss-supervisor"), "#!/bin/sh\nexit 1\n").unwrap();
        tool
    }

    /// The program, with nothing of this machine's own configuration.
    pub(crate) fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strawboss"));
        command.args(args).current_dir(folder).stdin(Stdio::null()).env_clear();
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("STRAWBOSS_SUPERVISOR_DIR", self.supervisor()).env("STRAWBOSS_CACHE", self.path().join("cache"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_in(self.path(), args)
    }

    pub(crate) fn run_in(&self, folder: &Path, args: &[&str]) -> Ran {
        finished(&mut self.command(folder, args))
    }

    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        finished(self.command(self.path(), args).envs(env.iter().copied()))
    }

    /// Starts the service and waits until it serves.
    pub(crate) fn serve(&self, args: &[&str]) -> Service {
        let mut all = vec!["serve", "--address-file", "address"];
        all.extend(args);
        self.start_with(&all, &[])
    }

    pub(crate) fn mock_model(&self, script: &str) -> Service {
        self.start_with(&["mock-model", "--script", script, "--address-file", "address"], &[])
    }

    /// The same, with these variables.
    pub(crate) fn serve_with(&self, env: &[(&str, &str)]) -> Service {
        self.start_with(&["serve", "--address-file", "address"], env)
    }

    /// Starts a program that serves, and waits for nothing.
    pub(crate) fn start(&self, args: &[&str], env: &[(&str, &str)]) -> Service {
        let file = self.path().join("address");
        let _ = std::fs::remove_file(&file);
        let log = self.path().join("log");
        let out = std::fs::File::create(&log).unwrap();
        let child = self
            .command(self.path(), args)
            .envs(env.iter().copied())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Service { child, address: String::new(), file, log }
    }

    fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Service {
        let mut service = self.start(args, env);
        service.until_it_serves();
        service
    }
}

fn finished(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap_or(-1) }
}

/// A program that serves; it ends with this.
pub(crate) struct Service {
    child: Child,
    address: String,
    /// Where it writes that.
    file: PathBuf,
    log: PathBuf,
}

impl Service {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until this holds.
    pub(crate) fn until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !holds(self) {
            assert!(Instant::now() < until, "it does not come to that:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Its exit code, when it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        Some(self.child.try_wait().unwrap()?.code().unwrap_or(-1))
    }

    /// Waits until it says where it serves.
    pub(crate) fn until_it_serves(&mut self) {
        self.until(|service| {
            assert_eq!(service.ended(), None, "it ended:\n{}", service.log());
            std::fs::read_to_string(&service.file).unwrap_or_default().trim().clone_into(&mut service.address);
            !service.address.is_empty()
        });
    }

    /// Whether it says this, now or soon.
    pub(crate) fn said(&mut self, text: &str) -> bool {
        // What it greets with is printed right after the address: the line that follows it says that it is there.
        self.until(|service| service.log().contains("serving"));
        self.log().contains(text)
    }

    /// SIGTERM; its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.until(|service| service.ended().is_some());
        self.ended().unwrap_or(-1)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// git, as a person with a name.
pub(crate) fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=A Person", "-c", "user.email=person@example.org"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .unwrap();
    assert!(status.success(), "git {args:?}");
}

/// An answer as it comes.
pub(crate) fn http(address: &str, method: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The head of the request that comes first; it is answered with nothing that makes sense.
pub(crate) fn heard(listener: &std::net::TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").unwrap();
    String::from_utf8_lossy(&head).into_owned()
}
