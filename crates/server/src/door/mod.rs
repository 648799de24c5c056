//! The door's side in the control plane: what a sandbox's only socket leads to.
//!
//! Whoever connects here is known by which door it came through, and is hostile: every request is bounded, and the only
//! thing it can claim is the control token. Control and the agent's tools go to the engine, git to the project's mirror,
//! everything else to the [`DoorWays`] (the gateway and the proxy). Nothing here knows what a run is for.

pub(crate) mod control;
pub mod gateway;
pub(crate) mod git;
mod mcp;
pub(crate) mod reply;

use crate::error::ApiError;
use crate::request_id;
use git::program::GitProgram;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reply::error;
use std::convert::Infallible;
use std::sync::Arc;
use strawboss_core::{SandboxId, TaskId};
use strawboss_engine::link::{GitAccess, Reach, SupervisorLink};
use strawboss_engine::{Engine, Refused};
use strawboss_protocol::agent::{AgentNewTask, AgentPlan, AgentTask, Asked, HandedOver, PhaseDone};
use strawboss_protocol::supervisor::TokenGrant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

pub use reply::{DoorBody, DoorError};

/// How many connections one sandbox may hold at once: an agent's parallel downloads, with room.
const MAX_CONNECTIONS: usize = 256;
/// How many git programs may work for one sandbox at once: a fetch, a push, and one more of each.
const MAX_GIT: usize = 4;
/// How many calls of its agent's tools are answered at once; more wait.
const MAX_CALLS: usize = 4;

/// What the door needs of the engine.
#[async_trait::async_trait]
pub trait DoorHost: Send + Sync {
    /// The control token, for a door's first caller only.
    async fn token(&self, sandbox: &SandboxId) -> Result<TokenGrant, Refused>;
    /// Takes a supervisor's connection.
    fn connect(&self, sandbox: &SandboxId, bearer: &str) -> Result<SupervisorLink, Refused>;
    /// What the sandbox may do with its mirror.
    fn git(&self, sandbox: &SandboxId) -> Result<GitAccess, Refused>;
    /// What else it may reach.
    fn reach(&self, sandbox: &SandboxId) -> Result<Reach, Refused>;
    /// The task that its agent works at.
    async fn agent_task(&self, sandbox: &SandboxId) -> Result<AgentTask, Refused>;
    /// What its agent says of how far it is.
    async fn agent_progress(&self, sandbox: &SandboxId, text: &str, percent: Option<u8>) -> Result<(), Refused>;
    /// Its agent says that the task is complete.
    async fn agent_complete(&self, sandbox: &SandboxId, summary: &str) -> Result<HandedOver, Refused>;
    /// Its agent asks for another task.
    async fn agent_create(&self, sandbox: &SandboxId, new: AgentNewTask) -> Result<TaskId, Refused>;
    /// Its agent asks people, and offers answers. Returns when there is an answer, or after a while.
    async fn agent_ask(&self, sandbox: &SandboxId, question: &str, choices: &[String]) -> Result<Asked, Refused>;
    /// The plan that its task is a phase of.
    async fn agent_plan(&self, sandbox: &SandboxId) -> Result<AgentPlan, Refused>;
    /// Its agent says that a phase of it is done.
    async fn agent_phase_done(&self, sandbox: &SandboxId, phase: u32, summary: &str) -> Result<PhaseDone, Refused>;
}

#[async_trait::async_trait]
impl DoorHost for Engine {
    async fn token(&self, sandbox: &SandboxId) -> Result<TokenGrant, Refused> {
        self.door_token(sandbox).await
    }

    fn connect(&self, sandbox: &SandboxId, bearer: &str) -> Result<SupervisorLink, Refused> {
        self.door_connect(sandbox, bearer)
    }

    fn git(&self, sandbox: &SandboxId) -> Result<GitAccess, Refused> {
        self.door_git(sandbox)
    }

    fn reach(&self, sandbox: &SandboxId) -> Result<Reach, Refused> {
        self.door_reach(sandbox)
    }

    async fn agent_task(&self, sandbox: &SandboxId) -> Result<AgentTask, Refused> {
        self.agent_task(sandbox).await
    }

    async fn agent_progress(&self, sandbox: &SandboxId, text: &str, percent: Option<u8>) -> Result<(), Refused> {
        self.agent_progress(sandbox, text, percent).await
    }

    async fn agent_complete(&self, sandbox: &SandboxId, summary: &str) -> Result<HandedOver, Refused> {
        self.agent_complete(sandbox, summary).await
    }

    async fn agent_create(&self, sandbox: &SandboxId, new: AgentNewTask) -> Result<TaskId, Refused> {
        self.agent_create(sandbox, new).await
    }

    async fn agent_ask(&self, sandbox: &SandboxId, question: &str, choices: &[String]) -> Result<Asked, Refused> {
        self.agent_ask(sandbox, question, choices).await
    }

    async fn agent_plan(&self, sandbox: &SandboxId) -> Result<AgentPlan, Refused> {
        self.agent_plan(sandbox).await
    }

    async fn agent_phase_done(&self, sandbox: &SandboxId, phase: u32, summary: &str) -> Result<PhaseDone, Refused> {
        self.agent_phase_done(sandbox, phase, summary).await
    }
}

