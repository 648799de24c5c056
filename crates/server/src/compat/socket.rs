//! `/ws/sessions/{id}` as the terminal service spoke there: JSON both ways, `data` for what is shown and `input` for what is
//! typed. What is no text in UTF-8 is shown as replacement characters, which is what JSON can hold.

use super::sessions::{called, meant};
use crate::attached::{Attached, Session, Shown};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::routes::terminal::{IN_FLIGHT, Outgoing, close, next_shown, write};
use crate::state::{AppState, StreamPermit};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use http::Uri;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use strawboss_core::RunOutcome;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// How long one may say nothing at all, not even to a ping.
const SILENT: Duration = Duration::from_secs(95);
/// How many bytes may wait in this process for one socket: JSON writes a control character with six.
const WRITE_BUFFER: usize = 2 << 20;
/// The largest message from a client: a page sends all that is pasted at once.
const MAX_MESSAGE: usize = 512 << 10;
/// How much of that is typed at once.
const PIECE: usize = 32 << 10;
/// Forgets what a terminal shows: what comes next is not what follows.
const RESET: &str = "\u{1b}c";

/// What old clients ask for. They may ask for more, which is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldQuery {
    window_index: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum ToOld {
    Ready { session_id: String },
    Data { payload: String },
    Exit { exit_code: i32, signal: Option<i32> },
    Error { message: String },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum FromOld {
    Input { payload: String },
    Resize { cols: u16, rows: u16 },
}

fn text(message: &ToOld) -> Message {
    Message::Text(serde_json::to_string(message).unwrap_or_default().into())
}

fn complaint(message: impl Into<String>) -> Message {
    text(&ToOld::Error { message: message.into() })
}

/// Takes the socket. What is wrong with the session is said in it: a page sees nothing of an HTTP answer.
pub(crate) fn answer(
    state: AppState,
    caller: Caller,
    id: String,
    uri: &Uri,
    upgrade: WebSocketUpgrade,
    permit: StreamPermit,
) -> Response {
    let query = QueryOf::<OldQuery>::of(uri).map(|QueryOf(query)| query).unwrap_or_default();
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).max_write_buffer_size(WRITE_BUFFER);
    upgrade.on_upgrade(move |socket| {
        let (tracker, cut) = (state.tracker.clone(), state.cut.clone());
        let attending = attend(state, caller, id, query, socket, permit);
        tracker.track_future(async move {
            cut.run_until_cancelled(attending).await;
        })
    })
}

async fn attach(state: &AppState, caller: &Caller, id: &str, query: OldQuery) -> Result<Attached, ApiError> {
    let window = query.window_index.filter(|text| !text.is_empty()).map(|text| text.parse::<u32>()).transpose();
    let window = window.map_err(|_| ApiError::invalid("windowIndex is no number", "Take it from the list of windows."))?;
    meant(state, id).await?.attach(state, caller, None, window).await
}

async fn attend(state: AppState, caller: Caller, id: String, query: OldQuery, socket: WebSocket, permit: StreamPermit) {
    let _permit = permit;
    let (sink, mut stream) = socket.split();
    let (outgoing, queue) = mpsc::channel(IN_FLIGHT);
    let writing = write(sink, queue);
    tokio::pin!(writing);
    let over = CancellationToken::new();
    let watch = async {
        state.auth.until_over(&caller, PING).await;
        over.cancel();
        std::future::pending::<()>().await;
    };
    let talk = async {
        match attach(&state, &caller, &id, query).await {
            Ok(mut attached) => {
                let session_id = called(&attached.session, &id);
                if outgoing.send(text(&ToOld::Ready { session_id })).await.is_ok() {
                    converse(&state, &caller, &mut attached, &mut stream, outgoing, &over).await;
                }
            }
            Err(error) => {
                let _ = outgoing.send(complaint(error.body.message)).await;
                let _ = outgoing.send(close(close_code::POLICY, "no such terminal for this client")).await;
                drop(outgoing);
            }
        }
    };
    tokio::select! {
        () = &mut writing => {}
        () = talk => writing.await,
        () = watch => {}
    }
}

