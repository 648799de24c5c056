//! A client written for the terminal service that Strawboss replaces, message by message, with a real tmux.

use crate::support::engine::{ADMIN, Options, Served, print};
use crate::support::{eventually, soon};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A tmux server of the test's own, which ends with it.
pub(crate) struct OwnTmux {
    dir: tempfile::TempDir,
}

impl OwnTmux {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// What tmux says.
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(self.socket()).args(words).env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn has(&self, session: &str) -> bool {
        let asked = ["has-session", "-t", &format!("={session}")].map(str::to_owned);
        Command::new("tmux").arg("-S").arg(self.socket()).args(asked).output().unwrap().status.success()
    }
}

impl Drop for OwnTmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(self.socket()).arg("kill-server").output();
    }
}

async fn with(tmux: &OwnTmux) -> Served {
    Served::with(Options { tmux: Some(tmux.socket()), ..Options::default() }).await
}

/// The socket of a page or program that knows the old service.
pub(crate) struct Old {
    socket: WebSocketStream<TcpStream>,
    /// Everything that was shown.
    shown: String,
}

impl Old {
    async fn at(addr: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{addr}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket, shown: String::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// As a browser does it: the token in the query.
    pub(crate) async fn open(served: &Served, id: &str) -> Self {
        let path = format!("/ws/sessions/{id}?projectId=Demo&windowIndex=&token={ADMIN}");
        let mut old = Self::at(served.addr, &path, &[("origin", &served.url(""))]).await.unwrap();
        assert_eq!(old.said().await, json!({ "type": "ready", "sessionId": id }));
        old
    }

    async fn said(&mut self) -> Value {
        loop {
            match soon("a message", self.socket.next()).await.expect("the socket is open").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn type_in(&mut self, payload: &str) {
        self.say(json!({ "type": "input", "payload": payload })).await;
    }

    /// Reads on until this was shown.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let message = self.said().await;
            assert_eq!(message["type"], "data", "{message} before {text:?}; shown: {:?}", self.shown);
            self.shown += message["payload"].as_str().unwrap();
        }
    }

    /// Reads on until this comes, past what is shown.
    async fn until_said(&mut self, kind: &str) -> Value {
        loop {
            let message = self.said().await;
            if message["type"] == kind {
                return message;
            }
            assert_eq!(message["type"], "data", "{message}");
        }
    }
}

pub(crate) fn ids(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().unwrap().iter().map(|one| one["sessionId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_session_is_made_listed_kept_and_ended() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    assert_eq!(served.json(served.admin("GET", "/api/sessions")).await, json!({ "sessions": [] }), "no tmux server runs yet");
    let body = json!({ "sessionId": "build-1", "projectId": "Demo", "command": "cat -u" });
    let (status, made) = served.status(served.admin("POST", "/api/sessions").json(&body)).await;
    assert_eq!(status, 201, "{made}");
    let session = serde_json::from_str::<Value>(&made).unwrap()["session"].clone();
    assert_eq!(
        (&session["sessionId"], &session["projectId"], &session["command"], &session["active"]),
        (&json!("build-1"), &json!("Demo"), &json!("cat -u"), &json!(true))
    );
    assert!(session.get("source").is_none(), "{session}");
    for moment in ["createdAt", "updatedAt"] {
        let text = session[moment].as_str().unwrap();
        assert!(text.starts_with("20") && text.ends_with('Z') && text.len() == 24, "{text}");
    }
    let (status, again) = served.status(served.admin("POST", "/api/sessions").json(&json!({ "terminalId": "build-1" }))).await;
    assert_eq!(status, 200, "{again}");
    for _ in 0..2 {
        let put = served.admin("PUT", "/api/sessions/put-1").json(&json!({ "projectId": "Demo", "command": "cat" }));
        let put = served.json(put).await;
        assert_eq!((&put["session"]["sessionId"], &put["session"]["command"]), (&json!("put-1"), &json!("cat")));
    }
    tmux.tmux(&["new-session", "-d", "-s", "by hand", "--", "sh", "-c", "exec cat"]);
    let list = served.json(served.admin("GET", "/api/sessions/")).await;
    assert_eq!(ids(&list), ["build-1", "byhand", "put-1"]);
    assert_eq!(list["sessions"][1]["source"], "discovered");
    let command = || tmux.tmux(&["display-message", "-p", "-t", "=put-1:", "#{pane_current_command}"]);
    eventually("its command runs", || command().trim() == "cat").await;
    let ours = served.json(served.admin("GET", "/api/v1/sessions")).await;
    let seen = |at: usize| (ours[at]["id"].clone(), ours[at]["source"].clone(), ours[at]["run"].clone());
    assert_eq!(seen(0), (json!("build-1"), json!("made"), Value::Null));
    assert_eq!(seen(1), (json!("byhand"), json!("discovered"), Value::Null));
    let (read, _) = served.token("write").await;
    assert_eq!(served.json(served.ask("GET", "/api/v1/sessions").bearer_auth(&read)).await, json!([]));
    let kept = served.json(served.admin("POST", "/api/sessions/byhand/keepalive")).await;
    assert_eq!(kept["session"]["source"], "discovered", "that it is kept does not make it ours");
    let windows = served.json(served.admin("GET", "/api/sessions/byhand/windows")).await;
    assert_eq!(windows["sessionId"], "byhand");
    assert_eq!((&windows["windows"][0]["index"], &windows["windows"][0]["active"]), (&json!(0), &json!(true)));
    for id in ["build-1", "byhand"] {
        assert_eq!(served.status(served.admin("DELETE", &format!("/api/sessions/{id}"))).await, (204, String::new()));
        let (status, body) = served.status(served.admin("DELETE", &format!("/api/sessions/{id}"))).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["error"].as_str().unwrap()), (404, format!("there is no session `{id}`").as_str()));
    }
    assert!(!tmux.has("build-1") && !tmux.has("by hand") && tmux.has("put-1"));
    for missing in [("POST", "/keepalive"), ("GET", "/windows")] {
        let (status, _) = served.status(served.admin(missing.0, &format!("/api/sessions/none{}", missing.1))).await;
        assert_eq!(status, 404);
    }
    let workspaces = served.json(served.admin("GET", "/api/workspaces")).await;
    assert_eq!(workspaces["workspaces"][0]["name"], "Demo");
}

#[tokio::test]
async fn a_page_types_sees_detaches_and_comes_back() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    served.json(served.admin("POST", "/api/sessions").json(&json!({ "sessionId": "shell", "command": "sh" }))).await;
    let mut first = Old::open(&served, "shell").await;
    first.say(json!({ "type": "resize", "cols": 97, "rows": 31 })).await;
    // tmux's own line takes one row; it sets the size when it gets to it.
    first.type_in("until [ \"$(stty size)\" = \"$((29+1)) $((96+1))\" ]; do sleep 0.1; done; stty size\r").await;
    first.until("30 97").await;
    first.type_in("echo gr\u{fc}\u{df}e-$((40+2))\r").await;
    first.until("gr\u{fc}\u{df}e-42").await;
    let mut second = Old::open(&served, "shell").await;
    second.until("gr\u{fc}\u{df}e-42").await;
    second.type_in("echo both-$((1+1))\r").await;
    first.until("both-2").await;
    second.until("both-2").await;
    first.say(json!({ "type": "dance" })).await;
    assert!(first.until_said("error").await["message"].is_string());
    first.say(json!({ "type": "resize", "cols": 0, "rows": 5 })).await;
    assert!(first.until_said("error").await["message"].as_str().unwrap().contains("1 to 1000"));
    first.socket.close(None).await.unwrap();
    drop(first);
    drop(second);
    eventually("nobody is attached", || tmux.tmux(&["list-clients"]).is_empty()).await;
    assert!(tmux.has("shell"), "closing kills nothing");
    let mut again = Old::open(&served, "shell").await;
    again.until("both-2").await;
    again.type_in("exit\r").await;
    let exit = again.until_said("exit").await;
    assert_eq!((&exit["exitCode"], &exit["signal"]), (&json!(0), &Value::Null));
    assert!(matches!(soon("goodbye", again.socket.next()).await, Some(Ok(Message::Close(_)))));
    assert!(!tmux.has("shell"));
}

