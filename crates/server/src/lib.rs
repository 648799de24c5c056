//! What people's programs and sandboxes talk to: the HTTP API with its events and terminals, the embedded pages, and
//! the door's side of control, git and gateway.
//!
//! Nothing here decides: a request is read, bounded and checked, the engine is asked, the answer is written. State
//! belongs to the engine; keys belong to the gateway.

pub(crate) mod app;
pub(crate) mod attached;
pub mod auth;
pub(crate) mod compat;
pub mod door;
pub mod error;
pub(crate) mod extract;
pub mod listen;
pub mod logs;
pub mod measure;
pub mod openapi;
pub mod operations;
pub(crate) mod recording;
pub(crate) mod request_id;
pub mod routes;
pub mod server;
pub(crate) mod state;
pub(crate) mod ui;

pub use auth::{AuthConfig, TrustedProxy};
pub use door::gateway::GatewayWays;
pub use door::{Door, DoorContext, DoorHost, DoorWays, SandboxWays, serve_connection};
pub use logs::{LogFilter, LogRing};
pub use measure::Measure;
pub use operations::{Operations, Reload};
pub use server::{BindError, Server, ServerConfig};
