//! The listener for clients that cannot be changed: the terminal service's own paths, on loopback, without sign-in.
//!
//! Whoever reaches it may do everything that an admin may, a shell on the host included: every user and every program of
//! this machine. It is there only where it is configured, and never beyond loopback. What a browser could be made to send
//! by a stranger's page is refused all the same.

use crate::app::dressed;
use crate::auth::origin::Hosts;
use crate::auth::{ADMIN_ID, Caller, KnownToken, Scope, Via};
use crate::error::ApiError;
use crate::state::AppState;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, header};
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything that is served there.
pub(crate) fn app(state: AppState, addr: SocketAddr) -> Router {
    // Names that people reach the service by are none of this listener's.
    let hosts = Arc::new(Hosts::new(addr, &[]));
    let router = super::bare().fallback(nothing).layer(from_fn_with_state(hosts, near));
    dressed(router, state)
}

async fn nothing() -> ApiError {
    ApiError::not_found(
        "this listener serves only what the terminal service did that Strawboss replaces",
        Some("The rest is at `server.listen`.".to_owned()),
    )
}

fn is_a_strangers_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Lets programs of this machine through, and pages that this machine serves; strangers' pages not.
async fn near(State(hosts): State<Arc<Hosts>>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let headers = request.headers();
    hosts.check_host(headers, request.uri())?;
    if headers.contains_key(header::ORIGIN) {
        hosts.check_origin(headers)?;
    } else if is_a_strangers_page(headers) {
        return Err(ApiError::forbidden("a page of another site asks", "Open what this listener serves by itself."));
    }
    let label = "loopback, without sign-in".to_owned();
    let token = KnownToken { id: ADMIN_ID.to_owned(), label, scope: Scope::Admin, expires_at: None };
    request.extensions_mut().insert(Caller { token, via: Via::Bearer, expires_at: None });
    Ok(next.run(request).await)
}
