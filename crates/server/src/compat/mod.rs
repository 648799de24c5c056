//! The paths of the systems that Strawboss replaces, served as their clients know them: one file a system's part.
//!
//! `sessions`, `socket` and `accounts` are the terminal service's, `tickets` the ticket daemon's. Nothing here decides: old words
//! are turned into ours, the engine is asked, and the answer is put into old words again. docs/sessions.md says what differs.
//! These paths are not in the API's description: they are nobody's future.

pub(crate) mod accounts;
pub(crate) mod legacy;
pub(crate) mod sessions;
pub(crate) mod socket;
pub(crate) mod tickets;

use crate::error::ApiError;
use crate::routes::terminal::session_terminal;
use crate::state::AppState;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::request::Parts;
use serde::de::DeserializeOwned;
use strawboss_engine::Refused;

/// Where the paths stand that were behind the old nginx.
pub(crate) const EDGE: &str = "/api";

/// What `read` may ask and `write` may do, below `prefix`.
pub(crate) fn guarded(prefix: &str) -> Router<AppState> {
    let at = |path: &str| format!("{prefix}{path}");
    let list = get(sessions::list).post(sessions::create);
    Router::new()
        .route(&at("/sessions"), list.clone())
        .route(&at("/sessions/"), list)
        .route(&at("/sessions/{id}"), put(sessions::ensure).delete(sessions::remove))
        .route(&at("/sessions/{id}/keepalive"), post(sessions::keep_alive))
        .route(&at("/sessions/{id}/windows"), get(sessions::windows))
        .route(&at("/workspaces"), get(sessions::workspaces))
}

/// The ticket daemon's paths, with the same guard. It had them below [`EDGE`] itself.
pub(crate) fn ticket_paths() -> Router<AppState> {
    Router::new()
        .route("/api/pending-tickets", get(tickets::pending))
        .route("/api/completed-tickets", get(tickets::completed))
        .route("/api/approve/{ticket}", post(tickets::approve))
        .route("/api/update-plane/{ticket}", post(tickets::update))
        .route("/api/tickets/{ticket}", delete(tickets::delete))
}

/// Where the old nginx had the daemon's health.
pub(crate) fn health() -> Router<AppState> {
    Router::new().route("/orchestrator/health", get(tickets::health))
}

/// Where people sign in and say who they are: below [`EDGE`] and without it, since the old nginx had them at both.
pub(crate) fn open(prefix: &str) -> Router<AppState> {
    let at = |path: &str| format!("{prefix}{path}");
    Router::new().route(&at("/auth/register"), post(accounts::register)).route(&at("/auth/login"), post(accounts::login))
}

/// The account of whoever has signed in: any scope may read and change its own.
pub(crate) fn any_scope(prefix: &str) -> Router<AppState> {
    let at = |path: &str| format!("{prefix}{path}");
    Router::new()
        .route(&at("/me"), get(accounts::me))
        .route(&at("/me/projects"), get(accounts::projects).put(accounts::projects_set))
}

/// What the listener without sign-in serves, at the own paths of the terminal service and of the ticket daemon.
fn bare() -> Router<AppState> {
    guarded("")
        .merge(open(""))
        .merge(any_scope(""))
        .merge(ticket_paths())
        .route("/orchestrator/health", get(tickets::counted))
        // Of the terminal service's clients nobody reads more than that it answers.
        .route("/health", get(tickets::counted))
        .route("/ws/sessions/{id}", get(session_terminal))
}

/// An error as old clients read one, with our own words beside it.
#[derive(Debug)]
pub(crate) struct OldError(ApiError);

impl From<ApiError> for OldError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Refused> for OldError {
    fn from(refused: Refused) -> Self {
        Self(refused.into())
    }
}

impl IntoResponse for OldError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": &self.0.body.message,
            "code": &self.0.body.code,
            "message": &self.0.body.message,
            "fix": &self.0.body.fix,
        });
        let (mut parts, _) = self.0.into_response().into_parts();
        let answer = Json(body).into_response();
        parts.headers.remove(http::header::CONTENT_LENGTH);
        parts.headers.extend(answer.headers().clone());
        Response::from_parts(parts, answer.into_body())
    }
}

/// What is in the path.
pub(crate) struct Raw(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Raw {
    type Rejection = OldError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, OldError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let wrong = || ApiError::invalid("the path cannot be read", "Percent-encode it as UTF-8.");
        Ok(Self(path.map_err(|_| wrong())?.0))
    }
}

/// A JSON body, read as ours are.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = OldError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OldError> {
        let body = crate::extract::JsonBody::<T>::from_request(request, state).await?;
        Ok(Self(body.0))
    }
}

/// A moment as JavaScript's `toISOString` writes it.
pub(crate) fn iso(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_moment_reads_as_javascript_writes_it() {
        assert_eq!(super::iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(super::iso(1_765_368_000_120), "2025-12-10T12:00:00.120Z");
        assert_eq!(super::iso(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
