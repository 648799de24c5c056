//! Who may do what, over the wire.

use crate::support::engine::{ADMIN, Options, Served};
use serde_json::{Value, json};
use strawboss_server::routes::PUBLIC;

/// Every endpoint of the document, with ids that fit.
fn endpoints() -> Vec<(String, String)> {
    let document = serde_json::to_value(strawboss_server::openapi::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let run = path.contains("/runs/") || path.contains("/sessions/");
            let concrete = path.replace("{task}", "x-1").replace("{id}", if run { "x-1.1" } else { "x-1" });
            all.push((method.to_uppercase(), concrete));
        }
    }
    assert!(all.len() > 30, "the document lists what there is");
    all
}

fn is_public(method: &str, path: &str) -> bool {
    PUBLIC.contains(&(method, path))
}

#[tokio::test]
async fn everything_but_the_named_few_needs_credentials() {
    let served = Served::new().await;
    for (method, path) in endpoints() {
        let bare = served.status(served.ask(&method, &path)).await;
        let wrong = served.status(served.ask(&method, &path).bearer_auth("wrong")).await;
        let basic = served.status(served.ask(&method, &path).basic_auth("admin", Some(ADMIN))).await;
        let cookie = format!("strawboss_session_{}=1.{}.99999999999999.admin", served.addr.port(), "0".repeat(64));
        let forged = served.status(served.ask(&method, &path).header("cookie", cookie)).await;
        for (how, (status, body)) in [("bare", bare), ("wrong", wrong), ("basic", basic), ("forged", forged)] {
            if is_public(&method, &path) {
                assert_ne!(status, 401, "{method} {path} {how} is public: {body}");
            } else {
                assert_eq!(status, 401, "{method} {path} {how}: {body}");
                let body: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(body["code"], "unauthorized", "{method} {path}");
                assert!(body["fix"].is_string());
            }
        }
    }
}

