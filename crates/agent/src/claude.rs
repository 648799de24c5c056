//! Claude Code, headless: user messages in and events out as lines of JSON.
//!
//! The prompt is a user message on standard input, which stays open: a person's line is a further message of the same
//! session, heard between two steps of the running turn. When a turn ends, the input is closed and the program ends by
//! itself, after it has read what was written before.

mod terminal;
mod wire;

use crate::text::{cut, one_line};
use crate::{Agent, Exit, HomeContent, HomeFile, Launch, LaunchContext, LaunchError, LaunchIo, Outcome, Understood, transcript};
use std::collections::BTreeMap;
use std::ffi::OsString;
use strawboss_core::Timestamp;
use strawboss_core::project::AgentKind;
use strawboss_protocol::supervisor::{AgentEvent, MAX_REPORT_TEXT};
use wire::{Block, Line};

pub use terminal::ClaudeTerminal;

/// How long a command of the agent may take that says nothing of it, in milliseconds: 10 minutes.
const COMMAND_MS: &str = "600000";
/// How long it may ask for, in milliseconds: 1 hour.
const LONGEST_COMMAND_MS: &str = "3600000";
/// The longest id or name that is passed on, in bytes.
const MAX_NAME: usize = 200;
/// What stands in the key's place: the gateway puts the real one in on the way out.
const NO_KEY: &str = "no-key-in-the-sandbox";

/// The file that names the tools of the control plane, below the home.
const TOOLS: &str = ".claude/strawboss-tools.json";

/// The agent `claude`.
#[derive(Debug, Default)]
pub struct Claude {
    session: Option<String>,
    last: Option<Turn>,
    /// Something came after the last turn's end: another turn is open.
    open: bool,
}

#[derive(Debug)]
struct Turn {
    is_error: bool,
    text: String,
}

fn program(context: &LaunchContext<'_>) -> OsString {
    context.tools.join("claude").join("bin").join("claude").into()
}

