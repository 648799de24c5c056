//! Sessions that stand free of runs, and accounts, over HTTP.

use crate::old_terminals::OwnTmux;
use crate::support::engine::{ADMIN, Options, Served, greet, print, works};
use crate::support::{eventually, soon};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use strawboss_core::SandboxId;
use strawboss_engine::link::{SupervisorLink, ToLink};
use strawboss_protocol::api::SESSION_PROTOCOL;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

fn container(name: &str) -> Value {
    json!({ "name": name, "kind": "container", "project": "Demo" })
}

/// Plays the supervisor of the `number`th session's first run, until somebody can type.
async fn supervisor(served: &Served, number: u32) -> SupervisorLink {
    let sandbox: SandboxId = format!("session-{number}.1-agent").parse().unwrap();
    let granting = async {
        loop {
            if let Ok(grant) = served.engine.door_token(&sandbox).await {
                return grant.token;
            }
            tokio::task::yield_now().await;
        }
    };
    let token = soon("the session's sandbox is raised", granting).await;
    let mut link = served.engine.door_connect(&sandbox, &token).unwrap();
    greet(&mut link).await;
    works(&mut link).await;
    link
}

async fn attach(served: &Served, session: &str, secret: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let mut request = format!("ws://{}/ws/sessions/{session}", served.addr).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SESSION_PROTOCOL.parse().unwrap());
    request.headers_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    let stream = TcpStream::connect(served.addr).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_session_in_a_container_is_opened_listed_attached_to_and_stopped() {
    let served = Served::new().await;
    let (write, _) = served.token("write").await;
    let (read, _) = served.token("read").await;
    let refused = served.ask("POST", "/api/v1/sessions").bearer_auth(&read).json(&container("try"));
    assert_eq!(served.status(refused).await.0, 403);
    let made = served.json(served.ask("POST", "/api/v1/sessions").bearer_auth(&write).json(&container("try"))).await;
    assert_eq!(
        (made["id"].as_str(), made["source"].as_str(), made["project"].as_str()),
        (Some("try"), Some("container"), Some("Demo"))
    );
    let (status, text) = served.status(served.admin("POST", "/api/v1/sessions").json(&container("try"))).await;
    assert_eq!(status, 409, "{text}");
    let mut link = supervisor(&served, 1).await;
    print(&mut link, 0, b"$ ").await;
    let listed = served.json(served.ask("GET", "/api/v1/sessions").bearer_auth(&read)).await;
    assert_eq!((listed[0]["state"].as_str(), listed.as_array().unwrap().len()), (Some("running"), 1), "{listed}");
    let mut typing = attach(&served, "try", &write).await.unwrap();
    let mut reading = attach(&served, "try", &read).await.unwrap();
    for socket in [&mut typing, &mut reading] {
        let Message::Text(ready) = soon("ready", socket.next()).await.unwrap().unwrap() else { panic!("no text") };
        let ready: Value = serde_json::from_str(&ready).unwrap();
        assert_eq!((ready["type"].as_str(), ready["session"].as_str()), (Some("ready"), Some("try")));
        assert_eq!(soon("the prompt", socket.next()).await.unwrap().unwrap(), Message::binary(&b"$ "[..]));
    }
    reading.send(Message::binary(&b"rm -rf\r"[..])).await.unwrap();
    let refused = soon("a refusal", reading.next()).await.unwrap().unwrap();
    assert!(refused.to_text().unwrap().contains("\"error\""), "{refused:?}");
    typing.send(Message::binary(&b"ls\r"[..])).await.unwrap();
    let typed = async {
        loop {
            if let Some(ToLink::Binary(bytes)) = link.outgoing.recv().await {
                return bytes;
            }
        }
    };
    assert_eq!(soon("what was typed", typed).await, &b"ls\r"[..], "and nothing of who may only read");
    // Its run is nobody's who does not ask for the session.
    for path in ["/api/v1/runs/session-1.1", "/api/v1/runs/session-1.1/terminal", "/api/v1/tasks/session-1"] {
        assert_eq!(served.status(served.admin("GET", path)).await.0, 404, "{path}");
    }
    assert_eq!(attach(&served, "session-1.1", ADMIN).await.err(), Some(404));
    assert_eq!(served.json(served.admin("GET", "/api/v1/tasks")).await["items"], json!([]));
    let stopping = served.json(served.ask("POST", "/api/v1/sessions/try/stop").bearer_auth(&write)).await;
    assert!(matches!(stopping["state"].as_str(), Some("stopping" | "stopped")), "{stopping}");
    for path in ["/api/v1/sessions/nothing", "/api/v1/sessions/nothing/stop"] {
        let method = if path.ends_with("stop") { "POST" } else { "GET" };
        assert_eq!(served.status(served.admin(method, path)).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_private_session_is_for_its_owner_and_admins_and_only_they_delete_one() {
    let served = Served::new().await;
    let (anna, _) = served.token("write").await;
    let (bert, _) = served.token("write").await;
    let mut private = container("mine");
    private["private"] = json!(true);
    let made = served.json(served.ask("POST", "/api/v1/sessions").bearer_auth(&anna).json(&private)).await;
    assert!(made["owner"].as_str().unwrap().starts_with("the token "), "{made}");
    let _link = supervisor(&served, 1).await;
    assert_eq!(attach(&served, "mine", &bert).await.err(), Some(403));
    let (status, text) = served.status(served.ask("DELETE", "/api/v1/sessions/mine").bearer_auth(&bert)).await;
    assert_eq!(status, 403, "{text}");
    assert!(attach(&served, "mine", &anna).await.is_ok() && attach(&served, "mine", ADMIN).await.is_ok());
}

#[tokio::test]
async fn a_session_of_the_host_takes_an_admin_and_begins_in_its_folder() {
    let tmux = OwnTmux::new();
    let served = Served::with(Options { tmux: Some(tmux.socket()), ..Options::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    let host = json!({ "name": "ops", "kind": "host", "folder": at, "command": "sh" });
    let (write, _) = served.token("write").await;
    assert_eq!(served.status(served.ask("POST", "/api/v1/sessions").bearer_auth(&write).json(&host)).await.0, 403);
    let nowhere = json!({ "name": "ops", "kind": "host", "folder": "/no/such/folder" });
    assert_eq!(served.status(served.admin("POST", "/api/v1/sessions").json(&nowhere)).await.0, 400);
    let made = served.json(served.admin("POST", "/api/v1/sessions").json(&host)).await;
    assert_eq!((made["id"].as_str(), made["source"].as_str()), (Some("ops"), Some("made")), "{made}");
    let path = || tmux.tmux(&["display-message", "-p", "-t", "=ops:", "#{pane_current_path}"]);
    eventually("it is in its folder", || path().trim() == at.display().to_string()).await;
    // One name is one session, wherever it runs; and who may not see it hears that there is none.
    assert_eq!(served.status(served.admin("POST", "/api/v1/sessions").json(&container("ops"))).await.0, 409);
    assert_eq!(served.status(served.ask("DELETE", "/api/v1/sessions/ops").bearer_auth(&write)).await.0, 404);
    let removed = served.json(served.admin("DELETE", "/api/v1/sessions/ops")).await;
    assert_eq!(removed, json!({ "id": "ops", "gone": true, "saved_ref": null, "repository": null }));
    for wrong in [
        json!({ "name": "a b", "kind": "container", "project": "Demo" }),
        json!({ "name": "x", "kind": "container", "project": "Demo", "folder": "/" }),
        json!({ "name": "x", "kind": "host", "image": "debian:12" }),
        json!({ "name": "x", "kind": "container" }),
    ] {
        let (status, text) = served.status(served.admin("POST", "/api/v1/sessions").json(&wrong)).await;
        assert_eq!(status, 400, "{wrong}: {text}");
    }
}

#[tokio::test]
async fn the_old_paths_know_sessions_in_containers() {
    let served = Served::new().await;
    let wanted = json!({ "sessionId": "try", "projectId": "Demo", "kind": "container" });
    let (status, text) = served.status(served.admin("POST", "/api/sessions").json(&wanted)).await;
    assert_eq!(status, 201, "{text}");
    assert_eq!(served.status(served.admin("POST", "/api/sessions").json(&wanted)).await.0, 200, "it is there already");
    let mut link = supervisor(&served, 1).await;
    print(&mut link, 0, b"$ ").await;
    let listed = served.json(served.admin("GET", "/api/sessions")).await;
    let (id, source) = (&listed["sessions"][0]["sessionId"], &listed["sessions"][0]["source"]);
    assert_eq!((id, source), (&json!("try"), &json!("container")), "{listed}");
    let windows = served.json(served.admin("GET", "/api/sessions/try/windows")).await;
    assert_eq!(windows["windows"], json!([{ "index": 0, "name": "shell", "active": true }]));
    let request = format!("ws://{}/ws/sessions/try?projectId=&windowIndex=&token={ADMIN}", served.addr);
    let stream = TcpStream::connect(served.addr).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    for expected in [json!({ "type": "ready", "sessionId": "try" }), json!({ "type": "data", "payload": "$ " })] {
        let message = soon("a message", socket.next()).await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(message.to_text().unwrap()).unwrap(), expected);
    }
}

#[tokio::test]
async fn accounts_are_made_changed_and_removed_and_their_sign_ins_end() {
    let served = Served::new().await;
    let (write, _) = served.token("write").await;
    let ann = json!({ "username": "ann", "password": "secret1" });
    assert_eq!(served.status(served.ask("POST", "/api/v1/accounts").bearer_auth(&write).json(&ann)).await.0, 403);
    let made = served.json(served.admin("POST", "/api/v1/accounts").json(&ann)).await;
    assert_eq!((made["username"].as_str(), made["scope"].as_str(), &made["sign_ins"]), (Some("ann"), Some("write"), &json!(0)));
    assert_eq!(served.status(served.admin("POST", "/api/v1/accounts").json(&ann)).await.0, 409);
    let sign_in = async |password: &str| {
        let body = json!({ "username": "ann", "password": password });
        let (status, text) = served.status(served.ask("POST", "/auth/login").json(&body)).await;
        (status == 200).then(|| serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned())
    };
    let good = async |token: &str| served.status(served.ask("GET", "/api/v1/me").bearer_auth(token)).await.0 == 200;
    let token = sign_in("secret1").await.unwrap();
    let listed = served.json(served.admin("GET", "/api/v1/accounts")).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["sign_ins"]), (1, &json!(1)), "{listed}");
    assert!(!listed.to_string().contains("argon2"), "no hash is told");
    let body = json!({ "password": "another1" });
    served.json(served.admin("PUT", "/api/v1/accounts/ann").json(&body)).await;
    assert!(!good(&token).await && sign_in("secret1").await.is_none());
    let token = sign_in("another1").await.unwrap();
    let changed = served.json(served.admin("PUT", "/api/v1/accounts/ann").json(&json!({ "scope": "read" }))).await;
    assert_eq!(changed["scope"], "read");
    assert!(!good(&token).await);
    let token = sign_in("another1").await.unwrap();
    for (wrong, status) in [(json!({}), 400), (json!({ "password": "short" }), 400), (json!({ "scope": "all" }), 400)] {
        assert_eq!(served.status(served.admin("PUT", "/api/v1/accounts/ann").json(&wrong)).await.0, status, "{wrong}");
    }
    assert_eq!(served.status(served.admin("DELETE", "/api/v1/accounts/ann")).await.0, 204);
    assert!(!good(&token).await);
    let tokens = served.json(served.admin("GET", "/api/v1/tokens")).await;
    assert!(!tokens.to_string().contains("ann@"), "{tokens}");
    for (method, body) in [("PUT", json!({ "scope": "read" })), ("DELETE", Value::Null)] {
        assert_eq!(served.status(served.admin(method, "/api/v1/accounts/ann").json(&body)).await.0, 404, "{method}");
    }
}

#[tokio::test]
async fn an_account_with_sessions_is_not_removed() {
    let served = Served::new().await;
    let ann = json!({ "username": "ann", "password": "secret1" });
    served.json(served.admin("POST", "/api/v1/accounts").json(&ann)).await;
    let (_, signed_in) = served.status(served.ask("POST", "/auth/login").json(&ann)).await;
    let token = serde_json::from_str::<Value>(&signed_in).unwrap()["token"].as_str().unwrap().to_owned();
    let made = served.json(served.ask("POST", "/api/v1/sessions").bearer_auth(&token).json(&container("hers"))).await;
    assert_eq!(made["owner"], "ann");
    let (status, text) = served.status(served.admin("DELETE", "/api/v1/accounts/ann")).await;
    assert!(status == 409 && text.contains("hers"), "whoever is given her name next would have it: {status} {text}");
}
