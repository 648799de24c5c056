//! Paths of the ticket daemon: what waits for a person, what was completed, and a person's word on each.
//!
//! A ticket is called as people call it (`WEB-12`), by its id in its own system, or by its task's key here. The session that an
//! approval names (`claude-WEB-12-20270104-093000`) is that of the ticket's newest run, by whatever moment stands in it. We put
//! in the one in which the ticket was taken up here: it is known before there is a run, and the same in every list.

use super::{Body, OldError, Raw, iso};
use crate::auth::MaybeCaller;
use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use strawboss_core::{RunId, TaskState};
use strawboss_engine::{Refused, TicketEntry};

/// How long the answer to an approval waits for the run's start: old clients open its terminal at once.
const START: Duration = Duration::from_secs(10);
/// What a session's name begins with.
const SESSION: &str = "claude-";

/// A ticket in old words.
#[derive(Debug, Serialize)]
pub(crate) struct OldTicket {
    id: String,
    uuid: String,
    project_id: String,
    title: String,
    description: String,
    trigger_type: &'static str,
    summary: Option<String>,
    created_at: String,
    updated_at: String,
    completed_at: Option<String>,
}

impl From<TicketEntry> for OldTicket {
    fn from(ticket: TicketEntry) -> Self {
        let (title, description) = ticket.action.split_once('\n').unwrap_or((&ticket.action, ""));
        Self {
            title: title.trim().to_owned(),
            description: description.trim().to_owned(),
            trigger_type: ticket.trigger.word(),
            summary: ticket.summary,
            created_at: iso(ticket.created_at.0),
            updated_at: iso(ticket.updated_at.0),
            completed_at: (ticket.state == TaskState::Done).then(|| iso(ticket.updated_at.0)),
            id: ticket.id,
            uuid: ticket.uuid,
            project_id: ticket.project_id,
        }
    }
}

async fn list(state: &AppState, states: &[TaskState]) -> Result<Json<Vec<OldTicket>>, OldError> {
    let tickets = state.engine.ticket_list(states).await?;
    Ok(Json(tickets.into_iter().map(OldTicket::from).collect()))
}

/// What waits for approval.
pub(crate) async fn pending(State(state): State<AppState>) -> Result<Json<Vec<OldTicket>>, OldError> {
    list(&state, &[TaskState::Pending]).await
}

/// What was completed.
pub(crate) async fn completed(State(state): State<AppState>) -> Result<Json<Vec<OldTicket>>, OldError> {
    list(&state, &[TaskState::Done]).await
}

#[derive(Debug, Serialize)]
pub(crate) struct Approved {
    session_id: String,
    ticket_id: String,
    created_at: String,
}

/// Lets an agent start on a ticket.
pub(crate) async fn approve(State(state): State<AppState>, Raw(name): Raw) -> Result<Json<Approved>, OldError> {
    let ticket = state.engine.ticket_find(&name).await?;
    if ticket.state != TaskState::Pending {
        return Err(not_pending(&ticket).into());
    }
    let (engine, task) = (state.engine.clone(), ticket.task.clone());
    let approving = async move {
        engine.task_approve(&task, None).await?;
        // A run that cannot start yet starts when there is room.
        engine.ticket_run(&task, START).await
    };
    state.carry_out(approving).await?;
    let created_at = iso(jiff::Timestamp::now().as_millisecond());
    Ok(Json(Approved { session_id: session_of(&ticket), ticket_id: ticket.id, created_at }))
}

/// What the session of a ticket's runs is called.
fn session_of(ticket: &TicketEntry) -> String {
    let since = jiff::Timestamp::from_millisecond(ticket.created_at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{SESSION}{}-{}", ticket.id, since.strftime("%Y%m%d-%H%M%S"))
}

/// The names of sessions that are tickets' now, by their tasks.
pub(crate) async fn session_names(state: &AppState) -> Result<HashMap<String, String>, ApiError> {
    let tickets = state.engine.ticket_list(&[TaskState::Running]).await?;
    Ok(tickets.iter().map(|ticket| (ticket.task.to_string(), session_of(ticket))).collect())
}

/// Whether a session is called by the name of its ticket.
pub(crate) fn is_session_name(text: &str) -> bool {
    ticket_of(text).is_some()
}

fn not_pending(ticket: &TicketEntry) -> ApiError {
    ApiError::not_found(
        format!("the ticket {} does not wait for approval: its task {} is {}", ticket.id, ticket.task, ticket.state.word()),
        Some(format!("`strawboss task show {}` says how it stands.", ticket.task)),
    )
}

/// A person's word that a ticket is complete. Whoever sends more is heard as far as this.
#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    summary: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Updated {
    status: &'static str,
    ticket_id: String,
    comment_posted: bool,
    state_updated: bool,
}

