//! `strawboss serve`: the only place that sees every part, and joins them.
//!
//! Logging, configuration, data directory, parts, port, start; then wait for a signal and drain in the opposite order.
//! It decides nothing about work.

pub(crate) mod data_dir;
mod doors;
mod files;
pub(crate) mod plane;
pub(crate) mod providers;
mod reload;
pub(crate) mod runner;
pub(crate) mod sources;
pub(crate) mod state;
mod timed_store;

use crate::config::settings::{RunnerKind, Sessions, Settings};
use crate::config::{self, Config, Flags};
use crate::context::Context;
use crate::environment::Environment;
use crate::failure::{ExitStatus, Failure, io};
use crate::{backup, logging, tools};
use data_dir::{DataDir, Secrets};
use doors::OpenDoors;
use reload::Reloader;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::policy::Habits;
use strawboss_core::project::Catalog;
use strawboss_engine::ports::SystemClock;
use strawboss_engine::{Engine, EngineConfig, HostTerminals, Parts};
use strawboss_gateway::{Egress, EgressConfig};
use strawboss_runner::{SocketDoors, Tmux, TmuxConfig};
use strawboss_server::door::DoorContext;
use strawboss_server::door::gateway::GatewayWays;
use strawboss_server::{AuthConfig, Measure, Operations, Reload as _, Server, ServerConfig};
use strawboss_store::SqlStore;
use timed_store::TimedStore;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long requests and streams may take to end when the service stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long everything else may take after that, until the program ends all the same: the next start goes on.
const DRAIN_ALL: Duration = Duration::from_secs(30);

/// Start the service: scheduler, gateway, API and dashboard
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  strawboss serve                                  with the nearest strawboss.yaml
  strawboss serve --listen 127.0.0.1:0             on any free port
  strawboss serve --runner process                 without Docker, and without isolation

SIGHUP reads the configuration again (`strawboss config reload` does too, and says what came of it).
SIGTERM or Ctrl-C drains: nothing new starts, agents go on in their sandboxes, and the next start adopts them. A second
signal ends it at once; that loses nothing either.")]
pub(crate) struct ServeArgs {
    /// Where to listen, instead of `server.listen`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where state lies, instead of `server.data_dir`
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// auto, docker or process, instead of `runner.type`
    #[arg(long, value_name = "KIND")]
    runner: Option<String>,
    /// How many runs at once, instead of `runner.max_concurrent`
    #[arg(long, value_name = "NUMBER")]
    max_concurrent: Option<String>,
    /// Write the address here once it serves (for `--listen …:0`)
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: ServeArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let flags = Flags {
        config: context.global.config.clone(),
        listen: args.listen,
        data_dir: args.data_dir,
        runner: args.runner,
        max_concurrent: args.max_concurrent,
    };
    let config = config::load(&flags, &context.environment)?;
    let logging = logging::serve(&config.settings.log, &config.settings.server.data_dir);
    warn(&config, &context.environment);
    files::allow(config.settings.runner.max_concurrent);
    // Before anything is started, so that no signal is lost.
    let mut signals = Signals::new()?;
    let data_dir = DataDir::take(&config.settings.server.data_dir)?;
    backup::spool::sweep(data_dir.path());
    logging.write_to_files(data_dir.path(), &config.settings.log);
    let secrets = data_dir.secrets()?;
    let reloader = Reloader::new(reload::settled(flags, config.is_file.then(|| config.file.clone())), config.settings.clone());
    let operations = Operations { logs: logging.capture.ring.clone(), reload: Some(reloader.clone()) };
    let service = tokio::select! {
        wired = Service::wire(&config, &data_dir, &secrets, &context.environment, operations) => wired?,
        // A database may be waited for; a step on its tables that is cut off is taken back by it.
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before anything was started");
            return Ok(ExitStatus::Interrupted);
        }
    };
    let address = service.server.local_addr();
    service.engine.start().await.map_err(|error| {
        Failure::new(format!("the engine could not start: {error}")).fix("`strawboss doctor` says what is wrong.")
    })?;
    data_dir.say_address(address)?;
    if let Some(file) = &args.address_file {
        data_dir::write_whole(file, &format!("{address}\n")).map_err(io(format_args!("write {}", file.display())))?;
    }
    greet(address, &secrets, &config);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %data_dir.path().display(),
        config = %config.file.display(),
        projects = config.settings.projects.len(),
        "Strawboss serves on {address}"
    );
    reloader.start(reload::Live { engine: service.engine.clone(), ways: service.ways.clone(), logging });
    service.until_stopped(&mut signals, &reloader).await
}

