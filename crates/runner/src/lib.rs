//! What starts and stops sandboxes, the doors that are their one way out, and terminals of the host.
//!
//! [`DockerRunner`] makes containers without a network, [`ProcessRunner`] makes plain processes without a wall; both
//! speak the port [`strawboss_core::runner::Runner`]. [`door`] makes the sockets that supervisors dial. [`tmux`] speaks
//! [`strawboss_core::terminals::Terminals`]. Nothing here
//! decides what runs, keeps state of runs, or understands what travels through a door.

pub mod docker;
pub mod door;
pub mod process;
pub mod tmux;

mod keyed;
mod tree;

pub use docker::{DockerConfig, DockerRunner, DoorsVolume, EngineFacts};
pub use door::{Door, DoorStream, SocketDoor, SocketDoors};
pub use process::{ProcessConfig, ProcessRunner};
pub use tmux::{Tmux, TmuxConfig};

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The first `digits` hexadecimal digits of the SHA-256 of `bytes`: for names, not for secrets.
fn short_hash(bytes: &[u8], digits: usize) -> String {
    let mut text = hex(&Sha256::digest(bytes));
    text.truncate(digits);
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
