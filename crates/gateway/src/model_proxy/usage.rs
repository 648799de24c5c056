//! Finds what a request used in the bytes of its answer as they pass, cut anywhere. It keeps little: the line of an
//! event that names tokens, or one object of a whole answer; everything else is looked over and let go.
//!
//! A sandbox must not be able to write its own bill: in a stream only `message_start` and `message_delta` events
//! count, in a whole answer only the outermost `usage`. Texts and tool inputs, which the model may have been told to
//! write, stand deeper or inside strings.

use serde::Deserialize;
use strawboss_core::run::Usage;

/// No event that names tokens is nearly as long.
const MAX_EVENT: usize = 256 * 1024;
/// The longest name of an event, `event: ` and blanks included, that is of interest.
const MAX_NAME: usize = 64;
/// The longest model name that is kept.
const MAX_MODEL: usize = 200;

/// What was found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The model that answered.
    pub(crate) model: Option<String>,
    tokens: Tokens,
}

impl Found {
    /// As one request's usage, without its cost.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            requests: 1,
            input_tokens: self.tokens.input.unwrap_or(0),
            output_tokens: self.tokens.output.unwrap_or(0),
            cache_read_tokens: self.tokens.cache_read.unwrap_or(0),
            cache_write_tokens: self.tokens.cache_write.unwrap_or(0),
            cost_microusd: 0,
        }
    }

    fn take(&mut self, tokens: &Tokens) {
        // Counts in a stream are running totals: the last one said is right, and 0 or nothing takes none back.
        for (have, said) in [
            (&mut self.tokens.input, tokens.input),
            (&mut self.tokens.output, tokens.output),
            (&mut self.tokens.cache_write, tokens.cache_write),
            (&mut self.tokens.cache_read, tokens.cache_read),
        ] {
            *have = (*have).max(said);
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Tokens {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_write: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Option<u64>,
}

#[derive(Deserialize)]
struct Event {
    message: Option<Head>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Head {
    model: Option<String>,
    usage: Option<Tokens>,
}

/// Looks for usage in an answer.
#[derive(Debug)]
pub(crate) enum Scan {
    /// A stream of events.
    Events(Events),
    /// One JSON text.
    Whole(Whole),
    /// Nothing that could be read.
    Blind(Found),
}

impl Scan {
    /// By the answer's content type; encoded bodies are not read.
    pub(crate) fn for_headers(headers: &http::HeaderMap) -> Self {
        let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let encoded = headers
            .get(http::header::CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if encoded {
            Self::Blind(Found::default())
        } else if kind.eq_ignore_ascii_case("text/event-stream") {
            Self::Events(Events::default())
        } else if kind.eq_ignore_ascii_case("application/json") {
            Self::Whole(Whole::default())
        } else {
            Self::Blind(Found::default())
        }
    }

    /// Looks over the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Events(events) => events.feed(bytes),
            Self::Whole(whole) => whole.feed(bytes),
            Self::Blind(_) => {}
        }
    }

    /// What was found.
    pub(crate) fn found(&self) -> &Found {
        match self {
            Self::Events(events) => &events.found,
            Self::Whole(whole) => &whole.found,
            Self::Blind(found) => found,
        }
    }
}

/// Reads a stream by lines, and of those only the few that matter.
#[derive(Debug, Default)]
pub(crate) struct Events {
    found: Found,
    /// The beginning of a line that is not whole yet.
    carry: Vec<u8>,
    /// The line that is not whole yet is too long to matter.
    passing: bool,
    /// The event under way may name tokens.
    wanted: bool,
}

impl Events {
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.carry.is_empty() && !self.passing {
                self.line(line);
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.carry);
                if !std::mem::take(&mut self.passing) {
                    self.line(&whole);
                }
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.keep(bytes);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let most = if self.wanted { MAX_EVENT } else { MAX_NAME };
        if self.passing || self.carry.len() + part.len() > most {
            self.passing = true;
            self.carry = Vec::new();
        } else {
            self.carry.extend_from_slice(part);
        }
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.wanted = false;
        } else if let Some(name) = line.strip_prefix(b"event:") {
            self.wanted = matches!(name.trim_ascii(), b"message_start" | b"message_delta");
        } else if self.wanted
            && let Some(data) = line.strip_prefix(b"data:")
            && let Ok(event) = serde_json::from_slice::<Event>(data)
        {
            if let Some(head) = event.message {
                self.found.model = head.model.filter(|model| model.len() <= MAX_MODEL).or(self.found.model.take());
                self.found.take(&head.usage.unwrap_or_default());
            }
            self.found.take(&event.usage.unwrap_or_default());
        }
    }
}

/// Reads one JSON text by its depth.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    found: Found,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// What is being kept: a text at depth 1, or the object behind `usage`.
    kept: Vec<u8>,
    /// The last text at depth 1, until it is known to be a key.
    text: Vec<u8>,
    /// The key whose value comes.
    key: Key,
    /// The object behind `usage` is being kept.
    in_usage: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Usage,
    Model,
}

impl Whole {
    fn feed(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                at += self.in_text(&bytes[at..]);
            } else {
                self.between(bytes[at]);
                at += 1;
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.kept.len() + part.len() <= MAX_EVENT {
            self.kept.extend_from_slice(part);
        }
    }

    /// Whether texts at this place are of interest.
    fn keeps(&self) -> bool {
        self.in_usage || self.depth == 1
    }

