//! `/api/v1/tasks`.

use super::{BodyErrors, CommandErrors, FindErrors, ReadErrors};
use crate::error::ApiError;
use crate::extract::{Id, JsonBody, QueryOf};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use strawboss_core::project::AgentMode;
use strawboss_core::{TaskId, TaskState};
use strawboss_engine::TaskQuery;
use strawboss_protocol::api::{BlockTask, NewTask, Page, TaskView};

/// How many tasks a page holds when nothing else is asked for.
const PAGE: u32 = 200;
/// The largest page.
const PAGE_MAX: u32 = 1000;

/// Which tasks.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskListQuery {
    /// Only these states, with commas between: `queued,running`.
    #[serde(default)]
    state: Option<String>,
    /// Only of this project.
    #[serde(default)]
    project: Option<String>,
    /// Only what comes after this key (a page's `next`).
    #[serde(default)]
    after: Option<String>,
    /// At most this many, 1 to 1000; 200 when it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// How an approved task is worked on.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApproveQuery {
    /// `headless` or `interactive`; left out: as the task or its project says, and a ticket is opened interactively.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    mode: Option<AgentMode>,
}

impl TaskListQuery {
    fn check(self) -> Result<TaskQuery, ApiError> {
        let mut states = Vec::new();
        for word in self.state.iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty()) {
            let state = TaskState::from_word(word).ok_or_else(|| {
                let known: Vec<_> = TaskState::ALL.iter().map(|state| state.word()).collect();
                ApiError::invalid(format!("`{}` is no state", shortened(word)), format!("Use {}.", known.join(", ")))
            })?;
            if !states.contains(&state) {
                states.push(state);
            }
        }
        let after = self.after.as_deref().map(str::parse::<TaskId>).transpose();
        let after = after.map_err(|error| ApiError::invalid(error.to_string(), "Take `after` from the `next` of a page."))?;
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(ApiError::invalid(format!("`limit` is {limit}"), format!("Ask for 1 to {PAGE_MAX}.")));
        }
        Ok(TaskQuery { states, project: self.project, after, limit })
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Tasks in order of making.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "tasks", params(TaskListQuery),
    responses((status = 200, body = Page<TaskView>), ReadErrors))]
pub(crate) async fn task_list(
    State(state): State<AppState>,
    QueryOf(query): QueryOf<TaskListQuery>,
) -> Result<Json<Page<TaskView>>, ApiError> {
    Ok(Json(state.engine.task_list(&query.check()?).await?))
}

/// Adds a task by hand.
#[utoipa::path(post, path = "/api/v1/tasks", tag = "tasks", request_body = NewTask,
    responses((status = 201, body = TaskView), BodyErrors))]
pub(crate) async fn task_add(
    State(state): State<AppState>,
    JsonBody(new): JsonBody<NewTask>,
) -> Result<(StatusCode, Json<TaskView>), ApiError> {
    let engine = state.engine.clone();
    let task = state.carry_out(async move { engine.task_add(new).await }).await?;
    Ok((StatusCode::CREATED, Json(task)))
}

/// One task.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", tag = "tasks", params(("id" = String, Path, description = "The task's key")),
    responses((status = 200, body = TaskView), FindErrors))]
pub(crate) async fn task_show(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<Json<TaskView>, ApiError> {
    Ok(Json(state.engine.task(&id).await?))
}

/// Lets an agent start on a pending task.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/approve", tag = "tasks",
    params(("id" = String, Path, description = "The task's key"), ApproveQuery),
    responses((status = 200, body = TaskView), CommandErrors))]
pub(crate) async fn task_approve(
    State(state): State<AppState>,
    Id(id): Id<TaskId>,
    QueryOf(query): QueryOf<ApproveQuery>,
) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.task_approve(&id, query.mode).await }).await?))
}

/// Queues a task that is paused, pending, blocked or cancelled.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/start", tag = "tasks",
    params(("id" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), CommandErrors))]
pub(crate) async fn task_start(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.task_start(&id).await }).await?))
}

/// Stops its run (the work is saved), or takes it out of the queue: paused.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/stop", tag = "tasks",
    params(("id" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), CommandErrors))]
pub(crate) async fn task_stop(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.task_stop(&id).await }).await?))
}

/// Queues a task whose run failed, with a fresh run.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/retry", tag = "tasks",
    params(("id" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), CommandErrors))]
pub(crate) async fn task_retry(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.task_retry(&id).await }).await?))
}

/// Blocks a task with a person's reason.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/block", tag = "tasks", request_body = BlockTask,
    params(("id" = String, Path, description = "The task's key")), responses((status = 200, body = TaskView), BodyErrors))]
pub(crate) async fn task_block(
    State(state): State<AppState>,
    Id(id): Id<TaskId>,
    JsonBody(block): JsonBody<BlockTask>,
) -> Result<Json<TaskView>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.task_block(&id, &block.reason).await }).await?))
}

#[cfg(test)]
mod tests {
    use super::TaskListQuery;
    use strawboss_core::TaskState;

    #[test]
    fn a_query_is_checked() {
        let query = TaskListQuery { state: Some("queued, running,queued".to_owned()), ..TaskListQuery::default() };
        let checked = query.check().unwrap();
        assert_eq!(checked.states, [TaskState::Queued, TaskState::Running]);
        assert_eq!(checked.limit, 200);
        for query in [
            TaskListQuery { state: Some("asleep".to_owned()), ..TaskListQuery::default() },
            TaskListQuery { after: Some("../x".to_owned()), ..TaskListQuery::default() },
            TaskListQuery { limit: Some(0), ..TaskListQuery::default() },
            TaskListQuery { limit: Some(1001), ..TaskListQuery::default() },
        ] {
            assert_eq!(query.check().unwrap_err().status.as_u16(), 400);
        }
    }
}
