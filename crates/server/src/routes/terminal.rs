//! `/ws/sessions/{id}`: a person at a terminal.
//!
//! Two protocols are spoken here. Who knows ours says so; everybody else is a client of the terminal service that this one
//! replaces, and is answered in its words ([`crate::compat::socket`]).
//!
//! One task a viewer. What the viewer does not take stays with the engine's hub, which passes over it; here at most
//! [`WRITE_BUFFER`] bytes wait.

use super::FindErrors;
use super::runs::{MAX_SAY_BYTES, checked_line};
use crate::attached::{Attached, Session, Shown};
use crate::auth::Caller;
use crate::compat;
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::state::{AppState, StreamPermit};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Uri, header};
use serde::Deserialize;
use std::time::Duration;
use strawboss_protocol::api::{SESSION_PROTOCOL, SessionClientMessage, SessionServerMessage};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many bytes may wait in this process for one viewer's socket.
const WRITE_BUFFER: usize = 256 * 1024;
/// The largest message from a viewer: terminal input is 64 KiB at most, and so is a pasted line.
const MAX_MESSAGE: usize = 64 * 1024;
/// Frames between the hub and the socket, of 64 KiB at most: with the frame in hand half of [`WRITE_BUFFER`].
pub(crate) const IN_FLIGHT: usize = 2;
/// How often a viewer is asked whether it is still there, and the tokens whether its own is still good.
const PING: Duration = Duration::from_secs(20);
/// How long a viewer may say nothing at all, not even to a ping.
const SILENT: Duration = Duration::from_mins(1);
/// How long a viewer may take nothing.
const STALLED: Duration = Duration::from_mins(1);

/// From where.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// The first byte that is wanted; what a newcomer should see when it is left out.
    #[serde(default)]
    from: Option<u64>,
    /// The token, for clients that can set no header; it is as good there as in `Authorization`.
    #[serde(default)]
    #[expect(dead_code, reason = "the guard has read it")]
    token: Option<String>,
}

/// Whether a client speaks our protocol: it offers it by name, or asks for a byte, which the old one knows nothing of.
fn is_ours(uri: &Uri, headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let by_name = offered.flat_map(|line| line.split(',')).any(|name| name.trim() == SESSION_PROTOCOL);
    by_name || uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("from=")))
}

/// Attaches to a session's terminal: a WebSocket.
///
/// Clients of this protocol offer the subprotocol `strawboss.v1`; others are answered as the terminal service was that this
/// one replaces. Text frames are `SessionServerMessage` and `SessionClientMessage`, binary frames terminal bytes both ways (input 64 KiB
/// at most). The first frame is `ready`. Input, lines and sizes need the scope `write`, sessions of the host `admin` for
/// everything. A browser's cookie is taken only from this server's own pages (`Origin`).
#[utoipa::path(get, path = "/ws/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id: its run's, or the name of one that stands free of runs"), SessionQuery),
    responses((status = 101, description = "The WebSocket"), (status = 426, body = strawboss_protocol::api::ErrorBody, description = "No WebSocket was asked for"), FindErrors))]
pub(crate) async fn session_terminal(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let query = if is_ours(&uri, &headers) { Some(QueryOf::<SessionQuery>::of(&uri)?.0) } else { None };
    let upgrade = upgrade.map_err(|rejection| {
        let error = ApiError::new(
            rejection.status(),
            "invalid",
            format!("this is a WebSocket: {}", rejection.body_text()),
            Some("Use `strawboss session attach`, or GET /api/v1/runs/{id}/terminal for the plain bytes.".to_owned()),
        );
        if error.status.is_client_error() { error } else { ApiError::internal(&rejection.body_text()) }
    });
    let permit = state.stream_permit()?;
    let Some(query) = query else {
        return Ok(compat::socket::answer(state, caller, id, &uri, upgrade?, permit));
    };
    let session = Session::of(&state, &id).await?;
    let upgrade = upgrade?;
    let attached = session.attach(&state, &caller, query.from, None).await?;
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).max_write_buffer_size(WRITE_BUFFER);
    Ok(upgrade.protocols([SESSION_PROTOCOL]).on_upgrade(move |socket| {
        let (tracker, cut) = (state.tracker.clone(), state.cut.clone());
        let attending = attend(state, caller, attached, socket, permit);
        tracker.track_future(async move {
            cut.run_until_cancelled(attending).await;
        })
    }))
}

pub(crate) type Outgoing = mpsc::Sender<Message>;

