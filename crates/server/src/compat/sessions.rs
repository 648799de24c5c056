//! `/sessions…` of the terminal service: runs' sessions, those in containers, and for `admin` those of the host.
//!
//! Old ids hold no dot: a run's session is called `demo-1_1` here, and found by `demo-1.1` as well. Those of tickets' runs are
//! called as their approval named them. Whoever asks by one of these names is answered by the same.

use super::{Body, OldError, Raw, iso};
use crate::attached::{Session, visitor};
use crate::auth::{Caller, Scope};
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use strawboss_core::terminals::HostSession;
use strawboss_core::{RunId, RunState, SessionId};
use strawboss_engine::NewShell;
use strawboss_protocol::api::{RunView, SessionView};

/// How many runs are looked through for live ones.
const RUNS: u32 = 1000;

/// A session in old words.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OldSession {
    session_id: String,
    project_id: String,
    command: String,
    created_at: String,
    updated_at: String,
    /// `discovered`, `run` or `container`; none: it was made by an old client.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    active: bool,
}

impl From<HostSession> for OldSession {
    fn from(session: HostSession) -> Self {
        Self {
            session_id: session.id.to_string(),
            project_id: session.project,
            command: session.command,
            created_at: iso(session.created_at.0),
            updated_at: iso(session.updated_at.0),
            source: session.discovered.then_some("discovered"),
            active: true,
        }
    }
}

impl From<SessionView> for OldSession {
    fn from(session: SessionView) -> Self {
        let at = iso(session.created_at);
        Self {
            session_id: session.id,
            project_id: session.project.unwrap_or_default(),
            command: session.command,
            created_at: at.clone(),
            updated_at: at,
            source: Some("container"),
            active: session.live,
        }
    }
}

impl From<RunView> for OldSession {
    fn from(run: RunView) -> Self {
        let updated_at = run.finished_at.or(run.started_at).unwrap_or(run.created_at);
        Self {
            session_id: run.id.replace('.', "_"),
            project_id: run.project,
            command: run.agent,
            created_at: iso(run.created_at),
            updated_at: iso(updated_at),
            source: Some("run"),
            active: run.state != RunState::Finished,
        }
    }
}

/// The id of a run that an old id can stand for.
fn run_of(text: &str) -> Option<RunId> {
    if let Ok(run) = RunId::parse(text) {
        return Some(run);
    }
    let (task, attempt) = text.rsplit_once('_')?;
    RunId::parse(&format!("{task}.{attempt}")).ok()
}

