//! Durable state: the [`Store`](strawboss_core::store::Store) of core, kept in SQLite or PostgreSQL.
//!
//! Responsible for: opening and migrating the database, one transaction per change set, versions, the guard that a
//! task has at most one live run, the outbox, and saying clearly why something cannot be kept. It must not: decide
//! anything about tasks and runs (that is core's), read a clock, or hand out database types.
//!
//! # Why sqlx's `Any`
//! SQLite and PostgreSQL shall run the *same text*, so that one conformance suite proves both. `Any` is the narrow waist
//! that this needs, and a maintained one: numbers, doubles and text in, the same out, the driver picked by URL. A store
//! that is generic over the database costs a page of trait bounds on every query and is compiled twice; a macro per
//! database compiles twice as well. The price of `Any`: columns are only BIGINT, DOUBLE PRECISION and TEXT (truth values
//! are 0 and 1, moments are milliseconds), aggregates are CAST, connection settings are statements, and a row's text is
//! copied once more.
//!
//! # Rules for the text of queries
//! Placeholders are `$1`; no `FOR UPDATE`, no functions that only one database has; `ON CONFLICT … DO` and `RETURNING`
//! are in both. Whole entities are JSON in `body`; what is searched, sorted or guarded is a column besides. The `version`
//! column, not the body, says which version it is.

mod commit;
mod entity;
mod error;
mod open;
mod read;
mod sql;
pub mod transfer;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

pub use open::{Inspection, OpenError, masked};
pub use sql::{REPORT_BYTES, SqlStore};
