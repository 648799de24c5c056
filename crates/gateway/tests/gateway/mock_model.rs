//! The mock model over real TCP, as an agent would ask it.

use crate::support::{Played, connect, soon, unchunked, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use strawboss_gateway::mock_model::{MockModel, Script, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct House {
    model: Arc<MockModel>,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn house(script: &str) -> House {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let model = Arc::new(MockModel::new(Script::parse(script).unwrap()));
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, model.clone(), stop.clone()));
    House { model, address, stop, task }
}

async fn send(address: SocketAddr, line: &str, headers: &str, body: &str) -> (String, Vec<u8>) {
    let mut played = connect(address).await;
    played
        .say(format!(
            "{line} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let head = played.head().await;
    let body = played.rest().await;
    (head.clone(), if head.contains("transfer-encoding: chunked") { unchunked(&body) } else { body })
}

async fn ask(house: &House, messages: Value, more: Value) -> (String, Value) {
    let mut request = json!({"model": "m", "max_tokens": 100, "messages": messages, "tools": [{"name": "Bash"}]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (head, body) = send(house.address, "POST /v1/messages", "", &request.to_string()).await;
    (head, serde_json::from_slice(&body).unwrap())
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn tool_round(id: &str) -> [Value; 2] {
    [
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "it is 42"}]}),
    ]
}

const SCRIPT: &str = r#"
models: [claude-mock-1]
rules:
  - name: sent back
    when: { prompt: adder, said: still red }
    turns:
      - tools: [{ name: Bash, input: { command: "echo again" } }]
      - text: "Mended: {{said}}"
  - name: adder
    when: { prompt: adder }
    turns:
      - text: I look.
        tools: [{ name: Bash, input: { command: "cat adder" } }]
      - tools: [{ name: Bash, input: { command: "git commit -qam '{{result}}'" } }]
        usage: { input_tokens: 1000, output_tokens: 50, cache_read_input_tokens: 7 }
      - text: Done.
  - name: busy
    when: { prompt: busy }
    turns:
      - error: { status: 529, times: 2 }
        text: At last.
  - name: limited
    when: { prompt: limited }
    turns:
      - error: { status: 429, retry_after: 30 }
  - name: subscription
    when: { prompt: weekly }
    turns:
      - error: { status: 429, reset_after: 60, subscription: true }
  - name: cut
    when: { prompt: scissors }
    turns: [{ text: "a long text that does not come to its end", cut_after: 4 }]
"#;

#[tokio::test]
async fn a_conversation_follows_its_rule() {
    let house = house(SCRIPT).await;
    let prompt = user("Please fix the adder");
    let [call, result] = tool_round("t1");
    let (_, first) = ask(&house, json!([prompt]), json!({})).await;
    assert_eq!(first["content"][0]["text"], "I look.");
    assert_eq!(first["content"][1]["input"]["command"], "cat adder");
    assert_eq!(first["stop_reason"], "tool_use");
    let (_, second) = ask(&house, json!([prompt, call, result]), json!({})).await;
    assert_eq!(second["content"][0]["input"]["command"], "git commit -qam 'it is 42'");
    assert_eq!(second["usage"]["input_tokens"], 1000);
    assert_eq!(second["usage"]["cache_read_input_tokens"], 7);
    let (_, third) = ask(&house, json!([prompt, call, result, call, result]), json!({})).await;
    assert_eq!((&third["content"][0]["text"], &third["stop_reason"]), (&json!("Done."), &json!("end_turn")));
    let back = user("The check is still red");
    let done = json!({"role": "assistant", "content": "Done."});
    let (_, again) = ask(&house, json!([prompt, call, result, done, back]), json!({})).await;
    assert_eq!(again["content"][0]["input"]["command"], "echo again");
    let (_, end) = ask(&house, json!([prompt, call, result, done, back, call, result]), json!({})).await;
    assert_eq!(end["content"][0]["text"], "Mended: The check is still red");
    let (_, over) = ask(&house, json!([prompt, call, result, done, back, call, result, call, result]), json!({})).await;
    assert_eq!(over["stop_reason"], "end_turn");
    let asked = house.model.asked();
    let rules: Vec<_> = asked.iter().map(|asked| (asked.rule.as_deref().unwrap(), asked.turn)).collect();
    assert_eq!(rules, [("adder", 0), ("adder", 1), ("adder", 2), ("sent back", 0), ("sent back", 1), ("sent back", 2)]);
    assert_ne!(first["content"][1]["id"], second["content"][0]["id"]);
}

#[tokio::test]
async fn a_request_on_the_side_is_answered_harmlessly() {
    let house = house(SCRIPT).await;
    let schema =
        json!({"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}});
    let (_, title) = ask(&house, json!([user("Title for: fix the adder")]), json!({"tools": [], "output_config": schema})).await;
    let text: Value = serde_json::from_str(title["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(text["title"].is_string());
    assert_eq!(house.model.asked()[0].rule, None);
}

#[tokio::test]
async fn a_stream_is_the_documented_one() {
    let house = house(SCRIPT).await;
    let request = json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [user("adder")], "tools": [{}]});
    let (head, body) = send(house.address, "POST /v1/messages?beta=true", "", &request.to_string()).await;
    assert!(head.contains("content-type: text/event-stream") && head.contains("request-id: req_"), "{head}");
    let body = String::from_utf8(body).unwrap();
    let names: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names[..2], ["message_start", "ping"]);
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    assert_eq!(names.iter().filter(|name| **name == "content_block_start").count(), 2);
    assert!(body.contains("input_json_delta") && body.contains("\"stop_reason\":\"tool_use\""));
}

#[tokio::test]
async fn errors_come_on_demand() {
    let house = house(SCRIPT).await;
    for expected in ["529", "529", "200"] {
        let (head, body) = ask(&house, json!([user("busy")]), json!({})).await;
        assert!(head.starts_with(&format!("http/1.1 {expected}")), "{head}");
        if expected == "529" {
            assert_eq!(body["error"]["type"], "overloaded_error");
        }
    }
    let (head, body) = ask(&house, json!([user("limited")]), json!({})).await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 30"), "{head}");
    assert!(head.contains("anthropic-ratelimit-requests-remaining: 0") && head.contains("requests-reset: 20"), "{head}");
    assert_eq!(body["error"]["type"], "rate_limit_error");
    let (head, _) = ask(&house, json!([user("weekly")]), json!({})).await;
    assert!(head.contains("anthropic-ratelimit-unified-status: rejected"), "{head}");
    let request =
        json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [user("scissors")], "tools": [{}]}).to_string();
    let mut played: Played = connect(house.address).await;
    played.say(format!("POST /v1/messages HTTP/1.1\r\nhost: m\r\ncontent-length: {}\r\n\r\n{request}", request.len())).await;
    played.head().await;
    let cut = String::from_utf8(played.rest().await).unwrap();
    assert!(cut.contains("message_start") && !cut.contains("message_stop") && !cut.ends_with("0\r\n\r\n"), "{cut}");
}

#[tokio::test]
async fn the_rest_of_the_api_is_there() {
    let house = house("api_key: right\nmodels: [claude-mock-1]").await;
    for (headers, expected) in [
        ("", "401"),
        ("x-api-key: wrong\r\n", "401"),
        ("x-api-key: right\r\n", "200"),
        ("authorization: Bearer right\r\n", "200"),
    ] {
        let (head, _) = send(house.address, "GET /v1/models", headers, "").await;
        assert!(head.starts_with(&format!("http/1.1 {expected}")), "{headers}: {head}");
    }
    let key = "x-api-key: right\r\n";
    for (line, body, expected, part) in [
        ("GET /v1/models", "", "200", "claude-mock-1"),
        ("GET /v1/models/claude-mock-1", "", "200", "display_name"),
        ("GET /v1/models/other", "", "404", "not_found_error"),
        ("POST /v1/messages/count_tokens", r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "200", "input_tokens"),
        ("POST /v1/messages", "{", "400", "invalid_request_error"),
        ("GET /v1/messages", "", "405", "error"),
        ("POST /v1/complete", "{}", "404", "not_found_error"),
    ] {
        let (head, answer) = send(house.address, line, key, body).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(head.starts_with(&format!("http/1.1 {expected}")) && answer.contains(part), "{line}: {head}{answer}");
    }
}

#[tokio::test]
async fn it_stops_when_told() {
    let house = house("rules: [{turns: [{text: x, pace: {delay_ms: 3600000}}]}]").await;
    let mut waiting = connect(house.address).await;
    let request = json!({"model": "m", "max_tokens": 9, "messages": [user("x")], "tools": [{}]}).to_string();
    waiting.say(format!("POST /v1/messages HTTP/1.1\r\nhost: m\r\ncontent-length: {}\r\n\r\n{request}", request.len())).await;
    let mut second = connect(house.address).await;
    second.say("GET /v1/models HTTP/1.1\r\nhost: m\r\n\r\n").await;
    second.head().await;
    until("both are known", async || (!house.model.asked().is_empty()).then_some(())).await;
    house.stop.cancel();
    soon("it stops", house.task).await.unwrap().unwrap();
    waiting.hung_up().await;
}
