//! `strawboss run attach`, `strawboss session attach`: a terminal, as if one sat at it.
//!
//! Sessions that stand free of runs, runs of `shell` and interactive ones get every key; others get lines. A broken connection is made again from the byte where it
//! broke.

mod socket;

use super::{run, session};
use crate::client::Api;
use crate::context::Context;
use crate::environment;
use crate::failure::{ExitStatus, Failure, io};
use crate::output::{self, words};
use crate::terminal::editor::{Edit, Editor};
use crate::terminal::filter::Filter;
use crate::terminal::keys::{DetachKeys, USUAL};
use crate::terminal::screen::Screen;
use futures_util::{SinkExt as _, StreamExt as _};
use socket::Socket;
use std::io::{IsTerminal as _, Read as _};
use std::time::Duration;
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::{RunId, RunOutcome, RunState};
use strawboss_protocol::api::{SessionClientMessage, SessionServerMessage, SessionState};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// How long is waited before a broken connection is made again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));
/// After how many tries in a row it is given up: about a minute.
const TRIES: u32 = 20;
/// As much is sent in one piece; the service takes twice that.
const PIECE: usize = 32 * 1024;

/// Sit at the terminal of a run, or of a session that stands free of runs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sessions that stand free of runs, runs of the agent `shell` and interactive ones get every key. Others get lines: type one and press Enter, and it is said to
the agent in its session. Detaching leaves the run as it is.

It ends with 0 when you detach or the run succeeds, and with 1 when the run ends otherwise.

Examples:
  strawboss run attach antenna-3.1
  strawboss session attach scratch
  strawboss run attach --detach-keys ctrl-] antenna-3.1")]
pub(crate) struct AttachArgs {
    /// The run's id, or the session's name
    #[arg(value_name = "ID")]
    pub(super) run: String,
    /// What detaches
    #[arg(long, value_name = "KEYS", env = environment::DETACH_KEYS.name, hide_env = true, default_value = USUAL, value_parser = DetachKeys::parse)]
    detach_keys: DetachKeys,
    /// Only look: nothing that is typed is sent
    #[arg(long)]
    read_only: bool,
    /// Send every key, even to an agent that wants lines
    #[arg(long, conflicts_with = "read_only")]
    keys: bool,
    /// Let everything through to this terminal: titles, clipboard, questions to it
    #[arg(long)]
    raw: bool,
}

/// How typing reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typing {
    Keys,
    Lines,
    Nothing,
}

/// How an attachment ended.
enum End {
    Detached,
    /// The service has no more bytes: the run is over, or nearly.
    Over,
    /// The connection broke.
    Broken,
}

impl AttachArgs {
    /// Of a session that was just opened, with what is usual.
    pub(super) fn usual(id: String) -> Result<Self, Failure> {
        let detach_keys = DetachKeys::parse(USUAL).map_err(Failure::usage)?;
        Ok(Self { run: id, detach_keys, read_only: false, keys: false, raw: false })
    }

    fn is_run(&self) -> bool {
        RunId::parse(&self.run).is_ok()
    }
}

/// How typing reaches what is in the terminal.
async fn typing(args: &AttachArgs, api: &Api) -> Result<Typing, Failure> {
    if !args.is_run() {
        let session = session::detail(api, &args.run).await?.value;
        if !session.live {
            let word = session.state.map_or("over", SessionState::word);
            let why = session.detail.map(|why| format!(": {}", words::clean(&why))).unwrap_or_default();
            return Err(Failure::new(format!("the session `{}` is {word}{why}", args.run))
                .fix(format!("Start it with `strawboss session start {}`.", args.run))
                .status(ExitStatus::Conflict));
        }
        return Ok(if args.read_only { Typing::Nothing } else { Typing::Keys });
    }
    let view = run::detail(api, &args.run).await?.value.run;
    let has_keys = view.agent == AgentKind::Shell.word() || view.mode == AgentMode::Interactive;
    Ok(match has_keys {
        _ if args.read_only || view.state == RunState::Finished => Typing::Nothing,
        true => Typing::Keys,
        false if args.keys => Typing::Keys,
        false => Typing::Lines,
    })
}

