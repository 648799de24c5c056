//! Bytes both ways between a sandbox and a host, each half closed as its sender closes it, until both are done, nothing
//! moves any more, or the sandbox goes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Bytes held for each direction.
const BUFFER: usize = 16 * 1024;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Idle,
    SandboxGone,
    Broken,
}

/// What passed, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) end: End,
}

/// Counts what is read and written on one side; the other side's traffic is the same bytes.
struct Counted<S> {
    inner: S,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
}

impl Counts {
    fn total(&self) -> u64 {
        self.up.load(Ordering::Relaxed).wrapping_add(self.down.load(Ordering::Relaxed))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.counts.down.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.counts.up.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Relays until the end.
pub(super) async fn relay<A, B>(mut sandbox: A, host: B, idle: Duration, closed: &CancellationToken) -> Passed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let counts = Arc::new(Counts::default());
    let mut host = Counted { inner: host, counts: Arc::clone(&counts) };
    let end = tokio::select! {
        done = tokio::io::copy_bidirectional_with_sizes(&mut sandbox, &mut host, BUFFER, BUFFER) => {
            if done.is_ok() { End::Closed } else { End::Broken }
        }
        () = silence(&counts, idle) => End::Idle,
        () = closed.cancelled() => End::SandboxGone,
    };
    Passed { up: counts.up.load(Ordering::Relaxed), down: counts.down.load(Ordering::Relaxed), end }
}

/// Ends when nothing has moved for at least `idle`.
async fn silence(counts: &Counts, idle: Duration) {
    let mut before = counts.total();
    loop {
        tokio::time::sleep(idle).await;
        let now = counts.total();
        if now == before {
            return;
        }
        before = now;
    }
}
