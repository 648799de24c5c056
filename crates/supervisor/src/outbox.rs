//! What is to reach the control plane: reports, kept until acknowledged, and the terminal's last bytes.
//!
//! Bounded: while the control plane is there, readers of the agent wait for room ([`Outbox::room`]); while it is away,
//! the oldest terminal bytes are dropped, and reports never.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use strawboss_core::Timestamp;
use strawboss_protocol::supervisor::{
    AgentEvent, FromSupervisor, Heartbeat, MAX_EVENT_BYTES, MAX_TEXT_FRAME, REPORT_WINDOW, Report, ReportBody, TERMINAL_BUFFER,
    TERMINAL_WINDOW,
};
use tokio::sync::Notify;

/// How many bytes of unacknowledged reports are kept before the agent is read no further.
const REPORT_BYTES: usize = 16 << 20;
/// How many terminal bytes go into one frame.
const CHUNK: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// For the link: there is something to send.
    ready: Notify,
    /// For readers of the agent, and for whoever waits for the end: something was acknowledged.
    acknowledged: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<u8>,
    /// Terminal bytes so far.
    end: u64,
    acked: u64,
    reports: VecDeque<Kept>,
    report_bytes: usize,
    /// Bytes of the agent's events so far.
    event_bytes: u64,
    /// The number of the last report.
    last: u64,
    connected: bool,
    heartbeat: Option<Heartbeat>,
}

/// A report that is not acknowledged.
#[derive(Debug)]
struct Kept {
    text: String,
    /// How many terminal bytes there were before it: they are sent first, so that whoever hears of the end has seen all.
    after: u64,
}

/// What the link sends next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// A text frame.
    Text(String),
    /// A binary frame: offset and bytes.
    Terminal(Vec<u8>),
}

/// What one connection has sent so far.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    terminal: u64,
    reports: u64,
}

/// Where terminal and reports stand, for the greeting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) terminal_start: u64,
    pub(crate) terminal_end: u64,
    pub(crate) report_end: u64,
}

impl Inner {
    fn start(&self) -> u64 {
        self.end - self.ring.len() as u64
    }

    fn has_room(&self) -> bool {
        self.reports.len() < REPORT_WINDOW
            && self.report_bytes < REPORT_BYTES
            && (!self.connected || self.end - self.acked < TERMINAL_WINDOW)
    }

    fn drop_reports(&mut self, until: u64) {
        let first = self.last + 1 - self.reports.len() as u64;
        for _ in first..=until.min(self.last) {
            if let Some(report) = self.reports.pop_front() {
                self.report_bytes -= report.text.len();
            }
        }
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Outbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a report and keeps it until it is acknowledged. Past [`MAX_EVENT_BYTES`] only the agent's end is reported of
    /// what it does: one that talks without end fills no disk.
    pub(crate) fn report(&self, mut body: ReportBody) {
        let mut inner = self.inner();
        let is_event = matches!(&body, ReportBody::Agent { event, .. } if !matches!(event, AgentEvent::Exited { .. }));
        if is_event && inner.event_bytes >= MAX_EVENT_BYTES {
            if inner.event_bytes == u64::MAX {
                return;
            }
            inner.event_bytes = u64::MAX;
            let event = AgentEvent::Other { name: "more events than are kept; the terminal has the rest".to_owned() };
            body = ReportBody::Agent { event, raw: None };
        }
        let mut report = Report { seq: inner.last + 1, at: now(), body };
        let mut text = encode(&report);
        if text.len() > MAX_TEXT_FRAME {
            // Only an agent's event with two long texts of control characters comes near: its raw line goes.
            if let ReportBody::Agent { raw, .. } = &mut report.body {
                *raw = None;
                text = encode(&report);
            }
        }
        if text.len() > MAX_TEXT_FRAME {
            let event = AgentEvent::Other { name: "a report too large to send".to_owned() };
            report.body = ReportBody::Agent { event, raw: None };
            text = encode(&report);
        }
        inner.last += 1;
        if is_event {
            inner.event_bytes = inner.event_bytes.saturating_add(text.len() as u64);
        }
        inner.report_bytes += text.len();
        let after = inner.end;
        inner.reports.push_back(Kept { text, after });
        self.ready.notify_one();
    }

    /// Adds terminal bytes; the oldest are dropped past [`TERMINAL_BUFFER`].
    pub(crate) fn terminal(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut inner = self.inner();
        inner.end += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(TERMINAL_BUFFER)..];
        let excess = (inner.ring.len() + kept.len()).saturating_sub(TERMINAL_BUFFER).min(inner.ring.len());
        inner.ring.drain(..excess);
        inner.ring.extend(kept);
        self.ready.notify_one();
    }

