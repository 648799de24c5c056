//! `/api/v1/reviews`: decisions on finished work, named by their tasks.

use super::{BodyErrors, CommandErrors, FindErrors, ReadErrors};
use crate::error::ApiError;
use crate::extract::{Id, JsonBody};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use strawboss_core::TaskId;
use strawboss_engine::Refused;
use strawboss_protocol::api::{DiffView, Reject, ReviewView, TaskView};

/// Tasks that wait for a decision.
#[utoipa::path(get, path = "/api/v1/reviews", tag = "reviews", responses((status = 200, body = Vec<ReviewView>), ReadErrors))]
pub(crate) async fn review_list(State(state): State<AppState>) -> Result<Json<Vec<ReviewView>>, ApiError> {
    Ok(Json(state.engine.review_list().await?))
}

/// One task with its evidence.
#[utoipa::path(get, path = "/api/v1/reviews/{task}", tag = "reviews",
    params(("task" = String, Path, description = "The task's key")), responses((status = 200, body = ReviewView), FindErrors))]
pub(crate) async fn review_show(State(state): State<AppState>, Id(task): Id<TaskId>) -> Result<Json<ReviewView>, ApiError> {
    Ok(Json(state.engine.review(&task).await?))
}

/// What the work under review changed.
#[utoipa::path(get, path = "/api/v1/reviews/{task}/diff", tag = "reviews",
    params(("task" = String, Path, description = "The task's key")), responses((status = 200, body = DiffView), FindErrors))]
pub(crate) async fn review_diff(State(state): State<AppState>, Id(task): Id<TaskId>) -> Result<Json<DiffView>, ApiError> {
    let view = state.engine.review(&task).await?;
    let run = view.evidence.run.id.parse().map_err(|error| Refused::Internal(format!("a review names a run: {error}")))?;
    Ok(Json(state.engine.run_diff(&run).await?))
}

/// Merges the work and completes the task.
#[utoipa::path(post, path = "/api/v1/reviews/{task}/approve", tag = "reviews",
    params(("task" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), CommandErrors))]
pub(crate) async fn review_approve(State(state): State<AppState>, Id(task): Id<TaskId>) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.review_approve(&task).await }).await?))
}

/// Sends the work back with a comment, or discards it when there is none (its branch stays in the mirror).
#[utoipa::path(post, path = "/api/v1/reviews/{task}/reject", tag = "reviews", request_body = Reject,
    params(("task" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), BodyErrors))]
pub(crate) async fn review_reject(
    State(state): State<AppState>,
    Id(task): Id<TaskId>,
    JsonBody(reject): JsonBody<Reject>,
) -> Result<Json<TaskView>, ApiError> {
    if reject.comment.as_deref().is_some_and(|comment| comment.trim().is_empty()) {
        return Err(ApiError::invalid(
            "the comment is empty",
            "Say what the agent shall do, or leave the comment out to discard.",
        ));
    }
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.review_reject(&task, reject.comment).await }).await?))
}
