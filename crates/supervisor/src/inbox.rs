//! What people send to the agent, kept until the agent takes it. Bounded, and never a reason to stop reading the link.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many lines wait at most; more than that nobody types.
const MAX_SAYS: usize = 1000;
/// How many bytes of terminal input wait for a program that does not read.
const MAX_INPUT: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    says: VecDeque<String>,
    input: Vec<u8>,
    size: Option<(u16, u16)>,
}

impl Inbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A person's line.
    pub(crate) fn say(&self, text: String) {
        let mut inner = self.inner();
        if inner.says.len() < MAX_SAYS {
            inner.says.push_back(text);
        }
        self.changed.notify_one();
    }

    /// Keys for the terminal.
    pub(crate) fn input(&self, bytes: &[u8]) {
        let mut inner = self.inner();
        let room = MAX_INPUT.saturating_sub(inner.input.len());
        inner.input.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.changed.notify_one();
    }

    /// The terminal's new size.
    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        self.inner().size = Some((cols.clamp(1, 1000), rows.clamp(1, 1000)));
        self.changed.notify_one();
    }

    /// The oldest line.
    pub(crate) fn take_say(&self) -> Option<String> {
        self.inner().says.pop_front()
    }

    /// All input so far.
    pub(crate) fn take_input(&self) -> Vec<u8> {
        std::mem::take(&mut self.inner().input)
    }

    /// The newest size, once.
    pub(crate) fn take_size(&self) -> Option<(u16, u16)> {
        self.inner().size.take()
    }

    /// Lets [`Self::changed`] return although nothing has come.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Returns when something may have come since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
