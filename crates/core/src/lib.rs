//! The words and the rules of Strawboss.
//!
//! Ids, tasks, runs and projects with their transitions, the scheduling policy as one pure function, and the
//! ports (traits) that the engine reaches the world through. There is no IO here, no clock, no randomness and no
//! async runtime: time comes in as a [`Timestamp`], everything else as an argument.

pub mod backlog;
pub mod id;
pub mod meter;
pub mod policy;
pub mod project;
pub mod pull_request;
pub mod retention;
pub mod run;
pub mod runner;
pub mod session;
pub mod store;
pub mod task;
pub mod terminals;
pub mod time;

pub use id::{IdError, ProjectName, RunId, SandboxId, SessionId, TaskId};
pub use project::{AgentKind, Project};
pub use run::{Run, RunOutcome, RunState};
pub use task::{BlockCode, BlockReason, Dependency, Task, TaskState, TransitionError};
pub use time::{Date, Timestamp};
