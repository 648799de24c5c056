//! The session hub: what a run's terminal printed, recorded and fanned out to viewers.
//!
//! One recording per sandbox on disk, in pieces of bounded size; a run's session is its sandboxes' recordings one after
//! the other. A live session keeps its newest bytes in memory. Viewers pull with a cursor of their own, so that a slow
//! one costs nothing but its cursor; one that falls too far behind is moved to the newest bytes and told so.

mod recording;

use crate::error::Refused;
use crate::link::ToLink;
use bytes::{Bytes, BytesMut};
use recording::Recording;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use strawboss_core::{RunId, SandboxId};
use strawboss_protocol::supervisor::ToSupervisor;
use tokio::sync::{mpsc, watch};

/// How many of a live session's newest bytes are kept in memory.
const RING_BYTES: usize = 256 * 1024;
/// A viewer that is further behind a live session than this is moved to the newest bytes.
const LAG_LIMIT: u64 = 8 << 20;
/// The longest piece that a viewer is given at once.
const PIECE_BYTES: usize = 64 * 1024;
/// What a newcomer who asks for no offset is shown of the past.
const NEWCOMER_BYTES: u64 = 256 * 1024;

/// What a viewer gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerFrame {
    /// Terminal bytes, the first of which has this offset.
    Bytes {
        /// The offset of the first byte.
        offset: u64,
        /// At most 64 KiB.
        bytes: Bytes,
    },
    /// Bytes were passed over; the next frame starts here.
    Skipped {
        /// The offset of the next byte.
        offset: u64,
    },
    /// No more will come.
    Ended,
}

/// Where the session's end is, and whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    end: u64,
    live: bool,
}

struct Session {
    state: Mutex<State>,
    extent: watch::Sender<Extent>,
}

struct State {
    recording: Recording,
    ring: VecDeque<Bytes>,
    ring_start: u64,
    ring_end: u64,
    /// Where input goes: the supervisor's connection, while there is one.
    supervisor: Option<mpsc::Sender<ToLink>>,
}

