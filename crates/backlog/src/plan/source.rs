//! A plan file as a backlog: [`PlanBacklog`]. Each phase of each open plan is an item that depends on the one before.

use super::book::{Book, Ours, Phase, Plan, Wants};
use super::commands::with_id;
use super::edit::Edit;
use super::error::PlanError;
use super::file::{edit, load};
use super::text::bare_title;
use super::{markdown, time};
use crate::csv::{Stamp, Watch, glance};
use crate::table::{asked_agent, day, moment, needs_gpu, plain, priority};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Outline, OutlinePhase, Reading, SourceItem, SourceProblem, WriteBack, WriteBackError, WriteOutcome,
};

/// An entry of `backlogs:` of type `plan`.
#[derive(Debug, Clone)]
pub struct PlanConfig {
    /// The file, as configured; the source's name says it so.
    pub file: PathBuf,
    /// The folder that a relative `file` is in: the configuration's. None: the working directory.
    pub base: Option<PathBuf>,
    /// How often the file is looked at where the system gives no file events.
    pub watch_interval: Duration,
    /// The project of plans that name none.
    pub project: Option<ProjectName>,
}

/// Work from a plan file.
#[derive(Debug)]
pub struct PlanBacklog {
    name: String,
    file: String,
    path: PathBuf,
    interval: Duration,
    project: Option<ProjectName>,
    watch: Arc<Watch>,
    seen: Mutex<Seen>,
    /// One look or write at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What the last look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    /// Nobody looked yet.
    #[default]
    Never,
    /// Nothing was there.
    Missing,
    /// This state of the file.
    At(Stamp),
}

/// Between an event and the look at what it meant: programs write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// The longest text of a phase in bytes: a prompt, not a book.
const MAX_ACTION: usize = 64 << 10;

/// The longest other text that is read of a phase, in bytes.
const MAX_WORD: usize = 500;

/// Problems beyond this many are counted, not told one by one.
const MAX_PROBLEMS: usize = 500;

impl PlanBacklog {
    /// The file need not be there yet.
    pub fn new(config: PlanConfig) -> Self {
        let file = config.file.display().to_string();
        let path = config.base.map_or_else(|| config.file.clone(), |base| base.join(&config.file));
        let path = std::path::absolute(&path).unwrap_or(path);
        Self {
            name: format!("plan:{file}"),
            file,
            interval: config.watch_interval,
            project: config.project,
            watch: Arc::new(Watch::new(path.clone())),
            path,
            seen: Mutex::default(),
            turn: Arc::default(),
        }
    }

    /// The file that is read, made absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does blocking work on the file, alone. The work goes on when the caller goes away: a write is never half done.
    async fn alone<T: Send + 'static>(&self, work: impl FnOnce(&Path) -> T + Send + 'static) -> Result<T, PlanError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&path)
        });
        task.await.map_err(|error| PlanError::File { why: error.to_string(), fix: "Report this.", passes: true })
    }
}

