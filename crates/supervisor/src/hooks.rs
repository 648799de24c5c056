//! Hooks: programs that an agent runs to tell what it does. Here that program is this one, with `--hook`; it hands on what
//! it is told to the supervisor, through a socket beside the agent, and prints what that answers.
//!
//! Whoever runs as the agent may tell anything here, as on its standard output: it counts as the agent's own word.

use nix::unistd::mkdtemp;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use strawboss_agent::MAX_HOOK;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

/// The environment variable that names the socket to the agent's hooks.
pub(crate) const HOOKS: &str = "STRAWBOSS_HOOKS";
/// How long a hook's word may take to come, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many hooks may wait.
const WAITING: usize = 64;

/// How long the name of a folder may be so that a socket in a folder of it can be reached.
const MAX_FOLDER: usize = 80;

/// What a hook told, and where its answer goes.
pub(crate) struct Told {
    pub(crate) message: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Vec<u8>>,
}

/// Listens to hooks, until it is dropped.
pub(crate) struct Hooks {
    folder: PathBuf,
    told: mpsc::Receiver<Told>,
    listening: JoinHandle<()>,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.listening.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hooks {
    /// In a folder that only this user may enter.
    pub(crate) fn listen(temp: &Path) -> std::io::Result<Self> {
        // A socket's path has its bounds: where the sandbox's own folder is too deep, the machine's serves.
        let temp = if temp.as_os_str().len() <= MAX_FOLDER { temp } else { Path::new("/tmp") };
        let folder = mkdtemp(&temp.join("strawboss-XXXXXX"))?;
        let listener = UnixListener::bind(folder.join("hooks"))?;
        let (sender, told) = mpsc::channel(WAITING);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move { timeout(PATIENCE, hear(stream, sender)).await });
            }
        });
        Ok(Self { folder, told, listening })
    }

    /// Where hooks reach it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("hooks")
    }

    /// The next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }
}

async fn hear(mut stream: UnixStream, sender: mpsc::Sender<Told>) -> std::io::Result<()> {
    let mut message = Vec::new();
    (&mut stream).take(MAX_HOOK as u64 + 1).read_to_end(&mut message).await?;
    if message.len() > MAX_HOOK {
        // What was cut is no JSON: that it was too long is all that can be told.
        message = b"{\"hook_event_name\":\"a hook's word that is too long\"}".to_vec();
    }
    let (reply, answer) = oneshot::channel();
    if sender.send(Told { message, reply }).await.is_ok() {
        stream.write_all(&answer.await.unwrap_or_default()).await?;
    }
    stream.shutdown().await
}

/// What the hook's program does. It never fails: an agent shall not be held up because nobody listens.
pub(crate) fn report() -> ExitCode {
    if let Some(socket) = std::env::var_os(HOOKS) {
        let _ = hand_on(Path::new(&socket));
    }
    ExitCode::SUCCESS
}

fn hand_on(socket: &Path) -> std::io::Result<()> {
    let mut message = Vec::new();
    std::io::stdin().take(MAX_HOOK as u64 + 1).read_to_end(&mut message)?;
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&message)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    std::io::stdout().write_all(&answer)
}
