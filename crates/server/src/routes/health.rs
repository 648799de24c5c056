//! `/health`, `/ready` and the OpenAPI document: for machines that watch, without credentials.

use crate::auth::MaybeCaller;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strawboss_protocol::api::{PartState, ReadyView};

/// The process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// This program's version.
    pub version: String,
}

impl Health {
    fn now() -> Self {
        Self { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Whether the process answers. Says nothing about what stands behind it.
#[utoipa::path(get, path = "/health", tag = "system", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health::now())
}

/// Whether store, engine, gateway and runner work, looked at now. How each is, and since when, is told only to who has
/// credentials.
#[utoipa::path(get, path = "/ready", tag = "system", security(()),
    responses((status = 200, body = ReadyView), (status = 503, body = ReadyView, description = "Not ready")))]
pub(crate) async fn ready(State(state): State<AppState>, MaybeCaller(caller): MaybeCaller) -> (StatusCode, Json<ReadyView>) {
    let parts = state.engine.parts_now().await;
    let failing: Vec<String> =
        parts.iter().filter(|(_, part)| !part.ok).map(|(name, part)| format!("{name}: {}", part.detail)).collect();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let known = caller.is_some();
    let mut view = ReadyView { status: PartState::Ok, version, code: None, message: None, fix: None, parts: BTreeMap::default() };
    if known {
        view.parts = parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect();
    }
    let stopping = state.shutdown.is_cancelled();
    if failing.is_empty() && !stopping {
        return (StatusCode::OK, Json(view));
    }
    view.status = PartState::Failing;
    view.code = Some("unavailable".to_owned());
    view.message = Some(match (stopping, known) {
        (true, _) => "Strawboss is shutting down".to_owned(),
        (false, true) => failing.join("; "),
        (false, false) => "something that Strawboss needs does not answer".to_owned(),
    });
    view.fix = Some("`strawboss status` and `strawboss doctor` say what is wrong and how to mend it.".to_owned());
    (StatusCode::SERVICE_UNAVAILABLE, Json(view))
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "system", security(()),
    responses((status = 200, body = Object, content_type = "application/json", description = "OpenAPI 3.1")))]
pub(crate) async fn openapi_json(State(state): State<AppState>) -> impl IntoResponse {
    ([(http::header::CONTENT_TYPE, "application/json")], state.openapi.clone())
}