async fn attend(state: AppState, caller: Caller, mut attached: Attached, socket: WebSocket, permit: StreamPermit) {
    let _permit = permit;
    let (sink, mut stream) = socket.split();
    let (outgoing, queue) = mpsc::channel(IN_FLIGHT);
    let ready =
        SessionServerMessage::Ready { session: attached.session.to_string(), offset: attached.offset(), live: attached.live() };
    if outgoing.try_send(text(&ready)).is_err() {
        return;
    }
    let writing = write(sink, queue);
    tokio::pin!(writing);
    let over = CancellationToken::new();
    let watch = async {
        state.auth.until_over(&caller, PING).await;
        over.cancel();
        std::future::pending::<()>().await;
    };
    let talk = converse(&state, &caller, &mut attached, &mut stream, outgoing, &over);
    // The writer ends when it cannot write, or when it has written what the conversation's end left behind.
    tokio::select! {
        () = &mut writing => {}
        () = talk => writing.await,
        () = watch => {}
    }
}

fn text(message: &SessionServerMessage) -> Message {
    Message::Text(serde_json::to_string(message).unwrap_or_default().into())
}

pub(crate) fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }))
}

/// Writes what is queued, as much as there is in one go, and flushes when there is nothing more.
pub(crate) async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(first) = queue.recv().await {
        let batch = async {
            let closes = matches!(first, Message::Close(_));
            sink.feed(first).await?;
            while let Ok(more) = queue.try_recv() {
                sink.feed(more).await?;
            }
            sink.flush().await?;
            Ok::<_, axum::Error>(closes)
        };
        match tokio::time::timeout(STALLED, batch).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true) | Err(_)) | Err(_) => return,
        }
    }
}

/// What is shown next, taken only when there is room for it.
pub(crate) async fn next_shown(attached: &mut Attached, outgoing: &Outgoing) -> Option<(Shown, mpsc::OwnedPermit<Message>)> {
    let permit = outgoing.clone().reserve_owned().await.ok()?;
    Some((attached.next().await, permit))
}

async fn converse(
    state: &AppState,
    caller: &Caller,
    attached: &mut Attached,
    stream: &mut SplitStream<WebSocket>,
    outgoing: Outgoing,
    over: &CancellationToken,
) {
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval_at(heard + PING, PING);
    let goodbye = loop {
        tokio::select! {
            biased;
            () = state.shutdown.cancelled() => break close(close_code::AWAY, "Strawboss is shutting down"),
            () = over.cancelled() => break close(close_code::POLICY, "the token is revoked or over"),
            message = stream.next() => {
                heard = Instant::now();
                match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(message)) => match act(state, caller, attached, message).await {
                        Act::Done => {}
                        Act::Tell(message) => if outgoing.send(message).await.is_err() { return },
                        Act::Close(goodbye) => break goodbye,
                    },
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENT {
                    return;
                }
                // A full queue means that the socket is busy, which is as good as a ping.
                let _ = outgoing.try_send(Message::Ping(Bytes::new()));
            }
            shown = next_shown(attached, &outgoing) => match shown {
                None => return,
                Some((Shown::Bytes(bytes), permit)) => {
                    state.measure.sent(bytes.len());
                    permit.send(Message::Binary(bytes));
                }
                Some((Shown::Skipped(offset), permit)) => {
                    permit.send(text(&SessionServerMessage::Skipped { offset }));
                }
                Some((Shown::Ended { .. }, permit)) => {
                    permit.send(text(&SessionServerMessage::Ended {}));
                    break close(close_code::NORMAL, "the session ended");
                }
            },
        }
    };
    let _ = outgoing.send(goodbye).await;
}

enum Act {
    Done,
    Tell(Message),
    Close(Message),
}

fn complaint(message: String) -> Act {
    Act::Tell(text(&SessionServerMessage::Error { message }))
}

async fn act(state: &AppState, caller: &Caller, attached: &Attached, message: Message) -> Act {
    let may_type = || caller.demand(attached.typing).map_err(|error| complaint(error.body.message));
    let result = match message {
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Act::Done,
        Message::Binary(bytes) => match may_type() {
            Ok(()) => attached.input(bytes),
            Err(refusal) => return refusal,
        },
        Message::Text(json) => match serde_json::from_str::<SessionClientMessage>(&json) {
            Err(_) => return Act::Close(close(close_code::PROTOCOL, "a text frame is no message of this protocol")),
            Ok(message) => {
                if let Err(refusal) = may_type() {
                    return refusal;
                }
                match message {
                    SessionClientMessage::Say { text } => {
                        const { assert!(MAX_SAY_BYTES <= MAX_MESSAGE) };
                        if let Err(error) = checked_line(&text) {
                            return complaint(error.body.message);
                        }
                        attached.say(state, &text).await
                    }
                    SessionClientMessage::Resize { cols, rows } => attached.resize(cols, rows),
                }
            }
        },
    };
    match result {
        Ok(()) => Act::Done,
        Err(refused) => complaint(ApiError::from(refused).body.message),
    }
}
