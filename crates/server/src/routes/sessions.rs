//! `/api/v1/sessions`: terminals that can be attached to.

use super::{BodyErrors, CommandErrors, FindErrors, ReadErrors};
use crate::attached::{Session, visitor};
use crate::auth::{Caller, Scope};
use crate::error::ApiError;
use crate::extract::{Id, JsonBody};
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use std::path::PathBuf;
use strawboss_core::SessionId;
use strawboss_engine::NewShell;
use strawboss_protocol::api::{NewSession, NewSessionKind, RemovedSession, SessionView};

/// Sessions of live runs and of the newest finished ones, those in containers, and for `admin` those of the host, where they
/// are served.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", responses((status = 200, body = Vec<SessionView>), ReadErrors))]
pub(crate) async fn session_list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<SessionView>>, ApiError> {
    let mut sessions = state.engine.shell_list().await?;
    if caller.may(Scope::Admin) {
        sessions.extend(state.engine.host_session_views().await?);
    }
    sessions.extend(state.engine.session_list().await?);
    Ok(Json(sessions))
}

/// Opens a session in a container. Where containers are none, that is a terminal on the host.
pub(crate) async fn open(state: &AppState, caller: &Caller, new: NewShell) -> Result<SessionView, ApiError> {
    caller.demand(Session::Shell(new.name.clone()).typing(state).await?)?;
    let (engine, who) = (state.engine.clone(), visitor(caller));
    state.carry_out(async move { engine.shell_create(new, &who).await }).await
}

fn misplaced(what: &str, kind: &str) -> ApiError {
    ApiError::invalid(format!("`{what}` is for sessions {kind}"), "Leave it out, or choose the other kind.")
}

/// Opens a session: a shell in a container of its own (scope `write`), or one of the host (scope `admin`).
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = NewSession,
    responses((status = 201, body = SessionView), BodyErrors))]
pub(crate) async fn session_create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(new): JsonBody<NewSession>,
) -> Result<(StatusCode, Json<SessionView>), ApiError> {
    let name = SessionId::parse(new.name.trim()).map_err(|error| ApiError::invalid(error.to_string(), "Choose another name."))?;
    let view = match new.kind {
        NewSessionKind::Container => {
            if new.folder.is_some() {
                return Err(misplaced("folder", "of the host"));
            }
            let (project, image, command) = (new.project, new.image, new.command);
            open(&state, &caller, NewShell { name, project, image, command, private: new.private }).await?
        }
        NewSessionKind::Host => {
            caller.demand(Scope::Admin)?;
            if new.image.is_some() || new.private {
                return Err(misplaced(if new.private { "private" } else { "image" }, "in containers"));
            }
            let (engine, id) = (state.engine.clone(), name.clone());
            let (project, command) = (new.project.unwrap_or_default(), new.command.unwrap_or_default());
            let folder = new.folder.filter(|folder| !folder.is_empty()).map(PathBuf::from);
            let making = async move { engine.host_session_begin(id, &project, &command, folder).await };
            let (_, made) = state.carry_out(making).await?;
            if !made {
                let why = format!("there is a session `{name}` already");
                let fix = Some("Attach to it, or choose another name.".to_owned());
                return Err(ApiError::new(StatusCode::CONFLICT, "conflict", why, fix));
            }
            host(&state, &caller, &name).await?
        }
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn no_session(id: &SessionId) -> ApiError {
    ApiError::not_found(format!("there is no session `{id}`"), Some("`strawboss session list` shows them.".to_owned()))
}

/// One of the host, which only admins see.
async fn host(state: &AppState, caller: &Caller, id: &SessionId) -> Result<SessionView, ApiError> {
    if !caller.may(Scope::Admin) {
        return Err(no_session(id));
    }
    let found = state.engine.host_session_views().await?.into_iter().find(|view| view.id == id.as_str());
    found.ok_or_else(|| no_session(id))
}

/// One session that stands free of runs.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "The session's name")),
    responses((status = 200, body = SessionView), FindErrors))]
pub(crate) async fn session_show(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Json<SessionView>, ApiError> {
    Ok(Json(match Session::free(&state, id).await? {
        Session::Host(id) => host(&state, &caller, &id).await?,
        Session::Shell(id) => state.engine.shell(&id, &visitor(&caller)).await?,
        Session::Run(_) => return Err(ApiError::not_found("there is no such session", None)),
    }))
}

/// Starts a session in a container again, on the volume that it had.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/start", tag = "sessions", params(("id" = String, Path, description = "The session's name")),
    responses((status = 200, body = SessionView), CommandErrors))]
pub(crate) async fn session_start(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Json<SessionView>, ApiError> {
    caller.demand(Session::Shell(id.clone()).typing(&state).await?)?;
    let (engine, who) = (state.engine.clone(), visitor(&caller));
    Ok(Json(state.carry_out(async move { engine.shell_start(&id, &who).await }).await?))
}

/// Stops a session in a container: what is on its volume is saved to a ref, and the volume stays until it is deleted.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/stop", tag = "sessions", params(("id" = String, Path, description = "The session's name")),
    responses((status = 200, body = SessionView), CommandErrors))]
pub(crate) async fn session_stop(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Json<SessionView>, ApiError> {
    let (engine, who) = (state.engine.clone(), visitor(&caller));
    Ok(Json(state.carry_out(async move { engine.shell_stop(&id, &who).await }).await?))
}

/// Deletes a session: one of the host with all that runs in it (scope `admin`), one in a container with its volume.
///
/// What the project of a container does not have of what is on the volume is saved to a ref before it goes; the answer says
/// to which.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "The session's name")),
    responses((status = 200, body = RemovedSession), CommandErrors))]
pub(crate) async fn session_delete(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Json<RemovedSession>, ApiError> {
    let engine = state.engine.clone();
    Ok(Json(match Session::free(&state, id).await? {
        Session::Shell(id) => {
            let who = visitor(&caller);
            state.carry_out(async move { engine.shell_remove(&id, &who).await }).await?
        }
        Session::Host(id) => {
            host(&state, &caller, &id).await?;
            let gone = id.to_string();
            state.carry_out(async move { engine.host_session_remove(&id).await }).await?;
            RemovedSession { id: gone, gone: true, saved_ref: None, repository: None }
        }
        Session::Run(_) => return Err(ApiError::not_found("there is no such session", None)),
    }))
}