#[async_trait::async_trait]
impl Backlog for PlanBacklog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Reading {
        let looked = self.alone(|path| (glance(path), load(path))).await;
        let (before, loaded) = looked.unwrap_or_else(|error| (None, Err(error)));
        let stamp = loaded.as_ref().map_or(before, |loaded| Some(loaded.stamp));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp.map_or(Seen::Missing, Seen::At);
        match loaded {
            Ok(loaded) => {
                let listing = list(&loaded.book, self.project.as_ref());
                Reading::Items {
                    items: listing.rows.into_iter().filter_map(|row| row.item).collect(),
                    problems: listing.problems,
                }
            }
            Err(error) => Reading::Unreadable {
                problem: SourceProblem {
                    line: error.line(),
                    column: None,
                    message: format!(
                        "Cannot read the plans `{}`: {error}. Nothing was taken over from them; what is known stays. {}",
                        self.file,
                        error.fix()
                    ),
                    skipped: false,
                    native_ref: None,
                },
            },
        }
    }

    async fn outline(&self, native_ref: &str) -> Result<Option<Outline>, String> {
        let (native_ref, project) = (native_ref.to_owned(), self.project.clone());
        let outlined =
            self.alone(move |path| load(path).map(|loaded| outline(&loaded.book, project.as_ref(), &native_ref))).await;
        outlined
            .and_then(|outlined| outlined)
            .map_err(|error| format!("Cannot read the plans `{}`: {error}. {}", self.file, error.fix()))
    }

    async fn changed(&self) {
        let mut due = tokio::time::Instant::now() + self.interval;
        let mut stirred = false;
        loop {
            let (watch, path) = (Arc::clone(&self.watch), self.path.clone());
            let looked = tokio::task::spawn_blocking(move || {
                // First the watch, then the look: the other way round a change in between would be missed.
                watch.refresh();
                glance(&path)
            });
            let Ok(now) = looked.await else { return };
            let differs = match (self.seen(), now) {
                (Seen::Never, _) | (Seen::Missing, Some(_)) | (Seen::At(_), None) => true,
                (Seen::Missing, None) => false,
                // Where times count whole seconds, two contents may look like one.
                (Seen::At(seen), Some(now)) => seen != now || (stirred && now.is_coarse()),
            };
            if differs {
                return;
            }
            stirred = tokio::select! {
                () = self.watch.event() => {
                    tokio::time::sleep(DEBOUNCE).await;
                    true
                }
                () = tokio::time::sleep_until(due) => true,
            };
            if tokio::time::Instant::now() >= due {
                due = tokio::time::Instant::now() + self.interval;
            }
        }
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let (writes, project) = (writes.to_vec(), self.project.clone());
        let written = self.alone(move |path| edit(path, |book| apply(book, project.as_ref(), &writes))).await;
        written.and_then(|written| written).map_err(|error| WriteBackError {
            what: format!("Cannot write to the plans `{}`", self.file),
            why: error.to_string(),
            fix: error.fix(),
            retry: true,
        })
    }
}

/// The file with the writes in it, and what became of each.
fn apply(book: &Book, project: Option<&ProjectName>, writes: &[WriteBack]) -> Result<(String, Vec<WriteOutcome>), PlanError> {
    let listing = list(book, project);
    let rows: HashMap<&str, &Row> = listing.rows.iter().map(|row| (row.native_ref.as_str(), row)).collect();
    let mut wanted: HashMap<&str, (&Row, &WriteBack)> = HashMap::new();
    let outcomes = writes.iter().map(|write| match rows.get(write.native_ref.as_str()) {
        None => WriteOutcome::RowGone,
        Some(row) => {
            let status = status(&book.plans[row.plan].phases[row.phase]);
            if write.known.is_some_and(|known| status != Some(known) && status != Some(write.status)) {
                return WriteOutcome::Overtaken;
            }
            // Of several to one phase the last one counts.
            wanted.insert(&write.native_ref, (row, write));
            WriteOutcome::Written
        }
    });
    let outcomes = outcomes.collect();
    let now = wanted.values().filter_map(|(_, write)| jiff::Timestamp::from_millisecond(write.at.0).ok()).max();
    let mut edit = Edit::of(book, now.unwrap_or(jiff::Timestamp::UNIX_EPOCH));
    for (row, write) in wanted.into_values() {
        let before = book.plans[row.plan].phases[row.phase].ours.as_ref();
        let said = plain(&write.agent);
        let agent = if said.is_empty() { before.map(|ours| ours.agent.clone()).unwrap_or_default() } else { said };
        let ours = Ours { status: write.status.word().to_owned(), agent, at: moment(write.at) };
        edit.set_done(row.plan, row.phase, write.status == BacklogStatus::Completed)?;
        edit.set_ours(row.plan, row.phase, &ours)?;
    }
    Ok((edit.finish(), outcomes))
}

