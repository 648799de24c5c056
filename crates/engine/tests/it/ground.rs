//! The engine on a real store and a real repository, with sandboxes that the test plays.

use super::runner::{PlayedDoors, PlayedRunner};
use super::store::Watched;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use strawboss_core::project::{AfterMerge, AgentEntry, AgentKind, Approval, Catalog, Limits, Project, Repository, ReviewMode};
use strawboss_core::runner::Tool;
use strawboss_core::store::Store as _;
use strawboss_core::{ProjectName, RunId, SandboxId, TaskId, Timestamp};
use strawboss_engine::link::{FromLink, SupervisorLink, ToLink};
use strawboss_engine::ports::{Clock, SystemClock};
use strawboss_engine::{Engine, EngineConfig, Parts, Source};
use strawboss_protocol::api::{NewTask, TaskView};
use strawboss_protocol::supervisor::{
    End, FromSupervisor, Heartbeat, Hello, Orders, Phase, Report, ReportBody, ToSupervisor, VERSION,
};

/// How long anything may take that is waited for; machines are shared.
const DEADLINE: Duration = Duration::from_mins(2);

/// What comes, or a failure when nothing does.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, coming).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Waits until a condition holds.
pub(crate) async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(it) = holds().await {
            return it;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The machine's clock, which a test can put forward.
#[derive(Default)]
pub(crate) struct MovableClock(AtomicI64);

impl MovableClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::SeqCst))
    }
}

/// Git without anybody's settings.
pub(crate) fn git(at: &Path, args: &[&str]) -> String {
    std::fs::create_dir_all(at).unwrap();
    let out = Command::new("git")
        .current_dir(at)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// See the module.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<Watched>,
    pub(crate) runner: Arc<PlayedRunner>,
    pub(crate) doors: Arc<PlayedDoors>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) repository: PathBuf,
    config: EngineConfig,
    dir: tempfile::TempDir,
}

impl Ground {
    /// With a project `Demo`, changed by the test; the engine is not started yet.
    pub(crate) async fn new(change: impl FnOnce(&mut Project)) -> Self {
        Self::with_sources(change, Vec::new()).await
    }

