//! A provider's answer on its way into the sandbox: byte for byte, what is ready in one piece, looked over for usage
//! in passing, and told to the meter once, however it ends.

use super::count;
use super::price::Prices;
use super::upload::Progress;
use super::usage::{Found, Scan};
use crate::body::{BodyError, Patience};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use strawboss_core::SandboxId;
use strawboss_core::meter::Meter;
use strawboss_core::run::Usage;
use tokio::sync::OwnedSemaphorePermit;

/// As much is held back for one write. More would save little and keep what came first waiting.
const MAX_PIECE: usize = 16 * 1024;
/// What is not there after so many looks is not there yet. hyper's connection looks twice in each of its turns (it tries
/// to write once more after a flush), and the provider's connection has its turn between two of those.
const LOOKS: u8 = 2;

/// One request's line in the books. It is written when this is dropped, so exactly once.
pub(super) struct Ticket {
    pub(super) meter: Arc<dyn Meter>,
    pub(super) prices: Arc<Prices>,
    pub(super) sandbox: SandboxId,
    pub(super) provider: Arc<str>,
    pub(super) upload: Arc<Progress>,
    pub(super) started: Instant,
    /// The provider's status; none: it never answered.
    pub(super) status: Option<u16>,
    pub(super) scan: Scan,
    pub(super) received: u64,
    /// What the request is called in the log.
    pub(super) span: tracing::Span,
    /// The request's turn, given back when it is over.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let usage = if self.status.is_some() { priced(self.scan.found(), &self.prices) } else { Usage::default() };
        count::request(&self.provider, self.status, self.scan.found().model.as_deref(), &usage);
        self.meter.used(&self.sandbox, usage);
        // The request was answered before its answer's body came to an end: only here its number is still known.
        let _within = self.span.enter();
        tracing::debug!(
            sandbox.id = %self.sandbox,
            gateway.provider = %self.provider,
            http.status = self.status,
            gateway.bytes_up = self.upload.bytes(),
            gateway.bytes_down = self.received,
            gateway.ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "model request"
        );
    }
}

fn priced(found: &Found, prices: &Prices) -> Usage {
    let mut usage = found.usage();
    usage.cost_microusd = found.model.as_deref().map_or(0, |model| prices.cost_microusd(model, &usage));
    usage
}

/// The answer's body.
pub(super) struct Answer {
    inner: Incoming,
    ticket: Option<Ticket>,
    patience: Patience,
    /// Came, and goes out together with what comes next, if that is ready too.
    held: Held,
    /// Something went out already. The first piece is not held back: it shows that the model answers.
    begun: bool,
    /// How often nothing was there since the last piece came.
    looks: u8,
    /// How the answer ends once what is held is out.
    end: End,
}

/// How far the provider's answer has come.
enum End {
    Open,
    Whole,
    Broken(BodyError),
}

/// The first piece is passed on as it is; only a second one makes a copy.
enum Held {
    Nothing,
    One(Bytes),
    More(BytesMut),
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::More(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut bytes = BytesMut::with_capacity((first.len() + data.len()).max(4096));
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&data);
                Self::More(bytes)
            }
            Self::More(mut bytes) => {
                bytes.extend_from_slice(&data);
                Self::More(bytes)
            }
        };
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::More(bytes) => bytes.freeze(),
        }
    }
}

impl Answer {
    pub(super) fn new(inner: Incoming, ticket: Ticket, idle: Duration) -> Self {
        Self {
            inner,
            ticket: Some(ticket),
            patience: Patience::new(idle),
            held: Held::Nothing,
            begun: false,
            looks: 0,
            end: End::Open,
        }
    }

    fn came(&mut self, data: Bytes) {
        if let Some(ticket) = &mut self.ticket {
            ticket.scan.feed(&data);
            ticket.received += data.len() as u64;
        }
        self.patience.renew();
        self.looks = 0;
        self.held.push(data);
    }

    /// Closes the books at once when all has come: the last byte may take long to be read.
    fn done(&mut self, end: End) {
        self.ticket = None;
        self.looks = 0;
        self.end = end;
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let held = this.held.len();
            if held > 0 && (!this.begun || held >= MAX_PIECE || !matches!(this.end, End::Open)) {
                this.begun = true;
                return Poll::Ready(Some(Ok(Frame::data(this.held.take()))));
            }
            match std::mem::replace(&mut this.end, End::Whole) {
                End::Open => this.end = End::Open,
                End::Whole => return Poll::Ready(None),
                End::Broken(error) if this.looks >= LOOKS => return Poll::Ready(Some(Err(error))),
                // A turn for the sandbox's connection to write out what it has: an error drops that.
                End::Broken(error) => {
                    this.end = End::Broken(error);
                    this.looks += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        this.came(data);
                        if this.inner.is_end_stream() {
                            this.done(End::Whole);
                        }
                    }
                }
                Poll::Ready(Some(Err(error))) => this.done(End::Broken(BodyError::Upstream(error))),
                Poll::Ready(None) => this.done(End::Whole),
                Poll::Pending if held == 0 => {
                    return this.patience.poll_out(cx).map(|out| {
                        this.done(End::Whole);
                        Some(Err(out))
                    });
                }
                Poll::Pending if this.looks >= LOOKS => return Poll::Ready(Some(Ok(Frame::data(this.held.take())))),
                Poll::Pending => {
                    // hyper hands over one piece for each turn of the provider's connection. Let it have its turn: what
                    // it has read already then goes out in the same write, and not with a system call for each event.
                    this.looks += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let all_came = match self.end {
            End::Open => self.inner.is_end_stream(),
            End::Whole => true,
            End::Broken(_) => false,
        };
        all_came && self.held.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let held = self.held.len() as u64;
        match inner.exact() {
            Some(rest) => SizeHint::with_exact(rest + held),
            None => SizeHint::default(),
        }
    }
}
