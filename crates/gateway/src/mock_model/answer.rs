//! An answer in the Messages API's form: one JSON text, or a stream of events.

use super::script::{Fault, Numbers, Pace};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Characters in one piece of a stream, where nothing else is said.
const CHUNK: usize = 32;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Text(String),
    Tool { id: String, name: String, input: Value },
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) blocks: Vec<Block>,
    pub(super) usage: Numbers,
    pub(super) input_tokens: u64,
    pub(super) pace: Pace,
    pub(super) cut_after: Option<usize>,
}

impl Answer {
    fn stop_reason(&self) -> &'static str {
        if self.blocks.iter().any(|block| matches!(block, Block::Tool { .. })) { "tool_use" } else { "end_turn" }
    }

    fn output_tokens(&self) -> u64 {
        let guess = || {
            let characters: usize = self
                .blocks
                .iter()
                .map(|block| match block {
                    Block::Text(text) => text.len(),
                    Block::Tool { input, .. } => input.to_string().len(),
                })
                .sum();
            (characters as u64).div_ceil(4).max(1)
        };
        self.usage.output_tokens.unwrap_or_else(guess)
    }

    fn usage(&self, output_tokens: u64) -> Value {
        json!({
            "input_tokens": self.usage.input_tokens.unwrap_or(self.input_tokens),
            "cache_creation_input_tokens": self.usage.cache_creation_input_tokens,
            "cache_read_input_tokens": self.usage.cache_read_input_tokens,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        })
    }

    fn message(&self, content: &Value, stop_reason: Option<&str>, output_tokens: u64) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": self.usage(output_tokens),
        })
    }

    /// As one text.
    pub(super) fn whole(&self) -> Bytes {
        let content: Vec<Value> = self
            .blocks
            .iter()
            .map(|block| match block {
                Block::Text(text) => json!({"type": "text", "text": text}),
                Block::Tool { id, name, input } => json!({"type": "tool_use", "id": id, "name": name, "input": input}),
            })
            .collect();
        self.message(&Value::Array(content), Some(self.stop_reason()), self.output_tokens()).to_string().into()
    }

    /// As events.
    pub(super) fn events(&self) -> Vec<Bytes> {
        let chunk = self.pace.chunk.unwrap_or(CHUNK).max(1);
        let mut events =
            vec![event("message_start", &json!({"message": self.message(&json!([]), None, 1)})), event("ping", &json!({}))];
        for (index, block) in self.blocks.iter().enumerate() {
            let (start, kind, field, text) = match block {
                Block::Text(text) => (json!({"type": "text", "text": ""}), "text_delta", "text", text.clone()),
                Block::Tool { id, name, input } => (
                    json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                    "input_json_delta",
                    "partial_json",
                    input.to_string(),
                ),
            };
            events.push(event("content_block_start", &json!({"index": index, "content_block": start})));
            for piece in pieces(&text, chunk) {
                events.push(event("content_block_delta", &json!({"index": index, "delta": {"type": kind, field: piece}})));
            }
            events.push(event("content_block_stop", &json!({"index": index})));
        }
        let delta = json!({"stop_reason": self.stop_reason(), "stop_sequence": null});
        events.push(event("message_delta", &json!({"delta": delta, "usage": {"output_tokens": self.output_tokens()}})));
        events.push(event("message_stop", &json!({})));
        events
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.pace.delay_ms.unwrap_or(0))
    }

    pub(super) fn pause(&self) -> Duration {
        Duration::from_millis(self.pace.pause_ms.unwrap_or(0))
    }
}

fn event(kind: &str, fields: &Value) -> Bytes {
    let mut data = json!({"type": kind});
    if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
        data.extend(fields.clone());
    }
    format!("event: {kind}\ndata: {data}\n\n").into()
}

fn pieces(text: &str, chunk: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(chunk).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The smallest value that a JSON schema's shape asks for; what agents ask for on the side is one flat object.
pub(super) fn fitting(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object();
            Value::Object(properties.into_iter().flatten().map(|(name, schema)| (name.clone(), fitting(schema))).collect())
        }
        Some("array") => json!([]),
        Some("boolean") => json!(false),
        Some("integer" | "number") => json!(0),
        Some("null") => Value::Null,
        _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("Task")),
    }
}

/// The API's name for an error status.
pub(super) fn error_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// A scripted error's status, text and headers.
pub(super) fn fault(fault: &Fault) -> (StatusCode, String, HeaderMap) {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = fault.message.clone().unwrap_or_else(|| {
        match fault.status {
            429 => "This request would exceed your account's rate limit. Please try again later.",
            529 => "Overloaded",
            _ => "The script asked for this error.",
        }
        .to_owned()
    });
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(seconds) = fault.retry_after {
        set("retry-after", &seconds.to_string());
    }
    if fault.status == 429
        && let Some(seconds) = fault.reset_after.or(fault.retry_after)
    {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let reset = jiff::Timestamp::now().as_second().saturating_add(seconds);
        if fault.subscription {
            set("anthropic-ratelimit-unified-status", "rejected");
            set("anthropic-ratelimit-unified-representative-claim", "five_hour");
            set("anthropic-ratelimit-unified-reset", &reset.to_string());
        } else if let Ok(reset) = jiff::Timestamp::from_second(reset) {
            set("anthropic-ratelimit-requests-limit", "50");
            set("anthropic-ratelimit-requests-remaining", "0");
            set("anthropic-ratelimit-requests-reset", &reset.to_string());
        }
    }
    (status, message, headers)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Block, fitting, pieces};
    use serde_json::{Value, json};

    #[test]
    fn events_carry_what_the_whole_answer_does() {
        let answer = Answer {
            id: "msg".into(),
            model: "m".into(),
            blocks: vec![
                Block::Text("Grüße, 世界: a longer text than one piece holds".into()),
                Block::Tool { id: "t".into(), name: "Bash".into(), input: json!({"command": "printf '\"ü\"'"}) },
            ],
            usage: super::Numbers::default(),
            input_tokens: 5,
            pace: super::Pace { chunk: Some(3), ..Default::default() },
            cut_after: None,
        };
        let whole: Value = serde_json::from_slice(&answer.whole()).unwrap();
        assert_eq!(whole["stop_reason"], "tool_use");
        let (mut text, mut input) = (String::new(), String::new());
        for event in answer.events() {
            let event = String::from_utf8(event.to_vec()).unwrap();
            let (name, data) = event.trim_end().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            text.push_str(data["delta"]["text"].as_str().unwrap_or_default());
            input.push_str(data["delta"]["partial_json"].as_str().unwrap_or_default());
        }
        assert_eq!(whole["content"][0]["text"], text);
        assert_eq!(whole["content"][1]["input"], serde_json::from_str::<Value>(&input).unwrap());
    }

    #[test]
    fn small_things_fit() {
        assert_eq!(pieces("äöü", 2).collect::<Vec<_>>(), ["äö", "ü"]);
        assert_eq!(
            fitting(&json!({"type": "object", "properties": {"title": {"type": "string"}, "ok": {"type": "boolean"}}})),
            json!({"title": "Task", "ok": false})
        );
    }
}
