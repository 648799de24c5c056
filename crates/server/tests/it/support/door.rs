//! A real door on a Unix socket, the relay that a supervisor is, and an engine that is none.

use super::git::ENVIRONMENT;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use strawboss_core::{SandboxId, TaskId};
use strawboss_engine::Refused;
use strawboss_engine::link::{FromLink, GitAccess, Reach, SupervisorLink, ToLink};
use strawboss_protocol::agent::{AgentNewTask, AgentPlan, AgentTask, Asked, HandedOver, PhaseDone};
use strawboss_protocol::supervisor::TokenGrant;
use strawboss_server::door::DoorBody;
use strawboss_server::{Door, DoorContext, DoorHost, DoorWays, SandboxWays, serve_connection};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const SANDBOX: &str = "x-1.1-agent";
pub(crate) const TOKEN: &str = "only the supervisor knows";

pub(crate) fn sandbox() -> SandboxId {
    SandboxId::parse(SANDBOX).unwrap()
}

/// The engine's ends of a supervisor's connection.
pub(crate) type Ends = (mpsc::Receiver<FromLink>, mpsc::Sender<ToLink>);

/// Stands in for the engine.
pub(crate) struct FakeHost {
    access: Mutex<Option<GitAccess>>,
    granted: Mutex<bool>,
    links: Mutex<Vec<Ends>>,
    /// Whether the sandboxes are agents'.
    pub(crate) has_agent: bool,
    /// What agents' tools asked and told.
    pub(crate) heard: Mutex<Vec<String>>,
}

impl FakeHost {
    pub(crate) fn new(mirror: &Path, visible: &[&str], writable: &[&str], max_pack_bytes: u64) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let access = GitAccess { mirror: mirror.to_owned(), visible: names(visible), writable: names(writable), max_pack_bytes };
        Self {
            access: Mutex::new(Some(access)),
            granted: Mutex::new(false),
            links: Mutex::default(),
            has_agent: true,
            heard: Mutex::default(),
        }
    }

    pub(crate) fn access(&self) -> GitAccess {
        self.access.lock().unwrap().clone().unwrap()
    }

    /// The sandbox is known no more.
    pub(crate) fn forget(&self) {
        *self.access.lock().unwrap() = None;
    }

    /// The engine's ends of the newest connection.
    pub(crate) fn link(&self) -> Option<Ends> {
        self.links.lock().unwrap().pop()
    }
}

#[async_trait::async_trait]
impl DoorHost for FakeHost {
    async fn token(&self, sandbox: &SandboxId) -> Result<TokenGrant, Refused> {
        assert_eq!(sandbox.as_str(), SANDBOX);
        if std::mem::replace(&mut *self.granted.lock().unwrap(), true) {
            return Err(Refused::conflict("the token was given already", "Only the first caller gets it."));
        }
        Ok(TokenGrant { token: TOKEN.to_owned() })
    }

    fn connect(&self, sandbox: &SandboxId, bearer: &str) -> Result<SupervisorLink, Refused> {
        assert_eq!(sandbox.as_str(), SANDBOX);
        if bearer != TOKEN {
            return Err(Refused::Forbidden("that is not the token".to_owned()));
        }
        let (incoming, from) = mpsc::channel(4);
        let (to, outgoing) = mpsc::channel(4);
        self.links.lock().unwrap().push((from, to));
        Ok(SupervisorLink { incoming, outgoing })
    }

    fn git(&self, sandbox: &SandboxId) -> Result<GitAccess, Refused> {
        self.access.lock().unwrap().clone().ok_or_else(|| Refused::not_found("sandbox", sandbox))
    }

    fn reach(&self, _sandbox: &SandboxId) -> Result<Reach, Refused> {
        Ok(Reach {
            providers: vec!["local".to_owned()],
            allow: vec!["example.org".to_owned()],
            internal: Vec::new(),
            has_agent: self.has_agent,
        })
    }

    async fn agent_task(&self, sandbox: &SandboxId) -> Result<AgentTask, Refused> {
        self.heard.lock().unwrap().push(format!("{sandbox} asks"));
        Ok(AgentTask {
            id: format!("task of {sandbox}"),
            title: "Greet".to_owned(),
            text: "Greet\nin \"Latin\"".to_owned(),
            project: "Demo".to_owned(),
            run: sandbox.run().to_string(),
            branch: "strawboss/x-1".to_owned(),
            target: "main".to_owned(),
            mode: "headless",
            checks: vec!["true".to_owned()],
            depends_on: Vec::new(),
            source: None,
            comment: Some("Louder".to_owned()),
            tasks_created: Vec::new(),
        })
    }

    async fn agent_progress(&self, sandbox: &SandboxId, text: &str, percent: Option<u8>) -> Result<(), Refused> {
        match text {
            "broken" => return Err(Refused::Internal("row 7 at /secret/path".to_owned())),
            "too soon" => return Err(Refused::conflict("This was not taken.", "Go on.")),
            text => self.heard.lock().unwrap().push(format!("{sandbox} says {text} {percent:?}")),
        }
        Ok(())
    }

