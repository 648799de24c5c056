//! The CSV file as a backlog: [`CsvBacklog`].
//!
//! A person's file stays a person's file. It is read only when it stands still, a faulty row costs that row, and what
//! is written back is three cells of the rows concerned and not one byte beside them. docs/backlogs/csv.md says all
//! that a person may rely on.
//!
//! Here are the configuration, the patience of the reader and the port; each part of the work has a file of its own.

mod attributes;
#[cfg(test)]
mod crossed;
mod document;
mod edit;
mod exchange;
mod fault;
mod header;
mod in_place;
mod late;
mod load;
mod look;
mod missed;
mod recover;
mod rows;
mod siblings;
mod steps;
#[cfg(test)]
mod storm;
mod watch;
mod write;

pub(crate) use attributes::copy as copy_attributes;
pub(crate) use exchange::{change_places, is_unknown_to_the_file_system, open_no_link};
pub(crate) use fault::Fault;
use load::{Loaded, Refusal};
pub(crate) use look::{Snapshot, Stamp, glance, look, read_all};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strawboss_core::backlog::{Backlog, Reading, SourceProblem, WriteBack, WriteBackError, WriteOutcome};
pub(crate) use watch::Watch;
use write::{Memory, Seen, Writer};

/// An entry of `backlogs:` of type `csv`.
#[derive(Debug, Clone)]
pub struct CsvConfig {
    /// The file, as configured; the source's name says it so.
    pub file: PathBuf,
    /// The folder that a relative `file` is in: the configuration's. None: the working directory.
    pub base: Option<PathBuf>,
    /// How often the file is looked at where the system gives no file events: a second to a day.
    pub watch_interval: Duration,
    /// `utf-8` is the one that is read now.
    pub encoding: String,
    /// The folder for backups of writes in place, Strawboss's own; none: beside the file.
    pub data_dir: Option<PathBuf>,
    /// How long to wait for what.
    pub patience: Patience,
}

impl CsvConfig {
    /// The defaults for a file: looked at every 10 seconds, UTF-8, backups beside it.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            base: None,
            watch_interval: Duration::from_secs(10),
            encoding: "utf-8".to_owned(),
            data_dir: None,
            patience: Patience::default(),
        }
    }
}

/// How long a file must stand still before it is believed, and how long is waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After any change: 30 ms, more than the clock ticks of file systems, less than anybody notices.
    pub settle: Duration,
    /// When its last line has no line end, as between two writes of a program: 250 ms.
    pub open_end: Duration,
    /// When it has fewer rows than before: 500 ms. A file that is being written from the start looks like that, and
    /// believing it would stop runs.
    pub shrunk: Duration,
    /// When it cannot be used as it is (missing, empty, a quote open, no header): 2 s. Then it is taken at its word.
    pub torn: Duration,
    /// For a file that never stands still, in reading: 5 s.
    pub changing: Duration,
    /// For all tries of one write together: 5 s.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(30),
            open_end: Duration::from_millis(250),
            shrunk: Duration::from_millis(500),
            torn: Duration::from_secs(2),
            changing: Duration::from_secs(5),
            write: Duration::from_secs(5),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvConfigError {
    /// Another encoding.
    #[error(
        "the backlog `{file}` cannot be read with the encoding `{asked}`: only `utf-8` is supported. Save the file as UTF-8 and write `encoding: utf-8`, or leave it out"
    )]
    Encoding {
        /// The file.
        file: String,
        /// The encoding asked for.
        asked: String,
    },
    /// Too short or too long.
    #[error("the backlog `{file}` cannot be looked at every {seconds} seconds: `watch_interval` must be from 1 to 86400")]
    Interval {
        /// The file.
        file: String,
        /// What was asked for.
        seconds: u64,
    },
    /// No file.
    #[error("`{file}` names no file. Write `file:` as the path of a CSV file")]
    NoFile {
        /// What was written.
        file: String,
    },
}

