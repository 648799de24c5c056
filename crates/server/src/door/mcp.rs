//! The tools with which a run's agent asks for its task and tells of it: MCP over streamable HTTP, at `/mcp`.
//!
//! Without sessions: every request is answered for the run whose door it came through, so there is nothing that could be
//! carried from one door to another, and nothing that a restart of the control plane would lose.

use super::Door;
use super::reply::{DoorBody, error};
use crate::error::ApiError;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;
use std::sync::{Arc, LazyLock};
use strawboss_engine::Refused;
use strawboss_protocol::agent::{AgentNewTask, Asked, HandedOver, PhaseDone};

/// The longest request, in bytes: the longest text of a tool, escaped, and what is around it.
const MAX_REQUEST: usize = 256 * 1024;

const HANDED_OVER: &str = "Handed over: the work is saved, checked and shown to people. Do nothing more.";
const END_YOUR_TURN: &str = "The summary is kept. End your turn now: the work is then saved, checked and shown to people.";

/// Made once: the arguments' schemas are always the same.
static ROUTER: LazyLock<ToolRouter<Tools>> = LazyLock::new(Tools::tool_router);

/// Answers `/mcp`.
pub(super) async fn answer(door: Arc<Door>, request: Request<Incoming>) -> Response<DoorBody> {
    match door.context.host.reach(&door.sandbox) {
        Ok(reach) if reach.has_agent => {}
        Ok(_) => {
            let fix = Some("They are for agents at their task.".to_owned());
            return error(&ApiError::not_found("there are no tools behind this door", fix));
        }
        Err(refused) => return error(&refused.into()),
    }
    // Never closed.
    let _place = door.calls.acquire().await;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_REQUEST)
        // Whoever comes through this door is this run, whatever it calls the host.
        .disable_allowed_hosts()
        .with_cancellation_token(door.closed.child_token());
    let serving = Arc::clone(&door);
    let make = move || Ok(Tools { door: Arc::clone(&serving) });
    let service = StreamableHttpService::new(make, Arc::new(NeverSessionManager::default()), config);
    service.handle(request).await.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

/// One run's tools.
#[derive(Clone)]
struct Tools {
    door: Arc<Door>,
}

#[derive(Deserialize, JsonSchema)]
struct Progress {
    /// What is done and what comes next, in a sentence or two. At most 2000 bytes.
    text: String,
    /// How much of the task is done, 0 to 100.
    percent: Option<u8>,
}