/// All sessions that somebody writes or watches.
pub(crate) struct Hub {
    root: PathBuf,
    sessions: Mutex<HashMap<RunId, Arc<Session>>>,
    recorded: metrics::Counter,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock was held leaves bytes and offsets that are consistent: each change is one push.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Recordings lie under `<data_dir>/runs/<run>/terminal`.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            root: data_dir.join("runs"),
            sessions: Mutex::new(HashMap::new()),
            recorded: metrics::counter!("strawboss_terminal_recorded_bytes_total"),
        }
    }

    fn folder(&self, run: &RunId) -> PathBuf {
        self.root.join(run.as_str()).join("terminal")
    }

    fn open(&self, run: &RunId, live: bool) -> io::Result<Arc<Session>> {
        let mut sessions = lock(&self.sessions);
        if let Some(session) = sessions.get(run) {
            return Ok(Arc::clone(session));
        }
        let recording = Recording::open(&self.folder(run))?;
        let end = recording.end();
        let session = Arc::new(Session {
            state: Mutex::new(State { recording, ring: VecDeque::new(), ring_start: end, ring_end: end, supervisor: None }),
            extent: watch::Sender::new(Extent { end, live }),
        });
        if live {
            sessions.insert(run.clone(), Arc::clone(&session));
        }
        Ok(session)
    }

    /// Begins (or goes on with) recording a sandbox; gives how many of its bytes are recorded.
    pub(crate) fn begin(&self, sandbox: &SandboxId) -> io::Result<u64> {
        let session = self.open(&sandbox.run(), true)?;
        let position = lock(&session.state).recording.select(sandbox);
        session.extent.send_if_modified(|extent| !std::mem::replace(&mut extent.live, true));
        Ok(position)
    }

    /// How many of a sandbox's bytes are recorded, while its session lasts.
    pub(crate) fn position(&self, sandbox: &SandboxId) -> io::Result<u64> {
        Ok(lock(&self.live(&sandbox.run())?.state).recording.select(sandbox))
    }

    /// A session that was begun and has not ended: what a supervisor says late brings none back, its viewers would wait
    /// for ever.
    fn live(&self, run: &RunId) -> io::Result<Arc<Session>> {
        lock(&self.sessions).get(run).cloned().ok_or_else(|| io::Error::other("its session has ended"))
    }

    /// Appends bytes that the sandbox's terminal printed from `offset` on; those known already are passed over. Gives how
    /// many of the sandbox's bytes are recorded now.
    pub(crate) fn append(&self, sandbox: &SandboxId, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        let session = self.live(&sandbox.run())?;
        let mut state = lock(&session.state);
        let position = state.recording.select(sandbox);
        let known = usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) else { return Ok(position) };
        let at = offset.max(position);
        state.recording.write(at, fresh)?;
        self.recorded.increment(fresh.len() as u64);
        let end = state.recording.end();
        let start = end - fresh.len() as u64;
        if start != state.ring_end {
            state.ring.clear();
            state.ring_start = start;
        }
        state.ring.push_back(Bytes::copy_from_slice(fresh));
        state.ring_end = end;
        while state.ring_end - state.ring_start > RING_BYTES as u64 && state.ring.len() > 1 {
            let gone = state.ring.pop_front().map_or(0, |piece| piece.len() as u64);
            state.ring_start += gone;
        }
        drop(state);
        session.extent.send_modify(|extent| extent.end = end);
        Ok(at + fresh.len() as u64)
    }

    /// Connects input of viewers with the supervisor's connection, or cuts it.
    pub(crate) fn connect(&self, run: &RunId, supervisor: Option<mpsc::Sender<ToLink>>) -> io::Result<()> {
        lock(&self.live(run)?.state).supervisor = supervisor;
        Ok(())
    }

    /// No more bytes will come; memory is given back.
    pub(crate) fn end(&self, run: &RunId) {
        let session = lock(&self.sessions).remove(run);
        if let Some(session) = session {
            let mut state = lock(&session.state);
            state.supervisor = None;
            state.recording.close();
            drop(state);
            session.extent.send_modify(|extent| extent.live = false);
        }
    }

    /// Attaches a viewer.
    pub(crate) fn attach(&self, run: &RunId, live: bool, from: Option<u64>) -> io::Result<Viewer> {
        let session = self.open(run, live)?;
        let extent = session.extent.subscribe();
        let now = *extent.borrow();
        let oldest = lock(&session.state).recording.start();
        let cursor = from.unwrap_or_else(|| now.end.saturating_sub(NEWCOMER_BYTES)).clamp(oldest, now.end);
        Ok(Viewer { session, extent, cursor, live: now.live })
    }

    /// Sessions in memory, and viewers of all of them.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let sessions = lock(&self.sessions);
        let viewers = sessions.values().map(|session| session.extent.receiver_count() as u64).sum();
        (sessions.len() as u64, viewers)
    }

    /// Bytes so far and viewers now, of a session in memory.
    pub(crate) fn count(&self, run: &RunId) -> Option<(u64, u32)> {
        let session = Arc::clone(lock(&self.sessions).get(run)?);
        let end = session.extent.borrow().end;
        Some((end, u32::try_from(session.extent.receiver_count()).unwrap_or(u32::MAX)))
    }
}

/// A viewer on a session's terminal. Dropping it detaches.
pub struct Viewer {
    session: Arc<Session>,
    extent: watch::Receiver<Extent>,
    cursor: u64,
    live: bool,
}

impl Viewer {
    /// The offset of the first byte that will come.
    pub fn offset(&self) -> u64 {
        self.cursor
    }

    /// Whether the run was live when attached.
    pub fn live(&self) -> bool {
        self.live
    }

    /// The next frame. Cancel-safe.
    pub async fn next(&mut self) -> ViewerFrame {
        loop {
            let Extent { end, live } = *self.extent.borrow_and_update();
            if live && end.saturating_sub(self.cursor) > LAG_LIMIT {
                self.cursor = end.saturating_sub(NEWCOMER_BYTES);
                return ViewerFrame::Skipped { offset: self.cursor };
            }
            if self.cursor < end {
                return self.read();
            }
            if !live || self.extent.changed().await.is_err() {
                let last = *self.extent.borrow();
                if self.cursor >= last.end {
                    return ViewerFrame::Ended;
                }
            }
        }
    }