/// Work from a CSV file.
#[derive(Debug)]
pub struct CsvBacklog {
    name: String,
    interval: Duration,
    writer: Arc<Writer>,
    watch: Arc<Watch>,
    /// One look or write at a time: a write in place must not be read half done.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Between an event and the look at what it meant: programs write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// How often replaced files are looked at for late edits, while there are any.
const LATE_LOOK: Duration = Duration::from_millis(500);

impl CsvBacklog {
    /// Checks the configuration. The file need not be there yet.
    pub fn new(config: CsvConfig) -> Result<Self, CsvConfigError> {
        let file = config.file.display().to_string();
        if config.file.file_name().is_none() {
            return Err(CsvConfigError::NoFile { file });
        }
        if !["utf-8", "utf8"].iter().any(|known| config.encoding.trim().eq_ignore_ascii_case(known)) {
            return Err(CsvConfigError::Encoding { file, asked: config.encoding });
        }
        let seconds = config.watch_interval.as_secs();
        if !(1..=86_400).contains(&seconds) {
            return Err(CsvConfigError::Interval { file, seconds });
        }
        let path = config.base.map_or_else(|| config.file.clone(), |base| base.join(&config.file));
        let path = std::path::absolute(&path).unwrap_or(path);
        let name = format!("csv:{file}");
        let writer = Writer {
            name: file,
            path: path.clone(),
            backups: config.data_dir,
            patience: config.patience,
            steps: steps::Steps::default(),
            remains: siblings::Remains::default(),
            memory: Mutex::new(Memory::default()),
        };
        Ok(Self {
            name,
            interval: config.watch_interval,
            writer: Arc::new(writer),
            watch: Arc::new(Watch::new(path)),
            turn: Arc::default(),
        })
    }

    /// The file that is read, made absolute.
    pub fn path(&self) -> &Path {
        &self.writer.path
    }

    /// Does blocking work on the file, alone. The work goes on when the caller goes away: a write is never half done.
    async fn alone<T: Send + 'static>(&self, work: impl FnOnce(&Writer) -> T + Send + 'static) -> Result<T, Fault> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let writer = Arc::clone(&self.writer);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&writer)
        });
        task.await.map_err(|error| Fault::Io { doing: "the work on it", why: error.to_string() })
    }

    /// Remembers what was found, and says it.
    fn conclude(&self, looked: Result<Loaded, Refusal>) -> Reading {
        match looked {
            Ok(loaded) => {
                let mut memory = self.writer.memory();
                memory.seen = Seen::At(loaded.stamp, Some(loaded.hash));
                memory.rows = loaded.listing.rows.len();
                drop(memory);
                self.items(loaded)
            }
            Err(Refusal { fault, stamp }) => {
                self.writer.memory().seen = match (&fault, stamp) {
                    (_, Some(stamp)) => Seen::At(stamp, None),
                    (Fault::Missing | Fault::Dangling { .. }, None) => Seen::Missing,
                    // Of a folder, a pipe or a file too big, the look itself tells when it is another one.
                    (Fault::Changing | Fault::Locked | Fault::Unfinished { .. } | Fault::Io { .. }, None) => Seen::Unsettled,
                    (_, None) => glance(&self.writer.path).map_or(Seen::Unsettled, |stamp| Seen::At(stamp, None)),
                };
                Reading::Unreadable { problem: fault.unreadable(&self.writer.name) }
            }
        }
    }

    fn items(&self, loaded: Loaded) -> Reading {
        let mut problems = loaded.listing.problems;
        problems.extend(self.writer.remains.conflicts().iter().map(|path| SourceProblem {
            line: 0,
            column: None,
            message: format!(
                "An edit of `{}` could not be merged with another one made at the same moment. It is kept in `{}`: \
                 copy what you need from it, and delete it.",
                self.writer.name,
                path.display()
            ),
            skipped: false,
            native_ref: None,
        }));
        let items = loaded.listing.rows.into_iter().filter_map(|row| row.item).collect();
        Reading::Items { items, problems }
    }
}

