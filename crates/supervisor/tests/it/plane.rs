//! A control plane of a few hundred lines: token, control channel, git over HTTP by `git http-backend`, and a model that
//! does what the test says. It keeps everything that it is told and checks that nothing comes twice or out of order.

use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::runner::Purpose;
use strawboss_core::{RunId, SandboxId};
use strawboss_protocol::supervisor::{
    AgentEvent, AgentOrders, End, FromSupervisor, GitOrders, Heartbeat, Hello, Orders, Phase, Report, ReportBody, ToSupervisor,
    VERSION, Welcome,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// How long anything may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);
pub(crate) const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What the model answers to a request.
pub(crate) enum Reply {
    Text(String),
    Bash(String),
    /// A status and what the error says.
    Error(u16, String),
    /// Never.
    Silence,
}

type Model = Arc<dyn Fn(&serde_json::Value) -> Reply + Send + Sync>;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) token_taken: bool,
    pub(crate) hellos: Vec<Hello>,
    pub(crate) reports: Vec<Report>,
    pub(crate) terminal: Vec<u8>,
    /// Where bytes were passed over.
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) heartbeats: Vec<Heartbeat>,
    pub(crate) requests: Vec<String>,
    pub(crate) model_requests: Vec<serde_json::Value>,
    /// Frames go here when a supervisor is connected.
    to_supervisor: Option<mpsc::UnboundedSender<Message>>,
    pub(crate) faults: Vec<String>,
}

pub(crate) struct Plane {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    orders: Arc<Mutex<Orders>>,
    model: Mutex<Model>,
    acks: Arc<Mutex<bool>>,
    serving: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Plane {
    /// A control plane with a mirror that holds one commit, and orders for a shell agent that runs `command`.
    pub(crate) fn new(command: &str) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (seed, mirror) = (dir.path().join("seed"), dir.path().join("git/mirror.git"));
        std::fs::create_dir_all(dir.path().join("door")).unwrap();
        std::fs::create_dir_all(dir.path().join("home")).unwrap();
        std::fs::create_dir_all(&mirror).unwrap();
        git(dir.path(), &["init", "-q", "seed"]);
        std::fs::write(seed.join("README"), "hello\n").unwrap();
        std::fs::write(seed.join(".gitignore"), "ignored\n").unwrap();
        git(&seed, &["add", "-A"]);
        git(&seed, &["commit", "-qm", "First"]);
        git(&mirror, &["init", "-q", "--bare", "."]);
        git(&mirror, &["config", "http.receivepack", "true"]);
        git(&seed, &["push", "-q", mirror.to_str().unwrap(), "HEAD:refs/heads/main"]);
        let commit = git(&seed, &["rev-parse", "HEAD"]);
        let run = RunId::parse("demo-1.1").unwrap();
        let orders = Orders {
            sandbox: SandboxId::parse("demo-1.1-agent").unwrap(),
            run: run.clone(),
            purpose: Purpose::Agent,
            git: GitOrders {
                base: commit.clone(),
                commit,
                fetch_ref: "refs/heads/main".to_owned(),
                branch: Some("strawboss/demo-1".to_owned()),
                saved_ref: Some(run.saved_ref()),
                keep_workspace: false,
                user_name: "Straw Boss".to_owned(),
                user_email: "boss@localhost".to_owned(),
                message: "What the agent left".to_owned(),
            },
            setup: Vec::new(),
            checks: Vec::new(),
            agent: Some(AgentOrders {
                kind: AgentKind::Shell,
                command: Some(command.to_owned()),
                model: None,
                prompt: "Do it".to_owned(),
                resume_session: None,
                gateway: Some("/gateway/anthropic".to_owned()),
                title: "A task".to_owned(),
                mode: AgentMode::Headless,
                completion: vec!["demo-1".to_owned()],
                session: false,
            }),
            env: BTreeMap::new(),
            proxy: false,
            timeout_ms: 600_000,
            disk_bytes: 10 << 30,
            terminal: (80, 24),
        };
        let plane = Arc::new(Self {
            dir,
            state: Arc::default(),
            changed: Arc::default(),
            orders: Arc::new(Mutex::new(orders)),
            model: Mutex::new(Arc::new(|_| Reply::Text("Nothing to do.".to_owned()))),
            acks: Arc::new(Mutex::new(true)),
            serving: Mutex::new(None),
        });
        plane.back();
        plane
    }