    async fn agent_complete(&self, sandbox: &SandboxId, summary: &str) -> Result<HandedOver, Refused> {
        self.heard.lock().unwrap().push(format!("{sandbox} is complete: {summary}"));
        Ok(HandedOver::AtTurnsEnd)
    }

    async fn agent_create(&self, sandbox: &SandboxId, new: AgentNewTask) -> Result<TaskId, Refused> {
        self.heard.lock().unwrap().push(format!("{sandbox} asks for {new:?}"));
        Ok(TaskId::parse("x-2").unwrap())
    }

    async fn agent_ask(&self, sandbox: &SandboxId, question: &str, choices: &[String]) -> Result<Asked, Refused> {
        self.heard.lock().unwrap().push(format!("{sandbox} wants to know {question} {choices:?}"));
        match question {
            "for ever" => {
                let _gone = Gone(&self.heard);
                std::future::pending().await
            }
            "nobody" => Ok(Asked::Open),
            _ => Ok(Asked::Answer("Latin".to_owned())),
        }
    }

    async fn agent_plan(&self, sandbox: &SandboxId) -> Result<AgentPlan, Refused> {
        let plan = format!("plan of {sandbox}");
        let (description, yours, next, done, claimed) = (String::new(), None, None, Vec::new(), Vec::new());
        Ok(AgentPlan { plan, description, yours, next, phases: 2, phases_done: 0, done, claimed })
    }

    async fn agent_phase_done(&self, _sandbox: &SandboxId, phase: u32, _summary: &str) -> Result<PhaseDone, Refused> {
        match phase {
            0 => Ok(PhaseDone::Already),
            1 => Ok(PhaseDone::Own(HandedOver::AtTurnsEnd)),
            2 => Ok(PhaseDone::WithThisWork),
            _ => Err(Refused::invalid("There is no such phase.", "See `plan_next`.")),
        }
    }
}

/// Notes that a call is waited for no more.
struct Gone<'a>(&'a Mutex<Vec<String>>);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("gone".to_owned());
    }
}

/// Says which way was taken.
pub(crate) struct Signposts;

impl DoorWays for Signposts {
    fn open(&self, _sandbox: &SandboxId, reach: &Reach) -> Result<Arc<dyn SandboxWays>, Refused> {
        Ok(Arc::new(Signpost { reach: reach.clone() }))
    }
}

struct Signpost {
    reach: Reach,
}

fn says(text: String) -> Response<DoorBody> {
    // An answer to CONNECT has no body: the tunnel begins.
    Response::builder()
        .header("x-way", text)
        .body(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

#[async_trait::async_trait]
impl SandboxWays for Signpost {
    async fn gateway(&self, request: Request<Incoming>) -> Response<DoorBody> {
        says(format!("gateway {} {:?}", request.uri(), self.reach.providers))
    }

    async fn proxy(&self, request: Request<Incoming>) -> Response<DoorBody> {
        says(format!("proxy {} {} {:?}", request.method(), request.uri(), self.reach.allow))
    }

    fn close(&self) {}
}

/// The door as seen from the sandbox, through a relay on 127.0.0.1.
pub(crate) struct Outside {
    pub(crate) door: Arc<Door>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) context: DoorContext,
    socket: PathBuf,
    relay: SocketAddr,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// What git did.
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) text: String,
}

impl Ran {
    /// What it printed, when it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.success, "{}", self.text);
        self.text
    }
}

pub(crate) async fn open_door(dir: &Path, host: Arc<FakeHost>) -> Outside {
    open_door_of(dir, host, sandbox()).await
}

pub(crate) async fn open_door_of(dir: &Path, host: Arc<FakeHost>, sandbox: SandboxId) -> Outside {
    let shutdown = CancellationToken::new();
    let context = DoorContext::new(host, Arc::new(Signposts), shutdown.clone());
    let door = Door::open(context.clone(), sandbox);
    let socket = dir.join("door.sock");
    let doorstep = UnixListener::bind(&socket).unwrap();
    let serving = Arc::clone(&door);
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = doorstep.accept().await {
            tokio::spawn(serve_connection(Arc::clone(&serving), stream));
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = listener.local_addr().unwrap();
    let to = socket.clone();
    let relaying = tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let mut far = UnixStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    let tasks = [serving, relaying].map(AbortOnDropHandle::new);
    Outside { door, shutdown, context, socket, relay, _tasks: tasks }
}

impl Outside {
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.relay)
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/git/mirror.git", self.base())
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// Git as a sandbox runs it.
    pub(crate) async fn git(&self, at: &Path, args: &[&str]) -> Ran {
        let mut command = tokio::process::Command::new("git");
        let running = command.current_dir(at).envs(ENVIRONMENT).args(args).kill_on_drop(true).output();
        let out = super::soon("git ends", running).await.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        Ran { success: out.status.success(), text }
    }
}