/// What it needs in its environment, whatever it is to do.
fn env(context: &LaunchContext<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([
        ("ANTHROPIC_API_KEY".to_owned(), NO_KEY.to_owned()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC".to_owned(), "1".to_owned()),
        ("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned()),
        ("BASH_DEFAULT_TIMEOUT_MS".to_owned(), COMMAND_MS.to_owned()),
        ("BASH_MAX_TIMEOUT_MS".to_owned(), LONGEST_COMMAND_MS.to_owned()),
    ]);
    if let Some(gateway) = &context.orders.gateway {
        env.insert("ANTHROPIC_BASE_URL".to_owned(), format!("{}{gateway}", context.relay));
    }
    if context.root {
        // It refuses to skip permissions as root unless it is told that it is in a sandbox.
        env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
    }
    env
}

/// The file that names the tools of the control plane, beside what tools a project has of its own.
fn tools(context: &LaunchContext<'_>) -> (OsString, HomeFile) {
    let servers =
        serde_json::json!({ "mcpServers": { "strawboss": { "type": "http", "url": format!("{}/mcp", context.relay) } } });
    // Joined by `=`, since the option takes as many files as follow.
    let mut arg = OsString::from("--mcp-config=");
    arg.push(context.home.join(TOOLS));
    (arg, HomeFile { path: TOOLS.into(), content: HomeContent::Text(servers.to_string()) })
}

impl Agent for Claude {
    fn kind(&self) -> AgentKind {
        AgentKind::Claude
    }

    fn launch(&mut self, context: &LaunchContext<'_>) -> Result<Launch, LaunchError> {
        let words = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
        let mut args: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let (tools, file) = tools(context);
        args.extend([tools, "--dangerously-skip-permissions".into()]);
        // Joined by `=`, so that a value that begins with a dash is no option.
        if let Some(model) = &context.orders.model {
            args.push(format!("--model={model}").into());
        }
        if let Some(session) = context.resume {
            args.push(format!("--resume={session}").into());
        }
        let mut env = env(context);
        // A command that goes on in the background goes on after the turn's end, which ends the run and the command.
        // So none does, and builds and tests that take long have the time.
        env.insert("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS".to_owned(), "1".to_owned());
        let first = self.say(context.prompt);
        Ok(Launch { program: program(context), args, env, io: LaunchIo::Pipes { first }, files: vec![file] })
    }

    fn say(&self, text: &str) -> Vec<u8> {
        // A message that begins with a slash would be taken as a command to the program (`/clear`).
        let text = if text.starts_with('/') { format!("\n{text}") } else { text.to_owned() };
        let message = serde_json::json!({
            "type": "user",
            "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
        });
        format!("{message}\n").into_bytes()
    }

    fn told(&self, text: &str) -> Understood {
        let event = AgentEvent::Told { text: cut(text, MAX_REPORT_TEXT) };
        Understood { events: vec![event], transcript: transcript::told(text), ..Understood::default() }
    }

    fn understand(&mut self, line: &[u8], whole: bool) -> Understood {
        if line.trim_ascii().is_empty() {
            return Understood::default();
        }
        let mut seen = Understood::default();
        match if whole { Line::parse(line) } else { None } {
            Some(line) => self.line(&line, &mut seen),
            None if whole => {
                let text = String::from_utf8_lossy(line);
                seen.transcript = transcript::note(&text);
                seen.events.push(AgentEvent::Other { name: "no JSON".to_owned() });
            }
            None => {
                let name = format!("a line of more than {} bytes", line.len());
                seen.transcript = transcript::note(&format!("({name}, not shown)"));
                seen.events.push(AgentEvent::Other { name });
            }
        }
        seen
    }

    fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn outcome(&self, exit: &Exit<'_>) -> Outcome {
        match &self.last {
            Some(turn) if turn.is_error && turn.text.contains("No conversation found with session ID") => Outcome::SessionLost,
            Some(turn) if turn.is_error => Outcome::Failed { detail: format!("Claude Code says: {}", turn.text) },
            // What it said after its last turn's end counts for nothing unless it ended well.
            Some(turn) if !self.open || exit.code == Some(0) => {
                Outcome::Complete { summary: Some(turn.text.clone()).filter(|text| !text.trim().is_empty()) }
            }
            _ => {
                let why = exit.error_tail.trim();
                let why = if why.is_empty() { String::new() } else { format!(": {}", cut(why, 2000)) };
                Outcome::Failed { detail: format!("Claude Code {} before it had finished{why}", exit.words()) }
            }
        }
    }
}

impl Claude {
    fn line(&mut self, line: &Line<'_>, seen: &mut Understood) {
        match line.kind().as_str() {
            "system" => self.system(line, seen),
            "assistant" => {
                self.open = true;
                seen.turn_began = true;
                let subagent = line.of_subagent();
                for block in line.blocks() {
                    said(block, subagent, seen);
                }
            }
            "user" => {
                for block in line.blocks() {
                    if let Block::ToolResult { id, is_error, text } = block {
                        seen.transcript.push_str(&transcript::result(is_error, &text));
                        let (id, text) = (cut(&id, MAX_NAME), cut(&text, MAX_REPORT_TEXT));
                        seen.events.push(AgentEvent::ToolResult { id, is_error, text });
                    }
                }
                if seen.events.is_empty() {
                    seen.events.push(AgentEvent::Other { name: "user".to_owned() });
                }
            }
            "result" => self.result(line, seen),
            "rate_limit_event" => match line.rate_limit() {
                Some(limit) if limit.rejected => {
                    let until = limit.resets_at.map(|at| Timestamp(at.saturating_mul(1000)));
                    seen.transcript = transcript::note("The provider's limit is reached.");
                    seen.events.push(AgentEvent::RateLimited { until });
                }
                _ => seen.events.push(AgentEvent::Other { name: "rate_limit_event".to_owned() }),
            },
            kind => seen.events.push(AgentEvent::Other { name: one_line(kind, 80) }),
        }
    }

    fn system(&mut self, line: &Line<'_>, seen: &mut Understood) {
        match line.subtype().as_str() {
            "init" => {
                let Some(id) = line.session_id().map(|id| cut(&id, MAX_NAME)) else { return };
                let model = line.model().map(|model| cut(&model, MAX_NAME));
                if self.session.as_deref() != Some(id.as_str()) {
                    seen.transcript = transcript::session(model.as_deref());
                }
                self.session = Some(id.clone());
                seen.events.push(AgentEvent::Session { id, model });
            }
            "api_retry" => {
                let (attempt, of, delay) = line.retry();
                let status = line.error_status();
                let answer = status.map_or_else(|| "does not answer".to_owned(), |status| format!("answers {status}"));
                let count = attempt.zip(of).map_or_else(String::new, |(attempt, of)| format!(" ({attempt} of {of})"));
                let wait =
                    delay.filter(|ms| (0.0..1e9).contains(ms)).map_or_else(String::new, |ms| format!(" in {:.1} s", ms / 1000.0));
                seen.transcript = transcript::note(&format!("The provider {answer}; the agent tries again{wait}{count}."));
                let limited = matches!(status, Some(429 | 529)) || line.error() == "rate_limit";
                seen.events.push(if limited {
                    AgentEvent::RateLimited { until: None }
                } else {
                    AgentEvent::Other { name: "system/api_retry".to_owned() }
                });
            }
            "compact_boundary" => {
                seen.transcript = transcript::note("(the conversation so far was summed up to make room)");
                seen.events.push(AgentEvent::Other { name: "system/compact_boundary".to_owned() });
            }
            subtype => seen.events.push(AgentEvent::Other { name: format!("system/{}", one_line(subtype, 80)) }),
        }
    }

    fn result(&mut self, line: &Line<'_>, seen: &mut Understood) {
        if line.of_notification() && line.turns() == Some(0) {
            // What an earlier session left in the background was heard of, and nothing was done: the prompt comes next.
            return seen.events.push(AgentEvent::Other { name: "result/task-notification".to_owned() });
        }
        // `subtype` says `success` even when the account is logged out: `is_error` is what counts.
        let is_error = line.is_error() || !matches!(line.subtype().as_str(), "success" | "");
        let mut text = line.result().unwrap_or_default();
        if text.trim().is_empty() && is_error {
            text = line.errors().join("; ");
        }
        if text.trim().is_empty() && is_error {
            text = line.subtype();
        }
        let text = cut(&text, MAX_REPORT_TEXT);
        seen.transcript = transcript::turn_ended(is_error, &text, line.turns(), line.duration_ms());
        seen.events.push(AgentEvent::TurnEnded { is_error, text: text.clone(), turns: line.turns() });
        seen.turn_ended = true;
        self.last = Some(Turn { is_error, text });
        self.open = false;
    }
}

fn said(block: Block, subagent: bool, seen: &mut Understood) {
    match block {
        Block::Text(text) if subagent => {
            seen.transcript.push_str(&transcript::result(false, &text));
            seen.events.push(AgentEvent::Other { name: "subagent's message".to_owned() });
        }
        Block::Text(text) => {
            seen.transcript.push_str(&transcript::message(&text));
            seen.events.push(AgentEvent::Message { text: cut(&text, MAX_REPORT_TEXT) });
        }
        Block::ToolUse { id, name, input } => {
            seen.transcript.push_str(&transcript::call(&name, &input));
            let (id, name, input) = (cut(&id, MAX_NAME), cut(&name, MAX_NAME), cut(&input, MAX_REPORT_TEXT));
            seen.events.push(AgentEvent::ToolCall { id, name, input });
        }
        Block::ToolResult { .. } => seen.events.push(AgentEvent::Other { name: "assistant/tool_result".to_owned() }),
        Block::Other(kind) => seen.events.push(AgentEvent::Other { name: format!("assistant/{}", one_line(&kind, 80)) }),
    }
}

#[cfg(test)]
mod tests;
