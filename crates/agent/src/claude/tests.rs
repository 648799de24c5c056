//! On streams that the real program printed (version 2.1.329), with the lists of its greeting shortened.

use super::Claude;
use crate::lines::Lines;
use crate::{Agent, Exit, LaunchContext, LaunchIo, Outcome, Understood};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use strawboss_core::Timestamp;
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_protocol::supervisor::{AgentEvent, AgentOrders, MAX_REPORT_TEXT};

fn hear(stream: &[u8]) -> (Claude, Vec<Understood>) {
    let (mut agent, mut lines, mut seen) = (Claude::default(), Lines::default(), Vec::new());
    lines.push(stream, |line, whole| seen.push(agent.understand(line, whole)));
    lines.end(|line, whole| seen.push(agent.understand(line, whole)));
    (agent, seen)
}

/// Events, transcript with the escape character made visible, and what the end means.
fn story(stream: &[u8], code: i32) -> String {
    let (agent, seen) = hear(stream);
    let mut out = String::new();
    for understood in &seen {
        for event in &understood.events {
            let _ = writeln!(out, "{event:?}");
        }
        if understood.turn_ended {
            out.push_str("(turn ended)\n");
        }
    }
    let transcript: String = seen.iter().map(|understood| understood.transcript.as_str()).collect();
    assert!(!transcript.replace("\r\n", "").contains(['\r', '\n']), "a line end that is no CR LF");
    let _ = writeln!(out, "---\n{}---", transcript.replace("\r\n", "\n").replace('\x1b', "^"));
    let _ = write!(out, "{:?}", agent.outcome(&Exit { code: Some(code), signal: None, error_tail: "" }));
    out
}

#[test]
fn a_task_with_a_tool() {
    insta::assert_snapshot!(story(include_bytes!("streams/task.jsonl"), 0));
}

#[test]
fn a_line_said_within_a_turn_ends_in_one_result() {
    insta::assert_snapshot!(story(include_bytes!("streams/said.jsonl"), 0));
}

#[test]
fn a_resumed_session_keeps_its_id() {
    insta::assert_snapshot!(story(include_bytes!("streams/resumed.jsonl"), 0));
}

#[test]
fn a_word_about_an_earlier_sessions_command_is_no_end_of_the_turn() {
    let (agent, seen) = hear(include_bytes!("streams/notified.jsonl"));
    let turns: Vec<(bool, bool)> = seen.iter().map(|understood| (understood.turn_began, understood.turn_ended)).collect();
    assert_eq!(turns, [(false, false), (false, false), (false, false), (false, false), (true, false), (false, true)]);
    let outcome = agent.outcome(&Exit { code: Some(0), signal: None, error_tail: "" });
    assert_eq!(outcome, Outcome::Complete { summary: Some("Mended.".to_owned()) });
}

#[test]
fn a_lost_session_is_told_apart() {
    insta::assert_snapshot!(story(include_bytes!("streams/lost.jsonl"), 1));
}

#[test]
fn success_with_is_error_is_a_failure() {
    insta::assert_snapshot!(story(include_bytes!("streams/logged-out.jsonl"), 1));
}

#[test]
fn an_overloaded_provider_is_waited_for() {
    insta::assert_snapshot!(story(include_bytes!("streams/overloaded.jsonl"), 0));
}

fn orders() -> AgentOrders {
    AgentOrders {
        kind: AgentKind::Claude,
        command: None,
        model: Some("-m".to_owned()),
        prompt: "--help \"quoted\" it's\nnext".to_owned(),
        resume_session: None,
        gateway: Some("/gateway/anthropic".to_owned()),
        mode: AgentMode::Headless,
        completion: Vec::new(),
        session: false,
        title: String::new(),
    }
}

#[test]
fn the_prompt_goes_in_by_standard_input_and_never_by_argument() {
    let orders = orders();
    let mut context = LaunchContext {
        orders: &orders,
        prompt: &orders.prompt,
        resume: Some("-r"),
        tools: Path::new("/opt/strawboss"),
        relay: "http://127.0.0.1:4000",
        task: "a-1",
        home: Path::new("/h"),
        workspace: Path::new("/h/workspace"),
        reporter: Path::new("/opt/strawboss/it's/reporter"),
        completion: Path::new("/tmp/completion-a-1.txt"),
        root: false,
    };
    let launch = Claude::default().launch(&context).unwrap();
    assert_eq!(launch.program, "/opt/strawboss/claude/bin/claude");
    let args: Vec<&str> = launch.args.iter().map(|arg| arg.to_str().unwrap()).collect();
    assert!(args.contains(&"--model=-m") && args.contains(&"--resume=-r"), "{args:?}");
    assert!(args.iter().all(|arg| !arg.contains("quoted")));
    assert_eq!(launch.env["ANTHROPIC_BASE_URL"], "http://127.0.0.1:4000/gateway/anthropic");
    assert!(!launch.env.contains_key("IS_SANDBOX"));
    assert_eq!(launch.env["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"], "1", "what it begins it waits for");
    let LaunchIo::Pipes { first } = launch.io else { panic!("no pipes") };
    assert_eq!(first.iter().position(|byte| *byte == b'\n'), Some(first.len() - 1));
    let message: serde_json::Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(message["message"]["content"][0]["text"], orders.prompt);
    context.root = true;
    assert_eq!(Claude::default().launch(&context).unwrap().env["IS_SANDBOX"], "1");
}

