//! One sandbox from its row to its end: raised step by step, each step with its undo, watched, and lowered.
//!
//! Every step may be repeated: the row is committed before anything is made, and door, sandbox and start converge when
//! they are asked for again. So a crash at any point is gone on with by calling [`raise`] again, or undone by [`lower`].

use crate::link::{GitAccess, Reach, ToLink};
use crate::shared::{Shared, lock};
use crate::{fault, figures, supervise};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::project::Project;
use strawboss_core::run::{CheckResult, Sandbox};
use strawboss_core::runner::{Cache, Purpose, RunnerError, SandboxHandle, SandboxSpec, SandboxStatus, SandboxVolume, Tool};
use strawboss_core::store::{ChangeSet, StoreError};
use strawboss_core::{RunId, SandboxId, Timestamp};
use strawboss_protocol::supervisor::{AgentEvent, End, Heartbeat, Orders, Phase, ReportBody, ToSupervisor};
use tokio::sync::{Notify, mpsc};

/// How long a dismissed supervisor has to exit before it is ended.
const DISMISS_GRACE: Duration = Duration::from_secs(3);

/// What a sandbox's reports add up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) last_report: u64,
    /// Bytes of reports that are stored.
    pub(crate) stored_bytes: u64,
    pub(crate) phase: Option<Phase>,
    pub(crate) pushed: BTreeMap<String, String>,
    pub(crate) checks: BTreeMap<u32, CheckResult>,
    pub(crate) agent_session: Option<String>,
    pub(crate) end: Option<End>,
    /// The row of the last report that people's programs were told of.
    pub(crate) announced_row: i64,
}

impl Progress {
    pub(crate) fn apply(&mut self, seq: u64, body: &ReportBody) {
        self.last_report = seq;
        match body {
            ReportBody::Phase { phase } => self.phase = Some(*phase),
            ReportBody::Pushed { reference, commit } => {
                self.pushed.insert(reference.clone(), commit.clone());
            }
            ReportBody::Check { index, result } => {
                self.checks.insert(*index, result.clone());
            }
            ReportBody::Agent { event: AgentEvent::Session { id, .. }, .. } => self.agent_session = Some(id.clone()),
            ReportBody::Done { end } => self.end = Some(end.clone()),
            ReportBody::Step { .. } | ReportBody::Agent { .. } => {}
        }
    }
}

#[derive(Default)]
struct State {
    token_hash: Option<String>,
    link: Option<mpsc::Sender<ToLink>>,
    takes_questions: bool,
    connection: u64,
    progress: Progress,
    beat: Option<(Heartbeat, Timestamp)>,
    heard_at: Option<Timestamp>,
    /// The newest of those that its run's row has.
    noted_at: Option<Timestamp>,
}

/// A sandbox that may connect.
pub(crate) struct Present {
    pub(crate) id: SandboxId,
    pub(crate) run: RunId,
    pub(crate) purpose: Purpose,
    pub(crate) orders: Orders,
    pub(crate) git: GitAccess,
    pub(crate) reach: Reach,
    state: Mutex<State>,
    /// Something of it changed.
    pub(crate) changed: Notify,
}

impl Present {
    pub(crate) fn progress(&self) -> Progress {
        lock(&self.state).progress.clone()
    }

    pub(crate) fn set_progress(&self, progress: Progress) {
        lock(&self.state).progress = progress;
        self.changed.notify_one();
    }

    pub(crate) fn set_announced(&self, row: i64) {
        let mut state = lock(&self.state);
        state.progress.announced_row = state.progress.announced_row.max(row);
    }

    pub(crate) fn token_hash(&self) -> Option<String> {
        lock(&self.state).token_hash.clone()
    }

    pub(crate) fn set_token_hash(&self, hash: String) {
        lock(&self.state).token_hash = Some(hash);
    }

    /// A new connection replaces an older one, whose sender is dropped.
    pub(crate) fn connect(&self, now: Timestamp) -> u64 {
        let mut state = lock(&self.state);
        // It may have said something to the control plane before this one.
        if state.connection > 0 || state.progress.last_report > 0 {
            figures::supervisor_came_back();
        }
        state.connection += 1;
        state.link = None;
        state.heard_at = Some(now);
        state.connection
    }

    /// From here on the supervisor can be told things: said before the greeting, they would break the connection and be
    /// lost.
    pub(crate) fn greeted(&self, connection: u64, link: mpsc::Sender<ToLink>, takes_questions: bool) {
        let mut state = lock(&self.state);
        if state.connection == connection {
            state.link = Some(link);
            state.takes_questions = takes_questions;
        }
    }

