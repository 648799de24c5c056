//! The control channel: one WebSocket through the door, dialled again for ever.
//!
//! What is sent waits in the [`Outbox`] and what comes in goes to [`Inbox`] and [`Halts`], so a connection may break at
//! any point and the next one goes on where the control plane's greeting says.

use crate::asked::Asked;
use crate::complain::complain;
use crate::halt::{Halt, Halts};
use crate::inbox::Inbox;
use crate::outbox::{Cursor, Next, Outbox};
use anyhow::{Context as _, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_protocol::supervisor::{
    FromSupervisor, HEARTBEAT_MS, Hello, MAX_BINARY_FRAME, MAX_TEXT_FRAME, Orders, ToSupervisor, VERSION, Welcome,
};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long greeting each other may take.
const GREETING: Duration = Duration::from_secs(10);
/// How long a peer may say nothing, not even answer a ping, before it counts as gone: four heartbeats.
const SILENCE: Duration = Duration::from_millis(4 * HEARTBEAT_MS);

type Socket = WebSocketStream<UnixStream>;

/// Waits between tries: from 50 ms doubling to 5 s, each shortened or lengthened by up to a half.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    fn delay(&mut self) -> Duration {
        let base = 50u64.saturating_mul(1 << self.tries.min(10)).min(5_000);
        self.tries += 1;
        // A fresh hasher's keys are random enough to keep sandboxes from knocking in step.
        let random = std::hash::RandomState::new().build_hasher().finish();
        Duration::from_millis(base / 2 + random % (base + 1))
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.delay()).await;
    }
}

/// See the module.
pub(crate) struct Link {
    door: PathBuf,
    token: String,
    outbox: Arc<Outbox>,
    inbox: Arc<Inbox>,
    asked: Arc<Asked>,
    halts: Arc<Halts>,
    orders: watch::Sender<Option<Orders>>,
}

impl Link {
    pub(crate) fn new(door: PathBuf, token: String, ends: (Arc<Outbox>, Arc<Inbox>, Arc<Asked>), halts: Arc<Halts>) -> Self {
        let (outbox, inbox, asked) = ends;
        Self { door, token, outbox, inbox, asked, halts, orders: watch::Sender::new(None) }
    }

    /// Returns when there are orders.
    pub(crate) async fn orders(&self) -> Orders {
        let mut orders = self.orders.subscribe();
        loop {
            if let Some(orders) = orders.borrow_and_update().clone() {
                return orders;
            }
            let _ = orders.changed().await;
        }
    }

    /// Connects, serves the connection until it breaks, and connects again.
    pub(crate) async fn keep(&self) {
        let (mut backoff, mut said) = (Backoff::default(), String::new());
        loop {
            if let Err(error) = self.connection(&mut backoff).await {
                let problem = format!("control channel: {error:#}");
                // The same for hours is worth one line.
                if problem != said {
                    complain(&problem);
                    said = problem;
                }
            }
            self.outbox.disconnect();
            backoff.wait().await;
        }
    }

    async fn connection(&self, backoff: &mut Backoff) -> anyhow::Result<()> {
        let (sender, mut receiver, welcome) =
            timeout(GREETING, self.greet()).await.context("the control plane does not greet back")??;
        *backoff = Backoff::default();
        self.orders.send_if_modified(|orders| {
            let first = orders.is_none();
            if first {
                *orders = Some(welcome.orders);
            }
            first
        });
        let cursor = self.outbox.connect(welcome.terminal_from, welcome.reports_after);
        tokio::select! {
            sent = self.send(sender, cursor) => sent,
            received = self.receive(&mut receiver) => received,
        }
    }

    async fn greet(&self) -> anyhow::Result<(SplitSink<Socket, Message>, SplitStream<Socket>, Welcome)> {
        let stream = UnixStream::connect(&self.door).await.context("connect to the door")?;
        let mut request = "ws://strawboss/control".into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse()?);
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .max_message_size(Some(MAX_TEXT_FRAME))
            .max_frame_size(Some(MAX_TEXT_FRAME));
        let (mut socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        let standing = self.outbox.standing();
        let hello = Hello {
            version: VERSION,
            has_orders: self.orders.borrow().is_some(),
            terminal_end: standing.terminal_end,
            terminal_start: standing.terminal_start,
            report_end: standing.report_end,
            takes_questions: true,
        };
        socket.send(Message::text(serde_json::to_string(&FromSupervisor::Hello(hello))?)).await?;
        loop {
            let message = socket.next().await.context("the control plane hung up before it greeted")??;
            let Message::Text(text) = message else { continue };
            let ToSupervisor::Welcome(welcome) = serde_json::from_str(&text).context("unreadable greeting")? else {
                bail!("the control plane's first frame is no greeting");
            };
            if welcome.version != VERSION {
                bail!("the control plane speaks version {} and this supervisor {VERSION}", welcome.version);
            }
            let (sender, receiver) = socket.split();
            return Ok((sender, receiver, *welcome));
        }
    }

    async fn send(&self, mut sender: SplitSink<Socket, Message>, mut cursor: Cursor) -> anyhow::Result<()> {
        let mut ping = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            while let Some(next) = self.outbox.next(&mut cursor) {
                let message = match next {
                    Next::Text(text) => Message::text(text),
                    Next::Terminal(frame) => Message::binary(frame),
                };
                sender.feed(message).await?;
            }
            sender.flush().await?;
            tokio::select! {
                () = self.outbox.ready() => {}
                _ = ping.tick() => sender.feed(Message::Ping(bytes::Bytes::new())).await?,
            }
        }
    }

    async fn receive(&self, receiver: &mut SplitStream<Socket>) -> anyhow::Result<()> {
        loop {
            let message = timeout(SILENCE, receiver.next()).await.context("the control plane fell silent")?;
            match message.context("the control plane hung up")?? {
                Message::Text(text) => self.told(serde_json::from_str(&text).context("unreadable frame")?)?,
                Message::Binary(bytes) if bytes.len() > MAX_BINARY_FRAME => bail!("a binary frame of {} bytes", bytes.len()),
                Message::Binary(bytes) => self.inbox.input(&bytes),
                Message::Close(_) => bail!("the control plane closed the channel"),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn told(&self, message: ToSupervisor) -> anyhow::Result<()> {
        match message {
            ToSupervisor::Welcome(_) => bail!("a second greeting"),
            ToSupervisor::Ack { terminal, reports } => self.outbox.acknowledge(terminal, reports),
            ToSupervisor::Say { text, .. } => self.inbox.say(text),
            ToSupervisor::Question { open } => {
                self.asked.question(open);
                self.inbox.look_again();
            }
            ToSupervisor::Answer { question, text } => {
                if self.asked.answer(question) {
                    self.inbox.say(text);
                }
            }
            ToSupervisor::Resize { cols, rows } => self.inbox.resize(cols, rows),
            ToSupervisor::Stop { grace_ms, cause } => {
                if let Some(cause) = cause {
                    complain(format_args!("told to stop by request {cause}"));
                }
                self.halts.ask(Halt::Stop { grace: Duration::from_millis(grace_ms) });
            }
            ToSupervisor::Dismiss => self.halts.dismiss(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn waits_grow_to_a_bound_and_vary() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..40).map(|_| backoff.delay().as_millis()).collect();
        assert!(delays[0] <= 75);
        assert!(delays.iter().all(|ms| *ms <= 7_500));
        assert!(delays[20..].iter().all(|ms| *ms >= 2_500));
        assert!(delays[20..].windows(2).any(|pair| pair[0] != pair[1]));
    }
}
