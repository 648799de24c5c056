//! `/api/v1/retention`: what is kept for how long, and what goes.

use super::ReadErrors;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_protocol::api::RetentionView;

/// What would go now. Nothing is removed.
#[utoipa::path(get, path = "/api/v1/retention", tag = "system", responses((status = 200, body = RetentionView), ReadErrors))]
pub(crate) async fn retention_show(State(state): State<AppState>) -> Json<RetentionView> {
    Json(state.engine.retention().await)
}

/// Removes what is kept no longer (scope admin); refused while that is under way.
#[utoipa::path(post, path = "/api/v1/retention/apply", tag = "system",
    responses((status = 200, body = RetentionView), super::CommandErrors))]
pub(crate) async fn retention_apply(State(state): State<AppState>) -> Result<Json<RetentionView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.retention_apply().await }).await?))
}