#[tokio::test]
async fn sessions_outlive_strawboss() {
    let tmux = OwnTmux::new();
    let mut served = with(&tmux).await;
    let body = json!({ "sessionId": "long", "projectId": "Demo", "command": "sh -c 'echo since-$((5+5)); exec cat'" });
    let made = served.json(served.admin("POST", "/api/sessions").json(&body)).await;
    let mut old = Old::open(&served, "long").await;
    old.until("since-10").await;
    served.stop().await;
    served.engine.shutdown().await;
    drop((old, served));
    // Another one, with another store, that knows nothing but where tmux is.
    let served = with(&tmux).await;
    let list = served.json(served.admin("GET", "/api/sessions")).await;
    for same in ["sessionId", "projectId", "command", "createdAt"] {
        assert_eq!(list["sessions"][0][same], made["session"][same]);
    }
    assert!(list["sessions"][0].get("source").is_none());
    Old::open(&served, "long").await.until("since-10").await;
}

#[tokio::test]
async fn a_window_is_asked_for_by_its_number() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    tmux.tmux(&["new-session", "-d", "-s", "two", "--", "sh", "-c", "echo window-$((1-1)); exec cat"]);
    tmux.tmux(&["new-window", "-d", "-t", "=two:7", "-n", "a:b", "--", "sh", "-c", "echo window-$((6+1)); exec cat"]);
    let windows = served.json(served.admin("GET", "/api/sessions/two/windows")).await;
    assert_eq!(windows["windows"][1], json!({ "index": 7, "name": "a:b", "active": false }));
    let bearer = format!("Bearer {ADMIN}");
    let mut old = Old::at(served.addr, "/ws/sessions/two?windowIndex=7", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(old.said().await["type"], "ready");
    old.until("window-7").await;
    for wrong in ["9", "seven", "-1"] {
        let path = format!("/ws/sessions/two?windowIndex={wrong}");
        let mut old = Old::at(served.addr, &path, &[("authorization", &bearer)]).await.unwrap();
        let error = old.said().await;
        assert_eq!(error["type"], "error", "{error}");
    }
}

