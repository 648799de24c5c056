//! The engine through its own interface: on a real store and a real repository, with sandboxes that the tests play.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail here")]

mod bounds;
mod clock;
mod desk;
mod ground;
mod lands;
mod lasting;
mod phases;
mod questions;
mod rescues;
mod retention;
mod rows;
mod runner;
mod shells;
mod stops;
mod store;
mod sweeps;
mod tickets;
