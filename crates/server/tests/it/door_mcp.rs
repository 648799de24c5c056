//! An agent's tools behind a real door, asked by a real client.

use crate::support::door::{FakeHost, Outside, SANDBOX, open_door, open_door_of};
use crate::support::soon;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use strawboss_core::SandboxId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Client = RunningService<RoleClient, ()>;

fn host() -> FakeHost {
    FakeHost::new(Path::new("/nonexistent"), &[], &[], 0)
}

async fn client(door: &Outside) -> Client {
    let transport = StreamableHttpClientTransport::from_unix_socket(door.socket().to_str().unwrap(), "/mcp");
    soon("the tools", ().serve(transport)).await.unwrap()
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> Result<CallToolResult, rmcp::ServiceError> {
    let Value::Object(arguments) = arguments else { panic!("no object: {arguments}") };
    soon("an answer", client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments))).await
}

fn text(result: &CallToolResult) -> String {
    result.content.iter().filter_map(|block| block.as_text()).map(|block| block.text.as_str()).collect()
}

async fn post(door: &Outside, headers: &str, body: &str) -> String {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = door.connect().await;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let sending = async {
        // One that is refused early need not be read to its end.
        let _ = writer.write_all(format!("{head}{body}").as_bytes()).await;
    };
    let reading = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    soon("an answer", async { tokio::join!(sending, reading) }).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn an_agent_asks_and_tells() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(host());
    let door = open_door(dir.path(), host.clone()).await;
    let client = client(&door).await;
    let tools = soon("the list", client.list_all_tools()).await.unwrap();
    let mut names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["ask_human", "complete_task", "create_task", "get_task", "plan_done", "plan_next", "report_progress"]);
    assert!(tools.iter().all(|tool| tool.description.as_ref().is_some_and(|words| words.len() > 40)), "each says what it is for");

    let task = call(&client, "get_task", json!({})).await.unwrap();
    let task: Value = serde_json::from_str(&text(&task)).unwrap();
    assert_eq!((&task["id"], &task["comment"]), (&json!(format!("task of {SANDBOX}")), &json!("Louder")));
    assert_eq!(task["text"], "Greet\nin \"Latin\"");
    let told = call(&client, "report_progress", json!({ "text": "half", "percent": 50 })).await.unwrap();
    assert_ne!(told.is_error, Some(true));
    let done = call(&client, "complete_task", json!({ "summary": "It greets." })).await.unwrap();
    assert!(text(&done).contains("End your turn"), "{done:?}");
    let made = call(&client, "create_task", json!({ "action": "Mend", "depends_on": ["x-1"] })).await.unwrap();
    assert!(text(&made).contains("x-2") && text(&made).contains("approval"), "{made:?}");
    let heard = host.heard.lock().unwrap().clone();
    assert_eq!(heard[1..3], [format!("{SANDBOX} says half Some(50)"), format!("{SANDBOX} is complete: It greets.")]);
    assert!(heard[3].contains("Mend") && heard[3].contains("x-1"), "{heard:?}");
}

#[tokio::test]
async fn what_is_refused_says_why_and_what_is_broken_stays_here() {
    let dir = tempfile::tempdir().unwrap();
    let door = open_door(dir.path(), Arc::new(host())).await;
    let client = client(&door).await;
    let refused = call(&client, "report_progress", json!({ "text": "too soon" })).await.unwrap();
    assert_eq!((refused.is_error, text(&refused)), (Some(true), "This was not taken. Go on.".to_owned()));
    let broken = call(&client, "report_progress", json!({ "text": "broken" })).await.unwrap();
    assert!(broken.is_error == Some(true) && !text(&broken).contains("secret"), "{broken:?}");
    for (tool, arguments) in [
        ("report_progress", json!({})),
        ("report_progress", json!({ "text": ["half"] })),
        ("report_progress", json!({ "text": "x", "percent": -1 })),
        ("report_progress", json!({ "text": "x", "percent": 256 })),
        ("create_task", json!({ "action": null })),
        ("ask_human", json!({ "choices": ["Latin"] })),
        ("ask_human", json!({ "question": "x", "choices": "Latin" })),
        ("plan_done", json!({})),
        ("plan_done", json!({ "phase": -1 })),
        ("plan_done", json!({ "phase": 7 })),
        ("no_such_tool", json!({})),
    ] {
        let answer = call(&client, tool, arguments.clone()).await;
        assert!(!matches!(&answer, Ok(result) if result.is_error != Some(true)), "{tool} {arguments}: {answer:?}");
    }
    assert!(call(&client, "get_task", json!({})).await.is_ok(), "it is still answered");
}

