//! What every route can reach.

use crate::auth::Auth;
use crate::error::ApiError;
use crate::measure::Measure;
use crate::operations::Operations;
use bytes::Bytes;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use strawboss_engine::{Engine, Refused, cause};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How many event streams and terminals there may be in all; each costs a buffer and a task.
pub(crate) const MAX_STREAMS: usize = 2048;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
}

/// What every route can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) engine: Engine,
    pub(crate) auth: Arc<Auth>,
    pub(crate) measure: Measure,
    pub(crate) operations: Operations,
    pub(crate) openapi: Bytes,
    /// Cancelled when the server starts to drain: streams end themselves.
    pub(crate) shutdown: CancellationToken,
    /// Cancelled when the time for that is over: whatever is left is cut off.
    pub(crate) cut: CancellationToken,
    /// Everything that lives longer than its request.
    pub(crate) tracker: TaskTracker,
    /// See [`MAX_STREAMS`].
    pub(crate) streams: Arc<Semaphore>,
}

impl AppState {
    /// Carries a command out to its end even when the caller goes away in the middle: a half-done merge helps nobody.
    pub(crate) async fn carry_out<T: Send + 'static>(
        &self,
        command: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, ApiError> {
        // A task of its own has neither its request's span nor its number by itself.
        let request = cause::current();
        let command = async move {
            match request {
                Some(request) => cause::on_behalf(request, command).await,
                None => command.await,
            }
        };
        match self.tracker.spawn(command.in_current_span()).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(ApiError::internal(&format!("a command ended by itself: {error}"))),
        }
    }
}

/// A place among the open streams, given back when dropped.
pub(crate) struct StreamPermit {
    _permit: OwnedSemaphorePermit,
    streams: Arc<Semaphore>,
    measure: Measure,
}

impl AppState {
    /// A place for one more stream.
    pub(crate) fn stream_permit(&self) -> Result<StreamPermit, ApiError> {
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| {
            ApiError::unavailable(
                format!("{MAX_STREAMS} event streams and terminals are open"),
                "Close some pages or `strawboss run attach`, then try again.",
            )
        })?;
        self.measure.streams(MAX_STREAMS.saturating_sub(self.streams.available_permits()));
        Ok(StreamPermit { _permit: permit, streams: self.streams.clone(), measure: self.measure.clone() })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        // This one is still taken while it is being dropped.
        self.measure.streams(MAX_STREAMS.saturating_sub(self.streams.available_permits() + 1));
    }
}