/// What a phase says of itself; none: a word that we do not know.
fn status(phase: &Phase) -> Option<BacklogStatus> {
    if phase.done {
        return Some(BacklogStatus::Completed);
    }
    match phase.ours.as_ref().map_or(Some(BacklogStatus::Pending), |ours| BacklogStatus::from_word(&ours.status)) {
        // A person took the tick away.
        Some(BacklogStatus::Completed) => Some(BacklogStatus::Pending),
        other => other,
    }
}

/// A phase that is known by a name.
struct Row {
    native_ref: String,
    plan: usize,
    phase: usize,
    /// None when it is skipped.
    item: Option<SourceItem>,
}

#[derive(Default)]
struct Listing {
    rows: Vec<Row>,
    problems: Vec<SourceProblem>,
    more: usize,
    more_skipped: bool,
}

impl Listing {
    fn say(&mut self, line: u64, what: &str, native_ref: Option<&str>, skipped: bool) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.more += 1;
            self.more_skipped |= skipped;
            return;
        }
        let end = if skipped { " It was skipped." } else { "" };
        let message = format!("Line {line}: {what}.{end}");
        let native_ref = native_ref.map(str::to_owned);
        self.problems.push(SourceProblem { line, column: None, message, skipped, native_ref });
    }
}

/// The phases of open plans, done ones too: what depends on them need not wait.
fn list(book: &Book, project: Option<&ProjectName>) -> Listing {
    let mut listing = Listing::default();
    for (at, plan) in book.plans.iter().enumerate() {
        if let Some(flaw) = &plan.flaw {
            listing.say(plan.line, &format!("a plan cannot be used: {flaw}"), None, true);
            continue;
        }
        if plan.is_open() {
            phases(&mut listing, at, plan, project);
        }
    }
    if listing.more > 0 {
        let message = format!("{} more problems are not listed. Mend those above first.", listing.more);
        let skipped = listing.more_skipped;
        listing.problems.push(SourceProblem { line: 0, column: None, message, skipped, native_ref: None });
    }
    listing
}

fn phases(listing: &mut Listing, at: usize, plan: &Plan, project: Option<&ProjectName>) {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut before: Option<String> = None;
    for (index, phase) in plan.phases.iter().enumerate() {
        let name = name(phase);
        let count = names.entry(name.clone()).or_default();
        *count += 1;
        let native_ref = match *count {
            1 => format!("plan:{}/{name}", part(&plan.id)),
            count => format!("plan:{}/{name}#{count}", part(&plan.id)),
        };
        if let Some(flaw) = &phase.flaw {
            // Which of those known it is cannot be told.
            listing.say(phase.line, &format!("phase {index} of `{}` cannot be used: {flaw}", plan.id), None, true);
        } else {
            let item = item(listing, index, phase, plan, project, native_ref.clone())
                .map(|item| SourceItem { depends_on: before.take().into_iter().collect(), ..item });
            listing.rows.push(Row { native_ref: native_ref.clone(), plan: at, phase: index, item });
        }
        before = Some(native_ref);
    }
}

/// The open plan that a phase is of.
fn outline(book: &Book, project: Option<&ProjectName>, native_ref: &str) -> Option<Outline> {
    let rows = list(book, project).rows;
    let at = rows.iter().find(|row| row.native_ref == native_ref)?.plan;
    let names: HashMap<usize, String> =
        rows.into_iter().filter(|row| row.plan == at).map(|row| (row.phase, row.native_ref)).collect();
    let plan = &book.plans[at];
    let phases = plan.phases.iter().enumerate().map(|(index, phase)| OutlinePhase {
        // One with a flaw has no name, and nobody works on it.
        native_ref: names.get(&index).cloned().unwrap_or_default(),
        title: phase.read().title.to_owned(),
        text: with_id(&phase.text, &plan.id),
        done: phase.done,
    });
    Some(Outline { id: plan.id.clone(), description: plan.description.clone(), phases: phases.collect() })
}

/// An id as a part of a name: what parts names does not stand in it.
fn part(id: &str) -> String {
    id.replace('%', "%25").replace('/', "%2F").replace('#', "%23")
}

