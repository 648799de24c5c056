//! What makes a ticket work, and what a person says by moving one: rules without IO.

use super::memory::{Record, Stand};
use super::model::{State, Ticket};
use super::{PlaneBacklog, PlaneConfig};
use strawboss_core::backlog::{BacklogStatus, TicketTrigger};

/// Which tickets are work because they are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewTickets {
    /// None.
    Off,
    /// Those that are made after the project was read for the first time.
    #[default]
    New,
    /// Those that were there before as well.
    All,
}

/// A person moves a ticket: states by name or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// From where; none: from anywhere.
    pub from: Option<String>,
    /// To where.
    pub to: String,
}

/// Which comments make a ticket work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Comments {
    /// None.
    #[default]
    Off,
    /// Any of a trusted person's.
    Any,
    /// Those of trusted people that hold this.
    Holding(String),
}

/// What makes a ticket work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// That it is there.
    pub new_tickets: NewTickets,
    /// That it was moved.
    pub status_changes: Vec<StatusChange>,
    /// That it was commented on.
    pub comments: Comments,
}

impl Triggers {
    fn moved(&self, from: Option<&State>, to: &State) -> bool {
        self.status_changes.iter().any(|change| {
            let comes = change.from.as_deref().is_none_or(|word| from.is_some_and(|from| from.is(word)));
            comes && to.is(&change.to)
        })
    }
}

impl PlaneConfig {
    /// The status that a person gives a ticket by moving it to a state of this name.
    fn named(&self, state: &State) -> Option<BacklogStatus> {
        let sayable = [BacklogStatus::Paused, BacklogStatus::Blocked, BacklogStatus::Queued];
        let configured =
            self.states.iter().find(|(status, word)| sayable.contains(status) && state.name.eq_ignore_ascii_case(word));
        let word = || sayable.into_iter().find(|status| state.name.trim().eq_ignore_ascii_case(status.word()));
        configured.map(|(status, _)| *status).or_else(word)
    }
}

/// Whether work waits there: in a state that says so, or that has our word for it.
fn is_open(config: &PlaneConfig, state: &State) -> bool {
    matches!(state.group.as_str(), "backlog" | "unstarted") || (!state.is_closed() && config.named(state).is_some())
}

/// What a state says of a ticket that is seen for the first time.
fn first_status(config: &PlaneConfig, state: &State) -> BacklogStatus {
    match config.named(state) {
        _ if state.is_closed() => BacklogStatus::Completed,
        named => named.unwrap_or(BacklogStatus::Pending),
    }
}

impl PlaneBacklog {
    /// A ticket that was not known. `seen`: the tickets of its project were read before.
    pub(super) fn first_seen(&self, ticket: &Ticket, project: &str, states: &[State], seen: bool) -> Record {
        let config = &self.config;
        let mut stand = Stand { state: ticket.state.clone(), status: BacklogStatus::Pending };
        let mut trigger = None;
        if let Some(state) = states.iter().find(|state| state.id == ticket.state) {
            stand.status = first_status(config, state);
            let wanted = match config.triggers.new_tickets {
                NewTickets::Off => false,
                NewTickets::New => seen,
                NewTickets::All => true,
            };
            if wanted && is_open(config, state) {
                trigger = Some(TicketTrigger::NewTicket);
            } else if seen && config.triggers.moved(states.iter().find(|state| state.default), state) {
                // It was made and moved since the last reading.
                trigger = Some(TicketTrigger::StatusChange);
                stand.status = BacklogStatus::Pending;
            }
        }
        // Of a ticket that was there before us, only what is said from now on counts.
        let heard = if seen { String::new() } else { ticket.updated_at.clone() };
        Record {
            project: project.to_owned(),
            stand,
            intent: None,
            trigger,
            heard,
            looked: String::new(),
            listed: false,
            told: None,
        }
    }

    /// A known ticket as it is now: what follows from where a person moved it.
    pub(super) fn meet(&self, record: &mut Record, ticket: &Ticket, project: &str, states: &[State]) {
        project.clone_into(&mut record.project);
        let Some(state) = states.iter().find(|state| state.id == ticket.state) else { return };
        if record.stand.state != ticket.state {
            match record.intent.take().filter(|intent| intent.state == ticket.state) {
                Some(ours) => record.stand = ours,
                None => self.moved(record, state, states),
            }
        }
        if record.trigger.is_none() && self.config.triggers.new_tickets == NewTickets::All && is_open(&self.config, state) {
            record.trigger = Some(TicketTrigger::NewTicket);
            record.stand.status = first_status(&self.config, state);
        }
    }

    fn moved(&self, record: &mut Record, state: &State, states: &[State]) {
        use BacklogStatus as S;
        let config = &self.config;
        let was = record.stand.status;
        let from = states.iter().find(|state| state.id == record.stand.state);
        let triggered = config.triggers.moved(from, state);
        let waits = record.trigger.is_some() && matches!(was, S::Pending | S::Queued | S::InProgress);
        let status = if triggered {
            if waits { was } else { S::Pending }
        } else if state.is_closed() {
            S::Completed
        } else if let Some(named) = config.named(state) {
            named
        } else if !is_open(config, state) {
            // Somebody is at work on it, or says so: that asks nothing of us.
            was
        } else if was == S::Completed && config.triggers.new_tickets == NewTickets::Off {
            was
        } else {
            S::Pending
        };
        if (triggered && !waits) || (record.trigger.is_some() && was == S::Completed && status != S::Completed) {
            record.trigger = Some(TicketTrigger::StatusChange);
        }
        record.stand = Stand { state: state.id.clone(), status };
    }

    /// Whether what is said on a ticket would make it work now.
    pub(super) fn listens(&self, record: &Record, state: Option<&State>) -> bool {
        if self.config.triggers.comments == Comments::Off {
            return false;
        }
        match (record.trigger, record.stand.status) {
            // While it waits or is at work, what is said is told to the agent, or heard when the work is over.
            (Some(_), BacklogStatus::Completed) => true,
            (Some(_), BacklogStatus::Blocked) => {
                state.is_none_or(|state| self.config.named(state) != Some(BacklogStatus::Blocked))
            }
            (Some(_), _) => false,
            (None, _) => state.is_some_and(|state| !state.is_closed()),
        }
    }

    /// Whether a comment's text makes a ticket work.
    pub(super) fn calls(&self, text: &str) -> bool {
        match &self.config.triggers.comments {
            Comments::Off => false,
            Comments::Any => true,
            Comments::Holding(word) => text.to_lowercase().contains(&word.to_lowercase()),
        }
    }
}
