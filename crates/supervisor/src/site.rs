//! Everything that the parts of the work share.

use crate::asked::Asked;
use crate::halt::Halts;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::place::Place;
use crate::processes::Processes;
use std::sync::Arc;
use strawboss_agent::text::visible;
use strawboss_protocol::supervisor::{Orders, Phase, ReportBody};

/// See the module.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) orders: Orders,
    /// `http://127.0.0.1:<port>`.
    pub(crate) relay: String,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) halts: Arc<Halts>,
    pub(crate) processes: Arc<Processes>,
}

impl Site {
    /// Reports that the next thing begins.
    pub(crate) fn phase(&self, phase: Phase) {
        self.asked.waits(phase == Phase::Waiting);
        self.outbox.report(ReportBody::Phase { phase });
    }

    /// A line of the supervisor's own in the terminal, dim.
    pub(crate) fn note(&self, text: &str) {
        self.outbox.terminal(format!("\x1b[2m{}\x1b[0m\r\n", visible(text)).as_bytes());
    }

    /// A command that begins, in the terminal.
    pub(crate) fn headline(&self, text: &str) {
        self.outbox.terminal(format!("\x1b[1m$ {}\x1b[0m\r\n", visible(text)).as_bytes());
    }
}