#[tokio::test]
async fn each_door_leads_to_its_own_run_whoever_asks() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let host = Arc::new(host());
    let one = open_door(dirs[0].path(), host.clone()).await;
    let other = SandboxId::parse("y-9.1-agent").unwrap();
    let two = open_door_of(dirs[1].path(), host.clone(), other).await;
    let begin = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
    let begun = post(&one, "", begin).await;
    assert!(begun.starts_with("HTTP/1.1 200") && begun.contains("strawboss"), "{begun}");
    assert!(!begun.to_ascii_lowercase().contains("mcp-session-id"), "nothing to carry to another door: {begun}");
    // Names that it makes up change nothing: not of a session, nor of another sandbox in its arguments.
    let ask = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_task","arguments":{"sandbox":"x-1.1-agent","id":"x-1"}}}"#;
    let answer = post(&two, "mcp-session-id: x-1.1-agent\r\nmcp-protocol-version: 2025-06-18\r\n", ask).await;
    assert!(answer.contains("task of y-9.1-agent") && !answer.contains("x-1.1"), "{answer}");
    assert_eq!(*host.heard.lock().unwrap(), ["y-9.1-agent asks"]);
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(host());
    let door = open_door(dir.path(), host.clone()).await;
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "create_task", "arguments": { "action": "x".repeat(400_000) } } });
    for body in
        [&long.to_string(), "", "{", "[]", "\u{0}", r#"{"jsonrpc":"2.0","id":1,"method":"tools/nothing"}"#, &"[".repeat(50_000)]
    {
        let answer = post(&door, "", body).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('4') || answer.contains("\"error\""), "{}: {answer}", &body[..body.len().min(40)]);
    }
    assert_eq!(*host.heard.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn checks_have_no_tools() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = host();
    host.has_agent = false;
    let host = Arc::new(host);
    let door = open_door(dir.path(), host.clone()).await;
    let ask = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_task","arguments":{}}}"#;
    assert!(post(&door, "", ask).await.starts_with("HTTP/1.1 404"));
    assert_eq!(*host.heard.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_agent_asks_people_and_for_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(host());
    let door = open_door(dir.path(), host.clone()).await;
    let client = client(&door).await;
    let asked = call(&client, "ask_human", json!({ "question": "Which tongue?", "choices": ["Latin", "Greek"] })).await.unwrap();
    assert_eq!((asked.is_error, text(&asked)), (Some(false), "Latin".to_owned()));
    let open = text(&call(&client, "ask_human", json!({ "question": "nobody" })).await.unwrap());
    assert!(open.contains("stays open") && open.contains("end your turn"), "{open}");
    let plan: Value = serde_json::from_str(&text(&call(&client, "plan_next", json!({})).await.unwrap())).unwrap();
    assert_eq!((&plan["plan"], &plan["phases"]), (&json!(format!("plan of {SANDBOX}")), &json!(2)));
    for (phase, words) in [(0, "already"), (1, "End your turn"), (2, "when a person accepts")] {
        let done = text(&call(&client, "plan_done", json!({ "phase": phase })).await.unwrap());
        assert!(done.contains(words), "{phase}: {done}");
    }
    let heard = host.heard.lock().unwrap().clone();
    assert_eq!(heard[0], format!("{SANDBOX} wants to know Which tongue? [\"Latin\", \"Greek\"]"));
}

#[tokio::test]
async fn a_call_whose_client_is_gone_is_waited_for_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(host());
    let door = open_door(dir.path(), host.clone()).await;
    let ask =
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ask_human","arguments":{"question":"for ever"}}}"#;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {}\r\n\r\n{ask}",
        ask.len()
    );
    let mut stream = door.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let heard = async |count: usize| {
        while host.heard.lock().unwrap().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon("it is asked", heard(1)).await;
    drop(stream);
    soon("it is given up", heard(2)).await;
    assert_eq!(host.heard.lock().unwrap()[1], "gone");
}
