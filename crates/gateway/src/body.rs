//! The body of every answer that leaves this crate, and what may end it early.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A streamed answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why an answer broke off after its head was sent; the connection is cut, so that nobody takes it for whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The other side broke off.
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    /// The other side fell silent.
    #[error("the upstream sent nothing for {} s", .0.as_secs())]
    Idle(Duration),
}

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Runs out when the other side was waited for in one go for longer than the limit. Time in which nobody asked for
/// more (a slow reader) does not count.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    waiting_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, waiting_since: None, sleep: None }
    }

    /// Something came.
    pub(crate) fn renew(&mut self) {
        self.waiting_since = None;
    }

    /// Nothing is there: ready once that has lasted too long.
    pub(crate) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let end = since + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        // The timer is set anew only when it rings, not with each frame: most never ring.
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= end {
                return Poll::Ready(BodyError::Idle(self.limit));
            }
            sleep.as_mut().reset(end);
        }
        Poll::Pending
    }
}

/// Passes a body on, cuts it when it falls silent, and keeps a guard until it is done.
#[derive(Debug)]
pub(crate) struct Guarded<G> {
    inner: hyper::body::Incoming,
    patience: Patience,
    _guard: G,
}

impl<G> Guarded<G> {
    pub(crate) fn new(inner: hyper::body::Incoming, idle: Duration, guard: G) -> Self {
        Self { inner, patience: Patience::new(idle), _guard: guard }
    }
}

impl<G: Unpin> http_body::Body for Guarded<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.patience.renew();
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Upstream)))
            }
            Poll::Pending => self.patience.poll_out(cx).map(|out| Some(Err(out))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