/// Attaches until the person leaves, or the run or session is over.
pub(crate) async fn run(args: AttachArgs, api: &Api, context: &Context) -> Result<ExitStatus, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let fix = if args.is_run() {
            "Use `strawboss run logs --follow` to read along, and `strawboss run say` to say a line."
        } else {
            "Run it in a terminal, or open the session in the browser."
        };
        return Err(Failure::usage("attaching needs a terminal on standard input and output").fix(fix));
    }
    let typing = typing(&args, api).await?;
    let mut socket = socket::connect(api, &args.run, None).await?;
    let hint = match typing {
        Typing::Lines => {
            format!("attached to {}; type a line for the agent and press Enter; {} detaches", args.run, args.detach_keys.words())
        }
        _ => format!("attached to {}; {} detaches", args.run, args.detach_keys.words()),
    };
    let mut seat = Seat::take(&args, typing)?;
    seat.screen.remark(&hint)?;
    let mut tries = 0;
    let end = loop {
        match seat.sit(socket, &mut tries).await? {
            End::Broken => {}
            end => break end,
        }
        seat.screen.remark("the connection broke; making it again")?;
        match seat.reconnect(api, context, &args.run, &mut tries).await? {
            Some(fresh) => socket = fresh,
            None => break End::Detached,
        }
    };
    drop(seat);
    match end {
        End::Detached => {
            output::note(&format!("detached; {} goes on", args.run));
            Ok(ExitStatus::Success)
        }
        End::Over | End::Broken if !args.is_run() => {
            output::note(&format!("what ran in {} ended", args.run));
            Ok(ExitStatus::Success)
        }
        End::Over | End::Broken => {
            let view = run::detail(&api.again(context), &args.run).await?.value.run;
            let word = view.outcome.map_or(view.state.word(), RunOutcome::word);
            output::note(&format!("{} {word}", args.run));
            let good = matches!(view.outcome, Some(RunOutcome::Succeeded) | None);
            Ok(if good { ExitStatus::Success } else { ExitStatus::Failure })
        }
    }
}

/// A person at the terminal.
struct Seat {
    screen: Screen,
    typing: Typing,
    keys: DetachKeys,
    editor: Editor,
    filter: Option<Filter>,
    typed: mpsc::Receiver<Vec<u8>>,
    resized: Signal,
    ended: Signal,
    /// The next byte that is wanted.
    offset: u64,
}