    fn read(&mut self) -> ViewerFrame {
        let mut state = lock(&self.session.state);
        if self.cursor >= state.ring_start && self.cursor < state.ring_end {
            let bytes = from_ring(&state, self.cursor);
            let offset = self.cursor;
            self.cursor += bytes.len() as u64;
            return ViewerFrame::Bytes { offset, bytes };
        }
        // The recording is read under the lock: a piece of 64 KiB that was written lately comes from the page cache.
        match state.recording.read(self.cursor, PIECE_BYTES) {
            Ok(Some((at, bytes))) if at == self.cursor => {
                self.cursor += bytes.len() as u64;
                ViewerFrame::Bytes { offset: at, bytes: Bytes::from(bytes) }
            }
            Ok(Some((at, _))) => {
                self.cursor = at;
                ViewerFrame::Skipped { offset: at }
            }
            Ok(None) | Err(_) => {
                self.cursor = state.ring_start.max(self.cursor.saturating_add(1)).max(state.ring_end);
                ViewerFrame::Skipped { offset: self.cursor }
            }
        }
    }

    fn send(&self, frame: ToLink) -> Result<(), Refused> {
        let supervisor = lock(&self.session.state).supervisor.clone();
        let Some(supervisor) = supervisor else {
            return Err(Refused::Unavailable("The run's supervisor is not connected now; nothing was typed.".to_owned()));
        };
        supervisor
            .try_send(frame)
            .map_err(|_| Refused::Unavailable("The run's supervisor does not keep up; nothing was typed.".to_owned()))
    }

    /// Terminal input of this viewer, 64 KiB at most.
    pub fn input(&self, bytes: Bytes) -> Result<(), Refused> {
        if bytes.len() > PIECE_BYTES {
            return Err(Refused::invalid("More than 64 KiB of input at once.", "Send it in pieces."));
        }
        self.send(ToLink::Binary(bytes))
    }

    /// A line for the agent; its length is the caller's to check.
    pub fn say(&self, text: String) -> Result<(), Refused> {
        self.send(ToLink::Text(crate::supervise::encode(&ToSupervisor::Say { text, cause: crate::cause::current() })))
    }

    /// The viewer's size.
    pub fn resize(&self, cols: u16, rows: u16) -> Result<(), Refused> {
        let size = 1..=1000;
        if !size.contains(&cols) || !size.contains(&rows) {
            return Err(Refused::invalid("A terminal has 1 to 1000 columns and rows.", "Send a size within that."));
        }
        self.send(ToLink::Text(crate::supervise::encode(&ToSupervisor::Resize { cols, rows })))
    }
}