#[test]
fn a_line_that_begins_with_a_slash_is_no_command() {
    let said = Claude::default().say("/clear everything");
    let message: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(message["message"]["content"][0]["text"], "\n/clear everything");
}

#[test]
fn a_reached_limit_says_until_when() {
    let mut agent = Claude::default();
    let mut events = |line: &str| agent.understand(line.as_bytes(), true).events;
    let line = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1790000000,"rateLimitType":"five_hour"}}"#;
    assert_eq!(events(line), [AgentEvent::RateLimited { until: Some(Timestamp(1_790_000_000_000)) }]);
    let line = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1790000000}}"#;
    assert_eq!(events(line), [AgentEvent::Other { name: "rate_limit_event".to_owned() }]);
    let line = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1e300}}"#;
    assert_eq!(events(line), [AgentEvent::RateLimited { until: None }]);
}

#[test]
fn an_end_before_any_result_is_a_failure_with_the_reason() {
    let outcome = Claude::default().outcome(&Exit { code: Some(127), signal: None, error_tail: "no such model\n" });
    let detail = "Claude Code ended with code 127 before it had finished: no such model".to_owned();
    assert_eq!(outcome, Outcome::Failed { detail });
    // It began another turn and died in it.
    let (mut agent, _) = hear(include_bytes!("streams/task.jsonl"));
    agent.understand(br#"{"type":"assistant","message":{"content":[{"type":"text","text":"more"}]}}"#, true);
    assert!(matches!(agent.outcome(&Exit { code: None, signal: Some(9), error_tail: "" }), Outcome::Failed { .. }));
}

#[test]
fn odd_lines_are_kept_apart_and_bounded() {
    let mut agent = Claude::default();
    let mut one = |line: &str| agent.understand(line.as_bytes(), true);
    assert_eq!(one("  "), Understood::default());
    for (line, name) in [
        ("not json", "no JSON"),
        ("[1,2]", "no JSON"),
        ("{}", ""),
        (r#"{"type":5}"#, ""),
        (r#"{"type":"brand_new","x":[{}]}"#, "brand_new"),
        (r#"{"type":"system","subtype":"hook_started"}"#, "system/hook_started"),
        (r#"{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"hm"}]}}"#, "assistant/thinking"),
    ] {
        assert_eq!(one(line).events, [AgentEvent::Other { name: name.to_owned() }], "{line}");
    }
    // A field of another shape spoils only itself.
    let line = r#"{"type":"result","subtype":"success","is_error":"no","result":"fine","num_turns":-1}"#;
    assert_eq!(one(line).events, [AgentEvent::TurnEnded { is_error: false, text: "fine".to_owned(), turns: None }]);
    let deep = format!(r#"{{"type":"assistant","message":{{"content":{}{}}}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(one(&deep).events.len(), 1);
    let cut = agent.understand(&[b'x'; 1000], false);
    assert_eq!(cut.events, [AgentEvent::Other { name: "a line of more than 1000 bytes".to_owned() }]);
}

#[test]
fn many_blocks_and_long_texts_are_bounded() {
    let block = serde_json::json!({"type": "text", "text": "\u{7}".repeat(100_000)});
    let line = serde_json::json!({"type": "assistant", "message": {"content": vec![block; 3]}}).to_string();
    let seen = Claude::default().understand(line.as_bytes(), true);
    assert_eq!(seen.events.len(), 3);
    for event in seen.events {
        let AgentEvent::Message { text } = event else { panic!("{event:?}") };
        assert!(text.len() <= MAX_REPORT_TEXT);
    }
    let blocks = vec![serde_json::json!({"type": "text", "text": "x"}); 100_000];
    let line = serde_json::json!({"type": "assistant", "message": {"content": blocks}}).to_string();
    assert!(Claude::default().understand(line.as_bytes(), true).events.len() <= 256);
}

proptest! {
    #[test]
    fn no_bytes_confuse_it_and_no_control_character_gets_through(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut agent = Claude::default();
        let seen = agent.understand(&bytes, true);
        let plain = ["\x1b[0m", "\x1b[33m", "\r\n"].iter().fold(seen.transcript, |text, known| text.replace(known, ""));
        prop_assert!(plain.chars().all(|c| !c.is_control() || c == '\t'));
    }

    #[test]
    fn hostile_text_in_a_message_is_shown_and_not_obeyed(text in any::<String>(), name in any::<String>()) {
        let line = serde_json::json!({"type": "assistant", "message": {"content": [
            {"type": "text", "text": text}, {"type": "tool_use", "id": "1", "name": name, "input": {"command": text}},
        ]}});
        let seen = Claude::default().understand(line.to_string().as_bytes(), true);
        let colours = ["\x1b[0m", "\x1b[1m", "\x1b[32m", "\r\n"];
        let plain = colours.iter().fold(seen.transcript, |text, known| text.replace(known, ""));
        prop_assert!(plain.chars().all(|c| !c.is_control() || c == '\t'), "{plain:?}");
    }
}