    pub(crate) fn disconnect(&self, connection: u64) -> bool {
        let mut state = lock(&self.state);
        let current = state.connection == connection;
        if current {
            state.link = None;
        }
        current
    }

    pub(crate) fn is_current(&self, connection: u64) -> bool {
        lock(&self.state).connection == connection
    }

    pub(crate) fn heard(&self, beat: Option<Heartbeat>, now: Timestamp) {
        let mut state = lock(&self.state);
        state.heard_at = Some(now);
        if let Some(beat) = beat {
            state.beat = Some((beat, now));
        }
    }

    /// Whether its supervisor knows what a question is; one of an earlier version does not.
    pub(crate) fn takes_questions(&self) -> bool {
        lock(&self.state).takes_questions
    }

    pub(crate) fn is_connected(&self) -> bool {
        lock(&self.state).link.is_some()
    }

    pub(crate) fn heard_at(&self) -> Option<Timestamp> {
        lock(&self.state).heard_at
    }

    /// When it was heard, if that is worth writing down: at most once in `every` milliseconds.
    pub(crate) fn to_note(&self, every: i64) -> Option<Timestamp> {
        let state = lock(&self.state);
        state.heard_at.filter(|heard| state.noted_at.is_none_or(|noted| heard.ms_since(noted) >= every || *heard < noted))
    }

    pub(crate) fn noted(&self, at: Timestamp) {
        lock(&self.state).noted_at = Some(at);
    }

    pub(crate) fn load(&self) -> Option<(Heartbeat, Timestamp)> {
        lock(&self.state).beat
    }

    /// Says something to the supervisor; false when it is not connected or does not keep up.
    pub(crate) fn tell(&self, message: &ToSupervisor) -> bool {
        let link = lock(&self.state).link.clone();
        link.is_some_and(|link| link.try_send(ToLink::Text(supervise::encode(message))).is_ok())
    }
}

/// What a sandbox is to be.
pub(crate) struct Plan {
    pub(crate) run: RunId,
    pub(crate) purpose: Purpose,
    pub(crate) project: Project,
    pub(crate) volume: SandboxVolume,
    pub(crate) tools: Vec<Tool>,
    pub(crate) git: GitAccess,
    pub(crate) reach: Reach,
}

/// A sandbox that was raised.
pub(crate) struct Raised {
    pub(crate) present: Arc<Present>,
    pub(crate) handle: SandboxHandle,
}

/// Why it was not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RaiseError {
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its door cannot be opened: {0}")]
    Door(std::io::Error),
    #[error("its recording cannot be opened: {0}")]
    Recording(std::io::Error),
    /// It was there and has ended.
    #[error("its sandbox ended: {0}")]
    Ended(String),
}

impl RaiseError {
    /// One of a few fixed words, for counting.
    fn reason(&self) -> &'static str {
        match self {
            Self::Runner(RunnerError::Unreachable { .. }) => "runner_unreachable",
            Self::Runner(RunnerError::Image { .. }) => "image",
            Self::Runner(RunnerError::Failed { .. }) => "runner",
            Self::Store(_) => "store",
            Self::Door(_) => "door",
            Self::Recording(_) => "recording",
            Self::Ended(_) => "exited",
        }
    }
}

/// How a raised sandbox ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Over {
    /// Its supervisor said so.
    End(End),
    /// It is gone without a word.
    Lost(String),
}

/// The sandbox of this run and purpose that is not removed, or a new row for one.
pub(crate) async fn row(shared: &Shared, run: &RunId, purpose: Purpose) -> Result<Sandbox, StoreError> {
    let all = shared.parts.store.sandbox_list(run).await?;
    if let Some(current) = all.iter().find(|sandbox| sandbox.purpose == purpose && !sandbox.removed) {
        return Ok(current.clone());
    }
    let number = all.iter().filter(|sandbox| sandbox.purpose == purpose).count() + 1;
    let id = run.sandbox(purpose, u32::try_from(number).unwrap_or(u32::MAX));
    let new = Sandbox {
        id: id.clone(),
        run: run.clone(),
        purpose,
        handle: None,
        token_hash: None,
        removed: false,
        created_at: shared.now(),
        version: 0,
    };
    let writer = shared.write().await;
    writer.commit_silently(&ChangeSet { sandboxes: vec![new], ..ChangeSet::default() }).await?;
    drop(writer);
    shared.parts.store.sandbox(&id).await?.ok_or(StoreError::Conflict { what: "sandbox", id: id.to_string() })
}

