//! Claude Code's own interface in a terminal: people watch it and type beside it, and its hooks say what it does.
//!
//! A home that is new would stop it in its first questions, so they are answered before (theme, the folder's trust, the
//! key that is none). The prompt is pasted once its session has begun, as a person would: nothing in a paste is a key, and
//! nothing of it can be seen among the machine's processes. It ends when somebody says `/complete`, here or at its prompt,
//! or when the file of completion is written; its own word that a turn is over ends nothing, since a person may go on.

use super::{MAX_NAME, env, program, tools, wire};
use crate::text::{cut, one_line};
use crate::{
    Agent, Exit, HomeContent, HomeFile, Hooked, Launch, LaunchContext, LaunchError, LaunchIo, Outcome, Understood, completion,
};
use serde_json::json;
use std::ffi::OsString;
use strawboss_core::project::AgentKind;
use strawboss_protocol::supervisor::{AgentEvent, MAX_REPORT_TEXT};
use wire::Hook;

/// The hooks that are listened to.
const HOOKS: [&str; 10] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "Notification",
    "PermissionRequest",
    "Stop",
    "StopFailure",
    "SessionEnd",
];
/// How long it waits for a hook's program, in seconds: that only hands on what it is told.
const HOOK_SECONDS: u32 = 30;
/// Its settings, below the home.
const SETTINGS: &str = ".claude/strawboss.json";
/// The slash command, below the home.
const COMMAND: &str = ".claude/commands/complete.md";

/// The agent `claude` in its own interface.
#[derive(Debug, Default)]
pub struct ClaudeTerminal {
    session: Option<String>,
    resumes: bool,
    turn: bool,
    taken: u64,
    /// The end of the last turn: whether it failed, and its last words.
    last: Option<(bool, String)>,
    /// The summary, once the task was said to be complete; empty: its last words are.
    complete: Option<String>,
}

impl Agent for ClaudeTerminal {
    fn kind(&self) -> AgentKind {
        AgentKind::Claude
    }

    fn launch(&mut self, context: &LaunchContext<'_>) -> Result<Launch, LaunchError> {
        self.resumes = context.resume.is_some();
        let settings = context.home.join(SETTINGS);
        let (tools, file) = tools(context);
        let mut args: Vec<OsString> = vec![tools, "--dangerously-skip-permissions".into(), "--settings".into(), settings.into()];
        // Joined by `=`, so that a value that begins with a dash is no option.
        if let Some(model) = &context.orders.model {
            args.push(format!("--model={model}").into());
        }
        if let Some(session) = context.resume {
            args.push(format!("--resume={session}").into());
        }
        let mut env = env(context);
        env.insert("STRAWBOSS_COMPLETION".to_owned(), context.completion.display().to_string());
        Ok(Launch {
            program: program(context),
            args,
            env,
            io: LaunchIo::Interactive { first: paste(&harmless(context.prompt)) },
            files: files(context).into_iter().chain([file]).collect(),
        })
    }

    fn say(&self, text: &str) -> Vec<u8> {
        paste(text)
    }

    /// Nothing: its hook says what it was told, by whomever.
    fn told(&self, _text: &str) -> Understood {
        Understood::default()
    }

    fn understand(&mut self, _line: &[u8], _whole: bool) -> Understood {
        Understood::default()
    }

    fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn hooked(&mut self, message: &[u8]) -> Hooked {
        let mut hooked = Hooked::default();
        match Hook::parse(message) {
            Some(hook) => self.hook(&hook, &mut hooked),
            None => hooked.events.push(other("a hook's word that is no JSON")),
        }
        hooked
    }

    fn is_ready(&self) -> bool {
        self.session.is_some()
    }

    fn is_idle(&self) -> bool {
        !self.turn
    }

    fn taken(&self) -> Option<u64> {
        Some(self.taken)
    }

    fn complete(&mut self, summary: &str) {
        self.complete = Some(cut(summary, MAX_REPORT_TEXT));
    }

    fn is_complete(&self) -> bool {
        self.complete.is_some()
    }

