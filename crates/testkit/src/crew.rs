//! Supervisors that are played: each speaks through a door of its own as a real one does, from one process, so that a thousand
//! cost little more than their sockets. In their sandboxes runs a program that only waits.
//!
//! They do no work: each says that its agent works, shows its sandbox's name in its terminal, and then what is typed. A sandbox
//! whose row a test made from another's has that one's token.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use strawboss_core::Timestamp;
use strawboss_protocol::supervisor::{
    FromSupervisor, HEARTBEAT_MS, Heartbeat, Hello, Phase, Report, ReportBody, ToSupervisor, TokenGrant, VERSION, Welcome,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Between looks at the doors, and between tries to connect.
const LOOK: Duration = Duration::from_millis(100);

/// What they have in common.
#[derive(Debug, Default)]
struct Common {
    first_token: OnceLock<String>,
    tokens: AtomicUsize,
}

/// See the module. They end with this.
#[derive(Debug)]
pub struct Crew {
    common: Arc<Common>,
    _playing: JoinSet<()>,
}

impl Crew {
    /// Makes what sandboxes get in place of the supervisor, for [`WorldOptions::supervisor`](crate::WorldOptions::supervisor).
    pub fn stand_in(folder: &Path) -> Result<PathBuf> {
        let program = folder.join("bin/strawboss-supervisor");
        fs::create_dir_all(folder.join("bin"))?;
        fs::write(&program, "#!/bin/sh\nexec sleep infinity\n")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(folder.to_owned())
    }

    /// Plays a supervisor at each door that is there, or comes, in this folder.
    pub fn play(doors: PathBuf) -> Self {
        let common = Arc::<Common>::default();
        let theirs = Arc::clone(&common);
        let mut playing = JoinSet::new();
        playing.spawn(async move {
            let (mut known, mut supervisors) = (HashSet::new(), JoinSet::new());
            loop {
                for door in fs::read_dir(&doors).into_iter().flatten().flatten() {
                    if known.insert(door.file_name()) {
                        supervisors.spawn(supervise(door.path().join("door.sock"), Arc::clone(&theirs)));
                    }
                }
                sleep(LOOK).await;
            }
        });
        Self { common, _playing: playing }
    }

    /// How many tokens were given out: one for each sandbox that was raised.
    pub fn tokens(&self) -> usize {
        self.common.tokens.load(Ordering::Relaxed)
    }
}

/// A supervisor's life: its token, and one connection after the other.
async fn supervise(door: PathBuf, common: Arc<Common>) {
    let token = loop {
        match token(&door).await {
            Ok(Some(token)) => {
                common.tokens.fetch_add(1, Ordering::Relaxed);
                common.first_token.get_or_init(|| token.clone());
                break token;
            }
            Ok(None) if let Some(token) = common.first_token.get() => break token.clone(),
            // Nobody listens yet.
            _ => sleep(LOOK).await,
        }
    };
    let mut shown = Vec::new();
    loop {
        // The control plane went away, and comes again.
        let _ = connection(&door, &token, &mut shown).await;
        sleep(LOOK).await;
    }
}

/// Asks for the token; none: somebody has it.
async fn token(door: &Path) -> Result<Option<String>> {
    let mut stream = UnixStream::connect(door).await?;
    stream
        .write_all(b"POST /control/token HTTP/1.1\r\nHost: strawboss\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 409 ") {
        return Ok(None);
    }
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    Ok(Some(serde_json::from_str::<TokenGrant>(body)?.token))
}

type Socket = WebSocketStream<UnixStream>;

async fn say(socket: &mut Socket, message: &FromSupervisor) -> Result<()> {
    Ok(socket.send(Message::text(serde_json::to_string(message)?)).await?)
}

/// Terminal bytes from there on.
async fn show(socket: &mut Socket, shown: &[u8], from: usize) -> Result<()> {
    let mut frame = (from as u64).to_be_bytes().to_vec();
    frame.extend_from_slice(shown.get(from..).context("more is recorded than was shown")?);
    Ok(socket.send(Message::binary(frame)).await?)
}

async fn greeted(socket: &mut Socket) -> Result<Box<Welcome>> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            let ToSupervisor::Welcome(welcome) = serde_json::from_str(&text)? else { bail!("no welcome: {text}") };
            return Ok(welcome);
        }
    }
    bail!("it was not greeted")
}

/// One connection, until it ends.
async fn connection(door: &Path, token: &str, shown: &mut Vec<u8>) -> Result<()> {
    let mut request = "ws://strawboss/control".into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let (mut socket, _) = tokio_tungstenite::client_async(request, UnixStream::connect(door).await?).await?;
    let has_orders = !shown.is_empty();
    let hello = Hello {
        version: VERSION,
        has_orders,
        terminal_end: shown.len() as u64,
        terminal_start: 0,
        report_end: u64::from(has_orders),
        takes_questions: true,
    };
    say(&mut socket, &FromSupervisor::Hello(hello)).await?;
    let welcome = greeted(&mut socket).await?;
    if !has_orders {
        shown.extend_from_slice(format!("this is {}\r\n", welcome.orders.sandbox).as_bytes());
    }
    if welcome.reports_after == 0 {
        let body = ReportBody::Phase { phase: Phase::Working };
        say(&mut socket, &FromSupervisor::Report(Report { seq: 1, at: Timestamp(0), body })).await?;
    }
    show(&mut socket, shown, usize::try_from(welcome.terminal_from)?).await?;
    loop {
        match timeout(Duration::from_millis(HEARTBEAT_MS), socket.next()).await {
            Ok(Some(Ok(Message::Binary(typed)))) => {
                let from = shown.len();
                shown.extend_from_slice(&typed);
                show(&mut socket, shown, from).await?;
            }
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(None) => return Ok(()),
            Err(_) => {
                let heartbeat = Heartbeat { cpu_ms: None, memory_bytes: None, disk_bytes: None, processes: Some(1) };
                say(&mut socket, &FromSupervisor::Heartbeat(heartbeat)).await?;
            }
        }
    }
}
