//! `GET /metrics`: for Prometheus. Needs a token with `read`, but for callers of this machine where that was configured.

use super::ReadErrors;
use crate::error::ApiError;
use crate::state::AppState;
use axum::extract::State;
use axum::response::IntoResponse;

/// Everything measured, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, content_type = "text/plain", body = String, description = "Prometheus text format"), ReadErrors))]
pub(crate) async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, ApiError> {
    let (status, figures) = (state.engine.status().await?, state.engine.figures().await?);
    let text = state.measure.render(&status, &figures, state.engine.data_dir());
    Ok(([(http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