    /// How it lives; only the newest is sent, and only on a connection that is there.
    pub(crate) fn heartbeat(&self, heartbeat: Heartbeat) {
        let mut inner = self.inner();
        if inner.connected {
            inner.heartbeat = Some(heartbeat);
            self.ready.notify_one();
        }
    }

    /// Returns when a reader of the agent may go on.
    pub(crate) async fn room(&self) {
        self.until(Inner::has_room).await;
    }

    /// Whether the control plane is there.
    pub(crate) fn is_connected(&self) -> bool {
        self.inner().connected
    }

    /// Whether every report is acknowledged.
    pub(crate) fn is_everything_stored(&self) -> bool {
        self.inner().reports.is_empty()
    }

    /// Returns when every report is acknowledged.
    pub(crate) async fn everything_stored(&self) {
        self.until(|inner| inner.reports.is_empty()).await;
    }

    async fn until(&self, holds: impl Fn(&Inner) -> bool) {
        loop {
            let acknowledged = self.acknowledged.notified();
            tokio::pin!(acknowledged);
            acknowledged.as_mut().enable();
            if holds(&self.inner()) {
                return;
            }
            acknowledged.await;
        }
    }

    /// Where things stand, for the greeting.
    pub(crate) fn standing(&self) -> Standing {
        let inner = self.inner();
        Standing { terminal_start: inner.start(), terminal_end: inner.end, report_end: inner.last }
    }

    /// A connection begins: the control plane has so much already.
    pub(crate) fn connect(&self, terminal_from: u64, reports_after: u64) -> Cursor {
        let mut inner = self.inner();
        inner.connected = true;
        inner.heartbeat = None;
        inner.drop_reports(reports_after);
        let terminal = terminal_from.clamp(inner.start(), inner.end);
        inner.acked = terminal;
        let reports = inner.last - inner.reports.len() as u64;
        self.acknowledged.notify_waiters();
        Cursor { terminal, reports }
    }

    /// The connection is gone.
    pub(crate) fn disconnect(&self) {
        self.inner().connected = false;
        self.acknowledged.notify_waiters();
    }

    /// The control plane has stored so much.
    pub(crate) fn acknowledge(&self, terminal: u64, reports: u64) {
        let mut inner = self.inner();
        inner.acked = terminal.clamp(inner.acked, inner.end);
        inner.drop_reports(reports);
        self.acknowledged.notify_waiters();
    }

    /// What to send next on a connection; none: wait for [`Outbox::ready`].
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<Next> {
        let mut inner = self.inner();
        if let Some(heartbeat) = inner.heartbeat.take() {
            return Some(Next::Text(serde_json::to_string(&FromSupervisor::Heartbeat(heartbeat)).unwrap_or_default()));
        }
        let before_first = inner.last - inner.reports.len() as u64;
        cursor.reports = cursor.reports.max(before_first);
        cursor.terminal = cursor.terminal.max(inner.start());
        let report = inner.reports.get((cursor.reports - before_first) as usize);
        if let Some(report) = report.filter(|report| report.after <= cursor.terminal) {
            cursor.reports += 1;
            return Some(Next::Text(report.text.clone()));
        }
        let until = report.map_or(inner.end, |report| report.after);
        let skip = (cursor.terminal - inner.start()) as usize;
        let length = ((until - cursor.terminal) as usize).min(CHUNK);
        if length == 0 {
            return None;
        }
        let mut frame = Vec::with_capacity(8 + length);
        frame.extend_from_slice(&cursor.terminal.to_be_bytes());
        let (front, back) = inner.ring.as_slices();
        let front = front.get(skip..).unwrap_or_default();
        let from_front = front.len().min(length);
        frame.extend_from_slice(&front[..from_front]);
        let skip_back = skip.saturating_sub(inner.ring.len() - back.len());
        frame.extend_from_slice(&back[skip_back..skip_back + length - from_front]);
        cursor.terminal += length as u64;
        Some(Next::Terminal(frame))
    }