/// Completes a ticket that is worked on, with a summary; of one whose work has ended the summary is kept. Its comment is posted
/// and its state moved by and by, the latter once the work was checked and accepted: here it is said whether that has happened.
pub(crate) async fn update(
    State(state): State<AppState>,
    Raw(name): Raw,
    Body(update): Body<Update>,
) -> Result<Json<Updated>, OldError> {
    let ticket = state.engine.ticket_find(&name).await?;
    let engine = state.engine.clone();
    let task = ticket.task.clone();
    let is_new = state.carry_out(async move { engine.ticket_complete(&task, &update.summary).await }).await?;
    let state_updated = ticket.is_written;
    Ok(Json(Updated { status: "updated", ticket_id: ticket.id, comment_posted: state_updated && !is_new, state_updated }))
}

#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    status: &'static str,
    ticket_id: String,
}

/// Withdraws a ticket here, or takes one that was completed out of the lists; in its own system it stays as it is.
pub(crate) async fn delete(State(state): State<AppState>, Raw(name): Raw) -> Result<Json<Deleted>, OldError> {
    let ticket = state.engine.ticket_find(&name).await?;
    if ticket.state == TaskState::Cancelled {
        let message = format!("the ticket {} was withdrawn already, with its task {}", ticket.id, ticket.task);
        return Err(ApiError::not_found(message, None).into());
    }
    let engine = state.engine.clone();
    let task = ticket.task.clone();
    state.carry_out(async move { engine.ticket_remove(&task).await }).await?;
    Ok(Json(Deleted { status: "deleted", ticket_id: ticket.id }))
}

/// How the daemon was: that it answers, to everybody; how much there is, to whoever may read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct OldHealth {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmux_service: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_count: Option<u64>,
}

/// See [`OldHealth`].
pub(crate) async fn health(State(state): State<AppState>, MaybeCaller(caller): MaybeCaller) -> Result<Json<OldHealth>, OldError> {
    if caller.is_none() {
        return Ok(Json(OldHealth { status: "ok", ..OldHealth::default() }));
    }
    counted(State(state)).await
}

/// How much there is.
pub(crate) async fn counted(State(state): State<AppState>) -> Result<Json<OldHealth>, OldError> {
    let counts = state.engine.ticket_counts().await?;
    Ok(Json(OldHealth {
        status: "ok",
        // Terminals are this program's own: where it answers, they do.
        tmux_service: Some("ok"),
        pending_count: Some(counts.pending),
        active_count: Some(counts.active),
        completed_count: Some(counts.completed),
    }))
}

/// The ticket that the name of a session is about.
fn ticket_of(session: &str) -> Option<&str> {
    let (rest, time) = session.strip_prefix(SESSION)?.rsplit_once('-')?;
    let (ticket, day) = rest.rsplit_once('-')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(day, 8) && digits(time, 6) && !ticket.is_empty()).then_some(ticket)
}

/// The run whose session is called so, if that is a ticket's.
pub(crate) async fn run_of(state: &AppState, session: &str) -> Result<Option<RunId>, ApiError> {
    let Some(ticket) = ticket_of(session) else { return Ok(None) };
    let ticket = match state.engine.ticket_find(ticket).await {
        Ok(ticket) => ticket,
        Err(Refused::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match state.engine.ticket_run(&ticket.task, START).await? {
        Some(run) => Ok(Some(run)),
        None => Err(ApiError::not_found(
            format!("nobody works on the ticket {} yet: its task {} is {}", ticket.id, ticket.task, ticket.state.word()),
            Some(format!("`strawboss task show {}` says what it waits for.", ticket.task)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::ticket_of;

    #[test]
    fn the_name_of_a_session_leads_to_its_ticket() {
        assert_eq!(ticket_of("claude-WEB-12-20270104-093000"), Some("WEB-12"));
        assert_eq!(ticket_of("claude-web-1-2-20270104-093000"), Some("web-1-2"));
        for other in
            ["claude-WEB-12", "claude--20270104-093000", "WEB-12-20270104-093000", "claude-WEB-12-2027014-093000", "demo-1_1"]
        {
            assert_eq!(ticket_of(other), None, "{other}");
        }
    }
}