/// A phase's name within its plan: its own id, else what its title says without its number. So it stays when phases are put
/// in, moved and numbered anew, and when the text below the title changes.
fn name(phase: &Phase) -> String {
    if let Some(id) = &phase.id {
        return format!("id:{}", part(id));
    }
    let title = bare_title(phase.read().title).to_lowercase();
    let hash = Sha256::digest(title.as_bytes());
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let slug: String = markdown::slug(&title).chars().take(40).collect();
    format!("{}-{hash:08x}", slug.trim_end_matches('_'))
}

fn item(
    listing: &mut Listing,
    index: usize,
    phase: &Phase,
    plan: &Plan,
    project: Option<&ProjectName>,
    native_ref: String,
) -> Option<SourceItem> {
    let which = format!("phase {index} of `{}`", plan.id);
    let mut skip = |what: String| {
        listing.say(phase.line, &format!("{which} {what}"), Some(&native_ref), true);
        None
    };
    let action = with_id(&phase.text.replace("\r\n", "\n").replace('\r', "\n"), &plan.id).trim().to_owned();
    if action.len() > MAX_ACTION {
        return skip(format!("has {} bytes of text, more than {MAX_ACTION}: shorten it", action.len()));
    }
    if let Some(control) = action.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return skip(format!("holds the control character U+{:04X}: remove it", u32::from(control)));
    }
    let wanted = |of: fn(&Wants) -> &Option<String>| of(&phase.wants).as_deref().or(of(&plan.wants).as_deref()).map(str::trim);
    for of in
        [|wants: &Wants| &wants.project, |wants| &wants.model, |wants| &wants.deadline] as [fn(&Wants) -> &Option<String>; 3]
    {
        if let Some(long) = wanted(of).filter(|word| word.len() > MAX_WORD || word.chars().any(char::is_control)) {
            return skip(format!(
                "has a word of {} bytes, or with control characters, as project, model or deadline",
                long.len()
            ));
        }
    }
    let project = match (wanted(|wants| &wants.project), project) {
        (Some(word), _) => match ProjectName::parse(word) {
            Ok(project) => project,
            Err(error) => return skip(format!("names no project: {error}")),
        },
        (None, Some(project)) => project.clone(),
        (None, None) => {
            return skip("names no project: write `project` into the plan, or under `backlogs:` in strawboss.yaml".to_owned());
        }
    };
    let deadline = match wanted(|wants| &wants.deadline).map(|text| (text, day(text))) {
        Some((text, None)) => return skip(format!("has a `deadline` that is no day: `{text}`; write it as YYYY-MM-DD")),
        Some((_, Some(day))) => Some(day),
        None => None,
    };
    let mut tell = |what: String| listing.say(phase.line, &format!("{which} {what}"), Some(&native_ref), false);
    let asked = wanted(|wants| &wants.priority).unwrap_or_default();
    let priority = priority(asked).unwrap_or_else(|| {
        tell("has a `priority` that is no whole number, taken as 999: last".to_owned());
        999
    });
    let needs_gpu = needs_gpu(wanted(|wants| &wants.gpu).unwrap_or_default()).unwrap_or_else(|| {
        tell("has a `gpu` that is neither yes nor no, taken as yes".to_owned());
        true
    });
    let status = status(phase);
    if status.is_none() {
        tell("has a `strawboss.status` that is no status: a new phase is taken as Pending, one that is known stays".to_owned());
    }
    let moment = plan.updated.as_deref().filter(|moment| !time::is_moment(moment));
    if index == 0 && moment.is_some() {
        tell("is of a plan whose `updated` is no moment, and is left as it is".to_owned());
    }
    Some(SourceItem {
        project,
        action,
        priority,
        status: status.unwrap_or(BacklogStatus::Pending),
        status_unclear: status.is_none(),
        agent: wanted(|wants| &wants.agent).and_then(asked_agent),
        deadline,
        needs_gpu,
        model: wanted(|wants| &wants.model).map(str::to_owned),
        depends_on: Vec::new(),
        url: None,
        needs_approval: false,
        is_ticket: false,
        ticket: None,
        line: phase.line,
        native_ref,
    })
}
