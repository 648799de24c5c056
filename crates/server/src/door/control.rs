//! The control channel: a supervisor's WebSocket, carried to the engine frame by frame.

use super::Door;
use super::reply::{DoorBody, error, json};
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use strawboss_engine::link::{FromLink, SupervisorLink, ToLink};
use strawboss_protocol::supervisor::{MAX_BINARY_FRAME, MAX_TEXT_FRAME};
use tokio::sync::mpsc;

/// How many bytes may wait here for a supervisor's socket: one longest frame and its like.
const WRITE_BUFFER: usize = 2 * MAX_TEXT_FRAME;
/// How long a supervisor may take nothing; it dials again and goes on where it was.
const STALLED: Duration = Duration::from_mins(1);

fn method_wrong(request: &Request<Incoming>, right: &Method) -> Option<Response<DoorBody>> {
    (request.method() != right).then(|| {
        let message = format!("`{}` is asked by {right}", request.uri().path());
        error(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", message, None))
    })
}

/// `POST /control/token`.
pub(super) async fn token(door: &Door, request: &Request<Incoming>) -> Response<DoorBody> {
    if let Some(wrong) = method_wrong(request, &Method::POST) {
        return wrong;
    }
    match door.context.host.token(&door.sandbox).await {
        Ok(grant) => json(StatusCode::OK, &grant),
        Err(refused) => {
            tracing::warn!(sandbox.id = %door.sandbox, error = %refused, "a sandbox asked for the control token and was refused");
            error(&refused.into())
        }
    }
}

/// `GET /control`.
pub(super) async fn connect(door: Arc<Door>, request: Request<Incoming>) -> Response<DoorBody> {
    if let Some(wrong) = method_wrong(&request, &Method::GET) {
        return wrong;
    }
    let (mut parts, _body) = request.into_parts();
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, bearer)) = bearer else {
        return error(&ApiError::unauthorized("the control channel needs the door's token", "Only the supervisor has it."));
    };
    let bearer = bearer.trim().to_owned();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message = format!("the control channel is a WebSocket: {}", rejection.body_text());
            return error(&ApiError::new(rejection.status(), "invalid", message, None));
        }
    };
    let link = match door.context.host.connect(&door.sandbox, &bearer) {
        Ok(link) => link,
        Err(refused) => {
            tracing::warn!(sandbox.id = %door.sandbox, error = %refused, "a sandbox's control connection was refused");
            return error(&refused.into());
        }
    };
    let upgrade = upgrade.max_message_size(MAX_TEXT_FRAME).max_frame_size(MAX_TEXT_FRAME).max_write_buffer_size(WRITE_BUFFER);
    let response = upgrade.on_upgrade(move |socket| {
        let tracker = door.context.tracker.clone();
        tracker.track_future(carry(door, socket, link))
    });
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// Moves frames both ways until either side ends, or the door does.
async fn carry(door: Arc<Door>, socket: WebSocket, link: SupervisorLink) {
    let SupervisorLink { incoming, outgoing } = link;
    let (mut sink, stream) = socket.split();
    let reading = async {
        match read(stream, incoming).await {
            ReadEnd::Gone => None,
            ReadEnd::Wrong(reason) => Some((close_code::SIZE, reason)),
            // What the engine said last is still to be written; the writer ends when that is done.
            ReadEnd::EngineEnded => {
                tokio::time::sleep(STALLED).await;
                None
            }
        }
    };
    let goodbye = tokio::select! {
        () = door.closed.cancelled() => None,
        () = door.context.shutdown.cancelled() => Some((close_code::AWAY, "Strawboss is shutting down")),
        goodbye = reading => goodbye,
        goodbye = write(&mut sink, outgoing) => goodbye,
    };
    if let Some((code, reason)) = goodbye {
        tracing::debug!(sandbox.id = %door.sandbox, reason, "a control connection is closed");
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let _ = tokio::time::timeout(STALLED, sink.send(close)).await;
    }
}

type Goodbye = Option<(u16, &'static str)>;

/// Why nothing more is read.
enum ReadEnd {
    /// The supervisor went.
    Gone,
    /// It broke the protocol.
    Wrong(&'static str),
    /// The engine wants no more.
    EngineEnded,
}

async fn read(mut stream: SplitStream<WebSocket>, incoming: mpsc::Sender<FromLink>) -> ReadEnd {
    loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Text(text))) => FromLink::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) if bytes.len() > MAX_BINARY_FRAME => {
                return ReadEnd::Wrong("a binary frame is longer than the protocol allows");
            }
            Some(Ok(Message::Binary(bytes))) => FromLink::Binary(owned(&bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Err(_) | Ok(Message::Close(_))) | None => return ReadEnd::Gone,
        };
        if incoming.send(frame).await.is_err() {
            return ReadEnd::EngineEnded;
        }
    }
}

/// A frame's bytes without the read buffer that they are a slice of, which would else live as long as they do.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, mut outgoing: mpsc::Receiver<ToLink>) -> Goodbye {
    while let Some(first) = outgoing.recv().await {
        let batch = async {
            sink.feed(message(first)).await?;
            while let Ok(more) = outgoing.try_recv() {
                sink.feed(message(more)).await?;
            }
            sink.flush().await
        };
        match tokio::time::timeout(STALLED, batch).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some((close_code::POLICY, "the supervisor takes nothing")),
        }
    }
    Some((close_code::NORMAL, "the engine ended the connection"))
}

fn message(frame: ToLink) -> Message {
    match frame {
        ToLink::Text(text) => Message::Text(text.into()),
        ToLink::Binary(bytes) => Message::Binary(bytes),
    }
}
