//! Figures for whoever watches: counted as things happen, or taken at the moment they are asked for.

use crate::engine::Engine;
use crate::error::Refused;
use crate::shared::lock;
use crate::tickets::TicketCounts;
use std::path::Path;
use std::sync::atomic::Ordering;
use strawboss_core::{RunOutcome, RunState};

/// How the engine is at this moment, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Live runs by state; every live state is in it.
    pub runs: Vec<(RunState, u64)>,
    /// How long the oldest queued task has been queued, in milliseconds; 0 when none is.
    pub queue_age_ms: u64,
    /// How long the oldest write-back has waited, in milliseconds; 0 when none waits.
    pub outbox_age_ms: u64,
    /// Supervisors that are connected.
    pub supervisors: u64,
    /// Terminals in memory.
    pub sessions: u64,
    /// Viewers of them.
    pub viewers: u64,
    /// Questions of agents that wait for people.
    pub questions: u64,
    /// Tickets by the part of their way.
    pub tickets: TicketCounts,
}

/// States of runs that hold a slot.
const LIVE: [RunState; 5] = [RunState::Starting, RunState::Preparing, RunState::Working, RunState::Waiting, RunState::Checking];

impl Engine {
    /// How the engine is at this moment, in numbers.
    pub async fn figures(&self) -> Result<Figures, Refused> {
        let shared = &self.shared;
        let now = shared.now();
        let mut live = shared.parts.store.run_list_live().await?;
        live.retain(|run| !run.session);
        let count = |state: RunState| (state, live.iter().filter(|run| run.state == state).count() as u64);
        let age = |since: Option<i64>| since.map_or(0, |since| u64::try_from(now.0.saturating_sub(since)).unwrap_or(0));
        let waiting = shared.parts.store.outbox_list(u32::MAX).await?;
        let queued_since = shared.queued_since.load(Ordering::Relaxed);
        let (sessions, viewers) = shared.hub.totals();
        let tickets = self.ticket_counts().await?;
        Ok(Figures {
            runs: LIVE.map(count).to_vec(),
            queue_age_ms: age((queued_since != 0).then_some(queued_since)),
            outbox_age_ms: age(waiting.iter().map(|message| message.at.0).min()),
            supervisors: lock(&shared.present).values().filter(|present| present.is_connected()).count() as u64,
            sessions,
            viewers,
            questions: live.iter().filter(|run| run.open_question().is_some()).count() as u64,
            tickets,
        })
    }

    /// Where state lies on disk.
    pub fn data_dir(&self) -> &Path {
        self.shared.data_dir()
    }
}

/// A sandbox could not be raised, or was lost. `reason` is one of a few fixed words.
pub(crate) fn sandbox_failed(reason: &'static str) {
    metrics::counter!("strawboss_sandbox_failures_total", "reason" => reason).increment(1);
}

/// An agent began to work this many milliseconds after it was decided to start it.
pub(crate) fn run_began(after_ms: i64) {
    metrics::histogram!("strawboss_run_start_seconds").record(after_ms.max(0) as f64 / 1000.0);
}

/// A run ended.
pub(crate) fn run_finished(outcome: RunOutcome) {
    metrics::counter!("strawboss_runs_finished_total", "outcome" => outcome.word()).increment(1);
}

/// A person let an agent start on a ticket.
pub(crate) fn ticket_approved() {
    metrics::counter!("plane_tickets_approved_total").increment(1);
}

/// The work on a ticket was accepted.
pub(crate) fn ticket_completed() {
    metrics::counter!("plane_tickets_completed_total").increment(1);
}

/// A ticket was written to, or could not be.
pub(crate) fn ticket_updated(ok: bool) {
    metrics::counter!("plane_updates_total", "status" => if ok { "success" } else { "error" }).increment(1);
}

/// A run of a ticket ended after so many milliseconds.
pub(crate) fn ticket_session(ms: i64) {
    metrics::histogram!("plane_session_duration_seconds").record(ms.max(0) as f64 / 1000.0);
}

/// A supervisor that had been here before dialled in again.
pub(crate) fn supervisor_came_back() {
    metrics::counter!("strawboss_supervisor_reconnects_total").increment(1);
}