#[tokio::test]
async fn a_scope_allows_what_it_says_and_no_more() {
    let served = Served::new().await;
    let (read, _) = served.token("read").await;
    let (write, _) = served.token("write").await;
    let (admin, _) = served.token("admin").await;
    for (method, path) in endpoints() {
        // These stream, or are for everybody.
        if is_public(&method, &path) || path == "/api/v1/events" || path == "/api/v1/sign-out" {
            continue;
        }
        let operates = ["/api/v1/tokens", "/api/v1/accounts", "/api/v1/logs", "/api/v1/config", "/api/v1/retention/apply"]
            .iter()
            .any(|start| path.starts_with(start));
        let reads = method == "GET" && !operates;
        for (secret, may) in [(&read, reads), (&write, !operates), (&admin, true), (&ADMIN.to_owned(), true)] {
            let (status, body) = served.status(served.ask(&method, &path).bearer_auth(secret)).await;
            assert_eq!(status != 403, may, "{method} {path}: {status} {body}");
            assert_ne!(status, 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_revoked_token_is_over_at_once() {
    let served = Served::new().await;
    let (secret, id) = served.token("read").await;
    assert_eq!(served.status(served.ask("GET", "/api/v1/me").bearer_auth(&secret)).await.0, 200);
    let listed = served.json(served.admin("GET", "/api/v1/tokens")).await;
    assert!(!listed.to_string().contains(&secret), "a list tells no secret");
    assert_eq!(served.status(served.admin("DELETE", &format!("/api/v1/tokens/{id}"))).await.0, 204);
    assert_eq!(served.status(served.ask("GET", "/api/v1/me").bearer_auth(&secret)).await.0, 401);
    assert_eq!(served.status(served.admin("DELETE", &format!("/api/v1/tokens/{id}"))).await.0, 404);
    for body in [
        json!({"label": "x", "scope": "root"}),
        json!({"label": "", "scope": "read"}),
        json!({"label": "x", "scope": "read", "expires_in_days": 0}),
    ] {
        assert_eq!(served.status(served.admin("POST", "/api/v1/tokens").json(&body)).await.0, 400, "{body}");
    }
}

/// Signs in as a browser does; gives the cookie.
async fn sign_in(served: &Served, secret: &str) -> String {
    let request = served.ask("POST", "/api/v1/sign-in").header("origin", served.url(""));
    let answer = request.json(&json!({ "token": secret })).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for needed in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(needed), "{set}");
    }
    assert!(!set.contains(secret), "the cookie holds the secret");
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_signs_in_commands_from_our_page_only_and_signs_out() {
    let served = Served::new().await;
    let cookie = sign_in(&served, ADMIN).await;
    let me = served.json(served.ask("GET", "/api/v1/me").header("cookie", &cookie)).await;
    assert_eq!((me["token"].as_str(), me["scope"].as_str(), me["via"].as_str()), (Some("admin"), Some("admin"), Some("cookie")));
    let command = || served.ask("POST", "/api/v1/tasks/x-1/start").header("cookie", &cookie);
    let ours = served.url("");
    let (status, _) = served.status(command().header("origin", &ours).header("x-strawboss", "1")).await;
    assert_eq!(status, 404, "it went through to the engine");
    for (what, request) in [
        ("no header", command().header("origin", &ours)),
        ("no origin", command().header("x-strawboss", "1")),
        ("neither", command()),
        ("another origin", command().header("origin", "http://evil.example").header("x-strawboss", "1")),
        ("another port", command().header("origin", "http://127.0.0.1:1").header("x-strawboss", "1")),
        ("null", command().header("origin", "null").header("x-strawboss", "1")),
    ] {
        assert_eq!(served.status(request).await.0, 403, "{what}");
    }
    let out = served.ask("POST", "/api/v1/sign-out").header("cookie", &cookie).header("origin", &ours).header("x-strawboss", "1");
    let out = out.send().await.unwrap();
    assert_eq!(out.status().as_u16(), 204);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let elsewhere =
        served.ask("POST", "/api/v1/sign-in").header("origin", "http://evil.example").json(&json!({ "token": ADMIN }));
    assert_eq!(served.status(elsewhere).await.0, 403, "nobody else's page signs people in");
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_its_token() {
    let mut served = Served::new().await;
    let (secret, id) = served.token("write").await;
    let cookie = sign_in(&served, &secret).await;
    let name = format!("strawboss_session_{}=", served.addr.port());
    assert!(cookie.starts_with(&name), "{cookie}");
    served.restart().await;
    let cookie = cookie.replace(&name, &format!("strawboss_session_{}=", served.addr.port()));
    let me = served.json(served.ask("GET", "/api/v1/me").header("cookie", &cookie)).await;
    assert_eq!((me["token"].as_str(), me["scope"].as_str()), (Some(&*id), Some("write")));
    assert_eq!(served.status(served.admin("DELETE", &format!("/api/v1/tokens/{id}"))).await.0, 204);
    assert_eq!(served.status(served.ask("GET", "/api/v1/me").header("cookie", &cookie)).await.0, 401);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let served = Served::new().await;
    // Even the right one waits, so that an answer tells nothing.
    served
        .slows_down(("/api/v1/sign-in", json!({ "token": "a guess" })), &[("/api/v1/sign-in", json!({ "token": ADMIN }))])
        .await;
    assert_eq!(served.status(served.admin("GET", "/api/v1/me")).await.0, 200, "programs with a good token are not held up");
}

#[tokio::test]
async fn a_strangers_name_that_points_here_is_not_served() {
    let options = Options { public_names: vec!["crew.example.org".to_owned()], ..Options::default() };
    let served = Served::with(options).await;
    for (host, status) in [("crew.example.org", 200), ("localhost", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)]
    {
        let asked = served.admin("GET", "/api/v1/me").header("host", host);
        assert_eq!(served.status(asked).await.0, status, "{host}");
    }
    assert_eq!(served.status(served.ask("GET", "/health").header("host", "anything")).await.0, 200);
}

#[tokio::test]
async fn metrics_need_a_token_unless_that_was_configured() {
    let served = Served::new().await;
    assert_eq!(served.status(served.ask("GET", "/metrics")).await.0, 401);
    let (_, text) = served.status(served.admin("GET", "/metrics")).await;
    for name in ["strawboss_tasks{state=\"queued\"} 0", "strawboss_slots 2", "strawboss_http_requests_total{"] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(text.contains("route=\"/metrics\""), "requests are counted by route");
    let options = Options { metrics_on_loopback: true, ..Options::default() };
    let open = Served::with(options).await;
    assert_eq!(open.status(open.ask("GET", "/metrics")).await.0, 200);
    assert_eq!(open.status(open.ask("GET", "/metrics").header("x-forwarded-for", "192.0.2.1")).await.0, 401, "through a proxy");
}

#[tokio::test]
async fn metrics_are_read_by_any_name_with_a_token_and_by_a_strangers_page_never() {
    let open = Served::with(Options { metrics_on_loopback: true, ..Options::default() }).await;
    // What scrapes knows the service by the name that its network gives it.
    assert_eq!(open.status(open.admin("GET", "/metrics").header("host", "strawboss:7070")).await.0, 200);
    assert_eq!(open.status(open.ask("GET", "/metrics").header("host", "evil.example")).await.0, 421, "nothing came with it");
    let guess = open.ask("GET", "/metrics").header("host", "evil.example").bearer_auth("sb_guess");
    assert_eq!(open.status(guess).await.0, 401, "on this machine too");
    assert_eq!(open.status(open.admin("GET", "/api/v1/me").header("host", "strawboss:7070")).await.0, 421);
}