    /// Goes on to the end of a text, or of the bytes, and says how far.
    fn in_text(&mut self, bytes: &[u8]) -> usize {
        if self.escaped {
            self.escaped = false;
            if self.keeps() {
                self.keep(&bytes[..1]);
            }
            return 1;
        }
        let Some(end) = memchr::memchr2(b'"', b'\\', bytes) else {
            if self.keeps() {
                self.keep(bytes);
            }
            return bytes.len();
        };
        if self.in_usage {
            self.keep(&bytes[..=end]);
        } else if self.depth == 1 {
            self.keep(&bytes[..end]);
        }
        if bytes[end] == b'\\' {
            self.escaped = true;
            if self.depth == 1 && !self.in_usage {
                self.keep(b"\\");
            }
        } else {
            self.in_string = false;
            if self.depth == 1 && !self.in_usage {
                self.text = std::mem::take(&mut self.kept);
                if self.key == Key::Model && self.text.len() <= MAX_MODEL {
                    self.found.model = String::from_utf8(self.text.clone()).ok();
                }
                self.key = Key::Other;
            }
        }
        end + 1
    }

    fn between(&mut self, byte: u8) {
        if self.in_usage {
            self.keep(&[byte]);
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                if self.depth == 1 && self.key == Key::Usage && byte == b'{' {
                    self.in_usage = true;
                    self.kept.clear();
                    self.kept.push(b'{');
                }
                self.key = Key::Other;
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.in_usage && self.depth == 1 {
                    self.in_usage = false;
                    let kept = std::mem::take(&mut self.kept);
                    if let Ok(tokens) = serde_json::from_slice::<Tokens>(&kept) {
                        self.found.take(&tokens);
                    }
                }
            }
            b':' if self.depth == 1 => {
                self.key = match self.text.as_slice() {
                    b"usage" => Key::Usage,
                    b"model" => Key::Model,
                    _ => Key::Other,
                };
            }
            b',' if self.depth == 1 => self.key = Key::Other,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Events, Found, Scan, Whole};
    use proptest::prelude::*;

    const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":7,\"cache_read_input_tokens\":9,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\nevent: message_delta\\ndata: {\\\"usage\\\":{\\\"output_tokens\\\":999999}}\\n\"}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"usage\":{\"output_tokens\":888888}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":120,\"input_tokens\":null}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    const WHOLE: &str = r#"{"id":"m","content":[{"type":"text","text":"a \"usage\": {\"output_tokens\": 5} \\"},{"type":"tool_use","input":{"usage":{"output_tokens":777},"model":"evil"}}],"stop":"usage","model":"claude-x","usage":{"input_tokens":25,"output_tokens":120,"cache_creation_input_tokens":7,"cache_read_input_tokens":9,"server_tool_use":{"web_search_requests":0,"s":"}\"{"},"tier":"usage"},"x":{"usage":{"output_tokens":666}},"y":["usage",{"output_tokens":555}]}"#;

    fn right(found: &Found) {
        let usage = found.usage();
        assert_eq!(found.model.as_deref(), Some("claude-x"));
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens), (25, 120, 9, 7));
    }

    fn scans(text: &str) -> [Scan; 1] {
        [if text.starts_with('{') { Scan::Whole(Whole::default()) } else { Scan::Events(Events::default()) }]
    }

    #[test]
    fn a_cut_at_any_byte_changes_nothing() {
        for text in [STREAM.to_owned(), STREAM.replace('\n', "\r\n"), WHOLE.to_owned()] {
            for cut in 0..=text.len() {
                for mut scan in scans(&text) {
                    scan.feed(&text.as_bytes()[..cut]);
                    scan.feed(&text.as_bytes()[cut..]);
                    right(scan.found());
                }
            }
            for mut scan in scans(&text) {
                for byte in text.bytes() {
                    scan.feed(&[byte]);
                }
                right(scan.found());
            }
        }
    }

    #[test]
    fn what_was_said_before_a_stream_broke_off_counts() {
        let [mut scan] = scans(STREAM);
        scan.feed(&STREAM.as_bytes()[..STREAM.len() / 2]);
        assert_eq!((scan.found().usage().input_tokens, scan.found().usage().output_tokens), (25, 1));
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut events = Events::default();
        events.feed(b"event: message_delta\ndata: ");
        for _ in 0..64 {
            events.feed(&vec![b'x'; 64 * 1024]);
            assert!(events.carry.capacity() <= 1024 * 1024);
        }
        events.feed(b"\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":3}}\n\n");
        assert_eq!(events.found.usage().output_tokens, 3);
    }

    #[test]
    fn an_encoded_or_unknown_body_is_not_read() {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "text/event-stream; charset=utf-8".parse().unwrap());
        assert!(matches!(Scan::for_headers(&headers), Scan::Events(_)));
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert!(matches!(Scan::for_headers(&headers), Scan::Blind(_)));
        headers.insert("content-encoding", "identity".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        assert!(matches!(Scan::for_headers(&headers), Scan::Whole(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40)) {
            for mut scan in [Scan::Whole(Whole::default()), Scan::Events(Events::default())] {
                for chunk in &chunks {
                    scan.feed(chunk);
                }
                let _ = scan.found().usage();
            }
        }

        #[test]
        fn any_text_in_an_answer_is_only_text(text in ".*", tokens in 0u64..1_000_000_000) {
            let whole = serde_json::json!({"content":[{"text": text, "input": {"usage": {"output_tokens": 1u64 << 40}}}], "model": "m", "usage": {"output_tokens": tokens}}).to_string();
            let mut scan = Whole::default();
            scan.feed(whole.as_bytes());
            prop_assert_eq!(scan.found.usage().output_tokens, tokens);
            let delta = serde_json::json!({"type":"content_block_delta","delta":{"text": text}});
            let stream = format!("event: content_block_delta\ndata: {delta}\n\nevent: message_delta\ndata: {{\"usage\":{{\"output_tokens\":{tokens}}}}}\n\n");
            let mut scan = Events::default();
            scan.feed(stream.as_bytes());
            prop_assert_eq!(scan.found.usage().output_tokens, tokens);
        }
    }
}
