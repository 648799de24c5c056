//! `POST /api/v1/config/reload`: for `admin` only.

use super::ReadErrors;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_engine::Refused;
use strawboss_protocol::api::ReloadView;

/// Reads the configuration again, as SIGHUP does, and says what holds now and what only after a restart.
///
/// A configuration with an error changes nothing; the answer is then 400 and says all that is wrong.
#[utoipa::path(post, path = "/api/v1/config/reload", tag = "system", responses((status = 200, body = ReloadView), ReadErrors))]
pub(crate) async fn config_reload(State(state): State<AppState>) -> Result<Json<ReloadView>, ApiError> {
    let Some(reload) = state.operations.reload.clone() else {
        return Err(ApiError::unavailable("this service has no configuration to read again", "Start it with `strawboss serve`."));
    };
    let done = async move {
        let fix = "Correct it, and reload again: nothing has changed. `strawboss config check` says the same.";
        reload.reload().await.map_err(|wrong| Refused::invalid(wrong, fix))
    };
    Ok(Json(state.carry_out(done).await?))
}
