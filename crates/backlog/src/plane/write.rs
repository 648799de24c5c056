//! Writes how a task stands to its ticket: a comment on how work ended, and the state that says so.
//!
//! What is going to be written is remembered first, so that a write that was cut short is known for ours and not for a person's.

use super::client::Failure;
use super::list::checked;
use super::memory::{Memory, Stand};
use super::model::{Comment, Moved, State, Ticket};
use super::{Known, PlaneBacklog, text};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strawboss_core::backlog::{BacklogStatus, Report, WriteBack, WriteOutcome};

/// What our comments are said to come from: Plane takes one comment of a name once.
pub(super) const EXTERNAL_SOURCE: &str = "strawboss";

impl PlaneBacklog {
    /// Writes one.
    pub(super) async fn write(&self, known: &mut Known, write: &WriteBack) -> Result<WriteOutcome, Failure> {
        if known.memory.is_none() {
            known.memory = Some(self.recall()?);
        }
        let Some(memory) = &mut known.memory else { return Ok(WriteOutcome::RowGone) };
        let Some(id) = write.native_ref.strip_prefix(&self.native_ref("")) else { return Ok(WriteOutcome::RowGone) };
        let Some(mut record) = memory.tickets.get(id).cloned() else { return Ok(WriteOutcome::RowGone) };
        let Some(ticket) = self.ticket(&record.project, id).await? else { return Ok(WriteOutcome::RowGone) };
        let states = self.states(&record.project).await?;
        let project = record.project.clone();
        // What a person did since the last reading stays to be read.
        let mut now = record.clone();
        self.meet(&mut now, &ticket, &project, &states);
        let stands = now.stand.status;
        // Whatever a person did meanwhile: how work ended is news, and moves nothing.
        for (status, report) in write.reports() {
            self.tell(&project, &ticket, status, report).await?;
        }
        if write.known.is_some_and(|known| known != stands && write.status != stands) {
            return Ok(WriteOutcome::Overtaken);
        }
        let wanted = self.wanted_state(&ticket, &states, write)?;
        let stand = Stand { state: wanted.clone(), status: write.status };
        if wanted != ticket.state {
            record.intent = Some(stand.clone());
            self.remember(memory, id, record.clone())?;
            let address = self.client.address(&self.tickets_path(&project, &format!("{id}/")));
            let moved: Moved = self.send(Method::PATCH, &address, &json!({ "state": wanted })).await?;
            if moved.state != wanted {
                return Err(Failure::NotJson("its answer does not show the ticket where it was moved to".to_owned()));
            }
        }
        record.stand = stand;
        record.intent = None;
        self.remember(memory, id, record)?;
        Ok(WriteOutcome::Written)
    }

    fn remember(&self, memory: &mut Memory, id: &str, record: super::memory::Record) -> Result<(), Failure> {
        if memory.tickets.get(id) == Some(&record) {
            return Ok(());
        }
        let before = memory.tickets.insert(id.to_owned(), record);
        let saved = self.keep(memory);
        if let (Err(_), Some(before)) = (&saved, before) {
            memory.tickets.insert(id.to_owned(), before);
        }
        saved
    }

    /// The id of the state in which a ticket says this status.
    fn wanted_state(&self, ticket: &Ticket, states: &[State], write: &WriteBack) -> Result<String, Failure> {
        let is_closed = states.iter().any(|state| state.id == ticket.state && state.is_closed());
        let config = &self.config;
        let configured = |status| config.states.iter().find(|(known, _)| *known == status).map(|(_, word)| word.as_str());
        let word = match write.status {
            // Where a person closed it, in their own way, it stays.
            BacklogStatus::Completed if is_closed => None,
            BacklogStatus::Completed => Some(config.done_state.as_str()),
            BacklogStatus::Blocked if write.report.is_some() => {
                config.failed_state.as_deref().or_else(|| configured(BacklogStatus::Blocked))
            }
            status => configured(status),
        };
        let found = match word {
            Some(word) => Some(find(states, word)?),
            None if is_closed && write.status != BacklogStatus::Completed => states.iter().find(|state| state.default),
            None => None,
        };
        found.map_or_else(|| Ok(ticket.state.clone()), |state| checked(&state.id))
    }

    /// Says how a run's work ended: one comment a run, rewritten when more is known.
    async fn tell(&self, project: &str, ticket: &Ticket, status: BacklogStatus, report: &Report) -> Result<(), Failure> {
        let path = self.tickets_path(project, &format!("{}/comments/", ticket.id));
        let body = json!({
            "comment_html": text::comment(status, report),
            "external_source": EXTERNAL_SOURCE,
            "external_id": text::comment_id(report, &ticket.id),
        });
        let there = match self.send::<Comment>(Method::POST, &self.client.address(&path), &body).await {
            Ok(_) => return Ok(()),
            Err(Failure::Conflict(Some(id))) => format!("{path}{}/", checked(&id)?),
            Err(failure) => return Err(failure),
        };
        let ours: Comment = self.client.get(&self.pace, &there).await?;
        if ours.comment_html.as_deref() == body["comment_html"].as_str() {
            return Ok(());
        }
        self.send::<Comment>(Method::PATCH, &self.client.address(&there), &body).await.map(drop)
    }

    /// Writes something, and reads what it is now: a proxy may answer with a page of its own and 200, which is no write.
    async fn send<T: DeserializeOwned>(&self, method: Method, address: &str, body: &Value) -> Result<T, Failure> {
        Ok(self.client.call(&self.pace, method, address, Some(body)).await?.json()?)
    }
}

/// The state of a name, or the first of a group.
fn find<'a>(states: &'a [State], word: &str) -> Result<&'a State, Failure> {
    let by_name = states.iter().find(|state| state.name.trim().eq_ignore_ascii_case(word.trim()));
    by_name.or_else(|| states.iter().find(|state| state.is(word))).ok_or_else(|| {
        let known = states.iter().map(|state| state.name.clone()).collect();
        Failure::NoState(word.to_owned(), known)
    })
}