impl Seat {
    fn take(args: &AttachArgs, typing: Typing) -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(io("listen for signals"));
        let (resized, ended) = (on(SignalKind::window_change())?, on(SignalKind::terminate())?);
        let screen = Screen::take(typing == Typing::Lines)?;
        Ok(Self {
            screen,
            typing,
            keys: args.detach_keys.clone(),
            editor: Editor::default(),
            filter: (!args.raw).then(Filter::default),
            typed: keyboard(),
            resized,
            ended,
            offset: 0,
        })
    }

    /// Makes a broken connection again; none when the person left meanwhile.
    async fn reconnect(&mut self, api: &Api, context: &Context, run: &str, tries: &mut u32) -> Result<Option<Socket>, Failure> {
        let mut wait = AGAIN.0;
        loop {
            *tries += 1;
            if self.left(wait).await {
                return Ok(None);
            }
            match socket::connect(&api.again(context), run, Some(self.offset)).await {
                Ok(socket) => return Ok(Some(socket)),
                Err(error) if error.status == ExitStatus::Unreachable && *tries < TRIES => wait = (wait * 2).min(AGAIN.1),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits; true when the person left meanwhile.
    async fn left(&mut self, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return false,
                _ = self.ended.recv() => return true,
                bytes = self.typed.recv() => {
                    let Some(bytes) = bytes else { return true };
                    // Nobody is there to type to; only leaving counts.
                    if self.keys.take(&bytes).detach || bytes == [0x03] {
                        return true;
                    }
                }
            }
        }
    }

    /// Sits at the terminal until this connection ends or the person leaves.
    async fn sit(&mut self, mut socket: Socket, tries: &mut u32) -> Result<End, Failure> {
        if self.typing == Typing::Keys {
            let (cols, rows) = self.screen.size();
            if send(&mut socket, &SessionClientMessage::Resize { cols, rows }).await.is_err() {
                return Ok(End::Broken);
            }
        }
        loop {
            tokio::select! {
                message = socket.next() => {
                    let Some(Ok(message)) = message else { return Ok(End::Broken) };
                    *tries = 0;
                    if let Some(end) = self.hear(message)? {
                        return Ok(end);
                    }
                }
                bytes = self.typed.recv() => {
                    let Some(bytes) = bytes else { return Ok(End::Detached) };
                    let typed = self.keys.take(&bytes);
                    match self.say(&mut socket, &typed.pass).await {
                        Ok(true) => {}
                        Ok(false) => return Ok(End::Detached),
                        Err(End::Broken) => return Ok(End::Broken),
                        Err(end) => return Ok(end),
                    }
                    if typed.detach {
                        return Ok(End::Detached);
                    }
                }
                _ = self.resized.recv() => {
                    let (cols, rows) = self.screen.resized()?;
                    let message = SessionClientMessage::Resize { cols: cols.clamp(1, 1000), rows: rows.clamp(1, 1000) };
                    if self.typing == Typing::Keys && send(&mut socket, &message).await.is_err() {
                        return Ok(End::Broken);
                    }
                }
                _ = self.ended.recv() => return Ok(End::Detached),
            }
        }
    }

    /// What the service says.
    fn hear(&mut self, message: Message) -> Result<Option<End>, Failure> {
        match message {
            Message::Binary(bytes) => {
                self.offset += bytes.len() as u64;
                match &mut self.filter {
                    Some(filter) => {
                        let bytes = filter.pass(&bytes);
                        self.screen.show(&bytes)?;
                    }
                    None => self.screen.show(&bytes)?,
                }
                Ok(None)
            }
            Message::Text(text) => match serde_json::from_str::<SessionServerMessage>(&text) {
                Ok(SessionServerMessage::Ready { offset, .. }) => {
                    self.offset = offset;
                    Ok(None)
                }
                Ok(SessionServerMessage::Skipped { offset }) => {
                    self.offset = offset;
                    self.filter = self.filter.take().map(|_| Filter::default());
                    self.screen.clear()?;
                    self.screen.remark("some output was passed over")?;
                    Ok(None)
                }
                Ok(SessionServerMessage::Ended {}) => Ok(Some(End::Over)),
                Ok(SessionServerMessage::Error { message }) => {
                    self.screen.remark(&output::words::one_line(&message))?;
                    Ok(None)
                }
                // A newer service says more than this version knows.
                Err(_) => Ok(None),
            },
            Message::Close(_) => Ok(Some(End::Broken)),
            _ => Ok(None),
        }
    }

    /// Passes on what was typed; false when the person wants to leave.
    async fn say(&mut self, socket: &mut Socket, bytes: &[u8]) -> Result<bool, End> {
        match self.typing {
            Typing::Nothing => Ok(!bytes.contains(&0x03) && !bytes.contains(&0x04) && !bytes.contains(&b'q')),
            Typing::Keys => {
                for piece in bytes.chunks(PIECE) {
                    socket.send(Message::Binary(piece.to_vec().into())).await.map_err(|_| End::Broken)?;
                }
                Ok(true)
            }
            Typing::Lines => {
                for byte in bytes {
                    match self.editor.take(*byte) {
                        Edit::Nothing => continue,
                        Edit::Changed => {}
                        Edit::Leave => return Ok(false),
                        Edit::Line(text) => {
                            send(socket, &SessionClientMessage::Say { text }).await.map_err(|()| End::Broken)?;
                        }
                    }
                    let (text, at) = self.editor.shown();
                    self.screen.prompt(text, at).map_err(|_| End::Detached)?;
                }
                Ok(true)
            }
        }
    }
}

async fn send(socket: &mut Socket, message: &SessionClientMessage) -> Result<(), ()> {
    let text = serde_json::to_string(message).map_err(|_| ())?;
    socket.send(Message::Text(text.into())).await.map_err(|_| ())
}

/// What is typed, from a thread of its own: reading a terminal cannot be given up.
fn keyboard() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; 4096];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