/// Raises a sandbox for `orders`, or goes on with the one that is there.
pub(crate) async fn raise(
    shared: &Arc<Shared>,
    plan: Plan,
    make_orders: impl FnOnce(&SandboxId) -> Orders,
) -> Result<Raised, RaiseError> {
    let raised = raise_once(shared, plan, make_orders).await;
    if let Err(error) = &raised {
        figures::sandbox_failed(error.reason());
    }
    raised
}

async fn raise_once(
    shared: &Arc<Shared>,
    plan: Plan,
    make_orders: impl FnOnce(&SandboxId) -> Orders,
) -> Result<Raised, RaiseError> {
    let sandbox = row(shared, &plan.run, plan.purpose).await?;
    let purpose = plan.purpose.word();
    let at = |step: &str| fault::point(&format!("{purpose}.{step}"));
    at("row");
    let present = register(shared, &sandbox, &plan, make_orders).await?;
    let door_dir = shared.parts.doors.open(&sandbox.id).await.map_err(RaiseError::Door)?;
    at("door");
    let spec = SandboxSpec {
        id: sandbox.id.clone(),
        run: plan.run.clone(),
        project: plan.project.name.clone(),
        purpose: plan.purpose,
        image: plan.project.image.clone(),
        limits: plan.project.limits,
        volume: plan.volume,
        caches: plan
            .project
            .caches(plan.purpose)
            .iter()
            .map(|path| Cache { project: plan.project.name.clone(), purpose: plan.purpose, path: path.clone() })
            .collect(),
        tools: plan.tools,
        door_dir,
        env: BTreeMap::new(),
    };
    let handle = if let Some(handle) = &sandbox.handle {
        SandboxHandle(handle.clone())
    } else {
        let handle = shared.parts.runner.create(&spec).await?;
        at("created");
        let writer = shared.write().await;
        if let Some(mut stored) = shared.parts.store.sandbox(&sandbox.id).await? {
            stored.handle = Some(handle.0.clone());
            writer.commit_silently(&ChangeSet { sandboxes: vec![stored], ..ChangeSet::default() }).await?;
        }
        handle
    };
    at("stored");
    match shared.parts.runner.status(&handle).await? {
        SandboxStatus::Created => shared.parts.runner.start(&handle).await?,
        SandboxStatus::Running => {}
        // What it reported before it ended is known; the watch sees the end.
        _ if present.progress().end.is_some() => {}
        SandboxStatus::Exited { code, out_of_memory } => return Err(RaiseError::Ended(exit_text(code, out_of_memory))),
        SandboxStatus::Gone => return Err(RaiseError::Ended("it is gone".to_owned())),
    }
    at("started");
    Ok(Raised { present, handle })
}

/// Lets a sandbox connect, with what it reported so far.
async fn register(
    shared: &Arc<Shared>,
    sandbox: &Sandbox,
    plan: &Plan,
    make_orders: impl FnOnce(&SandboxId) -> Orders,
) -> Result<Arc<Present>, RaiseError> {
    shared.hub.begin(&sandbox.id).map_err(RaiseError::Recording)?;
    if let Some(present) = lock(&shared.present).get(&sandbox.id) {
        return Ok(Arc::clone(present));
    }
    let mut progress = Progress::default();
    let mut after = 0;
    loop {
        let page = shared.parts.store.report_list(&plan.run, after, 500).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, report) in page.iter().filter(|(_, report)| report.sandbox == sandbox.id) {
            if let Ok(body) = serde_json::from_str::<ReportBody>(&report.body) {
                progress.apply(report.seq, &body);
                progress.stored_bytes += report.body.len() as u64;
            }
        }
    }
    let present = Arc::new(Present {
        id: sandbox.id.clone(),
        run: plan.run.clone(),
        purpose: plan.purpose,
        orders: make_orders(&sandbox.id),
        git: plan.git.clone(),
        reach: plan.reach.clone(),
        state: Mutex::new(State { token_hash: sandbox.token_hash.clone(), progress, ..State::default() }),
        changed: Notify::new(),
    });
    Ok(Arc::clone(lock(&shared.present).entry(sandbox.id.clone()).or_insert(present)))
}

pub(crate) fn exit_text(code: Option<i64>, out_of_memory: bool) -> String {
    match (code, out_of_memory) {
        (_, true) => "the memory limit ended it".to_owned(),
        (Some(code), false) => format!("its supervisor exited with {code}"),
        (None, false) => "its supervisor was ended".to_owned(),
    }
}