    /// Returns when there may be something to send since the last call.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }
}

fn encode(report: &Report) -> String {
    // A report is strings and numbers: writing it as JSON cannot fail.
    serde_json::to_string(&FromSupervisor::Report(report.clone())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Cursor, Next, Outbox};
    use proptest::prelude::*;
    use strawboss_protocol::supervisor::{
        AgentEvent, FromSupervisor, MAX_EVENT_BYTES, MAX_REPORT_TEXT, MAX_TEXT_FRAME, Phase, ReportBody, TERMINAL_BUFFER,
    };

    const PHASE: ReportBody = ReportBody::Phase { phase: Phase::Working };

    #[test]
    fn the_oldest_bytes_go_and_the_offset_says_so() {
        let outbox = Outbox::default();
        outbox.terminal(b"lost");
        outbox.terminal(&vec![b'x'; TERMINAL_BUFFER - 1]);
        outbox.terminal(b"end");
        let mut cursor = outbox.connect(0, 0);
        let (mut all, mut first) = (Vec::new(), None);
        while let Some(Next::Terminal(frame)) = outbox.next(&mut cursor) {
            first.get_or_insert(frame[..8].to_vec());
            all.extend_from_slice(&frame[8..]);
        }
        assert_eq!(first.unwrap(), 6u64.to_be_bytes());
        assert_eq!(all.len(), TERMINAL_BUFFER);
        assert!(all.ends_with(b"xend"));
    }

    #[test]
    fn no_report_is_longer_than_a_frame() {
        let outbox = Outbox::default();
        let text = "\u{1}".repeat(3 * MAX_REPORT_TEXT);
        let event = AgentEvent::Message { text: text.clone() };
        outbox.report(ReportBody::Agent { event, raw: Some(text.clone()) });
        outbox.report(ReportBody::Agent { event: AgentEvent::Message { text: text.clone() }, raw: None });
        let mut cursor = outbox.connect(0, 0);
        let mut count = 0;
        while let Some(Next::Text(text)) = outbox.next(&mut cursor) {
            assert!(text.len() <= MAX_TEXT_FRAME);
            count += 1;
        }
        assert_eq!(count, 2);
    }

    #[test]
    fn an_agent_that_talks_without_end_is_reported_to_a_bound_and_its_end_after_it() {
        let outbox = Outbox::default();
        let mut cursor = outbox.connect(0, 0);
        let mut said = 0;
        let mut take = |outbox: &Outbox| {
            let mut last = String::new();
            while let Some(Next::Text(text)) = outbox.next(&mut cursor) {
                said += text.len() as u64;
                last = text;
            }
            outbox.acknowledge(0, u64::MAX);
            last
        };
        let mut last_event = String::new();
        for _ in 0..2 * MAX_EVENT_BYTES / MAX_REPORT_TEXT as u64 {
            let event = AgentEvent::Message { text: "x".repeat(MAX_REPORT_TEXT) };
            outbox.report(ReportBody::Agent { event, raw: None });
            let taken = take(&outbox);
            if !taken.is_empty() {
                last_event = taken;
            }
        }
        assert!(last_event.contains("more events than are kept"), "{}", &last_event[..200.min(last_event.len())]);
        outbox.report(ReportBody::Agent { event: AgentEvent::Exited { code: Some(0) }, raw: None });
        assert!(take(&outbox).contains("exited"));
        outbox.report(PHASE);
        assert!(take(&outbox).contains("phase"));
        assert!(said < MAX_EVENT_BYTES + (1 << 20), "{said} bytes");
    }

    /// What the other side has stored: terminal bytes, and reports with how many bytes there were before each.
    #[derive(Default)]
    struct Store {
        terminal: Vec<u8>,
        reports: Vec<(u64, usize)>,
    }

    impl Store {
        fn take(&mut self, outbox: &Outbox, cursor: &mut Cursor) {
            while let Some(next) = outbox.next(cursor) {
                match next {
                    Next::Terminal(frame) => {
                        assert!(frame.len() <= CHUNK + 8);
                        assert_eq!(frame[..8], (self.terminal.len() as u64).to_be_bytes());
                        self.terminal.extend_from_slice(&frame[8..]);
                    }
                    Next::Text(text) => {
                        let FromSupervisor::Report(report) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
                        self.reports.push((report.seq, self.terminal.len()));
                    }
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Terminal(usize),
        Report,
        Send,
        /// Acknowledge what has arrived.
        Acknowledge,
        /// The connection breaks; what was on its way from here is lost.
        Break,
    }

    proptest! {
        #[test]
        fn whatever_breaks_everything_arrives_once_and_in_order(steps in proptest::collection::vec(prop_oneof![
            (1usize..100_000).prop_map(Step::Terminal), Just(Step::Report), Just(Step::Send), Just(Step::Acknowledge), Just(Step::Break),
        ], 0..60)) {
            let outbox = Outbox::default();
            let mut cursor = outbox.connect(0, 0);
            let (mut printed, mut made, mut store) = (Vec::new(), Vec::new(), Store::default());
            for step in steps.into_iter().chain([Step::Break, Step::Send]) {
                match step {
                    Step::Terminal(length) if printed.len() + length < TERMINAL_BUFFER => {
                        let bytes: Vec<u8> = (0..length).map(|at| (at + printed.len()) as u8).collect();
                        outbox.terminal(&bytes);
                        printed.extend(bytes);
                    }
                    Step::Terminal(_) => {}
                    Step::Report => {
                        outbox.report(PHASE);
                        made.push(printed.len());
                    }
                    Step::Send => store.take(&outbox, &mut cursor),
                    Step::Acknowledge => {
                        store.take(&outbox, &mut cursor);
                        outbox.acknowledge(store.terminal.len() as u64, store.reports.len() as u64);
                        prop_assert!(outbox.is_everything_stored());
                    }
                    Step::Break => {
                        outbox.disconnect();
                        cursor = outbox.connect(store.terminal.len() as u64, store.reports.len() as u64);
                    }
                }
            }
            let Store { terminal, reports } = store;
            prop_assert_eq!(terminal, printed);
            prop_assert!(reports.iter().map(|(seq, _)| *seq).eq(1..=made.len() as u64));
            // Each came no earlier than what was printed before it.
            prop_assert!(reports.iter().zip(&made).all(|((_, at), after)| *at >= *after));
        }

        #[test]
        fn impossible_acknowledgements_do_no_harm(terminal in any::<u64>(), reports in any::<u64>(), from in any::<u64>(), after in any::<u64>()) {
            let outbox = Outbox::default();
            outbox.report(PHASE);
            outbox.terminal(b"abc");
            let mut cursor = outbox.connect(from, after);
            while outbox.next(&mut cursor).is_some() {}
            outbox.acknowledge(terminal, reports);
            outbox.report(PHASE);
            outbox.terminal(b"def");
            let mut sent = Vec::new();
            while let Some(next) = outbox.next(&mut cursor) {
                sent.push(next);
            }
            prop_assert_eq!(sent.len(), 2);
            prop_assert!(matches!(&sent[1], Next::Terminal(frame) if frame.ends_with(b"def")));
        }
    }
}
