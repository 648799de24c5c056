//! The one harness for tests of the whole: real repositories, a real backlog file, the real program.
//!
//! A [`World`] is a folder with repositories, a CSV file and a configuration, and `strawboss serve` running on it. It can
//! be killed at any moment and started again. Waiting is on what can be observed, with a deadline; never on time alone.

pub mod backlog;
mod browser;
pub mod compose;
mod crew;
pub mod github;
pub mod lab;
mod person;
pub mod plane;
pub mod postgres;
pub mod programs;
pub mod repository;
mod rsa;
mod script;
pub mod sheets;
mod typing;
pub mod world;

pub use backlog::{BacklogFile, Row};
pub use compose::System;
pub use crew::Crew;
pub use github::GitHub;
pub use lab::{Mount, OwnEngine};
pub use person::Person;
pub use plane::Plane;
pub use postgres::{Postgres, Stop};
pub use repository::Repository;
pub use sheets::Sheets;
pub use typing::OldTerminal;
pub use world::{RunnerKind, World, WorldOptions};