/// Which session an old client means: a run's, if there is one of that id, else a container's, else the host's.
pub(crate) async fn meant(state: &AppState, text: &str) -> Result<Session, ApiError> {
    if let Some(run) = run_of(text) {
        match state.engine.run(&run).await {
            Ok(_) => return Ok(Session::Run(run)),
            Err(strawboss_engine::Refused::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(run) = super::tickets::run_of(state, text).await? {
        return Ok(Session::Run(run));
    }
    let id = SessionId::kept(text).ok_or_else(|| {
        ApiError::invalid("the session's id has nothing that an id keeps", "Use letters, digits, dashes and underscores.")
    })?;
    Session::free(state, id).await
}

/// What an old client that asked for a session knows it by.
pub(crate) fn called(session: &Session, asked: &str) -> String {
    match session {
        Session::Run(_) if super::tickets::is_session_name(asked) => asked.to_owned(),
        session => session.to_string().replace('.', "_"),
    }
}

#[derive(Serialize)]
pub(crate) struct One {
    session: OldSession,
}

fn one(session: impl Into<OldSession>) -> Json<One> {
    Json(One { session: session.into() })
}

async fn run(state: &AppState, run: &RunId) -> Result<RunView, ApiError> {
    Ok(state.engine.run(run).await?.run)
}

/// A run's session, to whoever asked for it by this name.
async fn of_run(state: &AppState, id: RunId, asked: &str) -> Result<OldSession, ApiError> {
    let view = run(state, &id).await?;
    Ok(OldSession { session_id: called(&Session::Run(id), asked), ..view.into() })
}

/// Every session that the caller may attach to.
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Response, OldError> {
    let runs = state.engine.run_list(None, RUNS).await?;
    let mut names = super::tickets::session_names(&state).await?;
    let live = runs.into_iter().filter(|run| run.state != RunState::Finished);
    let named = |run: RunView| match names.remove(&run.task) {
        Some(session_id) => OldSession { session_id, ..run.into() },
        None => run.into(),
    };
    let mut sessions: Vec<OldSession> = live.map(named).collect();
    sessions.extend(state.engine.shell_list().await?.into_iter().map(OldSession::from));
    if caller.may(Scope::Admin) {
        sessions.extend(state.engine.host_session_list().await?.into_iter().map(OldSession::from));
    }
    Ok(Json(serde_json::json!({ "sessions": sessions })).into_response())
}

/// What an old client sends to have a session. It may send more, which is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wanted {
    #[serde(alias = "terminalId")]
    session_id: Option<String>,
    project_id: Option<String>,
    command: Option<String>,
    /// `container`: a shell in a container of its own, which no old client asks for.
    kind: Option<String>,
    /// Its image.
    image: Option<String>,
}

/// Makes a shell in a container.
async fn contained(state: &AppState, caller: &Caller, name: SessionId, wanted: Wanted) -> Result<(OldSession, bool), OldError> {
    let new = NewShell { name, project: wanted.project_id, image: wanted.image, command: wanted.command, private: false };
    Ok((crate::routes::sessions::open(state, caller, new).await?.into(), true))
}

async fn have(state: &AppState, caller: &Caller, id: &str, wanted: Wanted) -> Result<(OldSession, bool), OldError> {
    match meant(state, id).await? {
        Session::Run(run) => Ok((of_run(state, run, id).await?, false)),
        Session::Shell(id) => Ok((state.engine.shell(&id, &visitor(caller)).await?.into(), false)),
        Session::Host(id) if wanted.kind.as_deref() == Some("container") => contained(state, caller, id, wanted).await,
        Session::Host(id) => {
            caller.demand(Scope::Admin)?;
            let engine = state.engine.clone();
            let (project, command) = (wanted.project_id.unwrap_or_default(), wanted.command.unwrap_or_default());
            let making = async move { engine.host_session_create(id, &project, &command).await };
            let (session, made) = state.carry_out(making).await?;
            Ok((session.into(), made))
        }
    }
}

/// Makes a session: 201. One that is there already is given as it is: 200.
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<One>), OldError> {
    let id = wanted.session_id.clone().filter(|id| !id.trim().is_empty());
    let id = id.ok_or_else(|| ApiError::invalid("a session needs an id", "Send `sessionId`."))?;
    let (session, made) = have(&state, &caller, &id, wanted).await?;
    Ok((if made { StatusCode::CREATED } else { StatusCode::OK }, one(session)))
}

/// Sees to it that there is such a session, however often it is asked.
pub(crate) async fn ensure(
    State(state): State<AppState>,
    caller: Caller,
    Raw(id): Raw,
    Body(wanted): Body<Wanted>,
) -> Result<Json<One>, OldError> {
    let project = wanted.project_id.clone();
    let (session, made) = have(&state, &caller, &id, wanted).await?;
    match (made, project, meant(&state, &id).await?) {
        (false, Some(project), Session::Host(id)) => Ok(one(state.engine.host_session_keep(&id, Some(&project)).await?)),
        _ => Ok(one(session)),
    }
}

/// Ends a session: of the host, with all that runs in it; of a run, the run, whose work is saved.
pub(crate) async fn remove(State(state): State<AppState>, caller: Caller, Raw(id): Raw) -> Result<StatusCode, OldError> {
    let session = meant(&state, &id).await?;
    caller.demand(session.typing(&state).await?)?;
    let engine = state.engine.clone();
    match session {
        Session::Run(id) => {
            if run(&state, &id).await?.state == RunState::Finished {
                return Err(ApiError::not_found(format!("there is no session `{id}`: its run has ended"), None).into());
            }
            state.carry_out(async move { engine.run_stop(&id).await }).await?;
        }
        Session::Shell(id) => {
            let who = visitor(&caller);
            state.carry_out(async move { engine.shell_remove(&id, &who).await }).await?;
        }
        Session::Host(id) => state.carry_out(async move { engine.host_session_remove(&id).await }).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Notes that somebody wants a session kept. Nothing ends sessions here, so that it only shows in `updatedAt`.
pub(crate) async fn keep_alive(State(state): State<AppState>, caller: Caller, Raw(id): Raw) -> Result<Json<One>, OldError> {
    match meant(&state, &id).await? {
        Session::Run(run) => Ok(one(of_run(&state, run, &id).await?)),
        Session::Shell(id) => Ok(one(state.engine.shell(&id, &visitor(&caller)).await?)),
        Session::Host(id) => {
            caller.demand(Scope::Admin)?;
            Ok(one(state.engine.host_session_keep(&id, None).await?))
        }
    }
}

/// A session's windows; a run has one.
pub(crate) async fn windows(State(state): State<AppState>, caller: Caller, Raw(id): Raw) -> Result<Response, OldError> {
    let session = meant(&state, &id).await?;
    let (id, windows) = match &session {
        Session::Run(run_id) => {
            let agent = run(&state, run_id).await?.agent;
            (called(&session, &id), vec![serde_json::json!({ "index": 0, "name": agent, "active": true })])
        }
        Session::Shell(id) => {
            let command = state.engine.shell(id, &visitor(&caller)).await?.command;
            let name = if command.is_empty() { "shell" } else { &command };
            (id.to_string(), vec![serde_json::json!({ "index": 0, "name": name, "active": true })])
        }
        Session::Host(id) => {
            caller.demand(Scope::Admin)?;
            let windows = state.engine.host_session_windows(id).await?;
            let window = |one: strawboss_core::terminals::HostWindow| serde_json::json!({ "index": one.index, "name": one.name, "active": one.active });
            (id.to_string(), windows.into_iter().map(window).collect())
        }
    };
    Ok(Json(serde_json::json!({ "sessionId": id, "windows": windows })).into_response())
}

/// The projects, as folders to work in.
pub(crate) async fn workspaces(State(state): State<AppState>) -> Response {
    let projects = state.engine.project_list();
    let workspaces: Vec<_> = projects
        .into_iter()
        .map(|project| serde_json::json!({ "id": &project.name, "name": &project.name, "path": &project.repository }))
        .collect();
    Json(serde_json::json!({ "workspaces": workspaces })).into_response()
}

#[cfg(test)]
mod tests {
    use super::run_of;

    #[test]
    fn an_old_id_of_a_run_leads_back_to_it() {
        assert_eq!(run_of("demo-1_2").unwrap().as_str(), "demo-1.2");
        assert_eq!(run_of("demo-1.2").unwrap().as_str(), "demo-1.2");
        for other in ["demo-1", "Demo-1_2", "a_b_1", "demo_01", "demo_"] {
            assert_eq!(run_of(other), None, "{other}");
        }
    }
}