#[derive(Deserialize, JsonSchema)]
struct Complete {
    /// What was done and what a reviewer should know. At most 16000 bytes.
    summary: String,
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    /// What shall be done, complete enough for somebody who knows nothing of this conversation. At most 32000 bytes.
    action: String,
    /// 1 is the most urgent; left out, it comes last.
    priority: Option<u32>,
    /// Keys of tasks of the same project that must be done before.
    #[serde(default)]
    depends_on: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Ask {
    /// The question, complete enough for somebody who has not followed your work. At most 4000 bytes.
    question: String,
    /// Up to 10 answers to choose from, of 200 bytes at most; people may answer something else.
    #[serde(default)]
    choices: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Phase {
    /// Which phase, from 0, as `plan_next` numbers them.
    phase: u32,
    /// What was done and what a reviewer should know. At most 16000 bytes.
    #[serde(default)]
    summary: String,
}

#[tool_router]
impl Tools {
    /// The task you work at: its key, text, project and branch, the checks that must pass, what it depends on, where it
    /// comes from, and the comment with which your work was sent back, if it was.
    #[tool]
    async fn get_task(&self) -> CallToolResult {
        let task = self.door.context.host.agent_task(&self.door.sandbox).await;
        answered("get_task", task.map(|task| serde_json::to_string_pretty(&task).unwrap_or_default()))
    }

    /// Tell people how far you are. Call it at real steps: it replaces what you said before.
    #[tool]
    async fn report_progress(&self, Parameters(said): Parameters<Progress>) -> CallToolResult {
        let told = self.door.context.host.agent_progress(&self.door.sandbox, &said.text, said.percent).await;
        answered("report_progress", told.map(|()| "People see it.".to_owned()))
    }

    /// Say that the task is complete, once all of it is done and committed. Your work is then checked and shown to people.
    #[tool]
    async fn complete_task(&self, Parameters(said): Parameters<Complete>) -> CallToolResult {
        let handed = self.door.context.host.agent_complete(&self.door.sandbox, &said.summary).await;
        let told = handed.map(|handed| match handed {
            HandedOver::Now => HANDED_OVER,
            HandedOver::AtTurnsEnd => END_YOUR_TURN,
        });
        answered("complete_task", told.map(str::to_owned))
    }

    /// Ask for another task in this project: work that you found and that is not part of yours. A person decides whether
    /// it is done; do not wait for it.
    #[tool]
    async fn create_task(&self, Parameters(new): Parameters<Create>) -> CallToolResult {
        let new = AgentNewTask { action: new.action, priority: new.priority, depends_on: new.depends_on };
        let created = self.door.context.host.agent_create(&self.door.sandbox, new).await;
        answered("create_task", created.map(|id| format!("{id} is noted and waits for a person's approval.")))
    }

    /// Ask the people who gave you the task, when only they can decide. The answer is the result, if it comes within a minute; else
    /// end your turn, and it opens the next one. The same question in the same words is never asked twice: it waits again, or
    /// gives the answer.
    #[tool]
    async fn ask_human(&self, Parameters(ask): Parameters<Ask>, context: RequestContext<RoleServer>) -> CallToolResult {
        let asked = self.door.context.host.agent_ask(&self.door.sandbox, &ask.question, &ask.choices);
        let asked = tokio::select! {
            asked = asked => asked,
            // Whoever asked hears nothing of it any more: the answer must go another way.
            () = context.ct.cancelled() => Ok(Asked::Open),
        };
        let told = asked.map(|asked| match asked {
            Asked::Answer(answer) => answer,
            Asked::Open => {
                "Nobody has answered yet. The question stays open and people see it. Do what does not depend on it; if nothing \
                 is left, end your turn now: the answer opens your next one. Your work is not taken as finished meanwhile. \
                 To wait here again, ask in the same words."
                    .to_owned()
            }
        });
        answered("ask_human", told)
    }

    /// The plan that your task is a phase of: what is done, which phase is yours, and the next open one with its text.
    #[tool]
    async fn plan_next(&self) -> CallToolResult {
        let plan = self.door.context.host.agent_plan(&self.door.sandbox).await;
        answered("plan_next", plan.map(|plan| serde_json::to_string_pretty(&plan).unwrap_or_default()))
    }

    /// Say that a phase of your plan is done. For your own phase this is `complete_task`; another one, that your work does
    /// too, is completed when a person accepts your work.
    #[tool]
    async fn plan_done(&self, Parameters(said): Parameters<Phase>) -> CallToolResult {
        let done = self.door.context.host.agent_phase_done(&self.door.sandbox, said.phase, &said.summary).await;
        let told = done.map(|done| match done {
            PhaseDone::Already => "That phase is done already.",
            PhaseDone::Own(HandedOver::Now) => HANDED_OVER,
            PhaseDone::Own(HandedOver::AtTurnsEnd) => END_YOUR_TURN,
            PhaseDone::WithThisWork => {
                "Noted: that phase is completed when a person accepts your work. Go on, and hand over your own phase at the end."
            }
        });
        answered("plan_done", told.map(str::to_owned))
    }
}

#[tool_handler(router = ROUTER)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("strawboss", env!("CARGO_PKG_VERSION")))
            .with_instructions("What Strawboss, which gave you your task, has to say of it and wants to hear of it.")
    }
}

/// What the agent reads. It can mend what was refused; what is broken here is for the log.
fn answered(tool: &str, result: Result<String, Refused>) -> CallToolResult {
    let refused = match result {
        Ok(text) => return CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(refused) => refused,
    };
    tracing::info!(tool, error = %refused, "an agent's call of a tool was refused");
    let body = ApiError::from(refused).body;
    let fix = body.fix.map(|fix| format!(" {fix}")).unwrap_or_default();
    CallToolResult::error(vec![ContentBlock::text(format!("{}{fix}", body.message))])
}
