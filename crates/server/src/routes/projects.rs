//! `/api/v1/projects`.

use super::ReadErrors;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_protocol::api::ProjectView;

/// Projects as configured.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", responses((status = 200, body = Vec<ProjectView>), ReadErrors))]
pub(crate) async fn project_list(State(state): State<AppState>) -> Json<Vec<ProjectView>> {
    Json(state.engine.project_list())
}