    pub(crate) async fn with_sources(change: impl FnOnce(&mut Project), sources: Vec<Source>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("demo");
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        std::fs::write(repository.join("readme.txt"), "begin\n").unwrap();
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "--quiet", "-m", "Begin"]);
        // Nothing is checked out on `main`, so that it moves by compare-and-swap alone.
        git(&repository, &["checkout", "--quiet", "--detach"]);
        let name = ProjectName::parse("Demo").unwrap();
        let mut project = Project {
            name: name.clone(),
            repository: Repository::Directory(repository.clone()),
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
            branch: Some("main".to_owned()),
            limits: Limits::default(),
            allow: Vec::new(),
            internal: Vec::new(),
            max_concurrent: 1,
            after_merge: AfterMerge::None,
            unusable: None,
        };
        change(&mut project);
        let command = Some("true".to_owned());
        let shell = AgentEntry { kind: AgentKind::Shell, command, tool_dir: None, version: None, unusable: None };
        let claude = AgentEntry { kind: AgentKind::Claude, command: None, ..shell.clone() };
        let agents = [(AgentKind::Shell, shell), (AgentKind::Claude, claude)].into();
        let catalog = Catalog { projects: [(name, project)].into(), models: BTreeMap::new(), agents };
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let supervisor = Tool { name: "supervisor".to_owned(), dir: dir.path().to_owned() };
        let mut config = EngineConfig::new(data, catalog, supervisor);
        config.sources = sources;
        config.tick = Duration::from_millis(50);
        config.backoff = Duration::from_millis(10);
        config.stop_grace = Duration::from_millis(100);
        config.machinery_tries = 3;
        let store = Arc::new(Watched::new().await);
        let runner = Arc::new(PlayedRunner::default());
        let doors = Arc::new(PlayedDoors::new(dir.path().to_owned()));
        let clock = Arc::new(MovableClock::default());
        let parts = Parts { store: store.clone(), runner: runner.clone(), doors: doors.clone(), clock: clock.clone() };
        let engine = Engine::new(config.clone(), parts);
        Self { engine, store, runner, doors, clock, repository, config, dir }
    }

    /// Started.
    pub(crate) async fn started(change: impl FnOnce(&mut Project)) -> Self {
        let ground = Self::new(change).await;
        ground.engine.start().await.unwrap();
        ground
    }

    /// Shuts the engine down and starts another on the same state, with a changed configuration.
    pub(crate) async fn again(&mut self, change: impl FnOnce(&mut EngineConfig)) {
        soon("the engine has drained", self.engine.shutdown()).await;
        change(&mut self.config);
        let parts = Parts {
            store: self.store.clone(),
            runner: self.runner.clone(),
            doors: self.doors.clone(),
            clock: self.clock.clone(),
        };
        self.engine = Engine::new(self.config.clone(), parts);
        self.engine.start().await.unwrap();
    }

    pub(crate) async fn add(&self, action: &str) -> TaskId {
        let new = NewTask {
            project: "Demo".to_owned(),
            action: action.to_owned(),
            priority: None,
            deadline: None,
            mode: None,
            needs_gpu: false,
            agent: None,
            model: None,
            depends_on: Vec::new(),
        };
        let view = self.engine.task_add(new).await.unwrap();
        TaskId::parse(&view.id).unwrap()
    }

    pub(crate) async fn until_state(&self, task: &TaskId, state: &str) -> TaskView {
        until(&format!("{task} is {state}"), async || {
            let view = self.engine.task(task).await.unwrap();
            (view.state.word() == state).then_some(view)
        })
        .await
    }

    pub(crate) async fn run(&self, run: &RunId) -> strawboss_core::Run {
        self.store.run(run).await.unwrap().unwrap()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        let mirrors = std::fs::read_dir(self.dir.path().join("data/mirrors")).unwrap();
        let mut found: Vec<PathBuf> = mirrors.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// A commit on top of `main`, pushed to the mirror as a sandbox would.
    pub(crate) fn push(&self, file: &str, text: &str, reference: &str) -> String {
        let blob = self.dir.path().join("blob");
        std::fs::write(&blob, text).unwrap();
        let blob = git(&self.repository, &["hash-object", "-w", blob.to_str().unwrap()]);
        let base = git(&self.repository, &["ls-tree", "main"]);
        let listing = self.dir.path().join("listing");
        std::fs::write(&listing, format!("{base}\n100644 blob {blob}\t{file}\n")).unwrap();
        let tree = Command::new("git")
            .current_dir(&self.repository)
            .arg("mktree")
            .stdin(std::fs::File::open(&listing).unwrap())
            .output()
            .unwrap();
        let tree = String::from_utf8(tree.stdout).unwrap();
        let commit = git(&self.repository, &["commit-tree", tree.trim(), "-p", "main", "-m", file]);
        let mirror = self.mirror();
        git(&self.repository, &["push", "--quiet", "--force", mirror.to_str().unwrap(), &format!("{commit}:{reference}")]);
        commit
    }

    /// Moves `main` on, as a person would.
    pub(crate) fn move_main(&self, file: &str) {
        git(&self.repository, &["checkout", "--quiet", "main"]);
        std::fs::write(self.repository.join(file), file).unwrap();
        git(&self.repository, &["add", "."]);
        git(&self.repository, &["commit", "--quiet", "-m", file]);
        git(&self.repository, &["checkout", "--quiet", "--detach"]);
    }

    /// A file as `main` has it.
    pub(crate) fn on_main(&self, file: &str) -> bool {
        git(&self.repository, &["ls-tree", "--name-only", "main"]).lines().any(|name| name == file)
    }

    /// Plays a sandbox's supervisor, once it is raised.
    pub(crate) async fn play(&self, run: &RunId, purpose: &str) -> Played {
        let sandbox = SandboxId::parse(&format!("{run}-{purpose}")).unwrap();
        let grant = until(&format!("{sandbox} is raised"), async || {
            if !self.runner.asked(&format!("start {sandbox}")) {
                return None;
            }
            self.engine.door_token(&sandbox).await.ok()
        })
        .await;
        Played::dial(&self.engine, sandbox, grant.token).await.unwrap()
    }

    /// The same supervisor connects again.
    pub(crate) async fn dial_again(&self, played: Played) -> Played {
        let Played { sandbox, token, .. } = played;
        until("it is welcome again", async || Played::dial(&self.engine, sandbox.clone(), token.clone()).await.ok()).await
    }

    /// The agent of a task's first run does its work and pushes it; gives the run.
    pub(crate) async fn work(&self, task: &TaskId, file: &str) -> (RunId, Played) {
        let run = task.run(1);
        let mut agent = self.play(&run, "agent").await;
        agent.report(ReportBody::Phase { phase: Phase::Working }).await;
        let branch = format!("refs/heads/{}", task.branch());
        let commit = self.push(file, "work", &branch);
        agent.report(ReportBody::Pushed { reference: branch, commit }).await;
        (run, agent)
    }
}

