//! What a sandbox may reach, and nothing else: the model API with the host's key put in on the way ([`ModelProxy`]),
//! and the hosts that its project allows ([`Egress`]).
//!
//! Each request is made for a [`Caller`], the sandbox behind one door; nothing that a request says changes who it is.
//! What was used and what was refused goes to [`strawboss_core::meter::Meter`]. This crate keeps no state on disk,
//! knows no run beyond its sandbox's id, and logs sizes, status and time, never a text, header or key.
//!
//! [`mock_model`] is a stand-in for the Messages API that a script drives, for demonstrations and tests.

mod body;
mod caller;
mod clock;
mod headers;
mod outbound;
mod reply;

pub mod egress;
pub mod mock_model;
pub mod model_proxy;

pub use body::{Body, BodyError};
pub use caller::{Caller, CallerLimits, CallerRules};
pub use egress::{Egress, EgressConfig, HostNet, NetworkPolicy, PolicyError, SystemNet};
pub use model_proxy::{Auth, ConfigError, ModelProxy, Price, Prices, Provider, ProxyConfig, ProxyLimits, Secret, SecretError};
pub use outbound::Outbound;

/// How a door's connection shall be served: HTTP/1 with bounded heads and a limit on how long one may take to come.
/// Serve with `with_upgrades()`, which CONNECT needs, and a peer that hangs up cancels what it asked for.
pub fn door_http() -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(std::time::Duration::from_secs(30))
        .max_headers(128)
        .max_header_size(64 * 1024)
        .max_buf_size(128 * 1024);
    builder
}