#[tokio::test]
async fn hostile_ids_and_commands_stay_words() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    let dir = tempfile::tempdir().unwrap();
    let trap = dir.path().join("trap");
    let trap = trap.display();
    for (id, kept) in [
        ("../../etc/passwd", "etcpasswd"),
        ("$(touch trap)", "touchtrap"),
        ("=x:0.1;kill-server", "x01kill-server"),
        ("#{session_name}", "session_name"),
        ("--help", "--help"),
        ("-t", "-t"),
    ] {
        let body = json!({ "sessionId": id, "command": "cat" });
        let made = served.json(served.admin("POST", "/api/sessions").json(&body)).await;
        assert_eq!(made["session"]["sessionId"], kept);
        assert!(tmux.has(kept));
    }
    let long = "y".repeat(90);
    let made = served.json(served.admin("PUT", &format!("/api/sessions/{long}")).json(&json!({ "command": "cat" }))).await;
    assert_eq!(made["session"]["sessionId"].as_str().unwrap().len(), 64);
    for (at, command) in [
        format!("printf 'said:%s\\n' $(touch {trap}) `touch {trap}` ; new-session -d -s evil \\; kill-server"),
        format!("printf 'said:%s\\n' '#(touch {trap})' \"a; touch {trap}\" ;"),
    ]
    .into_iter()
    .enumerate()
    {
        // It prints its words and is gone; what it was told apart shows in a session that stays.
        let id = format!("words-{at}");
        let command = format!("sh -c '\"$@\"; exec cat' sh {command}");
        let body = json!({ "sessionId": &id, "command": command, "projectId": "#(touch trap)" });
        let made = served.json(served.admin("POST", "/api/sessions").json(&body)).await;
        assert_eq!(made["session"]["projectId"], "#(touch trap)");
        let mut old = Old::open(&served, &id).await;
        old.until("said:;").await;
        assert!(!tmux.has("evil"));
    }
    assert!(!dir.path().join("trap").exists(), "nothing went through a shell");
    for (body, status) in [
        (json!({ "command": "cat" }), 400),
        (json!({ "sessionId": "…//…" }), 400),
        (json!({ "sessionId": "q", "command": "echo 'open" }), 400),
        (json!({ "sessionId": "q", "command": "a\u{0}b" }), 400),
        (json!({ "sessionId": "q", "command": "x".repeat(5000) }), 400),
        (json!({ "sessionId": "q", "projectId": "a\nb" }), 400),
        (json!({ "sessionId": ["q"] }), 400),
    ] {
        let (got, text) = served.status(served.admin("POST", "/api/sessions").json(&body)).await;
        assert_eq!(got, status, "{body}: {text}");
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"].is_string());
    }
    assert!(!tmux.has("q"));
}