#[async_trait::async_trait]
impl Backlog for CsvBacklog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Reading {
        let patience = &self.writer.patience;
        let (before, rows) = {
            let memory = self.writer.memory();
            (memory.seen, memory.rows)
        };
        let mut wait = Wait { began: Instant::now(), stood: None };
        loop {
            let looked = self.alone(Writer::look).await.unwrap_or_else(|fault| Err(Refusal::from(fault)));
            let left = match &looked {
                Ok(loaded) => wait.left(loaded.stamp, needed(loaded, rows, patience)),
                Err(refusal) => wait.left_for(refusal, before, patience),
            };
            let Some(left) = left else { return self.conclude(looked) };
            if wait.began.elapsed() > patience.changing {
                return self.conclude(looked.and(Err(Refusal::from(Fault::Changing))));
            }
            tokio::time::sleep(left.clamp(Duration::from_millis(2), Duration::from_millis(50))).await;
        }
    }

    async fn changed(&self) {
        let mut due = tokio::time::Instant::now() + self.interval;
        let mut stirred = false;
        loop {
            let watch = Arc::clone(&self.watch);
            let writer = Arc::clone(&self.writer);
            let looked = tokio::task::spawn_blocking(move || {
                // First the watch, then the look: the other way round a change in between would be missed.
                watch.refresh();
                (glance(&writer.path), writer.is_touched())
            });
            let Ok((now, touched)) = looked.await else { return };
            if touched || differs(self.writer.memory().seen, now, stirred) {
                return;
            }
            let late = if self.writer.watches_replaced() { LATE_LOOK } else { self.interval };
            let next = due.min(tokio::time::Instant::now() + late);
            stirred = tokio::select! {
                () = self.watch.event() => {
                    tokio::time::sleep(DEBOUNCE).await;
                    true
                }
                () = tokio::time::sleep_until(next) => next == due,
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
        let writes = writes.to_vec();
        self.alone(move |writer| writer.write(&writes)).await.map_err(|fault| fault.unwritable(&self.writer.name))?
    }
}

/// Whether the file may have another content than the one last seen. `stirred`: an event or the interval says so.
fn differs(seen: Seen, now: Option<Stamp>, stirred: bool) -> bool {
    match (seen, now) {
        (Seen::Never, _) | (Seen::Missing, Some(_)) | (Seen::At(..), None) => true,
        (Seen::Missing, None) => false,
        (Seen::Unsettled, _) => stirred,
        // Where times count whole seconds, two contents may look like one.
        (Seen::At(seen, _), Some(now)) => seen != now || (stirred && now.is_coarse()),
    }
}

/// How long this content must have stood still to be believed.
fn needed(loaded: &Loaded, rows: usize, patience: &Patience) -> Duration {
    let mut needed = patience.settle;
    if loaded.is_open_ended() {
        needed = needed.max(patience.open_end);
    }
    if loaded.listing.rows.len() < rows {
        needed = needed.max(patience.shrunk);
    }
    if loaded.ends_torn() {
        needed = needed.max(patience.torn);
    }
    needed
}

/// How long a reader has waited.
struct Wait {
    began: Instant,
    stood: Option<(Stamp, Instant)>,
}

impl Wait {
    /// How long this state must still stand; `None`: long enough.
    fn left(&mut self, stamp: Stamp, needed: Duration) -> Option<Duration> {
        let seen = match self.stood {
            Some((same, since)) if same == stamp => since.elapsed(),
            _ => {
                self.stood = Some((stamp, Instant::now()));
                Duration::ZERO
            }
        };
        // By the file's own times, or, where its clock is ahead of ours, by how long we have seen it so.
        let stood = stamp.age().map_or(seen, |age| age.max(seen));
        needed.checked_sub(stood).filter(|left| !left.is_zero())
    }

    /// The same for a file that cannot be used as it is.
    fn left_for(&mut self, refusal: &Refusal, before: Seen, patience: &Patience) -> Option<Duration> {
        if !refusal.fault.may_pass() {
            return None;
        }
        match refusal.stamp {
            // Waited for before, and still the same.
            Some(stamp) if before == Seen::At(stamp, None) => None,
            Some(stamp) => self.left(stamp, patience.torn),
            None if before == Seen::Missing && refusal.fault == Fault::Missing => None,
            None => patience.torn.checked_sub(self.began.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::load::load;
    use super::{Backlog, CsvBacklog, CsvConfig, Patience, Reading, Watch, needed};
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    const FILE: &str = "Project,Status,Next Action\nA,,x\nB,,y\n";

    #[test]
    fn how_long_a_file_must_stand_still() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let patience = Patience::default();
        for (content, rows, expected) in [
            (FILE, 0, patience.settle),
            (FILE, 2, patience.settle),
            // A file that is being written from the start looks shorter than it was.
            (FILE, 3, patience.shrunk),
            ("Project,Status,Next Action\n", 1, patience.shrunk),
            (FILE.trim_end(), 2, patience.open_end),
            ("Project,Status,Next Action\nA,,x\nB,,\"y", 2, patience.torn),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(needed(&load(&path).unwrap(), rows, &patience), expected, "{content:?} after {rows} rows");
        }
    }

    #[tokio::test]
    async fn without_file_events_the_interval_notices() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, FILE).unwrap();
        let mut backlog = CsvBacklog::new(CsvConfig::new(&path)).unwrap();
        backlog.interval = Duration::from_millis(50);
        backlog.watch = Arc::new(Watch::deaf(path.clone()));
        assert!(matches!(backlog.read().await, Reading::Items { .. }));
        let backlog = Arc::new(backlog);
        let waiting = Arc::clone(&backlog);
        let noticed = tokio::spawn(async move { waiting.changed().await });
        tokio::task::yield_now().await;
        fs::write(&path, FILE.replace('y', "z")).unwrap();
        tokio::time::timeout(Duration::from_mins(1), noticed).await.unwrap().unwrap();
    }
}
