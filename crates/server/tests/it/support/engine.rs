//! The real engine on a store in memory, with a runner that only remembers, and the real server in front of it.

use super::git::commit;
use super::tracker::Tracker;
use super::{client, soon};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::project::{AfterMerge, AgentEntry, AgentKind, Approval, Catalog, Limits, Project, Repository, ReviewMode};
use strawboss_core::runner::{
    FoundSandbox, KeptFolder, Runner, RunnerError, RunnerInfo, SandboxHandle, SandboxSpec, SandboxStatus, Tool,
};
use strawboss_core::{ProjectName, RunId, SandboxId, Timestamp};
use strawboss_engine::link::{FromLink, SupervisorLink, ToLink};
use strawboss_engine::ports::{Doors, SystemClock};
use strawboss_engine::{Engine, EngineConfig, HostTerminals, Parts};
use strawboss_protocol::supervisor::{End, FromSupervisor, Hello, Phase, Report, ReportBody, VERSION};
use strawboss_runner::{Tmux, TmuxConfig};
use strawboss_server::{AuthConfig, Measure, Server, ServerConfig};
use strawboss_store::SqlStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const ADMIN: &str = "the-admin-secret";

/// Remembers what it was asked to start.
#[derive(Default)]
pub(crate) struct FakeRunner {
    running: Mutex<HashMap<SandboxHandle, SandboxStatus>>,
    broken: AtomicBool,
}

#[async_trait::async_trait]
impl Runner for FakeRunner {
    async fn info(&self) -> Result<RunnerInfo, RunnerError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(RunnerError::Unreachable { what: "asking the engine".to_owned(), why: "secret socket path".to_owned() });
        }
        Ok(RunnerInfo { kind: "fake".to_owned(), detail: "a test's".to_owned(), isolated: true, gpus: 0 })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError> {
        let handle = SandboxHandle(spec.id.to_string());
        self.running.lock().unwrap().entry(handle.clone()).or_insert(SandboxStatus::Created);
        Ok(handle)
    }

    async fn start(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.running.lock().unwrap().insert(handle.clone(), SandboxStatus::Running);
        Ok(())
    }

    async fn stop(&self, handle: &SandboxHandle, _grace: Duration) -> Result<(), RunnerError> {
        self.running.lock().unwrap().remove(handle);
        Ok(())
    }

    async fn remove(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.running.lock().unwrap().remove(handle);
        Ok(())
    }

    async fn status(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        Ok(self.running.lock().unwrap().get(handle).cloned().unwrap_or(SandboxStatus::Gone))
    }

    async fn wait(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        while self.running.lock().unwrap().contains_key(handle) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(SandboxStatus::Gone)
    }

    async fn sandboxes(&self) -> Result<Vec<FoundSandbox>, RunnerError> {
        Ok(Vec::new())
    }

    async fn run_volumes(&self) -> Result<Vec<RunId>, RunnerError> {
        Ok(Vec::new())
    }

    async fn run_volume_remove(&self, _run: &RunId) -> Result<(), RunnerError> {
        Ok(())
    }

    async fn kept(&self, _tools: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError> {
        Ok(Vec::new())
    }

    async fn kept_remove(&self, _key: &str) -> Result<bool, RunnerError> {
        Ok(true)
    }
}

struct NoDoors(PathBuf);

#[async_trait::async_trait]
impl Doors for NoDoors {
    async fn open(&self, _sandbox: &SandboxId) -> std::io::Result<PathBuf> {
        Ok(self.0.clone())
    }

    async fn close(&self, _sandbox: &SandboxId) -> std::io::Result<()> {
        Ok(())
    }

    async fn list(&self) -> std::io::Result<Vec<SandboxId>> {
        Ok(Vec::new())
    }
}

fn catalog(repository: &Path) -> Catalog {
    let name = ProjectName::parse("Demo").unwrap();
    let project = Project {
        name: name.clone(),
        repository: Repository::Directory(repository.to_owned()),
        agent: AgentKind::Shell,
        model: None,
        mode: None,
        image: None,
        setup: Vec::new(),
        checks: Vec::new(),
        cache: Vec::new(),
        checks_cache: Vec::new(),
        env: BTreeMap::new(),
        approval: Approval::Auto,
        review: ReviewMode::Manual,
        tries: 1,
        branch: None,
        limits: Limits::default(),
        allow: Vec::new(),
        internal: Vec::new(),
        max_concurrent: 1,
        after_merge: AfterMerge::None,
        unusable: None,
    };
    let shell =
        AgentEntry { kind: AgentKind::Shell, command: Some("true".to_owned()), tool_dir: None, version: None, unusable: None };
    Catalog { projects: [(name, project)].into(), models: BTreeMap::new(), agents: [(AgentKind::Shell, shell)].into() }
}

