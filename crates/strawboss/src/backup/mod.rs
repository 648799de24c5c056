//! Backups: one file that holds everything that a restore needs, and nothing that can be made again.
//!
//! A backup is a tar archive, gzip-compressed, and encrypted for one or more keys of age when recipients are given
//! (<https://age-encryption.org/v1>; the tool `age` opens it as well). In it, in this order:
//!
//! - `backup.json`: which format, which program, when, which installation;
//! - `state.ndjson`: every row of the database, one a line, as of one moment;
//! - `secrets/…`: the installation's id, the admin token, the key of browsers' cookies;
//! - `mirrors/….bundle`: every ref of each project's mirror, agents' branches among them;
//! - `runs/…`: the recordings of terminals;
//! - `sources/…`: what sources of work remember;
//! - `end.json`: counts and checksums of all of it. Without it the backup was cut short.
//!
//! Not in it: agents' programs, caches, sandboxes and the volumes of runs (what was pushed from them is in the mirrors).

mod archive;
mod keep;
mod keys;
mod make;
mod restore;
pub(crate) mod schedule;
pub(crate) mod spool;
mod unpack;

pub(crate) use archive::{End, Manifest};
pub(crate) use keep::{Backup, list};
pub(crate) use keys::{Identity, Recipient, generate, identity};
pub(crate) use make::make;
pub(crate) use restore::{refuse_to_overwrite, restore, unpack_into};
pub(crate) use unpack::{Unpacked, unpack};
