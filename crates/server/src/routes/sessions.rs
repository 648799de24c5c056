//! `/api/v1/sessions`: terminals that can be attached to.

use super::ReadErrors;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_protocol::api::SessionView;

/// Sessions of live runs, and of the newest finished ones.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", responses((status = 200, body = Vec<SessionView>), ReadErrors))]
pub(crate) async fn session_list(State(state): State<AppState>) -> Result<Json<Vec<SessionView>>, ApiError> {
    Ok(Json(state.engine.session_list().await?))
}
