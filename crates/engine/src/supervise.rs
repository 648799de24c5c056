//! The engine's end of a supervisor's connection: everything that comes in is hostile until it was checked here.

use crate::error::Refused;
use crate::link::{FromLink, SupervisorLink, ToLink};
use crate::sandbox::Present;
use crate::shared::{Shared, lock};
use crate::{bound, fault, figures, questions, views};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::runner::Purpose;
use strawboss_core::store::{ChangeSet, StoreError, StoredReport};
use strawboss_core::{RunId, RunState, SandboxId, Timestamp};
use strawboss_protocol::supervisor::{
    AgentEvent, FromSupervisor, Hello, MAX_BINARY_FRAME, MAX_TEXT_FRAME, Phase, Report, ReportBody, ToSupervisor, TokenGrant,
    VERSION, Welcome,
};
use tokio::sync::mpsc;

/// How many frames may wait in each direction.
const FRAMES_IN: usize = 64;
const FRAMES_OUT: usize = 256;
/// How many frames are taken together: their reports are stored in one transaction.
const BATCH: usize = 128;
/// How long a new connection has to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(20);
/// How often the sign of life of a run is written down, in milliseconds.
const HEARD_EVERY_MS: i64 = 15_000;
/// How many checks a sandbox may report; more than that was never ordered.
const CHECKS_LIMIT: u32 = 1000;

/// JSON of a message. The protocol's types have no maps with keys that are not strings, so they always have one.
pub(crate) fn encode(message: &ToSupervisor) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a secret, as hex.
pub(crate) fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// A secret of 256 random bits, as hex.
pub(crate) fn random_secret() -> Result<String, Refused> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| Refused::Internal(format!("no randomness: {error}")))?;
    Ok(hex(&bytes))
}

fn present(shared: &Shared, sandbox: &SandboxId) -> Result<Arc<Present>, Refused> {
    lock(&shared.present).get(sandbox).cloned().ok_or_else(|| Refused::not_found("sandbox", sandbox))
}

/// Gives a door's first caller the control token.
pub(crate) async fn grant(shared: &Shared, sandbox: &SandboxId) -> Result<TokenGrant, Refused> {
    let present = present(shared, sandbox)?;
    let writer = shared.write().await;
    let Some(mut row) = shared.parts.store.sandbox(sandbox).await? else { return Err(Refused::not_found("sandbox", sandbox)) };
    if row.token_hash.is_some() {
        return Err(Refused::Conflict { message: "The control token of this door was given out already.".to_owned(), fix: None });
    }
    let token = random_secret()?;
    let token_hash = hash(&token);
    row.token_hash = Some(token_hash.clone());
    writer.commit_silently(&ChangeSet { sandboxes: vec![row], ..ChangeSet::default() }).await?;
    present.set_token_hash(token_hash);
    fault::point("token.granted");
    Ok(TokenGrant { token })
}

/// Takes a connection that shows the token.
pub(crate) fn connect(shared: &Arc<Shared>, sandbox: &SandboxId, bearer: &str) -> Result<SupervisorLink, Refused> {
    let present = present(shared, sandbox)?;
    let forbidden =
        || Refused::Forbidden("The control channel needs the token that this door's first caller was given.".to_owned());
    let expected = present.token_hash().ok_or_else(forbidden)?;
    // Hashes of unequal secrets share no prefix that a caller could steer, so comparing them tells nothing.
    if hash(bearer) != expected {
        return Err(forbidden());
    }
    let (incoming, frames) = mpsc::channel(FRAMES_IN);
    let (sender, outgoing) = mpsc::channel(FRAMES_OUT);
    let shared = Arc::clone(shared);
    let connection = present.connect(shared.now());
    shared.clone().tracker.spawn(async move {
        let ended = tokio::select! {
            () = shared.stop.cancelled() => Ok(()),
            ended = serve(&shared, &present, connection, frames, &sender) => ended,
        };
        if let Err(why) = ended {
            tracing::warn!(sandbox.id = %present.id, why, "a supervisor's connection was closed");
        }
        if present.disconnect(connection) {
            // Without a live session there is no input to cut.
            let _ = shared.hub.connect(&present.run, None);
        }
        present.changed.notify_one();
    });
    Ok(SupervisorLink { incoming, outgoing })
}

