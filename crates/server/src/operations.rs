//! What whoever runs the service may ask of it beyond its work: its log, and another configuration.

use crate::logs::LogRing;
use std::sync::Arc;
use strawboss_protocol::api::ReloadView;

/// Reads the configuration again and takes over what can change while the service runs.
#[async_trait::async_trait]
pub trait Reload: Send + Sync {
    /// Does so, or says everything that is wrong with the configuration; then nothing has changed.
    async fn reload(&self) -> Result<ReloadView, String>;
}

/// What the wiring hands over.
#[derive(Clone, Default)]
pub struct Operations {
    /// The newest lines of the log.
    pub logs: LogRing,
    /// How the configuration is read again; none: it cannot be.
    pub reload: Option<Arc<dyn Reload>>,
}
