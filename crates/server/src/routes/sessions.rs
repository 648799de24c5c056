//! `/api/v1/sessions`: terminals that can be attached to.

use super::ReadErrors;
use crate::auth::{Caller, Scope};
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_protocol::api::SessionView;

/// Sessions of live runs and of the newest finished ones, and for `admin` those of the host, where they are served.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", responses((status = 200, body = Vec<SessionView>), ReadErrors))]
pub(crate) async fn session_list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<SessionView>>, ApiError> {
    let mut sessions = state.engine.session_list().await?;
    if caller.may(Scope::Admin) {
        sessions.extend(state.engine.host_session_views().await?);
    }
    Ok(Json(sessions))
}
