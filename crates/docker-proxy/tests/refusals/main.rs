//! What the proxy refuses, against a real engine whose own record says that nothing was made, started, changed or removed.

#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod bodies;
mod doors;
mod ground;
mod objects;
mod wire;
