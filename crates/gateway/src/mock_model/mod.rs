//! A stand-in for the Messages API that a script drives: streaming and not, tool use, token counts, and errors on demand.
//! It needs no account and no net, and drives real agents through a whole task; docs/mock-model.md describes the script.
//!
//! It is built from the vendor's documentation of the API. It must not: remember conversations (each request brings its
//! own), run anything, or reach anything.

mod answer;
mod conversation;
mod script;

pub use script::{Fault, Numbers, Pace, Rule, Script, ScriptError, ToolCall, Turn, When};

use answer::{Answer, Block, error_kind, fault, fitting};
use bytes::Bytes;
use conversation::Conversation;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The documented limit of a request.
const MAX_REQUEST: usize = 32 * 1024 * 1024;
/// As many requests are remembered.
const MAX_ASKED: usize = 10_000;
/// Said when a script has nothing (more) to say.
const FALLBACK: &str = "Nothing more to do.";

type Body = UnsyncBoxBody<Bytes, Cut>;

/// A script said to break off here.
#[derive(Debug, thiserror::Error)]
#[error("cut by the script")]
struct Cut;

/// One request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its path.
    pub path: String,
    /// The model that was asked.
    pub model: String,
    /// The rule that answered, by name or number; none: no rule fitted.
    pub rule: Option<String>,
    /// Which turn, from 0.
    pub turn: usize,
    /// The status.
    pub status: u16,
}

/// A mock model, ready to be served.
#[derive(Debug)]
pub struct MockModel {
    script: Script,
    /// How often each turn's error was sent, by rule and turn.
    faults: Vec<Vec<AtomicU32>>,
    next: AtomicU64,
    born: u64,
    asked: Mutex<VecDeque<Asked>>,
}

impl MockModel {
    /// A model that follows `script`.
    pub fn new(script: Script) -> Self {
        let faults = script.rules.iter().map(|rule| rule.turns.iter().map(|_| AtomicU32::new(0)).collect()).collect();
        let born = u64::try_from(crate::clock::now().0).unwrap_or(0);
        Self { script, faults, next: AtomicU64::new(0), born, asked: Mutex::default() }
    }

    /// The requests that were answered, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note(&self, asked: Asked) {
        tracing::info!(
            mock.path = asked.path,
            mock.model = asked.model,
            mock.rule = asked.rule,
            mock.turn = asked.turn,
            http.status = asked.status
        );
        let mut list = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= MAX_ASKED {
            list.pop_front();
        }
        list.push_back(asked);
    }

    /// A name that no other answer has, of this model or of one that ran before it.
    fn id(&self, kind: &str) -> String {
        format!("{kind}_mock{:x}x{:x}", self.born, self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let mut asked = Asked { path: path.clone(), model: String::new(), rule: None, turn: 0, status: 0 };
        let mut response = self.respond(&path, request, &mut asked).await;
        asked.status = response.status().as_u16();
        if let Ok(id) = HeaderValue::from_str(&self.id("req")) {
            response.headers_mut().insert("request-id", id);
        }
        self.note(asked);
        response
    }

    async fn respond(&self, path: &str, request: Request<Incoming>, asked: &mut Asked) -> Response<Body> {
        if !self.knows(&request) {
            return error(401, "invalid x-api-key");
        }
        match (request.method(), path) {
            (&Method::GET, "/v1/models") => return self.models(),
            (&Method::GET, _) if path.starts_with("/v1/models/") => {
                let id = path.trim_start_matches("/v1/models/");
                let known = self.script.models.iter().any(|model| model == id);
                return if known { json(&model_entry(id)) } else { error(404, &format!("model: {id}")) };
            }
            (&Method::POST, "/v1/messages" | "/v1/messages/count_tokens") => {}
            (_, "/v1/messages" | "/v1/messages/count_tokens" | "/v1/models") => return error(405, "Method Not Allowed"),
            _ => return error(404, "Not Found"),
        }
        let Ok(body) = Limited::new(request.into_body(), MAX_REQUEST).collect().await else {
            return error(413, "Request exceeds the maximum allowed number of bytes.");
        };
        let counted = path.ends_with("/count_tokens");
        let conversation = match Conversation::read(&body.to_bytes(), counted) {
            Ok(conversation) => conversation,
            Err(problem) => return error(400, &problem),
        };
        asked.model.clone_from(&conversation.model);
        if counted {
            return json(&json!({"input_tokens": conversation.input_tokens}));
        }
        self.say(&conversation, asked).await
    }

    async fn say(&self, conversation: &Conversation, asked: &mut Asked) -> Response<Body> {
        asked.turn = conversation.turn;
        let rule = self.script.rules.iter().enumerate().find(|(_, rule)| fits(&rule.when, conversation));
        let turn = rule.and_then(|(number, rule)| {
            asked.rule = Some(rule.label(number));
            Some((rule.turns.get(conversation.turn)?, &self.faults[number][conversation.turn]))
        });
        if let Some((turn, sent)) = turn
            && let Some(scripted) = &turn.error
        {
            let before = sent.fetch_add(1, Ordering::Relaxed);
            if scripted.times.is_none_or(|times| before < times) {
                let (status, message, headers) = fault(scripted);
                let mut response = error(status.as_u16(), &message);
                response.headers_mut().extend(headers);
                return response;
            }
        }
        let answer = self.compose(turn.map(|(turn, _)| turn), conversation);
        let delay = answer.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if conversation.stream { stream_of(&answer) } else { json_bytes(answer.whole()) }
    }

    fn compose(&self, turn: Option<&Turn>, conversation: &Conversation) -> Answer {
        let empty = Turn::default();
        let turn = turn.unwrap_or(&empty);
        let mut blocks = Vec::new();
        if let Some(text) = &turn.text {
            blocks.push(Block::Text(filled(text, conversation)));
        }
        for call in &turn.tools {
            let mut input = if call.input.is_null() { json!({}) } else { call.input.clone() };
            fill(&mut input, conversation);
            blocks.push(Block::Tool { id: self.id("toolu"), name: call.name.clone(), input });
        }
        if blocks.is_empty() {
            let text = conversation.schema.as_ref().map_or_else(|| FALLBACK.to_owned(), |schema| fitting(schema).to_string());
            blocks.push(Block::Text(text));
        }
        let pace = self.script.pace;
        Answer {
            id: self.id("msg"),
            model: conversation.model.clone(),
            blocks,
            usage: turn.usage,
            input_tokens: conversation.input_tokens,
            pace: Pace {
                delay_ms: turn.pace.delay_ms.or(pace.delay_ms),
                pause_ms: turn.pace.pause_ms.or(pace.pause_ms),
                chunk: turn.pace.chunk.or(pace.chunk),
            },
            cut_after: turn.cut_after,
        }
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        let Some(key) = &self.script.api_key else { return true };
        let headers = request.headers();
        let sent = |value: Option<&HeaderValue>, prefix: &str| {
            value.and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix(prefix)) == Some(key)
        };
        sent(headers.get("x-api-key"), "") || sent(headers.get(header::AUTHORIZATION), "Bearer ")
    }

    fn models(&self) -> Response<Body> {
        let models = &self.script.models;
        let data: Vec<Value> = models.iter().map(|model| model_entry(model)).collect();
        json(&json!({"data": data, "has_more": false, "first_id": models.first(), "last_id": models.last()}))
    }
}

