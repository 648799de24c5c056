//! The guards that stand in front of routes.

use super::Scope;
use crate::error::ApiError;
use crate::state::{AppState, Peer};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, header};

/// Lets only requests for this server's own names through. Stands before everything but `/health`, which load balancers
/// ask for by names of their own and which says nothing, and `/metrics` with a token, which machines ask for by names of
/// their own: what a stranger's page may send by itself (a cookie, nothing) is not enough there.
pub(crate) async fn host(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let any_name = match request.uri().path() {
        "/health" => true,
        "/metrics" => has_token(&request),
        _ => false,
    };
    if !any_name {
        state.auth.hosts().check_host(request.headers(), request.uri())?;
    }
    Ok(next.run(request).await)
}

fn has_token(request: &Request) -> bool {
    request.headers().contains_key(header::AUTHORIZATION)
}

async fn admit(state: &AppState, request: &mut Request, scope: Option<Scope>) -> Result<(), ApiError> {
    // Only there: an address with a token in it must not be what people open, share and keep.
    let socket = request.uri().path().starts_with("/ws/") && request.headers().contains_key(header::UPGRADE);
    let caller = if socket {
        state.auth.identify_socket(request.headers(), request.uri()).await?
    } else {
        state.auth.identify(request.headers()).await?
    };
    state.auth.check_page(&caller, request.method(), request.headers())?;
    if let Some(scope) = scope {
        caller.demand(scope)?;
    }
    tracing::Span::current().record("caller", caller.token.id.as_str());
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Asking needs `read`, everything else `write`.
pub(crate) async fn by_method(State(state): State<AppState>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let asks = matches!(*request.method(), Method::GET | Method::HEAD);
    admit(&state, &mut request, Some(if asks { Scope::Read } else { Scope::Write })).await?;
    Ok(next.run(request).await)
}

/// Any good credentials.
pub(crate) async fn any(State(state): State<AppState>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    admit(&state, &mut request, None).await?;
    Ok(next.run(request).await)
}

/// `admin`.
pub(crate) async fn admin(State(state): State<AppState>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    admit(&state, &mut request, Some(Scope::Admin)).await?;
    Ok(next.run(request).await)
}

/// `read`, or a caller on this machine where that was configured. A token that is given is looked at in either case.
pub(crate) async fn measured(State(state): State<AppState>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let near = request.extensions().get::<Peer>().is_some_and(|peer| peer.addr.ip().to_canonical().is_loopback());
    // A proxy on this machine is near for callers that are not.
    let relayed = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| request.headers().contains_key(*name));
    if !(state.auth.metrics_on_loopback() && near && !relayed) || has_token(&request) {
        admit(&state, &mut request, Some(Scope::Read)).await?;
    }
    Ok(next.run(request).await)
}
