//! `GET /api/v1/logs`: the control plane's own log, for `admin` only: it may hold what no other scope is shown.

use super::ReadErrors;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::logs::LogFilter;
use crate::state::AppState;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use strawboss_core::RunId;
use strawboss_protocol::api::LogLine;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// How many lines go out in one piece.
const PIECE: usize = 500;
/// How long a client may take nothing before it is dropped.
const STALLED: Duration = Duration::from_secs(30);
/// How often an empty line is sent when nothing is said, so that proxies keep the connection and a dead one is found.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Only at this moment or later, milliseconds since 1970 UTC.
    since: Option<i64>,
    /// Only after the line of this number.
    #[serde(default)]
    after: u64,
    /// Only about this run.
    run: Option<String>,
    /// Whether to go on as new lines come.
    #[serde(default)]
    follow: bool,
}

/// The newest lines of the control plane's log, one JSON object a line, the oldest first.
///
/// What is kept is bounded, so the beginning may be missing. With `follow` it goes on until the client leaves; an empty line
/// is a heartbeat.
#[utoipa::path(get, path = "/api/v1/logs", tag = "system", params(LogQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = LogLine, description = "One object a line"), ReadErrors))]
pub(crate) async fn logs(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<LogQuery>,
) -> Result<Response, ApiError> {
    let run = query.run.map(|run| RunId::parse(&run)).transpose();
    let run = run.map_err(|error| ApiError::invalid(error.to_string(), "Take the id from `strawboss run list`."))?;
    let mut filter = LogFilter { after: query.after, since: query.since, run: run.map(|run| run.to_string()) };
    let permit = state.stream_permit()?;
    let (to_client, pieces) = mpsc::channel::<Bytes>(4);
    let shared = state.clone();
    let writing = async move {
        loop {
            let (lines, seen) = shared.operations.logs.lines(&filter, PIECE);
            filter.after = seen;
            let mut piece = Vec::new();
            for line in &lines {
                // The type has no map with keys that are not strings, so it always has a JSON form.
                let _ = serde_json::to_writer(&mut piece, &**line);
                piece.push(b'\n');
            }
            if piece.is_empty() {
                if !query.follow {
                    return;
                }
                if tokio::time::timeout(HEARTBEAT, shared.operations.logs.beyond(seen)).await.is_ok() {
                    continue;
                }
                piece.push(b'\n');
            }
            if to_client.send_timeout(piece.into(), STALLED).await.is_err() {
                return;
            }
        }
    };
    let shared = state.clone();
    state.tracker.spawn(async move {
        let _permit = permit;
        tokio::select! {
            () = writing => {}
            () = shared.auth.until_over(&caller, HEARTBEAT) => {}
            () = shared.shutdown.cancelled() => {}
        }
    });
    let stream = ReceiverStream::new(pieces).map(Ok::<_, Infallible>);
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}
