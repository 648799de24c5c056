//! Doors: a sandbox's one way out. A door only carries connections; who may ask for what behind it is decided by
//! whoever serves the streams.

#[cfg(feature = "conformance")]
pub mod conformance;
mod socket;

pub use socket::{DoorError, PeerIds, SocketDoor, SocketDoors};

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

/// Connections of one sandbox at a time. The next ones wait in the kernel's queue until one ends, so a sandbox that
/// opens connections without end holds up only itself.
pub const CONNECTIONS_MAX: usize = 512;

/// One sandbox's way out.
#[async_trait::async_trait]
pub trait Door: Send + Sync {
    /// The folder on this machine that is bound into the sandbox, for [`strawboss_core::runner::SandboxSpec::door_dir`].
    fn dir(&self) -> &Path;
    /// The next connection from inside. Cancel-safe. Passing troubles (no file descriptor left, a caller that hung up)
    /// are waited out; an error means that the door is broken and must be opened again.
    async fn accept(&self) -> io::Result<DoorStream>;
}

/// A connection from inside a sandbox. Whatever comes out of it is hostile.
#[derive(Debug)]
pub struct DoorStream {
    stream: UnixStream,
    peer: Option<PeerIds>,
    _permit: OwnedSemaphorePermit,
}

impl DoorStream {
    fn new(stream: UnixStream, permit: OwnedSemaphorePermit) -> Self {
        let peer = stream.peer_cred().ok().map(|ids| PeerIds { uid: ids.uid(), pid: ids.pid() });
        Self { stream, peer, _permit: permit }
    }

    /// Which process connected, as this machine's kernel knows it, when it does.
    pub fn peer(&self) -> Option<PeerIds> {
        self.peer
    }
}

impl AsyncRead for DoorStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for DoorStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
