//! What whoever runs the service may ask of it beyond its work: its log.

use crate::logs::LogRing;

/// What the wiring hands over.
#[derive(Clone, Default)]
pub struct Operations {
    /// The newest lines of the log.
    pub logs: LogRing,
}
