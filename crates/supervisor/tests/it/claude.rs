//! The real Claude Code against a model that does what the test says.

use crate::plane::{Plane, Reply};
use crate::shell::{BRANCH, SAVED};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use strawboss_core::project::AgentKind;
use strawboss_protocol::supervisor::{AgentEvent, End, Phase, ToSupervisor};

/// The program that `scripts/lab/agents.sh` has fetched.
fn program() -> PathBuf {
    let tools = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/strawboss/tools");
    let found = std::fs::read_dir(&tools).into_iter().flatten().flatten().find_map(|entry| {
        let program = entry.path().join("bin/claude");
        (entry.file_name().to_string_lossy().starts_with("claude-") && program.is_file()).then(|| entry.path())
    });
    found.unwrap_or_else(|| panic!("no Claude Code in {}: run scripts/lab/agents.sh", tools.display()))
}

fn plane(prompt: &str, model: impl Fn(&serde_json::Value) -> Reply + Send + Sync + 'static) -> Arc<Plane> {
    let plane = Plane::new("");
    std::fs::create_dir_all(plane.dir.path().join("tools")).unwrap();
    symlink(program(), plane.dir.path().join("tools/claude")).unwrap();
    plane.model(model);
    plane.orders(|orders| {
        // A proxy that is set must not catch the calls to the gateway.
        orders.proxy = true;
        let agent = orders.agent.as_mut().unwrap();
        (agent.kind, agent.command, agent.prompt) = (AgentKind::Claude, None, prompt.to_owned());
        agent.model = Some("claude-sonnet-4-5".to_owned());
    });
    plane
}

/// How many tool results the conversation holds, and all its text.
fn so_far(request: &serde_json::Value) -> (usize, String) {
    let text = request["messages"].to_string();
    (text.matches("\"type\":\"tool_result\"").count(), text)
}

fn has_tools(request: &serde_json::Value) -> bool {
    request["tools"].as_array().is_some_and(|tools| !tools.is_empty())
}

#[tokio::test]
async fn a_whole_task() {
    let prompt = "--help me: write \"it's\" to out.txt\n/clear is no command";
    let plane = plane(prompt, |request| match so_far(request).0 {
        0 if has_tools(request) => Reply::Bash("echo \"it's\" > out.txt; printf 'a\\033[31mb\\n'".to_owned()),
        _ => Reply::Text("I wrote it.".to_owned()),
    });
    assert_eq!(plane.whole().await, End::Complete { summary: Some("I wrote it.".to_owned()) }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "out.txt").as_deref(), Some("it's\n"));
    let events = plane.events();
    assert_eq!(events[0], AgentEvent::Told { text: prompt.to_owned() });
    assert!(matches!(&events[1], AgentEvent::Session { model: Some(model), .. } if model.contains("sonnet")), "{events:?}");
    assert!(
        events.iter().any(
            |event| matches!(event, AgentEvent::ToolCall { name, input, .. } if name == "Bash" && input.contains("out.txt"))
        )
    );
    assert!(
        events.iter().any(|event| matches!(event, AgentEvent::ToolResult { is_error: false, text, .. } if text.contains("[31m")))
    );
    assert_eq!(events.last(), Some(&AgentEvent::Exited { code: Some(0) }));
    let terminal = plane.terminal();
    assert!(
        terminal.contains("› --help me") && terminal.contains("I wrote it.\r\n") && terminal.contains("a␛[31mb"),
        "{terminal}"
    );
    let asked = plane.state.lock().unwrap().model_requests.iter().any(|request| so_far(request).1.contains("write \\\"it's\\\""));
    assert!(asked, "the prompt did not reach the model as it was");
}

#[tokio::test]
async fn a_turn_that_begins_after_another_ended_is_waited_for() {
    let plane = Plane::new("");
    let program = plane.dir.path().join("tools/claude/bin/claude");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    // Its input is closed after the first result, and the second comes later than a farewell may take.
    let script = r#"#!/bin/sh
echo '{"type":"result","subtype":"success","is_error":false,"result":"First."}'
cat > /dev/null
echo '{"type":"assistant","message":{"content":[{"type":"text","text":"There is more."}]}}'
sleep 22
echo late > late
echo '{"type":"result","subtype":"success","is_error":false,"result":"Second."}'
"#;
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    plane.orders(|orders| {
        let agent = orders.agent.as_mut().unwrap();
        (agent.kind, agent.command) = (AgentKind::Claude, None);
    });
    assert_eq!(plane.whole().await, End::Complete { summary: Some("Second.".to_owned()) }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "late").as_deref(), Some("late\n"));
}