async fn serve(
    shared: &Arc<Shared>,
    present: &Arc<Present>,
    connection: u64,
    mut frames: mpsc::Receiver<FromLink>,
    sender: &mpsc::Sender<ToLink>,
) -> Result<(), String> {
    let first = tokio::time::timeout(HELLO_LIMIT, frames.recv()).await.map_err(|_| "it did not say hello".to_owned())?;
    let Some(FromLink::Text(text)) = first else { return Err("its first frame is no hello".to_owned()) };
    let FromSupervisor::Hello(hello) = parse(&text)? else { return Err("its first frame is no hello".to_owned()) };
    welcome(shared, present, &hello, sender)?;
    present.greeted(connection, sender.clone(), hello.takes_questions);
    shared.hub.connect(&present.run, Some(sender.clone())).map_err(|error| error.to_string())?;
    if present.purpose == Purpose::Agent {
        // While nobody else writes: what is asked at this moment is not taken back.
        let _writer = shared.write().await;
        let run = shared.parts.store.run(&present.run).await.map_err(|error| error.to_string())?;
        if let Some(run) = run {
            questions::tell(present, &run);
        }
    }
    present.changed.notify_one();
    let mut batch = Vec::with_capacity(BATCH);
    while frames.recv_many(&mut batch, BATCH).await > 0 {
        if !present.is_current(connection) {
            return Ok(());
        }
        let mut reports = Vec::new();
        let mut terminal = None;
        let mut beat = None;
        for frame in batch.drain(..) {
            match frame {
                FromLink::Binary(bytes) => terminal = Some(terminal_bytes(shared, present, &bytes)?),
                FromLink::Text(text) => match parse(&text)? {
                    FromSupervisor::Report(report) => reports.push(report),
                    FromSupervisor::Heartbeat(heartbeat) => beat = Some(heartbeat),
                    FromSupervisor::Hello(_) => return Err("it said hello twice".to_owned()),
                },
            }
        }
        present.heard(beat, shared.now());
        let stored = !reports.is_empty();
        if stored {
            store(shared, present, reports).await?;
        }
        if stored || terminal.is_some() {
            let position = match terminal {
                Some(position) => position,
                None => shared.hub.position(&present.id).map_err(|error| error.to_string())?,
            };
            let ack = ToSupervisor::Ack { terminal: position, reports: present.progress().last_report };
            if sender.send(ToLink::Text(encode(&ack))).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<FromSupervisor, String> {
    if text.len() > MAX_TEXT_FRAME {
        return Err("a text frame is too long".to_owned());
    }
    serde_json::from_str(text).map_err(|error| format!("a frame cannot be read: {error}"))
}

fn welcome(shared: &Shared, present: &Present, hello: &Hello, sender: &mpsc::Sender<ToLink>) -> Result<(), String> {
    if hello.version != VERSION {
        return Err(format!("it speaks version {} and this is {VERSION}", hello.version));
    }
    let terminal_from = shared.hub.position(&present.id).map_err(|error| error.to_string())?;
    let welcome = Welcome {
        version: VERSION,
        orders: present.orders.clone(),
        terminal_from,
        reports_after: present.progress().last_report,
    };
    sender.try_send(ToLink::Text(encode(&ToSupervisor::Welcome(Box::new(welcome))))).map_err(|_| "it does not read".to_owned())
}

fn terminal_bytes(shared: &Shared, present: &Present, frame: &Bytes) -> Result<u64, String> {
    let Some((head, bytes)) = frame.split_first_chunk::<8>().filter(|_| frame.len() <= MAX_BINARY_FRAME) else {
        return Err("a binary frame is too short or too long".to_owned());
    };
    let offset = u64::from_be_bytes(*head);
    // Offsets are the sandbox's word: one that is absurdly far would only leave a gap, but it must not overflow.
    if offset > 1 << 50 {
        return Err("a terminal offset is out of range".to_owned());
    }
    shared.hub.append(&present.id, offset, bytes).map_err(|error| format!("the terminal cannot be recorded: {error}"))
}

/// Checks numbered reports and stores them with what follows from them for the run, in one transaction.
async fn store(shared: &Shared, present: &Present, reports: Vec<Report>) -> Result<(), String> {
    let writer = shared.write().await;
    let mut progress = present.progress();
    let mut changes = ChangeSet::default();
    let mut run = shared.parts.store.run(&present.run).await.map_err(|error| error.to_string())?;
    let mut run_changed = false;
    let mut asked_changed = false;
    let began_before = run.as_ref().is_some_and(|run| run.started_at.is_some());
    let now = shared.now();
    for mut report in reports {
        if report.seq <= progress.last_report {
            continue;
        }
        if report.seq != progress.last_report + 1 || progress.end.is_some() {
            return Err(format!("report {} does not follow {}", report.seq, progress.last_report));
        }
        admissible(present, &report.body)?;
        bound::bound(&mut report.body, now);
        progress.apply(report.seq, &report.body);
        if present.purpose == Purpose::Agent
            && let Some(run) = run.as_mut().filter(|run| run.is_live())
        {
            run_changed |= follow(run, &report.body, now);
            asked_changed |= matches!(report.body, ReportBody::Phase { .. });
            if let ReportBody::Agent { event, .. } = &report.body
                && questions::heard(run, event, now)
            {
                (run_changed, asked_changed) = (true, true);
            }
        }
        let body = serde_json::to_string(&report.body).map_err(|error| error.to_string())?;
        progress.stored_bytes += body.len() as u64;
        if progress.stored_bytes > shared.config.report_limit {
            return Err("it reports more than one sandbox can have to say".to_owned());
        }
        changes.reports.push(StoredReport {
            sandbox: present.id.clone(),
            run: present.run.clone(),
            seq: report.seq,
            at: now,
            body,
        });
    }
    let mut began_after = None;
    let asked = run.clone().filter(|_| asked_changed);
    if let Some(mut run) = run.filter(|_| run_changed) {
        run.heard_at = Some(now);
        began_after = run.started_at.filter(|_| !began_before && !run.session).map(|at| at.ms_since(run.created_at));
        changes.runs.push(run);
    }
    if changes.is_empty() {
        return Ok(());
    }
    writer.commit(changes).await.map_err(|error| error.to_string())?;
    if let Some(after) = began_after {
        figures::run_began(after);
    }
    let (ended, announced) = (progress.end.is_some(), progress.announced_row);
    // While nobody else writes: an older connection must not put it back.
    present.set_progress(progress);
    if let Some(run) = asked {
        questions::tell(present, &run);
    }
    drop(writer);
    present.set_announced(announce(shared, present, announced).await);
    if ended {
        shared.wake(&present.run);
    }
    Ok(())
}

/// Tells people's programs of what was stored after a row; gives the last one that they were told of.
async fn announce(shared: &Shared, present: &Present, mut after: i64) -> i64 {
    let is_session = present.orders.agent.as_ref().is_some_and(|agent| agent.session);
    if is_session || !shared.bus.listened() {
        return after;
    }
    let Ok(rows) = shared.parts.store.report_list(&present.run, after, 1000).await else { return after };
    for (row, report) in &rows {
        after = *row;
        shared.bus.report(present.run.to_string(), views::report(*row, report));
    }
    after
}

/// Whether a sandbox of this purpose may report this at all.
fn admissible(present: &Present, body: &ReportBody) -> Result<(), String> {
    let fits = match body {
        ReportBody::Check { index, .. } => present.purpose == Purpose::Checks && *index < CHECKS_LIMIT,
        ReportBody::Agent { .. } => present.purpose == Purpose::Agent,
        ReportBody::Pushed { reference, commit } => present.git.writable.contains(reference) && crate::git::is_object_id(commit),
        ReportBody::Phase { .. } | ReportBody::Step { .. } | ReportBody::Done { .. } => true,
    };
    if fits { Ok(()) } else { Err("it reported what it cannot have done".to_owned()) }
}

/// Writes down when supervisors were heard last, for all runs together and not for every beat.
pub(crate) async fn note_heard(shared: &Shared) -> Result<(), StoreError> {
    let heard: Vec<(Arc<Present>, Timestamp)> = lock(&shared.present)
        .values()
        .filter_map(|present| present.to_note(HEARD_EVERY_MS).map(|at| (Arc::clone(present), at)))
        .collect();
    if heard.is_empty() {
        return Ok(());
    }
    let mut newest: BTreeMap<&RunId, Timestamp> = BTreeMap::new();
    for (present, at) in &heard {
        let known = newest.entry(&present.run).or_insert(*at);
        *known = (*known).max(*at);
    }
    let writer = shared.write().await;
    let mut runs = Vec::new();
    for (id, at) in newest {
        if let Some(mut run) = shared.parts.store.run(id).await?
            && run.is_live()
            // What was heard later than now was dated by a clock that has been set back since.
            && run.heard_at.is_none_or(|before| before < at || before > shared.now())
        {
            run.heard_at = Some(at);
            runs.push(run);
        }
    }
    writer.commit_silently(&ChangeSet { runs, ..ChangeSet::default() }).await?;
    drop(writer);
    for (present, at) in heard {
        present.noted(at);
    }
    Ok(())
}

/// What a report says about the run itself; true when the run is to be written.
fn follow(run: &mut strawboss_core::Run, body: &ReportBody, now: strawboss_core::Timestamp) -> bool {
    let state = match body {
        ReportBody::Phase { phase: Phase::Preparing } => RunState::Preparing,
        ReportBody::Phase { phase: Phase::Working } => RunState::Working,
        ReportBody::Phase { phase: Phase::Waiting } => RunState::Waiting,
        ReportBody::Agent { event: AgentEvent::Session { id, .. }, .. } => {
            run.agent_session = Some(id.clone());
            return true;
        }
        ReportBody::Agent { event: AgentEvent::RateLimited { until }, .. } => {
            run.quota_until = *until;
            return until.is_some();
        }
        _ => return false,
    };
    // While people are asked it waits, whatever else it does meanwhile.
    if state == RunState::Working && run.open_question().is_some() {
        return false;
    }
    // A supervisor that says things out of order does not move the run backwards.
    run.state != state && run.advance(state, now).is_ok()
}
