//! What travels: between supervisor and control plane, and between people's programs and the API.
//!
//! Types only, with the bounds that a receiver must hold them to. OpenAPI derives are behind the feature `openapi`,
//! so that the supervisor carries none of it.

pub mod agent;
pub mod api;
mod status;
pub mod supervisor;
mod task;