    pub(crate) fn orders(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.lock().unwrap());
    }

    pub(crate) fn commit(&self) -> String {
        self.orders.lock().unwrap().git.commit.clone()
    }

    pub(crate) fn model(&self, model: impl Fn(&serde_json::Value) -> Reply + Send + Sync + 'static) {
        *self.model.lock().unwrap() = Arc::new(model);
    }

    pub(crate) fn acks(&self, on: bool) {
        *self.acks.lock().unwrap() = on;
    }

    pub(crate) fn door(&self) -> PathBuf {
        self.dir.path().join("door/door.sock")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.dir.path().join("git/mirror.git")
    }

    /// A file's content in the mirror at a ref.
    pub(crate) fn pushed(&self, reference: &str, file: &str) -> Option<String> {
        let output = std::process::Command::new("git")
            .args(["cat-file", "blob", &format!("{reference}:{file}")])
            .current_dir(self.mirror())
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// The control plane is killed: its socket goes, and every connection.
    pub(crate) fn away(&self) {
        if let Some(serving) = self.serving.lock().unwrap().take() {
            serving.abort();
        }
        let _ = std::fs::remove_file(self.door());
        self.state.lock().unwrap().to_supervisor = None;
    }

    /// It is there (again).
    pub(crate) fn back(self: &Arc<Self>) {
        let listener = UnixListener::bind(self.door()).unwrap();
        let plane = Arc::clone(self);
        *self.serving.lock().unwrap() = Some(tokio::spawn(async move {
            // Dropped with this task, the set ends every connection.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let plane = Arc::clone(&plane);
                connections.spawn(async move {
                    let _ = plane.connection(stream).await;
                });
            }
        }));
    }

    /// The next sandbox has a door, a token and a story of its own.
    pub(crate) fn next_sandbox(self: &Arc<Self>) {
        self.away();
        *self.state.lock().unwrap() = State::default();
        self.back();
    }

    /// Waits until the state is such.
    pub(crate) async fn until<T>(&self, what: &str, mut holds: impl FnMut(&State) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = holds(&self.state.lock().unwrap()) {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(DEADLINE, wait).await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}; {}", self.tell()))
    }

    pub(crate) fn tell(&self) -> String {
        let state = self.state.lock().unwrap();
        let end = state.terminal.len();
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let terminal = String::from_utf8_lossy(&state.terminal[end.saturating_sub(3000)..]).into_owned();
        let reports = &state.reports[state.reports.len().saturating_sub(30)..];
        format!("faults {:?}\nreports {reports:#?}\nterminal {terminal}\nlog {log}", state.faults)
    }

    pub(crate) async fn phase(&self, phase: Phase) {
        let body = ReportBody::Phase { phase };
        self.until(&format!("{phase:?}"), |state| state.reports.iter().any(|report| report.body == body).then_some(())).await;
    }

    pub(crate) async fn shown(&self, text: &str) {
        let mut seen = 0;
        let shown = |state: &State| {
            let from = seen;
            seen = state.terminal.len().saturating_sub(text.len());
            state.terminal[from..].windows(text.len()).any(|window| window == text.as_bytes()).then_some(())
        };
        self.until(text, shown).await;
    }

    pub(crate) async fn end(&self) -> End {
        let end = |state: &State| {
            state.reports.iter().find_map(|report| match &report.body {
                ReportBody::Done { end } => Some(end.clone()),
                _ => None,
            })
        };
        let end = self.until("the end", end).await;
        assert_eq!(self.state.lock().unwrap().faults, Vec::<String>::new());
        end
    }

    pub(crate) fn events(&self) -> Vec<AgentEvent> {
        let state = self.state.lock().unwrap();
        let event = |report: &Report| match &report.body {
            ReportBody::Agent { event, .. } => Some(event.clone()),
            _ => None,
        };
        state.reports.iter().filter_map(event).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<ReportBody> {
        self.state.lock().unwrap().reports.iter().map(|report| report.body.clone()).collect()
    }

    pub(crate) fn terminal(&self) -> String {
        String::from_utf8_lossy(&self.state.lock().unwrap().terminal).into_owned()
    }

    pub(crate) fn tell_supervisor(&self, message: &ToSupervisor) {
        self.send(Message::text(serde_json::to_string(message).unwrap()));
    }

    pub(crate) fn send(&self, message: Message) {
        self.state.lock().unwrap().to_supervisor.as_ref().unwrap().send(message).unwrap();
    }

    /// The real program.
    pub(crate) fn supervisor(&self) -> Supervisor {
        self.supervisor_by(Command::new(env!("CARGO_BIN_EXE_strawboss-supervisor")))
    }

    /// The real program, started by another one.
    pub(crate) fn supervisor_by(&self, mut command: Command) -> Supervisor {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let [tools, temp] = ["tools", "temp"].map(|name| self.dir.path().join(name));
        std::fs::create_dir_all(&tools).unwrap();
        std::fs::create_dir_all(&temp).unwrap();
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("STRAWBOSS_DOOR", self.door())
            .env("STRAWBOSS_HOME", self.home())
            .env("STRAWBOSS_TOOLS", tools)
            .env("STRAWBOSS_TEMP", temp)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Supervisor { child }
    }

    /// Starts the program, waits for its end, dismisses it, and sees that it leaves well.
    pub(crate) async fn whole(&self) -> End {
        let mut supervisor = self.supervisor();
        let end = self.end().await;
        self.tell_supervisor(&ToSupervisor::Dismiss);
        assert_eq!(supervisor.code().await, Some(0), "{}", self.tell());
        end
    }

    async fn connection(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut words = lines[0].split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers: BTreeMap<String, String> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
            .collect();
        self.state.lock().unwrap().requests.push(format!("{method} {target}"));
        self.changed.notify_waiters();
        if target == "/control" && headers.contains_key("sec-websocket-key") {
            return self.control(stream, &headers).await;
        }
        if headers.contains_key("expect") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = body(&mut stream, &headers).await?;
        if target == "/control/token" && method == "POST" {
            let first = !std::mem::replace(&mut self.state.lock().unwrap().token_taken, true);
            let (status, body) =
                if first { ("200 OK", format!("{{\"token\":\"{TOKEN}\"}}")) } else { ("409 Conflict", "taken".to_owned()) };
            return answer(&mut stream, status, "application/json", body.as_bytes()).await;
        }
        if let Some(path) = target.strip_prefix("/git/") {
            return self.git(&mut stream, &method, path, &headers, &body).await;
        }
        if target.starts_with("/gateway/anthropic/v1/messages") {
            return self.messages(&mut stream, &body).await;
        }
        answer(&mut stream, "404 Not Found", "text/plain", b"no such thing").await
    }

    async fn git(
        &self,
        stream: &mut BufReader<UnixStream>,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> std::io::Result<()> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", self.dir.path().join("git"))
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", method)
            .env("PATH_INFO", format!("/{path}"))
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .env("REMOTE_USER", "run")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        let body = body.to_vec();
        tokio::spawn(async move {
            let _ = stdin.write_all(&body).await;
        });
        let output = child.wait_with_output().await?.stdout;
        let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let status = field("Status:").unwrap_or_else(|| "200 OK".to_owned());
        answer(stream, &status, &field("Content-Type:").unwrap_or_default(), &output[end + 4..]).await
    }

    async fn messages(&self, stream: &mut BufReader<UnixStream>, body: &[u8]) -> std::io::Result<()> {
        let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let model = Arc::clone(&self.model.lock().unwrap());
        let reply = model(&request);
        self.state.lock().unwrap().model_requests.push(request.clone());
        self.changed.notify_waiters();
        let (block, delta, stop) = match reply {
            Reply::Silence => return std::future::pending().await,
            Reply::Error(status, message) => {
                let kind = if status == 429 { "rate_limit_error" } else { "api_error" };
                let body = serde_json::json!({"type": "error", "error": {"type": kind, "message": message}}).to_string();
                return answer(stream, &format!("{status} Error"), "application/json", body.as_bytes()).await;
            }
            Reply::Text(text) => (
                serde_json::json!({"type": "text", "text": ""}),
                serde_json::json!({"type": "text_delta", "text": text}),
                "end_turn",
            ),
            Reply::Bash(command) => (
                serde_json::json!({"type": "tool_use", "id": format!("toolu_{}", request["messages"].as_array().map_or(0, Vec::len)), "name": "Bash", "input": {}}),
                serde_json::json!({"type": "input_json_delta", "partial_json": serde_json::json!({"command": command, "description": "As told"}).to_string()}),
                "tool_use",
            ),
        };
        let usage = serde_json::json!({"input_tokens": 10, "output_tokens": 5});
        let events = [
            (
                "message_start",
                serde_json::json!({"message": {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}}),
            ),
            ("content_block_start", serde_json::json!({"index": 0, "content_block": block})),
            ("content_block_delta", serde_json::json!({"index": 0, "delta": delta})),
            ("content_block_stop", serde_json::json!({"index": 0})),
            (
                "message_delta",
                serde_json::json!({"delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 5}}),
            ),
            ("message_stop", serde_json::json!({})),
        ];
        let mut text = String::new();
        for (name, mut data) in events {
            data["type"] = name.into();
            text.extend(["event: ", name, "\ndata: ", &data.to_string(), "\n\n"]);
        }
        answer(stream, "200 OK", "text/event-stream", text.as_bytes()).await
    }

    async fn control(&self, mut stream: BufReader<UnixStream>, headers: &BTreeMap<String, String>) -> std::io::Result<()> {
        if headers.get("authorization").map(String::as_str) != Some(&format!("Bearer {TOKEN}")) {
            return answer(&mut stream, "401 Unauthorized", "text/plain", b"no").await;
        }
        let accept = derive_accept_key(headers["sec-websocket-key"].as_bytes());
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        stream.write_all(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes()).await?;
        let mut socket = WebSocketStream::from_raw_socket(stream.into_inner(), Role::Server, None).await;
        let (to_supervisor, mut outgoing) = mpsc::unbounded_channel();
        let Some(Ok(Message::Text(hello))) = socket.next().await else { return Ok(()) };
        let Ok(FromSupervisor::Hello(hello)) = serde_json::from_str(&hello) else { panic!("no hello: {hello}") };
        let welcome = {
            let mut state = self.state.lock().unwrap();
            state.hellos.push(hello);
            state.to_supervisor = Some(to_supervisor);
            let orders = self.orders.lock().unwrap().clone();
            let (terminal_from, reports_after) = (state.terminal.len() as u64, state.reports.len() as u64);
            ToSupervisor::Welcome(Box::new(Welcome { version: VERSION, orders, terminal_from, reports_after }))
        };
        socket.send(Message::text(serde_json::to_string(&welcome).unwrap())).await.map_err(std::io::Error::other)?;
        self.changed.notify_waiters();
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(message)) => {
                        self.heard(message);
                        self.changed.notify_waiters();
                        if *self.acks.lock().unwrap() {
                            let ack = {
                                let state = self.state.lock().unwrap();
                                ToSupervisor::Ack { terminal: state.terminal.len() as u64, reports: state.reports.len() as u64 }
                            };
                            let _ = socket.send(Message::text(serde_json::to_string(&ack).unwrap())).await;
                        }
                    }
                    _ => return Ok(()),
                },
                Some(message) = outgoing.recv() => socket.send(message).await.map_err(std::io::Error::other)?,
            }
        }
    }

    fn heard(&self, message: Message) {
        let mut state = self.state.lock().unwrap();
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(FromSupervisor::Report(report)) => {
                    let expected = state.reports.len() as u64 + 1;
                    if report.seq == expected {
                        state.reports.push(report);
                    } else {
                        state.faults.push(format!("report {} where {expected} was expected", report.seq));
                    }
                }
                Ok(FromSupervisor::Heartbeat(heartbeat)) => state.heartbeats.push(heartbeat),
                other => state.faults.push(format!("{other:?}")),
            },
            Message::Binary(frame) => {
                let (offset, bytes) = frame.split_at(8);
                let (offset, end) = (u64::from_be_bytes(offset.try_into().unwrap()), state.terminal.len() as u64);
                if offset > end {
                    state.gaps.push((end, offset));
                    state.terminal.resize(offset as usize, b'?');
                }
                if offset < end {
                    state.faults.push(format!("terminal bytes at {offset} where {end} was expected"));
                } else {
                    state.terminal.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
    }
}

pub(crate) struct Supervisor {
    pub(crate) child: Child,
}

impl Supervisor {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().unwrap() as i32
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Its exit code; none when a signal ended it.
    pub(crate) async fn code(&mut self) -> Option<i32> {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

async fn answer(stream: &mut BufReader<UnixStream>, status: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

async fn body(stream: &mut BufReader<UnixStream>, headers: &BTreeMap<String, String>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    body.resize(length, 0);
    stream.read_exact(&mut body).await?;
    Ok(body)
}