fn from_ring(state: &State, cursor: u64) -> Bytes {
    let mut at = state.ring_start;
    let mut joined = BytesMut::new();
    for piece in &state.ring {
        let end = at + piece.len() as u64;
        if end > cursor {
            let skip = usize::try_from(cursor.saturating_sub(at)).unwrap_or(0);
            let rest = piece.slice(skip.min(piece.len())..);
            if joined.is_empty() && rest.len() >= PIECE_BYTES / 2 {
                return rest.slice(..rest.len().min(PIECE_BYTES));
            }
            let room = PIECE_BYTES - joined.len();
            joined.extend_from_slice(&rest[..rest.len().min(room)]);
            if joined.len() == PIECE_BYTES {
                break;
            }
        }
        at = end;
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::{Hub, LAG_LIMIT, ViewerFrame};
    use strawboss_core::{RunId, SandboxId};

    fn ids() -> (RunId, SandboxId, SandboxId) {
        let id = |text: &str| SandboxId::parse(text).unwrap();
        (RunId::parse("a-1.1").unwrap(), id("a-1.1-agent"), id("a-1.1-checks"))
    }

    async fn all(hub: &Hub, run: &RunId, from: u64) -> Vec<u8> {
        let mut viewer = hub.attach(run, false, Some(from)).unwrap();
        let mut seen = Vec::new();
        loop {
            match viewer.next().await {
                ViewerFrame::Bytes { offset, bytes } => {
                    assert_eq!(offset, from + seen.len() as u64);
                    seen.extend_from_slice(&bytes);
                }
                ViewerFrame::Skipped { offset } => panic!("skipped to {offset}"),
                ViewerFrame::Ended => return seen,
            }
        }
    }

    #[tokio::test]
    async fn a_session_is_its_sandboxes_one_after_the_other_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (run, agent, checks) = ids();
        let hub = Hub::new(dir.path());
        assert_eq!(hub.begin(&agent).unwrap(), 0);
        assert_eq!(hub.append(&agent, 0, b"hello ").unwrap(), 6);
        drop(hub);
        let hub = Hub::new(dir.path());
        assert_eq!(hub.begin(&agent).unwrap(), 6, "what is recorded is known after a restart");
        assert_eq!(hub.append(&agent, 3, b"lo world\n").unwrap(), 12, "known bytes are passed over");
        assert_eq!(hub.begin(&checks).unwrap(), 0);
        assert_eq!(hub.append(&checks, 0, b"green\n").unwrap(), 6);
        hub.end(&run);
        assert_eq!(all(&hub, &run, 0).await, b"hello world\ngreen\n");
        assert_eq!(all(&hub, &run, 12).await, b"green\n");
    }

    #[tokio::test]
    async fn a_viewer_far_behind_is_moved_to_the_newest_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (run, agent, _) = ids();
        let hub = Hub::new(dir.path());
        hub.begin(&agent).unwrap();
        let mut viewer = hub.attach(&run, true, None).unwrap();
        let piece = vec![b'x'; 60_000];
        let mut at = 0;
        while at <= LAG_LIMIT {
            at = hub.append(&agent, at, &piece).unwrap();
        }
        let ViewerFrame::Skipped { offset } = viewer.next().await else { panic!("not skipped") };
        assert!(offset > 0 && offset < at);
        let ViewerFrame::Bytes { offset: next, bytes } = viewer.next().await else { panic!("no bytes") };
        assert_eq!(next, offset);
        assert!(!bytes.is_empty());
    }

    #[test]
    fn an_agent_that_prints_without_end_fills_no_disk_and_its_last_words_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (run, agent, _) = ids();
        let hub = Hub::new(dir.path());
        hub.begin(&agent).unwrap();
        let piece = vec![b'x'; 1 << 20];
        let mut at = 0;
        for _ in 0..100 {
            at = hub.append(&agent, at, &piece).unwrap();
        }
        let at = hub.append(&agent, at, b"last").unwrap();
        let pieces = std::fs::read_dir(dir.path().join("runs").join(run.as_str()).join("terminal")).unwrap();
        let kept: u64 = pieces.map(|piece| piece.unwrap().metadata().unwrap().len()).sum();
        assert!((32 << 20..80 << 20).contains(&kept), "{kept} bytes are kept");
        assert_eq!(Hub::new(dir.path()).begin(&agent).unwrap(), at, "and where it goes on is known after a restart");
    }

    #[tokio::test]
    async fn a_connection_that_ends_late_does_not_bring_a_session_back() {
        let dir = tempfile::tempdir().unwrap();
        let (run, agent, _) = ids();
        let hub = Hub::new(dir.path());
        hub.begin(&agent).unwrap();
        hub.end(&run);
        assert!(hub.connect(&run, None).is_err() && hub.position(&agent).is_err() && hub.append(&agent, 0, b"late").is_err());
        let mut viewer = hub.attach(&run, false, Some(0)).unwrap();
        let frame = futures_util::FutureExt::now_or_never(viewer.next());
        assert_eq!(frame, Some(ViewerFrame::Ended));
    }

    #[tokio::test]
    async fn a_gap_is_told_and_not_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let (run, agent, _) = ids();
        let hub = Hub::new(dir.path());
        hub.begin(&agent).unwrap();
        hub.append(&agent, 0, b"old").unwrap();
        hub.append(&agent, 100, b"new").unwrap();
        hub.end(&run);
        let mut viewer = hub.attach(&run, false, Some(0)).unwrap();
        assert_eq!(viewer.next().await, ViewerFrame::Bytes { offset: 0, bytes: "old".into() });
        assert_eq!(viewer.next().await, ViewerFrame::Skipped { offset: 100 });
        assert_eq!(viewer.next().await, ViewerFrame::Bytes { offset: 100, bytes: "new".into() });
        assert_eq!(viewer.next().await, ViewerFrame::Ended);
    }
}
