//! Plan files: plans with a checklist of phases, as people keep them in JSON or Markdown.
//!
//! A plan file stays its owner's: it is read in any of its three shapes, and what is written changes the bytes that are
//! meant and no others. docs/backlogs/plans.md says all that a person may rely on.

mod book;
mod commands;
mod edit;
mod error;
mod file;
mod json;
mod lint;
pub mod markdown;
mod mojibake;
mod source;
mod text;
mod time;

pub use book::{Book, Ours, Phase, Plan, Shape, Wants};
pub use commands::{Command, NoName, commands, filled};
pub use edit::Edit;
pub use error::PlanError;
pub use file::{create, edit, read};
pub use lint::{Finding, lint};
pub use source::{PlanBacklog, PlanConfig};
pub use text::{Block, Text, number};
