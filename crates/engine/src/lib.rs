//! What makes the crew work: scheduler, runs, sessions, reviews and merges.
//!
//! The engine is the only writer of state. Routes, command line and sources send it commands through [`Engine`]; it
//! reaches the world through the ports of the core (store, backlog, runner) and the `git` program, and knows neither
//! HTTP nor SQL nor Docker.

mod accounts;
mod bound;
pub mod cause;
mod commands;
pub mod config;
mod desk;
mod drive;
mod engine;
mod error;
mod events;
mod fault;
mod figures;
mod git;
mod health;
mod host;
mod landing;
pub mod link;
mod metering;
mod outbox;
mod plans;
pub mod ports;
mod prompt;
mod proposing;
mod queries;
mod questions;
mod reconcile;
mod rescue;
mod retention;
mod sandbox;
mod scheduler;
mod session;
mod shared;
mod shells;
mod sources;
mod supervise;
mod sync;
mod tickets;
mod tokens;
mod views;

pub use config::{EngineConfig, Parts, Source};
pub use engine::Engine;
pub use error::Refused;
pub use events::Events;
pub use figures::Figures;
pub use git::bundle::{bundle_mirror, mirror_of_bundle};
pub use host::HostTerminals;
pub use queries::TaskQuery;
pub use session::{Viewer, ViewerFrame};
pub use shells::{NewShell, ShellHabits, Visitor};
pub use tickets::{TicketCounts, TicketEntry};