/// A sandbox's supervisor, played.
pub(crate) struct Played {
    pub(crate) sandbox: SandboxId,
    pub(crate) token: String,
    pub(crate) orders: Orders,
    link: SupervisorLink,
    reports: u64,
}

impl Played {
    /// Connects and says hello; refused when there is no such door, or the connection is closed at once.
    pub(crate) async fn dial(engine: &Engine, sandbox: SandboxId, token: String) -> Result<Self, ()> {
        let mut link = engine.door_connect(&sandbox, &token).map_err(|_| ())?;
        let hello = Hello {
            version: VERSION,
            has_orders: false,
            terminal_end: 0,
            terminal_start: 0,
            report_end: 0,
            takes_questions: true,
        };
        say(&link, &FromSupervisor::Hello(hello)).await;
        let Some(ToLink::Text(text)) = soon("the welcome", link.outgoing.recv()).await else { return Err(()) };
        let ToSupervisor::Welcome(welcome) = serde_json::from_str(&text).unwrap() else { panic!("no welcome: {text}") };
        Ok(Self { sandbox, token, reports: welcome.reports_after, orders: welcome.orders, link })
    }

    /// Waits for whatever is said next, or for the end of the connection.
    pub(crate) async fn answer(&mut self) {
        soon("an answer", self.link.outgoing.recv()).await;
    }

    /// Reports, and waits until it is stored.
    pub(crate) async fn report(&mut self, body: ReportBody) {
        assert!(self.try_report(body).await, "the connection was closed");
    }

    /// The same; false when the connection is closed instead.
    pub(crate) async fn try_report(&mut self, body: ReportBody) -> bool {
        self.reports += 1;
        let number = self.reports;
        let report = Report { seq: number, at: Timestamp(0), body };
        let text = serde_json::to_string(&FromSupervisor::Report(report)).unwrap();
        if self.link.incoming.send(FromLink::Text(text)).await.is_err() {
            return false;
        }
        soon("the acknowledgement", async {
            loop {
                match self.link.outgoing.recv().await {
                    Some(ToLink::Text(text)) if text.contains("\"ack\"") => {
                        let ToSupervisor::Ack { reports, .. } = serde_json::from_str(&text).unwrap() else { continue };
                        if reports >= number {
                            return true;
                        }
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
        })
        .await
    }

    /// Reports, and waits for nothing.
    pub(crate) async fn tell(&mut self, body: ReportBody) {
        self.reports += 1;
        let report = Report { seq: self.reports, at: Timestamp(0), body };
        say(&self.link, &FromSupervisor::Report(report)).await;
    }

    pub(crate) async fn done(&mut self, end: End) {
        self.tell(ReportBody::Done { end }).await;
    }

    pub(crate) async fn beat(&self) {
        let beat = Heartbeat { cpu_ms: Some(1), memory_bytes: None, disk_bytes: None, processes: None };
        say(&self.link, &FromSupervisor::Heartbeat(beat)).await;
    }

    /// Prints; false when the connection is closed.
    pub(crate) async fn print(&self, offset: u64, bytes: &[u8]) -> bool {
        let mut frame = offset.to_be_bytes().to_vec();
        frame.extend_from_slice(bytes);
        self.link.incoming.send(FromLink::Binary(Bytes::from(frame))).await.is_ok()
    }

    /// Waits until it is told something that fits.
    pub(crate) async fn until_told<T>(&mut self, what: &str, fits: impl Fn(&ToSupervisor) -> Option<T>) -> T {
        soon(what, async {
            loop {
                match self.link.outgoing.recv().await {
                    Some(ToLink::Text(text)) => {
                        if let Some(found) = fits(&serde_json::from_str(&text).unwrap()) {
                            return found;
                        }
                    }
                    Some(ToLink::Binary(_)) => {}
                    None => panic!("the connection was closed"),
                }
            }
        })
        .await
    }

    /// Waits until it is told to stop.
    pub(crate) async fn until_stop(&mut self) {
        soon("it is told to stop", async {
            loop {
                match self.link.outgoing.recv().await {
                    Some(ToLink::Text(text)) if text.contains("\"stop\"") => return,
                    Some(_) => {}
                    None => panic!("the connection was closed"),
                }
            }
        })
        .await;
    }
}

async fn say(link: &SupervisorLink, message: &FromSupervisor) {
    link.incoming.send(FromLink::Text(serde_json::to_string(message).unwrap())).await.unwrap();
}
