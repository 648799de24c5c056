//! The `git` program, run so that a sandbox cannot make it do more than serve what it may see.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::SandboxId;
use strawboss_engine::link::GitAccess;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// How long git may be silent: indexing a large pack says nothing for a while.
const SILENT: Duration = Duration::from_mins(10);
/// How long git may go on when its client is gone. A push whose pack has come whole lands: it is saved work.
const ORPHANED: Duration = Duration::from_mins(1);
/// How long git has to tidy up its locks when it is asked to end, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How many bytes of git's answer are read at once.
const PIECE: usize = 64 * 1024;
/// How much of git's complaints is kept for the log, in bytes.
const STDERR: u64 = 4096;

/// What git is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// A fetch.
    UploadPack,
    /// A push.
    ReceivePack,
}

impl Service {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// Where `git` is.
#[derive(Debug, Clone)]
pub(crate) struct GitProgram {
    path: PathBuf,
}

impl Default for GitProgram {
    fn default() -> Self {
        Self { path: PathBuf::from("git") }
    }
}

/// What holds whatever the mirror's own configuration says. (Options on the command line come last and win.)
fn settings(access: &GitAccess) -> Vec<String> {
    let mut all: Vec<String> = [
        // No program of the mirror's: hooks, monitors, and what lists the refs of borrowed objects.
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.alternateRefsCommand=true",
        "gc.auto=0",
        "maintenance.auto=false",
        // Only what hangs on a visible ref is handed out, whatever id is asked for.
        "uploadpack.allowTipSHA1InWant=false",
        "uploadpack.allowReachableSHA1InWant=false",
        "uploadpack.allowAnySHA1InWant=false",
        "uploadpack.allowRefInWant=false",
        "uploadpack.allowFilter=false",
        "uploadpack.advertiseBundleURIs=false",
        // What comes in is looked at, and what could trick a checkout on any system refused.
        "transfer.fsckObjects=true",
        "receive.fsckObjects=true",
        "core.protectHFS=true",
        "core.protectNTFS=true",
        "receive.denyDeletes=true",
        "receive.denyNonFastForwards=false",
        "receive.shallowUpdate=false",
        "receive.advertisePushOptions=false",
        "receive.autogc=false",
        "receive.updateServerInfo=false",
        "receive.keepAlive=5",
        "transfer.unpackLimit=100",
        // The control plane shares its machine with the crew.
        "core.bigFileThreshold=32m",
        "pack.threads=2",
        "pack.windowMemory=64m",
        // Everything is hidden but what is named after it; a later line wins.
        "transfer.hideRefs=HEAD",
        "transfer.hideRefs=refs",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("receive.maxInputSize={}", access.max_pack_bytes));
    all.push(format!("safe.directory={}", access.mirror.display()));
    for reference in access.visible.iter().chain(&access.writable) {
        all.push(format!("transfer.hideRefs=!{reference}"));
    }
    all
}

impl GitProgram {
    fn command(&self, service: Service, access: &GitAccess, advertise: bool) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear();
        for name in ["PATH", "LD_LIBRARY_PATH", "GIT_EXEC_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .envs([
                ("LC_ALL", "C"),
                ("HOME", "/nonexistent"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_TERMINAL_PROMPT", "0"),
                ("GIT_NO_LAZY_FETCH", "1"),
                ("GIT_NO_REPLACE_OBJECTS", "1"),
                ("GIT_ADVICE", "0"),
            ])
            .current_dir("/");
        for setting in settings(access) {
            command.arg("-c").arg(setting);
        }
        match service {
            Service::UploadPack => command.args(["upload-pack", "--stateless-rpc", "--strict", "--timeout=300"]),
            Service::ReceivePack => command.args(["receive-pack", "--stateless-rpc"]),
        };
        if advertise {
            command.arg("--advertise-refs");
        }
        command.arg(absolute(&access.mirror)).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        command
    }

    /// What git says of the refs, at most `limit` bytes.
    pub(super) async fn advertise(&self, service: Service, access: &GitAccess, limit: u64) -> io::Result<Vec<u8>> {
        let mut child = self.command(service, access, true).stdin(Stdio::null()).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, complaints) = tokio::join!(read_all(stdout, limit + 1), read_all(stderr, STDERR));
        let out = out?;
        if out.len() as u64 > limit {
            return Err(io::Error::other("there are too many refs"));
        }
        let status = child.wait().await?;
        if status.success() {
            Ok(out)
        } else {
            let complaints = String::from_utf8_lossy(&complaints?).trim().to_owned();
            Err(io::Error::other(format!("{} ended with {status}: {complaints}", service.word())))
        }
    }

    /// Starts git for one request.
    pub(super) fn serve(&self, service: Service, access: &GitAccess) -> io::Result<(ChildStdin, Serving)> {
        let mut child = self.command(service, access, false).stdin(Stdio::piped()).spawn()?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = taken else { return Err(io::Error::other("git has no pipes")) };
        Ok((stdin, Serving { service, child, stdout, stderr }))
    }
}