/// What a test changes of the server.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) public_names: Vec<String>,
    pub(crate) metrics_on_loopback: bool,
    /// The socket of a tmux server of the test's own.
    pub(crate) tmux: Option<PathBuf>,
    /// Whether old clients are served without sign-in.
    pub(crate) legacy: bool,
    /// Whether anybody may make an account.
    pub(crate) open_registration: bool,
    /// A tracker with tickets.
    pub(crate) tracker: Option<Arc<Tracker>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".parse().unwrap(),
            public_names: Vec::new(),
            metrics_on_loopback: false,
            tmux: None,
            legacy: false,
            open_registration: false,
            tracker: None,
        }
    }
}

/// A server with its engine.
pub(crate) struct Served {
    pub(crate) engine: Engine,
    pub(crate) addr: SocketAddr,
    pub(crate) legacy: Option<SocketAddr>,
    pub(crate) client: reqwest::Client,
    runner: Arc<FakeRunner>,
    options: Options,
    shutdown: CancellationToken,
    serving: Option<JoinHandle<()>>,
    dir: tempfile::TempDir,
}

async fn listen(engine: &Engine, options: &Options) -> Server {
    let config = ServerConfig {
        listen: options.listen,
        legacy_listen: options.legacy.then(|| "127.0.0.1:0".parse().unwrap()),
        auth: AuthConfig {
            admin_token_hash: AuthConfig::hash(ADMIN),
            cookie_key: [3; 32],
            public_names: options.public_names.clone(),
            metrics_on_loopback: options.metrics_on_loopback,
            registration: options.open_registration,
            trusted_proxies: Vec::new(),
        },
        drain: Duration::from_mins(1),
    };
    Server::bind(config, engine.clone(), Measure::new().unwrap()).await.unwrap()
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("demo");
        super::git::git(&repository).run(&["init", "--quiet", "--initial-branch=main"]);
        commit(&repository, "readme.txt", "begin");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let supervisor = Tool { name: "supervisor".to_owned(), dir: dir.path().to_owned() };
        let runner = Arc::new(FakeRunner::default());
        let parts = Parts {
            store: Arc::new(SqlStore::open_sqlite_in_memory().await.unwrap()),
            runner: runner.clone(),
            doors: Arc::new(NoDoors(dir.path().to_owned())),
            clock: Arc::new(SystemClock),
        };
        let mut config = EngineConfig::new(data, catalog(&repository), supervisor);
        config.sources = options.tracker.iter().map(Tracker::source).collect();
        config.host = options.tmux.clone().map(|socket| HostTerminals {
            terminals: Arc::new(Tmux::new(TmuxConfig { socket: Some(socket), ..TmuxConfig::default() })),
            look: Duration::from_mins(1),
        });
        let engine = Engine::new(config, parts);
        engine.start().await.unwrap();
        let server = listen(&engine, &options).await;
        let addr = server.local_addr();
        let legacy = server.legacy_addr();
        let shutdown = CancellationToken::new();
        let serving = Some(tokio::spawn(server.serve(shutdown.clone())));
        Self { engine, addr, legacy, client: client(), runner, options, shutdown, serving, dir }
    }

    /// Stops the server in order; the engine goes on.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(serving) = self.serving.take() {
            soon("the server has drained", serving).await.unwrap();
        }
    }

    /// Stops the server and starts it again, at another port: the old one may be somebody's meanwhile.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.shutdown = CancellationToken::new();
        let server = listen(&self.engine, &self.options).await;
        self.addr = server.local_addr();
        self.serving = Some(tokio::spawn(server.serve(self.shutdown.clone())));
    }

    pub(crate) fn break_runner(&self) {
        self.runner.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    /// With the admin token.
    pub(crate) fn admin(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.ask(method, path).bearer_auth(ADMIN)
    }

    /// A JSON answer of success.
    pub(crate) async fn json(&self, request: reqwest::RequestBuilder) -> serde_json::Value {
        let answer = soon("an answer", request.send()).await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The status of an answer, and its body.
    pub(crate) async fn status(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        let answer = soon("an answer", request.send()).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// That after enough guesses what is right is refused as well. The wait after them is short at first: on a machine that
    /// took longer than that over asking, it is guessed on until it is longer.
    pub(crate) async fn slows_down(&self, guess: (&str, Value), right: &[(&str, Value)]) {
        for least in [1, 4, 16] {
            let refused_for = async || {
                let answer = self.ask("POST", guess.0).json(&guess.1).send().await.unwrap();
                assert!([401, 429].contains(&answer.status().as_u16()), "{answer:?}");
                answer.headers().get("retry-after").map_or(0, |seconds| seconds.to_str().unwrap().parse::<u64>().unwrap())
            };
            soon("guesses are refused for so long", async {
                while refused_for().await < least {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            let mut refused = 0;
            for (path, body) in right {
                refused += usize::from(self.status(self.ask("POST", path).json(body)).await.0 == 429);
            }
            if refused == right.len() {
                return;
            }
        }
        panic!("what is right does not wait");
    }

    /// An API token's secret and id.
    pub(crate) async fn token(&self, scope: &str) -> (String, String) {
        let body = serde_json::json!({ "label": format!("a test's, to {scope}"), "scope": scope });
        let made = self.json(self.admin("POST", "/api/v1/tokens").json(&body)).await;
        (made["secret"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    }

    /// Adds a task; gives its run, and the control token that its sandbox's door gives to its first caller.
    pub(crate) async fn raised_run(&self) -> (RunId, SandboxId, String) {
        let body = serde_json::json!({ "project": "Demo", "action": "Do something" });
        let task = self.json(self.admin("POST", "/api/v1/tasks").json(&body)).await;
        self.raised_run_of(task["id"].as_str().unwrap()).await
    }

    /// The same of a task that is there.
    pub(crate) async fn raised_run_of(&self, task: &str) -> (RunId, SandboxId, String) {
        let run: RunId = format!("{task}.1").parse().unwrap();
        let sandbox: SandboxId = format!("{run}-agent").parse().unwrap();
        let granting = async {
            loop {
                if let Ok(grant) = self.engine.door_token(&sandbox).await {
                    return grant;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let grant = soon("the run's sandbox is raised", granting).await;
        (run, sandbox, grant.token)
    }

    /// What a run's agent made is in the mirror, and it says that it is done: the work waits for review.
    pub(crate) async fn finishes(&self, run: &RunId, link: &SupervisorLink) {
        let (repository, branch) = (self.dir.path().join("demo"), format!("refs/heads/{}", run.task().branch()));
        let git = super::git::git(&repository);
        git.run(&["checkout", "--quiet", "-b", "work"]);
        let made = commit(&repository, "work.txt", "work");
        git.run(&["checkout", "--quiet", "main"]);
        let mirror = std::fs::read_dir(self.dir.path().join("data/mirrors")).unwrap().next().unwrap().unwrap().path();
        git.run(&["push", "--quiet", mirror.to_str().unwrap(), &format!("work:{branch}")]);
        let pushed = ReportBody::Pushed { reference: branch, commit: made };
        let done = ReportBody::Done { end: End::Complete { summary: Some("Made.".to_owned()) } };
        for (seq, body) in [(2, pushed), (3, done)] {
            let report = FromSupervisor::Report(Report { seq, at: Timestamp(0), body });
            link.incoming.send(FromLink::Text(serde_json::to_string(&report).unwrap())).await.unwrap();
        }
    }

    /// Connects as a sandbox's supervisor and says hello.
    pub(crate) async fn greeted(&self, sandbox: &SandboxId, token: &str) -> SupervisorLink {
        let mut link = self.engine.door_connect(sandbox, token).unwrap();
        greet(&mut link).await;
        link
    }

    /// Adds a task and plays the supervisor of its run: gives the run and the supervisor's end of the control channel.
    pub(crate) async fn live_run(&self) -> (RunId, SupervisorLink) {
        let (run, sandbox, token) = self.raised_run().await;
        let mut link = self.greeted(&sandbox, &token).await;
        works(&mut link).await;
        (run, link)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A supervisor's first report: its agent works.
pub(crate) async fn works(link: &mut SupervisorLink) {
    let body = ReportBody::Phase { phase: Phase::Working };
    let working = FromSupervisor::Report(Report { seq: 1, at: Timestamp(0), body });
    link.incoming.send(FromLink::Text(serde_json::to_string(&working).unwrap())).await.unwrap();
    acknowledged(link, "\"reports\":1").await;
}

/// A supervisor says hello; the first thing that it hears is the welcome.
pub(crate) async fn greet(link: &mut SupervisorLink) {
    let hello = FromSupervisor::Hello(Hello {
        version: VERSION,
        has_orders: false,
        terminal_end: 0,
        terminal_start: 0,
        report_end: 0,
        takes_questions: true,
    });
    link.incoming.send(FromLink::Text(serde_json::to_string(&hello).unwrap())).await.unwrap();
    let Some(ToLink::Text(welcome)) = soon("the welcome", link.outgoing.recv()).await else { panic!("no welcome") };
    assert!(welcome.contains("\"type\":\"welcome\""), "{welcome}");
}

/// The terminal prints something; returns when it is stored.
pub(crate) async fn print(link: &mut SupervisorLink, offset: u64, bytes: &[u8]) {
    let mut frame = offset.to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    link.incoming.send(FromLink::Binary(Bytes::from(frame))).await.unwrap();
    acknowledged(link, &format!("\"terminal\":{}", offset + bytes.len() as u64)).await;
}

pub(crate) async fn acknowledged(link: &mut SupervisorLink, what: &str) {
    loop {
        let heard = soon("the acknowledgement", link.outgoing.recv()).await.expect("the engine listens");
        if matches!(&heard, ToLink::Text(text) if text.contains("\"ack\"") && text.contains(what)) {
            return;
        }
    }
}
