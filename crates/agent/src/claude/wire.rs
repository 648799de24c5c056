//! Reading one line of Claude Code's stream-json. Fields are looked at one by one: a field of another shape than
//! expected counts as absent, so that a new version's line is understood as far as it goes.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How many blocks of one message are looked at; real ones have a few.
const MAX_BLOCKS: usize = 256;

/// A line; only the fields that mean something here.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    subtype: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    origin: Option<&'a RawValue>,
    #[serde(borrow)]
    is_error: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    num_turns: Option<&'a RawValue>,
    #[serde(borrow)]
    duration_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    rate_limit_info: Option<&'a RawValue>,
    #[serde(borrow)]
    error_status: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    attempt: Option<&'a RawValue>,
    #[serde(borrow)]
    max_retries: Option<&'a RawValue>,
    #[serde(borrow)]
    retry_delay_ms: Option<&'a RawValue>,
}

/// A block of a message's content.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    Text(String),
    ToolUse { id: String, name: String, input: String },
    ToolResult { id: String, is_error: bool, text: String },
    Other(String),
}

/// When the provider's limit ends.
#[derive(Debug, PartialEq)]
pub(super) struct RateLimit {
    pub(super) rejected: bool,
    /// Seconds since 1970, UTC.
    pub(super) resets_at: Option<i64>,
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

impl<'a> Line<'a> {
    /// None when the line is no JSON object.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn kind(&self) -> String {
        read(self.kind).unwrap_or_default()
    }

    pub(super) fn subtype(&self) -> String {
        read(self.subtype).unwrap_or_default()
    }

    pub(super) fn session_id(&self) -> Option<String> {
        read(self.session_id)
    }

    pub(super) fn model(&self) -> Option<String> {
        read(self.model)
    }

    pub(super) fn of_subagent(&self) -> bool {
        read::<Option<String>>(self.parent_tool_use_id).flatten().is_some()
    }

    /// Whether it is about a turn that nobody's message began, but word of a command in the background.
    pub(super) fn of_notification(&self) -> bool {
        #[derive(Deserialize)]
        struct Origin<'a> {
            #[serde(borrow)]
            kind: Option<&'a RawValue>,
        }
        read::<Origin<'_>>(self.origin).and_then(|origin| read::<String>(origin.kind)).as_deref() == Some("task-notification")
    }

    pub(super) fn is_error(&self) -> bool {
        read(self.is_error).unwrap_or(false)
    }

    pub(super) fn result(&self) -> Option<String> {
        read(self.result)
    }

    pub(super) fn errors(&self) -> Vec<String> {
        read(self.errors).unwrap_or_default()
    }

    pub(super) fn turns(&self) -> Option<u32> {
        read(self.num_turns)
    }

    pub(super) fn duration_ms(&self) -> Option<u64> {
        read(self.duration_ms)
    }

    pub(super) fn error_status(&self) -> Option<u16> {
        read(self.error_status)
    }

    pub(super) fn error(&self) -> String {
        read(self.error).unwrap_or_default()
    }

    /// Which attempt of how many comes next, and after how many milliseconds.
    pub(super) fn retry(&self) -> (Option<u32>, Option<u32>, Option<f64>) {
        (read(self.attempt), read(self.max_retries), read(self.retry_delay_ms))
    }

    pub(super) fn rate_limit(&self) -> Option<RateLimit> {
        #[derive(Deserialize)]
        struct Info<'a> {
            #[serde(borrow)]
            status: Option<&'a RawValue>,
            #[serde(borrow, rename = "resetsAt")]
            resets_at: Option<&'a RawValue>,
        }
        let info: Info<'_> = read(self.rate_limit_info)?;
        let resets_at = read::<f64>(info.resets_at).filter(|at| (0.0..1e11).contains(at)).map(|at| at as i64);
        Some(RateLimit { rejected: read::<String>(info.status).as_deref() == Some("rejected"), resets_at })
    }

    pub(super) fn blocks(&self) -> Vec<Block> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            content: Option<&'a RawValue>,
        }
        let Some(message) = read::<Message<'_>>(self.message) else { return Vec::new() };
        if let Some(text) = read::<String>(message.content) {
            return vec![Block::Text(text)];
        }
        let blocks: Vec<&RawValue> = read(message.content).unwrap_or_default();
        blocks.into_iter().take(MAX_BLOCKS).map(block).collect()
    }
}

