//! Ports that only the engine needs: doors and the clock.

use std::path::PathBuf;
use strawboss_core::{SandboxId, Timestamp};

/// Opens and closes sandboxes' doors. What comes through an open door reaches the engine as
/// [`Engine::door_token`](crate::Engine::door_token) and its neighbours.
#[async_trait::async_trait]
pub trait Doors: Send + Sync {
    /// Opens the door, or does nothing when it is open; gives the folder that holds its `door.sock`.
    async fn open(&self, sandbox: &SandboxId) -> std::io::Result<PathBuf>;
    /// Closes the door and removes its folder; no error when there is none.
    async fn close(&self, sandbox: &SandboxId) -> std::io::Result<()>;
    /// Doors whose folders are there.
    async fn list(&self) -> std::io::Result<Vec<SandboxId>>;
    /// Whether doors can be opened and something stands behind them, in words for a person.
    async fn check(&self) -> Result<String, String> {
        let doors = self.list().await.map_err(|error| format!("the doors' folder cannot be read: {error}"))?;
        Ok(format!("{} doors", doors.len()))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
