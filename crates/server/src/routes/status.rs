//! `GET /api/v1/status`: the parts of the system as observed.

use super::ReadErrors;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_protocol::api::StatusView;

/// The parts of the system as observed, each with its time.
#[utoipa::path(get, path = "/api/v1/status", tag = "system", responses((status = 200, body = StatusView), ReadErrors))]
pub(crate) async fn status(State(state): State<AppState>) -> Result<Json<StatusView>, ApiError> {
    Ok(Json(state.engine.status().await?))
}