/// What stands behind the door beside control and git.
pub trait DoorWays: Send + Sync {
    /// The ways of one sandbox, made once for its open door.
    fn open(&self, sandbox: &SandboxId, reach: &Reach) -> Result<Arc<dyn SandboxWays>, Refused>;
}

/// One sandbox's ways out.
#[async_trait::async_trait]
pub trait SandboxWays: Send + Sync {
    /// Answers `/gateway/…`: a model API.
    async fn gateway(&self, request: Request<Incoming>) -> Response<DoorBody>;
    /// Answers CONNECT and absolute-form requests: the allowed hosts.
    async fn proxy(&self, request: Request<Incoming>) -> Response<DoorBody>;
    /// The door is gone: whatever is open ends.
    fn close(&self);
}

/// What all doors share. Cheap to clone.
#[derive(Clone)]
pub struct DoorContext {
    host: Arc<dyn DoorHost>,
    ways: Arc<dyn DoorWays>,
    git: GitProgram,
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

impl DoorContext {
    /// Doors end their connections in order when `shutdown` is cancelled.
    pub fn new(host: Arc<dyn DoorHost>, ways: Arc<dyn DoorWays>, shutdown: CancellationToken) -> Self {
        Self { host, ways, git: GitProgram::default(), shutdown, tracker: TaskTracker::new() }
    }

    /// Returns when everything that came through doors has ended, git programs included. After shutdown only.
    pub async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// A sandbox's open door.
pub struct Door {
    context: DoorContext,
    sandbox: SandboxId,
    ways: OnceCell<Arc<dyn SandboxWays>>,
    connections: Arc<Semaphore>,
    git: Arc<Semaphore>,
    calls: Semaphore,
    closed: CancellationToken,
}

impl Door {
    /// Opens one. Nothing listens yet: hand connections to [`serve_connection`].
    pub fn open(context: DoorContext, sandbox: SandboxId) -> Arc<Self> {
        Arc::new(Self {
            context,
            sandbox,
            ways: OnceCell::new(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            git: Arc::new(Semaphore::new(MAX_GIT)),
            calls: Semaphore::new(MAX_CALLS),
            closed: CancellationToken::new(),
        })
    }

    /// Whose door it is.
    pub fn sandbox(&self) -> &SandboxId {
        &self.sandbox
    }

    /// Ends every connection at once.
    pub fn close(&self) {
        self.closed.cancel();
        if let Some(ways) = self.ways.get() {
            ways.close();
        }
    }

    async fn ways(&self) -> Result<Arc<dyn SandboxWays>, Refused> {
        let ways = self
            .ways
            .get_or_try_init(|| async {
                let reach = self.context.host.reach(&self.sandbox)?;
                self.context.ways.open(&self.sandbox, &reach)
            })
            .await?;
        if self.closed.is_cancelled() {
            ways.close();
        }
        Ok(Arc::clone(ways))
    }
}

/// Serves one connection of a sandbox until either side ends it.
pub async fn serve_connection(door: Arc<Door>, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let Ok(_place) = Arc::clone(&door.connections).try_acquire_owned() else {
        tracing::warn!(sandbox.id = %door.sandbox, "a sandbox holds too many connections; one more was closed");
        return;
    };
    let serving = Arc::clone(&door);
    let service = service_fn(move |request| {
        let door = Arc::clone(&serving);
        async move { Ok::<_, Infallible>(observed(door, request).await) }
    });
    let connection = strawboss_gateway::door_http().serve_connection(TokioIo::new(io), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        // Nothing more is answered through a closed door, not even what has come already.
        biased;
        () = door.closed.cancelled() => return,
        ended = &mut connection => ended,
        () = door.context.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = door.closed.cancelled() => return,
                ended = &mut connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(sandbox.id = %door.sandbox, %error, "a door's connection broke");
    }
}

/// Answers, under a number that everything said meanwhile carries in the log, with whose it is. It is told to nobody.
async fn observed(door: Arc<Door>, request: Request<Incoming>) -> Response<DoorBody> {
    let sandbox = door.sandbox.clone();
    let run = sandbox.run();
    let span = tracing::info_span!("door", request.id = %request_id::next(), run.id = %run, sandbox.id = %sandbox);
    async {
        let response = answer(door, request).await;
        tracing::debug!(status = response.status().as_u16(), "a sandbox's request was answered");
        response
    }
    .instrument(span)
    .await
}

async fn answer(door: Arc<Door>, request: Request<Incoming>) -> Response<DoorBody> {
    if request.method() == Method::CONNECT || request.uri().scheme().is_some() {
        return match door.ways().await {
            Ok(ways) => ways.proxy(request).await,
            Err(refused) => error(&refused.into()),
        };
    }
    let path = request.uri().path();
    if path.starts_with("/gateway/") {
        return match door.ways().await {
            Ok(ways) => ways.gateway(request).await,
            Err(refused) => error(&refused.into()),
        };
    }
    match path {
        "/control/token" => control::token(&door, &request).await,
        "/control" => control::connect(door, request).await,
        "/mcp" => mcp::answer(door, request).await,
        _ if path.starts_with("/git/") => git::answer(door, request).await,
        _ => {
            let shown: String = path.chars().take(200).collect();
            error(&ApiError::not_found(
                format!("the door has nothing at `{} {shown}`", request.method()),
                Some("It serves /git/mirror.git, /gateway/…, /mcp, and a proxy (CONNECT and absolute-form HTTP).".to_owned()),
            ))
        }
    }
}
