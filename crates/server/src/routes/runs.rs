//! `/api/v1/runs`.

use super::{BodyErrors, CommandErrors, FindErrors, ReadErrors};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, JsonBody, QueryOf};
use crate::recording::Recording;
use crate::state::AppState;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use strawboss_core::{RunId, TaskId};
use strawboss_protocol::api::{AnswerQuestion, DiffView, Page, RunDetail, RunEvent, RunView, Say};

/// How many runs or reports come when nothing else is asked for.
const PAGE: u32 = 100;
/// The most that come at once.
const PAGE_MAX: u32 = 1000;
/// The longest line for an agent, in bytes.
pub(crate) const MAX_SAY_BYTES: usize = 16 * 1024;
/// The answer's header that says which byte of the terminal comes first.
const OFFSET_HEADER: HeaderName = HeaderName::from_static("x-strawboss-offset");

fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid(format!("`limit` is {limit}"), format!("Ask for 1 to {PAGE_MAX}.")))
    }
}

/// A line for an agent that is worth passing on.
pub(crate) fn checked_line(text: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(ApiError::invalid("there is nothing to say", "Write a line for the agent."));
    }
    if text.len() > MAX_SAY_BYTES {
        return Err(ApiError::invalid(
            format!("the line is {} bytes long", text.len()),
            format!("Say it in {MAX_SAY_BYTES} bytes at most; put the rest in a file of the repository."),
        ));
    }
    Ok(())
}

/// Which runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunListQuery {
    /// Only of this task.
    #[serde(default)]
    task: Option<String>,
    /// At most this many, 1 to 1000; 100 when it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunListQuery),
    responses((status = 200, body = Vec<RunView>), ReadErrors))]
pub(crate) async fn run_list(
    State(state): State<AppState>,
    QueryOf(query): QueryOf<RunListQuery>,
) -> Result<Json<Vec<RunView>>, ApiError> {
    let limit = page(query.limit)?;
    let task = query.task.as_deref().map(str::parse::<TaskId>).transpose();
    let task = task.map_err(|error| ApiError::invalid(error.to_string(), "Take the key from the list of tasks."))?;
    Ok(Json(state.engine.run_list(task.as_ref(), limit).await?))
}

/// One run with its evidence.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunDetail), FindErrors))]
pub(crate) async fn run_show(State(state): State<AppState>, Id(id): Id<RunId>) -> Result<Json<RunDetail>, ApiError> {
    Ok(Json(state.engine.run(&id).await?))
}

/// Which reports.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunEventsQuery {
    /// Only what comes after this row; 0 when it is left out.
    #[serde(default)]
    #[param(minimum = 0)]
    after: i64,
    /// At most this many, 1 to 1000; 100 when it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A run's reports, in the order they came.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs",
    params(("id" = String, Path, description = "The run's id"), RunEventsQuery),
    responses((status = 200, body = Page<RunEvent>), FindErrors))]
pub(crate) async fn run_events(
    State(state): State<AppState>,
    Id(id): Id<RunId>,
    QueryOf(query): QueryOf<RunEventsQuery>,
) -> Result<Json<Page<RunEvent>>, ApiError> {
    let limit = page(query.limit)?;
    if query.after < 0 {
        return Err(ApiError::invalid(format!("`after` is {}", query.after), "Ask from 0."));
    }
    Ok(Json(state.engine.run_events(&id, query.after, limit).await?))
}

/// What a run changed.
#[utoipa::path(get, path = "/api/v1/runs/{id}/diff", tag = "runs", params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = DiffView), FindErrors))]
pub(crate) async fn run_diff(State(state): State<AppState>, Id(id): Id<RunId>) -> Result<Json<DiffView>, ApiError> {
    Ok(Json(state.engine.run_diff(&id).await?))
}

/// From where, and whether to wait for more.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunTerminalQuery {
    /// The first byte that is wanted, counted from the run's first; 0 when it is left out.
    #[serde(default)]
    from: u64,
    /// Whether to go on until the run ends, as new bytes come.
    #[serde(default)]
    follow: bool,
}

/// The terminal's bytes as they came, without frames.
///
/// `X-Strawboss-Offset` says which byte comes first: later than `from` when the beginning is no longer kept. The answer
/// is cut off (no orderly end) when bytes in between were lost; ask again from where it broke.
#[utoipa::path(get, path = "/api/v1/runs/{id}/terminal", tag = "runs",
    params(("id" = String, Path, description = "The run's id"), RunTerminalQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "Terminal bytes"), FindErrors))]
pub(crate) async fn run_terminal(
    State(state): State<AppState>,
    Id(id): Id<RunId>,
    QueryOf(query): QueryOf<RunTerminalQuery>,
) -> Result<Response, ApiError> {
    let recording = Recording::open(state.engine.clone(), id, query.from, query.follow, state.shutdown.clone()).await?;
    let offset = HeaderValue::from(recording.offset());
    let mut response = Body::from_stream(recording.into_stream()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(OFFSET_HEADER, offset);
    Ok(response)
}

/// Stops a run; its work is saved and its task paused.
#[utoipa::path(post, path = "/api/v1/runs/{id}/stop", tag = "runs", params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunDetail), CommandErrors))]
pub(crate) async fn run_stop(State(state): State<AppState>, Id(id): Id<RunId>) -> Result<Json<RunDetail>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(state.carry_out(async move { engine.run_stop(&id).await }).await?))
}

/// A line for a run's agent.
#[utoipa::path(post, path = "/api/v1/runs/{id}/say", tag = "runs", request_body = Say,
    params(("id" = String, Path, description = "The run's id")), responses((status = 204, description = "Passed on"), BodyErrors))]
pub(crate) async fn run_say(
    State(state): State<AppState>,
    Id(id): Id<RunId>,
    JsonBody(say): JsonBody<Say>,
) -> Result<StatusCode, ApiError> {
    checked_line(&say.text)?;
    let engine = state.engine.clone();
    state.carry_out(async move { engine.run_say(&id, &say.text).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers what a run's agent asks people.
///
/// The agent goes on with it, and is told who answered. A question is answered once: a second answer, and one to a question that is
/// open no more, is refused (409).
#[utoipa::path(post, path = "/api/v1/runs/{id}/answer", tag = "runs", request_body = AnswerQuestion,
    params(("id" = String, Path, description = "The run's id")), responses((status = 200, body = RunView), BodyErrors))]
pub(crate) async fn run_answer(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RunId>,
    JsonBody(answer): JsonBody<AnswerQuestion>,
) -> Result<Json<RunView>, ApiError> {
    let engine = state.engine.clone();
    let answered = async move { engine.run_answer(&id, answer.question, &answer.text, &caller.token.label).await };
    Ok(Json(state.carry_out(answered).await?))
}
