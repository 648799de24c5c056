//! `GET /api/v1/events`: what changes, as it changes, as server-sent events.

use super::ReadErrors;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::AppState;
use axum::extract::State;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue};
use std::convert::Infallible;
use std::time::Duration;
use strawboss_engine::Events;
use strawboss_protocol::api::Event;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How often a comment is sent when nothing happens, so that proxies keep the connection and a dead one is found.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client may take nothing before it is dropped; it comes back and starts with a snapshot.
const STALLED: Duration = Duration::from_secs(30);
/// Events between the engine and the socket; what a client does not take waits with the engine, which is bounded too.
const IN_FLIGHT: usize = 16;
/// How soon a browser comes back after a broken stream.
const RETRY: Duration = Duration::from_secs(1);

fn name(event: &Event) -> &'static str {
    match event {
        Event::Snapshot { .. } => "snapshot",
        Event::Task { .. } => "task",
        Event::RunReport { .. } => "run_report",
        Event::Source { .. } => "source",
    }
}

/// Passes events on until the engine ends or the client takes nothing.
async fn pump(mut events: Events, to_client: &mpsc::Sender<Message>) {
    while let Some((number, event)) = events.next().await {
        let message = Message::default().id(number.to_string()).event(name(&event)).retry(RETRY).json_data(&event);
        match message {
            Ok(message) => {
                if to_client.send_timeout(message, STALLED).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "an event could not be written as JSON");
                return;
            }
        }
    }
}

/// What changes, as it changes: server-sent events.
///
/// `event:` is the type, `id:` the sequence number, `data:` the JSON of `Event`. The first is a `snapshot`, and another
/// follows every gap: it replaces what was known. Comments are heartbeats. `Last-Event-ID` is not needed.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    responses((status = 200, content_type = "text/event-stream", body = Event, description = "A stream of events"), ReadErrors))]
pub(crate) async fn events(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let permit = state.stream_permit()?;
    let events = state.engine.events();
    let (to_client, from_engine) = mpsc::channel(IN_FLIGHT);
    let shared = state.clone();
    state.tracker.spawn(async move {
        let _permit = permit;
        // All side by side: a look-up must not wait for one that another branch has begun and no longer polls.
        tokio::select! {
            () = pump(events, &to_client) => {}
            () = to_client.closed() => {}
            () = shared.auth.until_over(&caller, HEARTBEAT) => {}
            () = shared.shutdown.cancelled() => {}
        }
    });
    let stream = ReceiverStream::new(from_engine).map(Ok::<_, Infallible>);
    let mut response = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here")).into_response();
    // nginx would else hold events back until its buffer is full.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}