/// Says what is doubtful in the configuration and the environment.
fn warn(config: &Config, environment: &Environment) {
    for problem in config.report.warnings() {
        tracing::warn!(hint = problem.hint, "{}", problem.message);
    }
    for (name, near) in environment.unknown() {
        if let Some(near) = near {
            tracing::warn!("the environment variable {name} is not known; did you mean {near}?")
        } else {
            tracing::debug!("the environment variable {name} is not known")
        }
    }
    if config.settings.projects.is_empty() {
        tracing::warn!("no project is configured: every row of every backlog will be blocked");
    }
    if config.settings.runner.kind == RunnerKind::Process {
        tracing::warn!(
            "the process runner was named: agents run as plain processes of this machine, with NO isolation. They can read \
             what their user can read and reach what this machine can reach"
        );
    }
}

/// Where a browser reaches an address that means "every address".
pub(crate) fn browsable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Prints how to get in: with the token once, at the first start, and only to a person. What is no terminal is a log.
#[expect(clippy::print_stdout, reason = "it is what the person who starts the service reads")]
fn greet(address: SocketAddr, secrets: &Secrets, config: &Config) {
    let base = config.settings.server.public_url.clone().unwrap_or_else(|| format!("http://{}", browsable(address)));
    println!("Strawboss {} serves on {base}/", env!("CARGO_PKG_VERSION"));
    if secrets.fresh && std::io::stdout().is_terminal() {
        println!("Open this link once in your browser; it signs you in, and is not shown again by itself:");
        println!("  {base}/#token={}", secrets.admin_token);
    } else {
        println!("`strawboss token link` prints the link that signs a browser in.");
    }
    for backlog in &config.settings.backlogs {
        println!("Backlog: {backlog}");
    }
}

/// Everything, joined.
struct Service {
    engine: Engine,
    server: Server,
    doors: Arc<OpenDoors>,
    ways: GatewayWays,
    /// Ends the server: streams say goodbye.
    stop_server: CancellationToken,
    /// Ends the doors, after the engine.
    stop_doors: CancellationToken,
    store: Arc<SqlStore>,
    /// Makes backups, where they are configured.
    backups: TaskTracker,
}

impl Service {
    async fn wire(
        config: &Config,
        data_dir: &DataDir,
        secrets: &Secrets,
        environment: &Environment,
        operations: Operations,
    ) -> Result<Self, Failure> {
        let settings = &config.settings;
        let measure = Measure::new().map_err(|error| Failure::new(format!("could not set up measurements: {error}")))?;
        // Before any part is made, so that what they count is counted. A second start is a test's.
        let _ = measure.install();
        let store = Arc::new(state::take(&settings.database, data_dir.path(), &secrets.installation).await?);
        let runner = runner::runner(settings, data_dir.path(), &secrets.installation).await?;
        let gpus = match runner.info().await {
            Ok(info) => {
                tracing::info!(runner = info.kind, isolated = info.isolated, "{}", info.detail);
                info.gpus
            }
            Err(_) => u32::try_from(settings.runner.gpus.len()).unwrap_or(u32::MAX),
        };
        let supervisor = tools::supervisor(environment).map_err(|tried| no_supervisor(&tried))?;
        let mut engine_config = EngineConfig::new(data_dir.path().to_owned(), catalog(settings, environment), supervisor);
        engine_config.slots = settings.runner.max_concurrent;
        engine_config.habits = Habits { preempt: settings.scheduler.preempt, resume: settings.scheduler.auto_resume };
        engine_config.preempt_interval = settings.scheduler.preempt_interval;
        engine_config.gpus = gpus;
        engine_config.retention = settings.retention;
        engine_config.host = settings.sessions.tmux.then(|| host(&settings.sessions));
        engine_config.shells = settings.sessions.containers.clone();
        engine_config.public_url.clone_from(&settings.server.public_url);
        let opener = sources::Opener { config: &config.file, data_dir: Some(data_dir.path()), environment };
        engine_config.sources = settings.backlogs.iter().map(|backlog| opener.open(backlog)).collect::<Result<_, Failure>>()?;
        for (project, configured) in &settings.pull_requests {
            let pulls = opener.pull_requests(project, configured)?;
            engine_config.pull_requests.insert(project.clone(), Arc::new(pulls));
        }
        let stop_doors = CancellationToken::new();
        // The data directory was closed to others and named anew since it was configured.
        let elsewhere = settings.server.doors_dir != settings.server.data_dir;
        let doors_dir = if elsewhere { &settings.server.doors_dir } else { data_dir.path() };
        let sockets = SocketDoors::new(doors_dir).map_err(|error| Failure::new(error.to_string()))?;
        let doors = Arc::new(OpenDoors::new(sockets, stop_doors.clone()));
        let timed = Arc::new(TimedStore::new(store.clone()));
        let parts = Parts { store: timed, runner, doors: doors.clone(), clock: Arc::new(SystemClock) };
        let engine = Engine::new(engine_config, parts);
        let models = providers::model_proxy(settings, environment, Arc::new(engine.clone()))?;
        let egress = Egress::new(EgressConfig::new(Arc::new(engine.clone())));
        let ways = GatewayWays::new(models, egress);
        doors.serve(DoorContext::new(Arc::new(engine.clone()), Arc::new(ways.clone()), stop_doors.clone()));
        let server_config = ServerConfig {
            listen: settings.server.listen,
            legacy_listen: settings.server.legacy_listen,
            auth: AuthConfig {
                admin_token_hash: AuthConfig::hash(&secrets.admin_token),
                cookie_key: secrets.cookie_key,
                public_names: settings.server.public_names.clone(),
                metrics_on_loopback: settings.server.metrics_on_loopback,
                registration: settings.server.registration,
                trusted_proxies: settings.server.trusted_proxies.clone(),
            },
            drain: DRAIN,
        };
        let server = Server::bind_operated(server_config, engine.clone(), measure, operations)
            .await
            .map_err(|error| Failure::new(error.to_string()).status(ExitStatus::Conflict))?;
        let stop_server = CancellationToken::new();
        let backups = TaskTracker::new();
        if let Some(backup) = &settings.backup {
            let data_dir = data_dir.path().to_owned();
            backups.spawn(backup::schedule::run(backup.clone(), store.clone(), data_dir, stop_server.clone()));
        }
        backups.close();
        Ok(Self { engine, server, doors, ways, stop_server, stop_doors, store, backups })
    }