/// A path cannot begin with a dash when it is absolute.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

async fn read_all(from: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    if let Some(from) = from {
        from.take(limit).read_to_end(&mut out).await?;
    }
    Ok(out)
}

/// A git that works on a request.
pub(super) struct Serving {
    service: Service,
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// Git's answer, and what must end with it.
struct Answer {
    sandbox: SandboxId,
    tracker: TaskTracker,
    running: Option<Running>,
}

struct Running {
    service: Service,
    child: Child,
    stdout: ChildStdout,
    complaints: AbortOnDropHandle<Vec<u8>>,
    /// Feeds git what the client sends.
    feeder: AbortOnDropHandle<()>,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Serving {
    /// Git's answer as it comes. When nobody wants the rest, git is ended in order.
    pub(super) fn answer(
        self,
        sandbox: SandboxId,
        feeder: JoinHandle<()>,
        permit: OwnedSemaphorePermit,
        tracker: TaskTracker,
    ) -> impl Stream<Item = io::Result<Bytes>> {
        let stderr = self.stderr;
        let complaints = tokio::spawn(async move {
            let mut kept = Vec::new();
            let mut stderr = stderr.take(STDERR);
            let _ = stderr.read_to_end(&mut kept).await;
            // Whatever comes after is let go, so that git does not wait for a reader.
            let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
            kept
        });
        let running = Running {
            service: self.service,
            child: self.child,
            stdout: self.stdout,
            complaints: AbortOnDropHandle::new(complaints),
            feeder: AbortOnDropHandle::new(feeder),
            _permit: Arc::new(permit),
        };
        let answer = Answer { sandbox, tracker, running: Some(running) };
        futures_util::stream::try_unfold(answer, |mut answer| async move {
            let piece = answer.next().await?;
            Ok(piece.map(|piece| (piece, answer)))
        })
    }
}

impl Answer {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let mut piece = BytesMut::with_capacity(PIECE);
        match tokio::time::timeout(SILENT, running.stdout.read_buf(&mut piece)).await {
            Ok(Ok(0)) => {
                if let Some(running) = self.running.take() {
                    running.over(&self.sandbox).await;
                }
                Ok(None)
            }
            Ok(Ok(_)) => Ok(Some(piece.freeze())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "git fell silent")),
        }
    }
}

impl Running {
    /// Git has said everything.
    async fn over(mut self, sandbox: &SandboxId) {
        // A client that is cut off while it still sends does not read why it was refused.
        let _ = tokio::time::timeout(ORPHANED, &mut self.feeder).await;
        let Ok(status) = tokio::time::timeout(GRACE, self.child.wait()).await else {
            end(&mut self.child).await;
            return;
        };
        if status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return;
        }
        let complaints = (&mut self.complaints).await.unwrap_or_default();
        let complaints: String = String::from_utf8_lossy(&complaints).chars().filter(|c| !c.is_control() || *c == '\n').collect();
        tracing::info!(sandbox.id = %sandbox, service = self.service.word(), ?status, complaints = complaints.trim(), "git refused or failed");
    }

    /// Nobody wants the rest.
    async fn orphaned(mut self) {
        self.feeder.abort();
        let _ = (&mut self.feeder).await;
        if self.service == Service::ReceivePack {
            let rest = async {
                let _ = tokio::io::copy(&mut self.stdout, &mut tokio::io::sink()).await;
                let _ = self.child.wait().await;
            };
            let _ = tokio::time::timeout(ORPHANED, rest).await;
        }
        end(&mut self.child).await;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.tracker.spawn(running.orphaned());
        }
    }
}

/// Asks git and its helpers to end, which removes their locks, and kills them when they do not.
async fn end(child: &mut Child) {
    if let Some(group) = group(child) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait().await;
        }
    }
}

/// The process group, as long as git has not been waited for (after that its number may be another's).
fn group(child: &Child) -> Option<rustix::process::Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
}