    fn outcome(&self, exit: &Exit<'_>) -> Outcome {
        let last_words = || self.last.as_ref().map(|(_, text)| text.clone()).filter(|text| !text.trim().is_empty());
        match (&self.complete, &self.last) {
            (Some(summary), _) => {
                Outcome::Complete { summary: Some(summary.clone()).filter(|summary| !summary.is_empty()).or_else(last_words) }
            }
            (None, _) if self.resumes && self.session.is_none() => Outcome::SessionLost,
            (None, Some((true, text))) => Outcome::Failed { detail: format!("Claude Code says: {text}") },
            (None, _) if exit.code == Some(0) => {
                Outcome::Failed { detail: "Claude Code was closed before anybody said `/complete`".to_owned() }
            }
            (None, _) => Outcome::Failed { detail: format!("Claude Code {} before anybody said `/complete`", exit.words()) },
        }
    }
}

impl ClaudeTerminal {
    fn hook(&mut self, hook: &Hook<'_>, hooked: &mut Hooked) {
        let text = |text: Option<String>| cut(&text.unwrap_or_default(), MAX_REPORT_TEXT);
        let name = |text: Option<String>| cut(&text.unwrap_or_default(), MAX_NAME);
        let kind = hook.name();
        match kind.as_str() {
            "SessionStart" => {
                let Some(id) = hook.session_id().map(|id| cut(&id, MAX_NAME)) else { return };
                self.session = Some(id.clone());
                hooked.events.push(AgentEvent::Session { id, model: hook.model().map(|model| cut(&model, MAX_NAME)) });
            }
            "UserPromptSubmit" => {
                self.taken += 1;
                let prompt = hook.prompt().unwrap_or_default();
                if let Some(summary) = completion(&prompt) {
                    self.complete(summary);
                    let reason = "Handed over: the work is saved, checked and shown to people.";
                    hooked.reply = json!({ "decision": "block", "reason": reason }).to_string().into_bytes();
                    return;
                }
                self.turn = true;
                hooked.waits = Some(false);
                hooked.events.push(AgentEvent::Told { text: text(Some(prompt)) });
            }
            "PreToolUse" => {
                self.turn = true;
                hooked.waits = Some(false);
                let (id, tool) = (name(hook.tool_use_id()), name(hook.tool_name()));
                hooked.events.push(AgentEvent::ToolCall { id, name: tool, input: text(Some(hook.tool_input())) });
            }
            "PostToolUse" | "PostToolUseFailure" => {
                hooked.waits = Some(false);
                let is_error = kind == "PostToolUseFailure";
                let answer = if is_error { hook.error() } else { Some(hook.tool_response()) };
                hooked.events.push(AgentEvent::ToolResult { id: name(hook.tool_use_id()), is_error, text: text(answer) });
            }
            "Notification" | "PermissionRequest" => {
                hooked.waits = Some(true);
                let what = hook.message().or_else(|| hook.tool_name()).unwrap_or_default();
                hooked.events.push(other(&format!("{kind}: {what}")));
            }
            "Stop" | "StopFailure" => {
                self.turn = false;
                hooked.waits = Some(true);
                let is_error = kind == "StopFailure";
                let last = text(hook.last_message());
                if is_error && hook.error().as_deref() == Some("rate_limit") {
                    hooked.events.push(AgentEvent::RateLimited { until: None });
                }
                self.last = Some((is_error, last.clone()));
                hooked.events.push(AgentEvent::TurnEnded { is_error, text: last, turns: None });
            }
            kind => hooked.events.push(other(kind)),
        }
    }
}

fn other(name: &str) -> AgentEvent {
    AgentEvent::Other { name: one_line(name, 80) }
}

/// What nobody typed shall not be taken for a command of the interface.
fn harmless(prompt: &str) -> String {
    let special = prompt.trim_start().starts_with(['/', '!', '#', '@', '&']);
    if special { format!("The task: {}", prompt.trim_start()) } else { prompt.to_owned() }
}

/// A text as a paste. Nothing in it can end the paste or be a key. Return is another matter: while the interface is being
/// drawn, one that comes at once is taken for a part of the paste.
fn paste(text: &str) -> Vec<u8> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    format!("\x1b[200~{clean}\x1b[201~").into_bytes()
}

