//! The API on the real engine.

use crate::support::engine::{ADMIN, Served, print};
use crate::support::soon;
use futures_util::StreamExt;
use serde_json::{Value, json};
use strawboss_server::{AuthConfig, BindError, Measure, Server, ServerConfig};

#[tokio::test]
async fn a_task_goes_through_its_states() {
    let served = Served::new().await;
    let new = json!({ "project": "Demo", "action": "Write it down", "priority": 2, "deadline": "2030-01-02", "needs_gpu": true });
    let answer = served.admin("POST", "/api/v1/tasks").json(&new).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let task: Value = answer.json().await.unwrap();
    let id = task["id"].as_str().unwrap().to_owned();
    assert_eq!((task["priority"].as_u64(), task["deadline"].as_str()), (Some(2), Some("2030-01-02")));
    let at = |action: &str| format!("/api/v1/tasks/{id}/{action}");
    let waiting = async {
        loop {
            let shown = served.json(served.admin("GET", &format!("/api/v1/tasks/{id}"))).await;
            if shown["block"]["code"] == "no_gpu" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    soon("it is blocked: there is no GPU", waiting).await;
    let blocked = served.json(served.admin("POST", &at("block")).json(&json!({ "reason": "not now" }))).await;
    assert_eq!((blocked["state"].as_str(), blocked["block"]["code"].as_str()), (Some("blocked"), Some("by_person")));
    assert_eq!(served.status(served.admin("POST", &at("approve"))).await.0, 409);
    let shown = served.json(served.admin("GET", &format!("/api/v1/tasks/{id}"))).await;
    assert_eq!(shown["block"]["message"].as_str(), blocked["block"]["message"].as_str());
    let listed = served.json(served.admin("GET", "/api/v1/tasks?state=blocked,review&limit=5")).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let none = served.json(served.admin("GET", "/api/v1/tasks?state=done")).await;
    assert_eq!(none["items"], json!([]));
    for (path, what) in
        [("/api/v1/runs", "runs"), ("/api/v1/reviews", "reviews"), ("/api/v1/sessions", "sessions"), ("/api/v1/tokens", "tokens")]
    {
        assert_eq!(served.json(served.admin("GET", path)).await, json!([]), "{what}");
    }
    let projects = served.json(served.admin("GET", "/api/v1/projects")).await;
    assert_eq!(projects[0]["name"], "Demo");
    let status = served.json(served.admin("GET", "/api/v1/status")).await;
    assert_eq!(status["slots"], 2);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let served = Served::new().await;
    let add = |body: &str| served.admin("POST", "/api/v1/tasks").header("content-type", "application/json").body(body.to_owned());
    let cases = [
        (served.admin("GET", "/api/v1/nothing"), 404, "not_found"),
        (served.admin("GET", "/api"), 404, "not_found"),
        (served.admin("PUT", "/api/v1/tasks"), 405, "invalid"),
        (served.admin("GET", "/api/v1/tasks/No%20Key"), 400, "invalid"),
        (served.admin("GET", "/api/v1/tasks/x-1"), 404, "not_found"),
        (served.admin("GET", "/api/v1/tasks/%ff"), 400, "invalid"),
        (served.admin("GET", "/api/v1/runs/x-1"), 400, "invalid"),
        (served.admin("GET", "/api/v1/runs/x-1.1"), 404, "not_found"),
        (served.admin("GET", "/api/v1/runs/x-1.1/terminal"), 404, "not_found"),
        (served.admin("GET", "/api/v1/runs/x-1.1/events?after=-1"), 400, "invalid"),
        (served.admin("GET", "/api/v1/tasks?limit=0"), 400, "invalid"),
        (served.admin("GET", "/api/v1/tasks?colour=red"), 400, "invalid"),
        (served.admin("GET", "/api/v1/tasks?state=asleep"), 400, "invalid"),
        (served.admin("POST", "/api/v1/tasks").body("{}"), 415, "invalid"),
        (add("{"), 400, "invalid"),
        (add(r#"{"project":"Demo","action":"x","colour":"red"}"#), 400, "invalid"),
        (add(r#"{"project":"Demo"}"#), 400, "invalid"),
        (add(r#"{"project":"Demo","action":"x","deadline":"tomorrow"}"#), 400, "invalid"),
        (add(&format!(r#"{{"project":"Demo","action":"{}"}}"#, "x".repeat(70_000))), 413, "invalid"),
        (served.admin("POST", "/api/v1/runs/x-1.1/say").json(&json!({ "text": " " })), 400, "invalid"),
        (served.admin("POST", "/api/v1/runs/x-1.1/say").json(&json!({ "text": "x".repeat(20_000) })), 400, "invalid"),
        (served.admin("GET", "/ws/sessions/x-1.1"), 400, "invalid"),
        (served.admin("DELETE", "/api/v1/tokens/nobody"), 404, "not_found"),
    ];
    for (request, status, code) in cases {
        let shown = format!("{:?}", request.try_clone().unwrap().build().unwrap().url().as_str());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json", "{shown}");
        let (got, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{shown}: {body}");
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 5), "{shown}: {body}");
    }
}

#[tokio::test]
async fn answers_carry_what_keeps_browsers_in_bounds() {
    let served = Served::new().await;
    for path in ["/api/v1/status", "/health", "/", "/metrics", "/api/nothing"] {
        let answer = served.admin("GET", path).header("accept-encoding", "gzip").send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff", "DENY"), "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script-src") || policy.contains("script-src 'self';"), "{path}: {policy}");
        assert!(!header("x-request-id").is_empty(), "{path}");
        assert!(matches!(header("cache-control"), "no-store" | "no-cache"), "{path}: {}", header("cache-control"));
    }
    let packed = served.admin("GET", "/api/openapi.json").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let options = served.ask("OPTIONS", "/api/v1/tasks").header("origin", "http://evil.example");
    let options = options.header("access-control-request-method", "POST").send().await.unwrap();
    assert!(!options.headers().keys().any(|name| name.as_str().starts_with("access-control")), "no other page may read");
}

#[tokio::test]
async fn readiness_tells_reasons_only_to_who_may_know() {
    let served = Served::new().await;
    let open = served.json(served.ask("GET", "/ready")).await;
    assert_eq!((&open["status"], &open["parts"]), (&json!("ok"), &Value::Null));
    let known = served.json(served.admin("GET", "/ready")).await;
    for part in ["store", "engine", "gateway", "runner"] {
        let part = &known["parts"][part];
        assert_eq!(part["state"], "ok", "{known}");
        assert!(part["observed_at"].as_i64() >= part["since"].as_i64() && part["since"].as_i64() > Some(0), "{known}");
    }
    served.break_runner();
    let (status, text) = served.status(served.ask("GET", "/ready")).await;
    assert!(status == 503 && !text.contains("secret socket path"), "{status} {text}");
    let (status, text) = served.status(served.admin("GET", "/ready")).await;
    assert!(status == 503 && text.contains("secret socket path"), "{status} {text}");
    let failing: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&failing["status"], &failing["parts"]["runner"]["state"]), (&json!("failing"), &json!("failing")));
    assert_eq!(failing["parts"]["store"]["since"], known["parts"]["store"]["since"], "what goes on well keeps its time");
    assert!(failing["parts"]["runner"]["since"].as_i64() >= known["parts"]["runner"]["observed_at"].as_i64(), "{text}");
    let shown = served.json(served.admin("GET", "/api/v1/status")).await;
    assert_eq!(shown["runner"]["since"], failing["parts"]["runner"]["since"], "both say the same");
    let (status, text) = served.status(served.ask("GET", "/health")).await;
    assert!(status == 200 && text.contains("\"status\":\"ok\""), "{text}");
}

/// Reads server-sent events until one fits; gives its data.
async fn event(
    stream: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    buffer: &mut String,
    name: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    loop {
        while let Some((block, rest)) = buffer.split_once("\n\n").map(|(block, rest)| (block.to_owned(), rest.to_owned())) {
            *buffer = rest;
            let line =
                |start: &str| block.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default().trim().to_owned();
            if line("event:") == name {
                assert!(line("id:").parse::<u64>().is_ok(), "{block}");
                let data: Value = serde_json::from_str(&line("data:")).unwrap();
                if fits(&data) {
                    return data;
                }
            }
        }
        let piece = stream.next().await.expect("the stream goes on").unwrap();
        buffer.push_str(std::str::from_utf8(&piece).unwrap());
    }
}

#[tokio::test]
async fn changes_arrive_as_events_after_a_snapshot() {
    let mut served = Served::new().await;
    let (read, _) = served.token("read").await;
    let request = served.ask("GET", "/api/v1/events").bearer_auth(read).header("accept-encoding", "gzip");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert!(answer.headers().get("content-encoding").is_none(), "a packed stream would be held back");
    let mut stream = answer.bytes_stream();
    let mut buffer = String::new();
    let snapshot = soon("the snapshot", event(&mut stream, &mut buffer, "snapshot", |_| true)).await;
    assert_eq!(snapshot["tasks"], json!([]));
    let new = json!({ "project": "Demo", "action": "x", "needs_gpu": true });
    let task = served.json(served.admin("POST", "/api/v1/tasks").json(&new)).await;
    let announced = event(&mut stream, &mut buffer, "task", |data| data["task"]["id"] == task["id"]);
    soon("the new task", announced).await;
    // Draining ends streams at once, not after the drain time.
    served.stop().await;
    let rest = soon("the end of the stream", async { while stream.next().await.is_some_and(|piece| piece.is_ok()) {} });
    rest.await;
}

#[tokio::test]
async fn a_runs_terminal_is_read_as_plain_bytes() {
    let served = Served::new().await;
    let (run, mut link) = served.live_run().await;
    print(&mut link, 0, b"hello, ").await;
    print(&mut link, 7, b"world").await;
    let path = format!("/api/v1/runs/{run}/terminal");
    let answer = served.admin("GET", &path).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.headers()["x-strawboss-offset"], "0");
    assert_eq!(answer.bytes().await.unwrap(), "hello, world", "it ends where the terminal stands, though the run is live");
    let answer = served.admin("GET", &format!("{path}?from=7")).send().await.unwrap();
    assert_eq!(answer.headers()["x-strawboss-offset"], "7");
    assert_eq!(answer.bytes().await.unwrap(), "world");
    assert_eq!(served.status(served.admin("GET", &format!("{path}?from=12"))).await, (200, String::new()));
    let mut following = served.admin("GET", &format!("{path}?from=7&follow=true")).send().await.unwrap().bytes_stream();
    let mut got = Vec::new();
    while got.len() < 5 {
        got.extend(soon("what is there", following.next()).await.unwrap().unwrap());
    }
    print(&mut link, 12, b"!").await;
    while got.len() < 6 {
        got.extend(soon("what is new", following.next()).await.unwrap().unwrap());
    }
    assert_eq!(got, b"world!");
    let said = served.admin("POST", &format!("/api/v1/runs/{run}/say")).json(&json!({ "text": "go on" }));
    assert_eq!(served.status(said).await.0, 204);
    let heard = soon("the line", link.outgoing.recv()).await;
    assert!(format!("{heard:?}").contains("go on"), "{heard:?}");
}

#[tokio::test]
async fn a_taken_port_is_said_with_what_to_do() {
    let served = Served::new().await;
    let config = ServerConfig {
        listen: served.addr,
        legacy_listen: None,
        auth: AuthConfig {
            admin_token_hash: AuthConfig::hash(ADMIN),
            cookie_key: [0; 32],
            public_names: Vec::new(),
            metrics_on_loopback: false,
            registration: false,
            trusted_proxies: Vec::new(),
        },
        drain: std::time::Duration::from_secs(1),
    };
    let error = Server::bind(config, served.engine.clone(), Measure::new().unwrap()).await.err().unwrap();
    assert!(matches!(error, BindError::Listen(_)));
    let text = error.to_string();
    assert!(text.contains("the port is taken by process") && text.contains("server.listen"), "{text}");
}

#[tokio::test]
async fn retention_is_shown_to_readers_and_applied_by_the_admin_alone() {
    let served = Served::new().await;
    let ((read, _), (write, _)) = (served.token("read").await, served.token("write").await);
    let shown = served.json(served.ask("GET", "/api/v1/retention").bearer_auth(&read)).await;
    let kinds: Vec<_> = shown["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["recordings", "reports", "workspaces", "caches", "tools", "branches"]);
    assert_eq!((&shown["applied"], &shown["kinds"][0]["most_bytes"]), (&json!(false), &json!(20_u64 << 30)));
    for secret in [read, write] {
        assert_eq!(served.status(served.ask("POST", "/api/v1/retention/apply").bearer_auth(secret)).await.0, 403);
    }
    let applied = served.json(served.admin("POST", "/api/v1/retention/apply")).await;
    assert_eq!((&applied["applied"], &applied["kinds"][0]["remove"]), (&json!(true), &json!([])));
}