fn fits(when: &When, conversation: &Conversation) -> bool {
    let holds = |text: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
    holds(&conversation.prompt, &when.prompt)
        && holds(&conversation.said, &when.said)
        && holds(&conversation.system, &when.system)
        && holds(&conversation.model, &when.model)
        && when.tools.is_none_or(|tools| tools == conversation.offers_tools)
}

fn filled(text: &str, conversation: &Conversation) -> String {
    text.replace("{{prompt}}", &conversation.prompt)
        .replace("{{said}}", &conversation.said)
        .replace("{{result}}", &conversation.result)
}

fn fill(value: &mut Value, conversation: &Conversation) {
    match value {
        Value::String(text) => *text = filled(text, conversation),
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, conversation)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, conversation)),
        _ => {}
    }
}

fn model_entry(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"})
}

fn json(value: &Value) -> Response<Body> {
    json_bytes(value.to_string().into())
}

fn json_bytes(bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(status: u16, message: &str) -> Response<Body> {
    let mut response = json(&json!({"type": "error", "error": {"type": error_kind(status), "message": message}}));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn stream_of(answer: &Answer) -> Response<Body> {
    let pause = answer.pause();
    let mut events: VecDeque<Result<Frame<Bytes>, Cut>> =
        answer.events().into_iter().map(|event| Ok(Frame::data(event))).collect();
    if let Some(most) = answer.cut_after {
        events.truncate(most);
        events.push_back(Err(Cut));
    }
    let frames = stream::unfold((events, true), move |(mut events, first)| async move {
        let event = events.pop_front()?;
        if event.is_err() {
            // Otherwise the error overtakes what was to be sent before it.
            tokio::task::yield_now().await;
        } else if !first && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((event, (events, false)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Serves until `stop`, then cuts what is under way.
pub async fn serve(listener: TcpListener, model: Arc<MockModel>, stop: CancellationToken) -> io::Result<()> {
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Too many open files, or a peer that is gone already: the next one may fare better.
                Err(error) => {
                    tracing::warn!(%error, "the mock model could not accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        stream.set_nodelay(true)?;
        let (model, stop) = (Arc::clone(&model), stop.clone());
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let model = Arc::clone(&model);
                async move { Ok::<_, Infallible>(model.answer(request).await) }
            });
            let connection = crate::door_http().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                // A peer that hangs up, or a scripted cut: nothing to do.
                _ = connection => {}
            }
        });
    }
    connections.close();
    connections.wait().await;
    Ok(())
}