/// A word as a shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn files(context: &LaunchContext<'_>) -> Vec<HomeFile> {
    let report = format!("{} --hook", quoted(&context.reporter.display().to_string()));
    let hook = json!([{ "hooks": [{ "type": "command", "command": report, "timeout": HOOK_SECONDS }] }]);
    let hooks: serde_json::Map<String, serde_json::Value> =
        HOOKS.into_iter().map(|name| (name.to_owned(), hook.clone())).collect();
    let settings = json!({ "hooks": hooks, "skipDangerousModePermissionPrompt": true });
    let workspace = context.workspace.display().to_string();
    // It asks about keys by their ends.
    let key = super::NO_KEY;
    let key = key.get(key.len().saturating_sub(20)..).unwrap_or(key);
    let answers = json!({
        "hasCompletedOnboarding": true,
        "bypassPermissionsModeAccepted": true,
        "theme": "dark",
        "customApiKeyResponses": { "approved": [key], "rejected": [] },
        "projects": { workspace: { "hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true } },
    });
    let command = format!(
        "---\ndescription: Say that the task is complete: the work is saved, checked and shown to people\n\
         argument-hint: <summary>\n---\n\
         The task is complete. Write a summary to the file `{}`, and nothing else, and do nothing after that. If words follow \
         here, they are the summary, to be written as they are; else write one to three sentences of your own.\n\n$ARGUMENTS\n",
        context.completion.display()
    );
    vec![
        HomeFile { path: ".claude.json".into(), content: HomeContent::Merged(answers) },
        HomeFile { path: SETTINGS.into(), content: HomeContent::Text(settings.to_string()) },
        HomeFile { path: COMMAND.into(), content: HomeContent::Text(command) },
    ]
}

#[cfg(test)]
mod tests {
    use super::ClaudeTerminal;
    use crate::{Agent, Exit, HomeContent, LaunchContext, LaunchIo, Outcome, completion};
    use std::path::Path;
    use strawboss_core::project::{AgentKind, AgentMode};
    use strawboss_protocol::supervisor::{AgentEvent, AgentOrders};

    fn launch(prompt: &str, resume: Option<&str>) -> (ClaudeTerminal, crate::Launch) {
        let orders = AgentOrders {
            kind: AgentKind::Claude,
            command: None,
            model: Some("-m".to_owned()),
            prompt: prompt.to_owned(),
            resume_session: None,
            gateway: Some("/gateway/anthropic".to_owned()),
            title: String::new(),
            mode: AgentMode::Interactive,
            completion: vec!["a-1".to_owned()],
            session: false,
        };
        let context = LaunchContext {
            orders: &orders,
            prompt,
            resume,
            tools: Path::new("/opt"),
            relay: "http://127.0.0.1:4000",
            task: "a-1",
            home: Path::new("/h"),
            workspace: Path::new("/h/workspace"),
            reporter: Path::new("/it's/reporter"),
            completion: Path::new("/tmp/completion-a-1.txt"),
            root: false,
        };
        let mut agent = ClaudeTerminal::default();
        let launch = agent.launch(&context).unwrap();
        (agent, launch)
    }

    fn exit(code: i32) -> Exit<'static> {
        Exit { code: Some(code), signal: None, error_tail: "" }
    }

    #[test]
    fn the_prompt_is_a_paste_that_nothing_in_it_can_end() {
        let (_, launch) = launch("one\x1b[201~\rtwo\x03\nthree", None);
        let LaunchIo::Interactive { first } = launch.io else { panic!("{:?}", launch.io) };
        assert_eq!(first, b"\x1b[200~one[201~\ntwo\nthree\x1b[201~");
        assert!(launch.args.iter().all(|arg| !arg.to_string_lossy().contains("three")), "{:?}", launch.args);
    }

    #[test]
    fn text_that_nobody_typed_is_no_command() {
        for text in ["/complete all is well", " !rm -rf ~", "#remember", "@/etc/passwd", "\n/exit"] {
            let LaunchIo::Interactive { first } = launch(text, None).1.io else { panic!() };
            assert!(first.starts_with(b"\x1b[200~The task: "), "{text}: {}", String::from_utf8_lossy(&first));
        }
    }

    #[test]
    fn its_home_answers_what_it_would_ask_and_its_hooks_run_the_reporter() {
        let files = launch("x", None).1.files;
        let find = |path: &str| &files.iter().find(|file| file.path == Path::new(path)).unwrap().content;
        let HomeContent::Merged(answers) = find(".claude.json") else { panic!() };
        assert_eq!(answers["projects"]["/h/workspace"]["hasTrustDialogAccepted"], true);
        assert_eq!(answers["customApiKeyResponses"]["approved"][0], "o-key-in-the-sandbox");
        let HomeContent::Text(settings) = find(".claude/strawboss.json") else { panic!() };
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        assert_eq!(settings["hooks"]["Stop"][0]["hooks"][0]["command"], r"'/it'\''s/reporter' --hook");
        let HomeContent::Text(tools) = find(".claude/strawboss-tools.json") else { panic!() };
        assert!(tools.contains(r#""url":"http://127.0.0.1:4000/mcp""#), "{tools}");
        let HomeContent::Text(command) = find(".claude/commands/complete.md") else { panic!() };
        assert!(command.contains("`/tmp/completion-a-1.txt`") && command.contains("$ARGUMENTS"));
    }

    #[test]
    fn hooks_say_what_it_does_and_whether_it_waits() {
        let (mut agent, _) = launch("x", None);
        assert!(!agent.is_ready());
        let mut hear = |message: &str| {
            let hooked = agent.hooked(message.as_bytes());
            (hooked.waits, hooked.events, agent.is_idle())
        };
        let session = AgentEvent::Session { id: "s".to_owned(), model: Some("m".to_owned()) };
        assert_eq!(hear(r#"{"hook_event_name":"SessionStart","session_id":"s","model":"m"}"#), (None, vec![session], true));
        let told = AgentEvent::Told { text: "do".to_owned() };
        assert_eq!(hear(r#"{"hook_event_name":"UserPromptSubmit","prompt":"do"}"#), (Some(false), vec![told], false));
        let called = r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"t","tool_input":{"command":"ls"}}"#;
        let call = AgentEvent::ToolCall { id: "t".to_owned(), name: "Bash".to_owned(), input: "ls".to_owned() };
        assert_eq!(hear(called), (Some(false), vec![call], false));
        let answered = r#"{"hook_event_name":"PostToolUse","tool_use_id":"t","tool_response":{"stdout":"a","stderr":"b"}}"#;
        let result = AgentEvent::ToolResult { id: "t".to_owned(), is_error: false, text: "a\nb".to_owned() };
        assert_eq!(hear(answered), (Some(false), vec![result], false));
        assert_eq!(hear(r#"{"hook_event_name":"PermissionRequest","tool_name":"Bash"}"#).0, Some(true));
        let over = AgentEvent::TurnEnded { is_error: false, text: "Done.".to_owned(), turns: None };
        assert_eq!(hear(r#"{"hook_event_name":"Stop","last_assistant_message":"Done."}"#), (Some(true), vec![over], true));
        for odd in ["", "[]", "{}", "\u{0}", r#"{"hook_event_name":7,"prompt":[]}"#] {
            assert_eq!(hear(odd).1.len(), 1, "{odd}");
        }
        assert!(agent.is_ready() && !agent.is_complete());
        assert_eq!(agent.session(), Some("s"));
    }

    #[test]
    fn complete_is_said_and_not_meant() {
        assert_eq!(completion(" /complete it's \"done\"\n"), Some("it's \"done\""));
        assert_eq!(completion("/complete"), Some(""));
        assert_eq!(completion("/completely"), None);
        let (mut agent, _) = launch("x", None);
        agent.hooked(br#"{"hook_event_name":"Stop","last_assistant_message":"It greets."}"#);
        assert!(matches!(agent.outcome(&exit(0)), Outcome::Failed { detail } if detail.contains("/complete")));
        let hooked = agent.hooked(br#"{"hook_event_name":"UserPromptSubmit","prompt":"/complete"}"#);
        assert!(String::from_utf8(hooked.reply).unwrap().contains("block"), "its model is not asked");
        assert!(agent.is_complete());
        assert_eq!(agent.outcome(&exit(143)), Outcome::Complete { summary: Some("It greets.".to_owned()) });
        agent.complete("My own words.");
        assert_eq!(agent.outcome(&exit(143)), Outcome::Complete { summary: Some("My own words.".to_owned()) });
    }

    #[test]
    fn a_session_that_is_not_there_any_more_is_told_apart() {
        assert_eq!(launch("x", Some("s")).0.outcome(&exit(1)), Outcome::SessionLost);
        assert!(matches!(launch("x", None).0.outcome(&exit(1)), Outcome::Failed { .. }));
    }
}
