//! The port that the gateway tells what a run used and what it was refused.

use crate::run::Usage;
use crate::{SandboxId, Timestamp};

/// Hears of each answered model request and each refusal, of sandboxes known by their doors. Must return at once.
pub trait Meter: Send + Sync {
    /// A model request ended (well, badly, or cut short): what it used, counted from the provider's answer.
    fn used(&self, sandbox: &SandboxId, usage: Usage);
    /// Something was asked for that the sandbox may not have.
    fn refused(&self, sandbox: &SandboxId, target: &str, reason: &str, known_probe: bool, at: Timestamp);
    /// The provider said that nothing more is to be had until this moment (HTTP 429 with its reset).
    fn limited(&self, sandbox: &SandboxId, until: Option<Timestamp>);
}
