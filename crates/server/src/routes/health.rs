//! `/health`, `/ready` and the OpenAPI document: for machines that watch, without credentials.

use crate::auth::MaybeCaller;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use strawboss_protocol::api::ErrorBody;

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

/// Whether store and runner answer. The reasons are told only to who has credentials.
#[utoipa::path(get, path = "/ready", tag = "system", security(()),
    responses((status = 200, body = Health), (status = 503, body = ErrorBody, description = "Not ready")))]
pub(crate) async fn ready(State(state): State<AppState>, MaybeCaller(caller): MaybeCaller) -> Result<Json<Health>, ApiError> {
    if state.shutdown.is_cancelled() {
        return Err(ApiError::unavailable("Strawboss is shutting down", "Wait for the next start."));
    }
    match state.engine.ready().await {
        Ok(()) => Ok(Json(Health::now())),
        Err(refused) => {
            let known = caller.is_some();
            let error = ApiError::from(refused);
            let message = if known { error.body.message } else { "something that Strawboss needs does not answer".to_owned() };
            Err(ApiError::unavailable(message, "`strawboss status` and `strawboss doctor` say what is wrong and how to mend it."))
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "system", security(()),
    responses((status = 200, body = Object, content_type = "application/json", description = "OpenAPI 3.1")))]
pub(crate) async fn openapi_json(State(state): State<AppState>) -> impl IntoResponse {
    ([(http::header::CONTENT_TYPE, "application/json")], state.openapi.clone())
}