/// What a hook is told; only the fields that mean something here.
#[derive(Debug, Deserialize)]
pub(super) struct Hook<'a> {
    #[serde(borrow)]
    hook_event_name: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_name: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_input: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_response: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    last_assistant_message: Option<&'a RawValue>,
}

impl<'a> Hook<'a> {
    /// None when it is no JSON object.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(message).ok()
    }

    pub(super) fn name(&self) -> String {
        read(self.hook_event_name).unwrap_or_default()
    }

    pub(super) fn session_id(&self) -> Option<String> {
        read(self.session_id)
    }

    pub(super) fn model(&self) -> Option<String> {
        read(self.model)
    }

    pub(super) fn prompt(&self) -> Option<String> {
        read(self.prompt)
    }

    pub(super) fn tool_name(&self) -> Option<String> {
        read(self.tool_name)
    }

    pub(super) fn tool_use_id(&self) -> Option<String> {
        read(self.tool_use_id)
    }

    pub(super) fn tool_input(&self) -> String {
        self.tool_input.map(input).unwrap_or_default()
    }

    /// What the tool answered: a text, what it printed, or its JSON.
    pub(super) fn tool_response(&self) -> String {
        #[derive(Deserialize)]
        struct Printed<'a> {
            #[serde(borrow)]
            stdout: Option<&'a RawValue>,
            #[serde(borrow)]
            stderr: Option<&'a RawValue>,
        }
        if let Some(text) = read::<String>(self.tool_response) {
            return text;
        }
        let printed = read::<Printed<'_>>(self.tool_response);
        if let Some(stdout) = printed.as_ref().and_then(|printed| read::<String>(printed.stdout)) {
            let stderr = printed.and_then(|printed| read::<String>(printed.stderr)).unwrap_or_default();
            return [stdout, stderr].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n");
        }
        self.tool_response.map(|raw| raw.get().to_owned()).unwrap_or_default()
    }

    pub(super) fn message(&self) -> Option<String> {
        read(self.message)
    }

    pub(super) fn error(&self) -> Option<String> {
        read(self.error)
    }

    pub(super) fn last_message(&self) -> Option<String> {
        read(self.last_assistant_message)
    }
}

fn block(raw: &RawValue) -> Block {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        input: Option<&'a RawValue>,
        #[serde(borrow)]
        tool_use_id: Option<&'a RawValue>,
        #[serde(borrow)]
        is_error: Option<&'a RawValue>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }
    let Some(raw) = read::<Raw<'_>>(Some(raw)) else { return Block::Other(String::new()) };
    match read::<String>(raw.kind).unwrap_or_default().as_str() {
        "text" => Block::Text(read(raw.text).unwrap_or_default()),
        "tool_use" => Block::ToolUse {
            id: read(raw.id).unwrap_or_default(),
            name: read(raw.name).unwrap_or_default(),
            input: raw.input.map(input).unwrap_or_default(),
        },
        "tool_result" => Block::ToolResult {
            id: read(raw.tool_use_id).unwrap_or_default(),
            is_error: read(raw.is_error).unwrap_or(false),
            text: content(raw.content),
        },
        kind => Block::Other(kind.to_owned()),
    }
}

/// A tool's input in short: what a person wants to see of the well-known tools, else its JSON.
fn input(raw: &RawValue) -> String {
    const TELLING: [&str; 9] =
        ["command", "file_path", "notebook_path", "path", "pattern", "url", "query", "prompt", "description"];
    if let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) {
        for field in TELLING {
            if let Some(text) = read::<String>(fields.get(field).copied()) {
                return text;
            }
        }
        if fields.is_empty() {
            return String::new();
        }
    }
    raw.get().to_owned()
}

/// A tool result's content: a text, or blocks of which the texts count.
fn content(raw: Option<&RawValue>) -> String {
    if let Some(text) = read::<String>(raw) {
        return text;
    }
    let blocks: Vec<&RawValue> = read(raw).unwrap_or_default();
    let texts: Vec<String> = blocks
        .into_iter()
        .map(|raw| match block(raw) {
            Block::Text(text) | Block::ToolResult { text, .. } => text,
            Block::Other(kind) => format!("[{kind}]"),
            Block::ToolUse { name, .. } => format!("[{name}]"),
        })
        .collect();
    texts.join("\n")
}