#[tokio::test]
async fn a_runs_session_is_there_for_old_clients_too() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    let (run, mut link) = served.live_run().await;
    print(&mut link, 0, "caf\u{e9} \u{1b}[1m".as_bytes()).await;
    let old_id = run.to_string().replace('.', "_");
    let (read, _) = served.token("read").await;
    let list = served.json(served.ask("GET", "/api/sessions").bearer_auth(&read)).await;
    assert_eq!(ids(&list), [old_id.as_str()]);
    let one = &list["sessions"][0];
    assert_eq!((&one["projectId"], &one["source"], &one["active"]), (&json!("Demo"), &json!("run"), &json!(true)));
    for id in [old_id.as_str(), run.as_str()] {
        let path = format!("/ws/sessions/{id}?projectId=Demo&token={read}");
        let mut old = Old::at(served.addr, &path, &[]).await.unwrap();
        assert_eq!(old.said().await, json!({ "type": "ready", "sessionId": &old_id }));
        old.until("caf\u{e9} \u{1b}[1m").await;
        old.type_in("rm -rf /\r").await;
        assert!(old.until_said("error").await["message"].as_str().unwrap().contains("needs `write`"));
    }
    // A character that is cut in two comes whole.
    let mut old = Old::open(&served, &old_id).await;
    old.until("caf\u{e9}").await;
    print(&mut link, 10, b"\xe2\x82").await;
    print(&mut link, 12, b"\xac!").await;
    old.until("\u{20ac}!").await;
    old.type_in("y").await;
    let typed = soon("input", link.outgoing.recv()).await;
    assert_eq!(typed, Some(strawboss_engine::link::ToLink::Binary(bytes::Bytes::from_static(b"y"))));
    let windows = served.json(served.ask("GET", &format!("/api/sessions/{old_id}/windows")).bearer_auth(&read)).await;
    assert_eq!(windows["windows"].as_array().unwrap().len(), 1);
    let (status, _) = served.status(served.ask("DELETE", &format!("/api/sessions/{old_id}")).bearer_auth(&read)).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn the_host_is_for_admins_and_only_where_it_is_allowed() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    served.json(served.admin("POST", "/api/sessions").json(&json!({ "sessionId": "mine", "command": "cat" }))).await;
    let (write, _) = served.token("write").await;
    let list = served.json(served.ask("GET", "/api/sessions").bearer_auth(&write)).await;
    assert_eq!(list, json!({ "sessions": [] }), "whoever is no admin does not see what runs on the host");
    for (method, path) in [
        ("POST", "/api/sessions"),
        ("PUT", "/api/sessions/mine"),
        ("DELETE", "/api/sessions/mine"),
        ("POST", "/api/sessions/mine/keepalive"),
        ("GET", "/api/sessions/mine/windows"),
    ] {
        let body = json!({ "sessionId": "mine" });
        let (status, text) = served.status(served.ask(method, path).bearer_auth(&write).json(&body)).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
        let (status, _) = served.status(served.ask(method, path).json(&body)).await;
        assert_eq!(status, 401, "{method} {path} without credentials");
    }
    let path = format!("/ws/sessions/mine?token={write}");
    let mut old = Old::at(served.addr, &path, &[]).await.unwrap();
    assert!(old.said().await["message"].as_str().unwrap().contains("needs `admin`"));
    assert_eq!(Old::at(served.addr, "/ws/sessions/mine", &[]).await.err(), Some(401));
    assert_eq!(Old::at(served.addr, "/ws/sessions/mine?token=wrong", &[]).await.err(), Some(401));
    let evil = [("origin", "http://evil.example")];
    assert_eq!(Old::at(served.addr, &format!("/ws/sessions/mine?token={ADMIN}"), &evil).await.err(), Some(403));
    let (status, _) = served.status(served.ask("GET", &format!("/api/sessions?token={ADMIN}"))).await;
    assert_eq!(status, 401, "a token in the query is for sockets only");
    let without = Served::new().await;
    let (status, text) = without.status(without.admin("POST", "/api/sessions").json(&json!({ "sessionId": "x" }))).await;
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("sessions: { tmux: true }"), "{text}");
    assert_eq!(without.json(without.admin("GET", "/api/sessions")).await, json!({ "sessions": [] }));
}

