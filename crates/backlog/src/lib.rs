//! Where work comes from: implementations of the port [`strawboss_core::backlog::Backlog`].
//!
//! A source reads rows or tickets, tells when they may have changed, and writes our few columns back. It decides
//! nothing: what runs, what blocks and what a deleted row means is the engine's and the policy's business.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod csv;
pub mod github;
pub mod plan;
pub mod plane;
mod remote;
pub mod sheets;
mod table;

pub use csv::{CsvBacklog, CsvConfig, CsvConfigError, Patience};
pub use github::pulls::{GithubPulls, GithubPullsConfig, MergeMethod};
pub use github::{GithubBacklog, GithubConfig, GithubConfigError};
pub use plane::{PlaneBacklog, PlaneConfig, PlaneConfigError};
pub use sheets::{SheetsBacklog, SheetsConfig, SheetsConfigError};
