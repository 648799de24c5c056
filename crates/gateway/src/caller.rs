//! Who asks: one sandbox, known by its door, with what it may reach and how much of it at once.

use crate::egress::NetworkPolicy;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use strawboss_core::SandboxId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How much one sandbox may have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerLimits {
    /// Model requests under way.
    pub requests: usize,
    /// Model requests that wait for their turn; beyond it 429 is answered.
    pub waiting: usize,
    /// Connections through the proxy.
    pub tunnels: usize,
}

impl Default for CallerLimits {
    fn default() -> Self {
        Self { requests: 16, waiting: 64, tunnels: 128 }
    }
}

/// What a sandbox may reach.
#[derive(Debug, Clone, Default)]
pub struct CallerRules {
    /// Which provider (its name) stands behind which API: `anthropic` → `local` lets `/gateway/anthropic/…` lead to the
    /// provider `local`. Empty: no model at all, as for checks.
    pub routes: BTreeMap<String, String>,
    /// Which hosts it may reach.
    pub network: NetworkPolicy,
    /// How much at once.
    pub limits: CallerLimits,
}

/// A sandbox, with its counts of what is under way. Make one per door and clone it for each of its connections.
#[derive(Debug, Clone)]
pub struct Caller {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sandbox: SandboxId,
    rules: CallerRules,
    requests: Arc<Semaphore>,
    waiting: AtomicUsize,
    tunnels: Arc<Semaphore>,
    closed: CancellationToken,
}

/// Takes a waiting request out of the count, however it ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Caller {
    /// The sandbox behind a door.
    pub fn new(sandbox: SandboxId, rules: CallerRules) -> Self {
        let limits = rules.limits;
        Self {
            inner: Arc::new(Inner {
                sandbox,
                rules,
                requests: Arc::new(Semaphore::new(limits.requests.clamp(1, Semaphore::MAX_PERMITS))),
                waiting: AtomicUsize::new(0),
                tunnels: Arc::new(Semaphore::new(limits.tunnels.min(Semaphore::MAX_PERMITS))),
                closed: CancellationToken::new(),
            }),
        }
    }

    /// Its id.
    pub fn sandbox(&self) -> &SandboxId {
        &self.inner.sandbox
    }

    /// What it may reach.
    pub fn rules(&self) -> &CallerRules {
        &self.inner.rules
    }

    /// Its door is gone: every connection through the proxy ends now and none begins again.
    pub fn close(&self) {
        self.inner.closed.cancel();
    }

    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.inner.closed
    }

    /// A turn for a model request; none when too many wait already.
    pub(crate) async fn admit_request(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.inner.requests).try_acquire_owned() {
            return Some(permit);
        }
        let waiting = &self.inner.waiting;
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Waiting(waiting);
        if before >= self.inner.rules.limits.waiting {
            return None;
        }
        Arc::clone(&self.inner.requests).acquire_owned().await.ok()
    }

    /// Room for a connection through the proxy; none when it has as many as it may, or its door is gone.
    pub(crate) fn admit_tunnel(&self) -> Option<OwnedSemaphorePermit> {
        if self.inner.closed.is_cancelled() {
            return None;
        }
        Arc::clone(&self.inner.tunnels).try_acquire_owned().ok()
    }
}