#[tokio::test]
async fn a_persons_line_reaches_the_running_session() {
    let plane = plane("begin", |request| match so_far(request) {
        (0, _) if has_tools(request) => Reply::Bash("touch ~/working; while [ ! -e ~/go ]; do sleep 0.05; done".to_owned()),
        (1, text) if text.contains("make it blue") => Reply::Bash("echo blue > colour".to_owned()),
        (_, text) if text.contains("make it blue") => Reply::Text("Blue it is.".to_owned()),
        _ => Reply::Text("Nobody said anything.".to_owned()),
    });
    let mut supervisor = plane.supervisor();
    crate::faults::until("the first tool", || plane.home().join("working").exists()).await;
    plane.tell_supervisor(&ToSupervisor::Say { text: "make it blue".to_owned(), cause: None });
    let told = AgentEvent::Told { text: "make it blue".to_owned() };
    crate::faults::until("the line to be passed on", || plane.events().contains(&told)).await;
    std::fs::write(plane.home().join("go"), "").unwrap();
    assert_eq!(plane.end().await, End::Complete { summary: Some("Blue it is.".to_owned()) }, "{}", plane.tell());
    assert_eq!(plane.pushed(BRANCH, "colour").as_deref(), Some("blue\n"));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn a_stopped_run_goes_on_in_its_session() {
    let plane = plane("remember the word marmalade", |request| match so_far(request) {
        (_, text) if text.contains("now go on") && text.contains("marmalade") => Reply::Text("I remember.".to_owned()),
        (0, _) if has_tools(request) => Reply::Bash("echo wip > wip; touch ~/working; sleep 1000".to_owned()),
        _ => Reply::Text("What word?".to_owned()),
    });
    let mut supervisor = plane.supervisor();
    crate::faults::until("the first tool", || plane.home().join("working").exists()).await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 10_000, cause: None });
    assert_eq!(plane.end().await, End::Stopped, "{}", plane.tell());
    assert_eq!(plane.pushed(SAVED, "wip").as_deref(), Some("wip\n"));
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
    let session = plane.events().into_iter().find_map(|event| match event {
        AgentEvent::Session { id, .. } => Some(id),
        _ => None,
    });
    plane.next_sandbox();
    plane.orders(|orders| {
        orders.git.keep_workspace = true;
        let agent = orders.agent.as_mut().unwrap();
        (agent.prompt, agent.resume_session) = ("now go on".to_owned(), session.clone());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: Some("I remember.".to_owned()) }, "{}", plane.tell());
    let again = plane.events().into_iter().find_map(|event| match event {
        AgentEvent::Session { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(again, session);
    assert_eq!(plane.pushed(BRANCH, "wip").as_deref(), Some("wip\n"));
}

#[tokio::test]
async fn a_lost_session_begins_anew() {
    let plane = plane("do it", |_| Reply::Text("Done anew.".to_owned()));
    plane.orders(|orders| {
        orders.agent.as_mut().unwrap().resume_session = Some("11111111-2222-4333-8444-555555555555".to_owned());
    });
    assert_eq!(plane.whole().await, End::Complete { summary: Some("Done anew.".to_owned()) }, "{}", plane.tell());
}

#[tokio::test]
async fn a_provider_that_limits_is_waited_for_and_then_works_on() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let plane = plane("do it", move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0..=1 => Reply::Error(429, "slow down".to_owned()),
        _ => Reply::Text("At last.".to_owned()),
    });
    assert_eq!(plane.whole().await, End::Complete { summary: Some("At last.".to_owned()) }, "{}", plane.tell());
    assert!(plane.events().iter().any(|event| matches!(event, AgentEvent::RateLimited { .. })));
    let phases: Vec<Phase> = plane
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            strawboss_protocol::supervisor::ReportBody::Phase { phase } => Some(phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, [Phase::Preparing, Phase::Working, Phase::Waiting, Phase::Working, Phase::Saving]);
}

#[tokio::test]
async fn an_error_of_the_provider_is_the_agents_failure_in_its_words() {
    let plane = plane("do it", |_| Reply::Error(400, "your credit is used up".to_owned()));
    let end = plane.whole().await;
    assert!(matches!(&end, End::AgentFailed { detail } if detail.contains("your credit is used up")), "{end:?}");
}

#[tokio::test]
async fn a_silent_model_can_be_stopped() {
    let plane = plane("do it", |_| Reply::Silence);
    let mut supervisor = plane.supervisor();
    plane.until("a request to the model", |state| (!state.model_requests.is_empty()).then_some(())).await;
    plane.tell_supervisor(&ToSupervisor::Stop { grace_ms: 5_000, cause: None });
    assert_eq!(plane.end().await, End::Stopped, "{}", plane.tell());
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0));
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let plane = plane("do it", |_| Reply::Silence);
    std::fs::remove_file(plane.dir.path().join("tools/claude")).unwrap();
    let end = plane.whole().await;
    assert!(matches!(&end, End::MachineryFailed { detail } if detail.contains("claude/bin/claude")), "{end:?}");
}
