//! The body of a request on its way to the provider: passed on as it comes, counted, and cut when it grows too big.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

/// What is known of an upload while hyper holds its body.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    too_big: AtomicBool,
}

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn too_big(&self) -> bool {
        self.too_big.load(Ordering::Relaxed)
    }
}

/// Why an upload was cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the sandbox broke off its request")]
    Sandbox(#[source] hyper::Error),
    #[error("the request is larger than the gateway takes")]
    TooBig,
}

/// A request's body under way.
#[derive(Debug)]
pub(super) struct Upload {
    inner: Incoming,
    most: u64,
    progress: Arc<Progress>,
}

impl Upload {
    pub(super) fn new(inner: Incoming, most: u64) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        (Self { inner, most, progress: Arc::clone(&progress) }, progress)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(UploadError::Sandbox(error)))),
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        // Trailers end here: nothing needs them, and no check has looked at them.
        let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
        let size = data.len() as u64;
        let before = self.progress.bytes.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.most {
            self.progress.too_big.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(UploadError::TooBig)));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