    /// Serves until the first signal and drains; the second one ends it at once.
    async fn until_stopped(self, signals: &mut Signals, reloader: &Reloader) -> Result<ExitStatus, Failure> {
        let stop = self.stop_server.clone();
        let serving = tokio::spawn(self.server.serve(stop.clone()));
        let name = loop {
            match signals.next_or_reload().await {
                Some(name) => break name,
                // It says itself what came of it.
                None => drop(reloader.reload().await),
            }
        };
        // At once: the server may take a while until its last viewer is gone.
        self.engine.drain();
        tracing::info!(signal = name, "draining: nothing new starts; agents go on in their sandboxes");
        stop.cancel();
        let drain = async {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the server ended by itself");
            }
            self.engine.shutdown().await;
            self.stop_doors.cancel();
            self.doors.drained().await;
            self.ways.drained().await;
            self.backups.wait().await;
            self.store.close().await;
        };
        tokio::select! {
            ended = tokio::time::timeout(DRAIN_ALL, drain) => {
                if ended.is_err() {
                    tracing::warn!("not everything ended in {} s; the next start goes on with it", DRAIN_ALL.as_secs());
                }
                tracing::info!("stopped");
                Ok(ExitStatus::Success)
            }
            name = signals.next() => {
                tracing::warn!(signal = name, "a second signal: stopped at once");
                Ok(ExitStatus::Interrupted)
            }
        }
    }
}

/// The host's tmux.
fn host(sessions: &Sessions) -> HostTerminals {
    let config = TmuxConfig { socket: sessions.socket.clone(), start: sessions.start, ..TmuxConfig::default() };
    tracing::warn!("sessions of the host's tmux are served: a token of scope admin is a shell on this machine");
    HostTerminals { terminals: Arc::new(Tmux::new(config)), look: sessions.discover }
}

fn no_supervisor(tried: &[PathBuf]) -> Failure {
    let tried: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
    Failure::new(format!("the supervisor, which runs in every sandbox, is not in {}", tried.join(", ")))
        .fix("Build it with `scripts/build-supervisor.sh`, or say where it is with STRAWBOSS_SUPERVISOR_DIR.")
}

fn catalog(settings: &Settings, environment: &Environment) -> Catalog {
    let agents = tools::agents(&settings.agents, environment);
    for agent in &agents {
        if let Some(unusable) = &agent.unusable {
            tracing::warn!(agent = agent.kind.word(), fix = unusable.fix, "{}", unusable.message)
        } else {
            tracing::debug!(agent = agent.kind.word(), version = agent.version, "an agent is ready")
        }
    }
    Catalog {
        projects: settings.projects.clone(),
        models: providers::models(settings, environment),
        agents: agents.into_iter().map(|agent| (agent.kind, agent)).collect(),
    }
}

/// Signals that ask the service to stop, or to read its configuration again.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(io("listen for signals"));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            reload: on(SignalKind::hangup())?,
        })
    }

    /// The next that asks to stop; none: the configuration is to be read again.
    async fn next_or_reload(&mut self) -> Option<&'static str> {
        tokio::select! {
            _ = self.terminate.recv() => Some("SIGTERM"),
            _ = self.interrupt.recv() => Some("SIGINT"),
            _ = self.reload.recv() => None,
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