/// Terminal bytes as text, of which a character may arrive in pieces.
#[derive(Debug, Default)]
struct Text {
    rest: Vec<u8>,
}

impl Text {
    fn of(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        // The last character's first byte; characters have four bytes at most.
        let last = self.rest.iter().rev().take(3).position(|byte| *byte >= 0xC0).map(|back| self.rest.len() - 1 - back);
        let cut = last.filter(|at| std::str::from_utf8(&self.rest[*at..]).is_err_and(|error| error.error_len().is_none()));
        let whole = cut.unwrap_or(self.rest.len());
        let rest = self.rest.split_off(whole);
        let text = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest = rest;
        text
    }
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
    let mut decoder = Text::default();
    let goodbye = loop {
        tokio::select! {
            biased;
            () = state.shutdown.cancelled() => break close(close_code::AWAY, "Strawboss is shutting down"),
            () = over.cancelled() => break close(close_code::POLICY, "the token is revoked or over"),
            message = stream.next() => {
                heard = Instant::now();
                match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(message)) => if let Err(why) = act(caller, attached, &message)
                        && outgoing.send(complaint(why)).await.is_err() {
                        return;
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
                    let payload = decoder.of(&bytes);
                    if !payload.is_empty() {
                        permit.send(text(&ToOld::Data { payload }));
                    }
                }
                Some((Shown::Skipped(_), permit)) => {
                    decoder = Text::default();
                    permit.send(text(&ToOld::Data { payload: RESET.to_owned() }));
                }
                Some((Shown::Ended { exit_code, signal }, permit)) => {
                    let exit_code = match exit_code {
                        Some(code) => code,
                        None => exit_code_of(state, &attached.session).await,
                    };
                    permit.send(text(&ToOld::Exit { exit_code, signal }));
                    break close(close_code::NORMAL, "the session ended");
                }
            },
        }
    };
    let _ = outgoing.send(goodbye).await;
}

/// How a run ended, as a program's end.
async fn exit_code_of(state: &AppState, session: &Session) -> i32 {
    let Session::Run(run) = session else { return 0 };
    let outcome = state.engine.run(run).await.ok().and_then(|detail| detail.run.outcome);
    i32::from(outcome.is_some_and(|outcome| outcome != RunOutcome::Succeeded))
}

fn act(caller: &Caller, attached: &Attached, message: &Message) -> Result<(), String> {
    let json = match message {
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
        Message::Binary(bytes) => bytes.as_ref(),
        Message::Text(text) => text.as_bytes(),
    };
    let message: FromOld = serde_json::from_slice(json).map_err(|_| "this is no message that is known here".to_owned())?;
    caller.demand(attached.typing).map_err(|error| error.body.message)?;
    let done = match message {
        FromOld::Input { payload } => {
            payload.as_bytes().chunks(PIECE).try_for_each(|piece| attached.input(piece.to_vec().into()))
        }
        FromOld::Resize { cols, rows } => attached.resize(cols, rows),
    };
    done.map_err(|refused| ApiError::from(refused).body.message)
}

#[cfg(test)]
mod tests {
    use super::Text;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_text_is_replaced_and_holds_nothing_up() {
        let mut text = Text::default();
        assert_eq!(text.of(b"a\xff\xfeb"), "a\u{fffd}\u{fffd}b");
        assert_eq!(text.of(b"\xff\xe2\x82"), "\u{fffd}");
        assert_eq!(text.of(b"\xac!"), "\u{20ac}!");
        assert_eq!(text.of(b"\x80\x80\x80\x80x"), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}x");
    }

    proptest! {
        #[test]
        fn text_comes_whole_however_it_is_cut(whole in "\\PC{0,40}", cuts in prop::collection::vec(0usize..9, 0..40)) {
            let mut bytes = whole.as_bytes();
            let (mut text, mut got) = (Text::default(), String::new());
            for cut in cuts {
                let (piece, rest) = bytes.split_at(cut.min(bytes.len()));
                got += &text.of(piece);
                bytes = rest;
            }
            got += &text.of(bytes);
            prop_assert_eq!(got, whole);
        }
    }
}
