//! What sources behind a network share: when to ask, how much to take, and what an answer that is none means.
//!
//! It knows no vendor. A source asks through [`fetch`] and lets its [`Pace`] say when it may ask again.

mod client;
mod http;
mod pace;
mod report;
mod secret;
mod statement;
mod text;

pub(crate) use client::client;
pub(crate) use http::{Answer, HttpError, fetch, link_next, wait_asked};
pub(crate) use pace::Pace;
pub(crate) use report::{checks, cost};
pub use secret::Secret;
pub(crate) use statement::SigningKey;
pub(crate) use text::{cut, fenced, plain};