/// Returns when the supervisor reported its end, or the sandbox is gone, or silent for too long.
pub(crate) async fn until_over(shared: &Shared, raised: &Raised) -> Over {
    let raised_at = shared.now();
    let wait = shared.parts.runner.wait(&raised.handle);
    tokio::pin!(wait);
    let mut ended: Option<(String, &'static str)> = None;
    loop {
        if let Some(end) = raised.present.progress().end {
            return Over::End(end);
        }
        if let Some((how, reason)) = ended {
            figures::sandbox_failed(reason);
            return Over::Lost(how);
        }
        let heard = raised.present.heard_at().unwrap_or(raised_at);
        let silent = shared.now().ms_since(heard);
        if silent < 0 {
            // The clock was set back: from now on silence counts anew, or it would be an hour too long.
            raised.present.heard(None, shared.now());
            continue;
        }
        let limit = i64::try_from(shared.config.silence_limit.as_millis()).unwrap_or(i64::MAX);
        if silent > limit {
            figures::sandbox_failed("silent");
            return Over::Lost(format!("its supervisor was silent for {} seconds", silent / 1000));
        }
        let rest = Duration::from_millis(u64::try_from(limit - silent).unwrap_or(0) + 1);
        tokio::select! {
            () = raised.present.changed.notified() => {}
            status = &mut wait, if ended.is_none() => match status {
                Ok(SandboxStatus::Exited { code, out_of_memory }) => {
                    // Its last words may still be on their way through the door.
                    settle(raised).await;
                    ended = Some((exit_text(code, out_of_memory), if out_of_memory { "out_of_memory" } else { "exited" }));
                }
                Ok(_) => {
                    settle(raised).await;
                    ended = Some(("it is gone".to_owned(), "gone"));
                }
                Err(error) => {
                    tracing::warn!(sandbox.id = %raised.present.id, error = %error, "a sandbox cannot be watched; trying again");
                    tokio::time::sleep(shared.config.backoff).await;
                    wait.set(shared.parts.runner.wait(&raised.handle));
                }
            },
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Gives frames that are in flight the time to arrive: until the connection is closed, two seconds at most.
async fn settle(raised: &Raised) {
    let closed = async {
        while raised.present.progress().end.is_none() && lock(&raised.present.state).link.is_some() {
            raised.present.changed.notified().await;
        }
    };
    // A dead connection that nobody closes ends with the time-out; what was lost by then is lost.
    let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
}

/// Ends a sandbox and everything of it but the run's volume. Repeating it is no error.
pub(crate) async fn lower(shared: &Shared, id: &SandboxId) -> Result<(), RaiseError> {
    let present = lock(&shared.present).get(id).cloned();
    let Some(mut row) = shared.parts.store.sandbox(id).await? else { return Ok(()) };
    if let Some(handle) = row.handle.clone().map(SandboxHandle) {
        let dismissed = present.as_ref().is_some_and(|present| present.tell(&ToSupervisor::Dismiss));
        if dismissed {
            // Exits by itself within the grace, or is ended.
            let _ = tokio::time::timeout(DISMISS_GRACE, shared.parts.runner.wait(&handle)).await;
        }
        shared.parts.runner.stop(&handle, DISMISS_GRACE).await?;
        shared.parts.runner.remove(&handle).await?;
    } else {
        // It may have been made without its handle being stored: it is found by its label.
        for found in shared.parts.runner.sandboxes().await?.into_iter().filter(|found| found.id == *id) {
            shared.parts.runner.remove(&found.handle).await?;
        }
    }
    fault::point("sandbox.removed");
    lock(&shared.present).remove(id);
    shared.parts.doors.close(id).await.map_err(RaiseError::Door)?;
    let writer = shared.write().await;
    if let Some(fresh) = shared.parts.store.sandbox(id).await? {
        row = fresh;
    }
    if !row.removed {
        row.removed = true;
        writer.commit_silently(&ChangeSet { sandboxes: vec![row], ..ChangeSet::default() }).await?;
    }
    Ok(())
}

/// Lowers, and leaves what does not work now to reconciliation.
pub(crate) async fn lower_or_leave(shared: &Shared, id: &SandboxId) {
    if let Err(error) = lower(shared, id).await {
        tracing::warn!(sandbox.id = %id, error = %error, "a sandbox could not be removed now; it is tried again");
        lock(&shared.present).remove(id);
        shared.left_behind.notify_one();
    }
}