#[tokio::test]
async fn clients_that_cannot_sign_in_have_a_listener_on_loopback() {
    let tmux = OwnTmux::new();
    let served = Served::with(Options { tmux: Some(tmux.socket()), legacy: true, ..Options::default() }).await;
    let addr = served.legacy.unwrap();
    let ask = |method: &str, path: &str| served.client.request(method.parse().unwrap(), format!("http://{addr}{path}"));
    let counted = json!({ "status": "ok", "tmux_service": "ok", "pending_count": 0, "active_count": 0, "completed_count": 0 });
    assert_eq!(served.json(ask("GET", "/health")).await, counted);
    let (status, _) =
        served.status(ask("POST", "/sessions").json(&json!({ "terminalId": "bare", "projectId": "x", "command": "cat" }))).await;
    assert_eq!(status, 201);
    assert_eq!(ids(&served.json(ask("GET", "/sessions")).await), ["bare"]);
    assert!(served.json(ask("GET", "/workspaces")).await["workspaces"].is_array());
    let mut old = Old::at(addr, "/ws/sessions/bare?projectId=x", &[]).await.unwrap();
    assert_eq!(old.said().await["type"], "ready");
    old.type_in("echoed\r").await;
    old.until("echoed").await;
    let own = format!("http://{addr}");
    assert!(Old::at(addr, "/ws/sessions/bare", &[("origin", &own)]).await.is_ok());
    assert_eq!(Old::at(addr, "/ws/sessions/bare", &[("origin", "http://evil.example")]).await.err(), Some(403));
    assert_eq!(Old::at(addr, "/ws/sessions/bare", &[("host", "evil.example")]).await.err(), Some(421));
    for (name, value, status) in
        [("origin", "http://evil.example", 403), ("sec-fetch-site", "cross-site", 403), ("host", "evil.example:5001", 421)]
    {
        let (got, _) = served.status(ask("GET", "/sessions").header(name, value)).await;
        assert_eq!(got, status, "{name}: {value}");
        let (got, _) = served.status(ask("POST", "/sessions").header(name, value).json(&json!({ "sessionId": "no" }))).await;
        assert_eq!(got, status, "{name}: {value}");
    }
    assert!(!tmux.has("no"));
    for other in ["/api/v1/tasks", "/api/v1/tokens", "/metrics", "/", "/api/sessions"] {
        assert_eq!(served.status(ask("GET", other)).await.0, 404, "{other}");
    }
    assert_eq!(served.status(ask("DELETE", "/sessions/bare")).await.0, 204);
}

#[tokio::test]
async fn our_own_protocol_reaches_the_host_as_well() {
    let tmux = OwnTmux::new();
    let served = with(&tmux).await;
    served.json(served.admin("POST", "/api/sessions").json(&json!({ "sessionId": "ours", "command": "cat" }))).await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "strawboss.v1")];
    let mut ours = Old::at(served.addr, "/ws/sessions/ours", &headers).await.unwrap();
    assert_eq!(ours.said().await, json!({ "type": "ready", "session": "ours", "offset": 0, "live": true }));
    ours.say(json!({ "type": "resize", "cols": 90, "rows": 30 })).await;
    ours.socket.send(Message::binary(&b"raw bytes\r"[..])).await.unwrap();
    while !ours.shown.contains("raw bytes") {
        match soon("bytes", ours.socket.next()).await.unwrap().unwrap() {
            Message::Binary(bytes) => ours.shown += &String::from_utf8_lossy(&bytes),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let (write, _) = served.token("write").await;
    let bearer = format!("Bearer {write}");
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "strawboss.v1")];
    assert_eq!(Old::at(served.addr, "/ws/sessions/ours", &headers).await.err(), Some(403));
}
