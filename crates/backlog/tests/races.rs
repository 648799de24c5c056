//! A person edits, and processes die, while the file is written: for real, with threads and signals.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strawboss_backlog::{CsvBacklog, CsvConfig};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, SourceItem, WriteBack};

const HEADER: &str = "ID,Project,Status,Agent,Last Update,Next Action,Notes\n";

/// A small generator, so that a failure can be run again with its seed.
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Self {
        let seed = std::env::var("STRAWBOSS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            now.as_nanos() as u64 | 1
        });
        println!("{name}: STRAWBOSS_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn backlog(path: &Path) -> CsvBacklog {
    CsvBacklog::new(CsvConfig::new(path)).unwrap()
}

async fn items(backlog: &CsvBacklog) -> Vec<SourceItem> {
    match backlog.read().await {
        Reading::Items { items, .. } => items,
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

fn write(id: u64, round: u64) -> WriteBack {
    let statuses = BacklogStatus::ALL;
    WriteBack {
        native_ref: format!("id:{id}"),
        status: statuses[(round % statuses.len() as u64) as usize],
        agent: "claude (antenna-1.1) ".repeat((round % 7) as usize) + ".",
        at: Timestamp(1_768_471_200_000 + round as i64 * 1000),
        known: None,
        report: None,
        earlier: Vec::new(),
    }
}

async fn put(backlog: &CsvBacklog, write: WriteBack) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while let Err(error) = backlog.write_back(std::slice::from_ref(&write)).await {
        assert!(error.retry && Instant::now() < deadline, "{error}");
    }
}

/// What is in the file, and in copies that were kept since they could not be merged.
fn everything(path: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        if entry == path || entry.to_string_lossy().contains("strawboss-conflict") {
            all += &fs::read_to_string(entry).unwrap();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_of_a_person_survives_while_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, format!("{HEADER}1,Antenna,Pending,,,Do it,\n2,Other,Pending,,,Do that,\n")).unwrap();
    let done = AtomicBool::new(false);
    let backlog = backlog(&path);
    let edits = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut dice = Dice::new("edits");
            let mut number = 0;
            let until = Instant::now() + Duration::from_secs(4);
            while number < 120 && Instant::now() < until {
                number += 1;
                let row = format!("p{number},Person,Pending,,,Edit {number},\n");
                let mut text = fs::read_to_string(&path).unwrap();
                let whole = text.starts_with(HEADER) && text.ends_with('\n');
                assert!(whole, "a person saw a torn file: {text:?}");
                text += &row;
                match dice.below(3) {
                    0 => {
                        let aside = path.with_extension("csv~");
                        fs::write(&aside, text).unwrap();
                        fs::rename(&aside, &path).unwrap();
                    }
                    1 => fs::write(&path, text).unwrap(),
                    _ => {
                        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                        // A program thinks for a moment between opening and writing.
                        std::thread::sleep(Duration::from_micros(dice.below(3000)));
                        file.write_all(row.as_bytes()).unwrap();
                    }
                }
                // The pace of the edits, between at once and longer than we wait for a file to stand still.
                std::thread::sleep(Duration::from_micros(dice.below(70_000)));
            }
            done.store(true, Ordering::SeqCst);
            number
        });
        let runtime = tokio::runtime::Handle::current();
        let mut round = 0;
        while !done.load(Ordering::SeqCst) {
            round += 1;
            let result = runtime.block_on_here(backlog.write_back(&[write(1 + round % 2, round)]));
            if let Err(error) = result {
                assert!(error.retry, "{error}");
            }
        }
        person.join().unwrap()
    });
    put(&backlog, write(1, 4)).await;
    let items = items(&backlog).await;
    let all = everything(&path);
    for number in 1..=edits {
        assert!(all.contains(&format!("\np{number},Person,")), "edit {number} of {edits} is gone:\n{all}");
    }
    assert_eq!(items.iter().find(|item| item.native_ref == "id:1").unwrap().status, BacklogStatus::Completed);
}

/// Blocks on a future from a thread of the runtime that may block.
trait BlockHere {
    fn block_on_here<T>(&self, future: impl Future<Output = T>) -> T;
}

impl BlockHere for tokio::runtime::Handle {
    fn block_on_here<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::task::block_in_place(|| self.block_on(future))
    }
}

/// The child of [`killed_at_any_moment_nothing_is_lost`]: writes until it is killed.
fn write_until_killed(path: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let backlog = backlog(path);
    for round in 0.. {
        let id = 1 + round % 40;
        runtime.block_on(put(&backlog, write(id, round)));
    }
    unreachable!("nobody counts that far");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(path: &Path) -> Killed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_at_any_moment_nothing_is_lost", "--nocapture"])
        .env("STRAWBOSS_TEST_CHILD", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Killed(child)
}

/// The file without what is ours to change.
fn theirs(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path).unwrap();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        assert_eq!(row.len(), 7, "{row:?}");
        [0, 1, 5, 6].map(|column| row[column].to_owned()).to_vec()
    });
    rows.collect()
}

#[test]
fn killed_at_any_moment_nothing_is_lost() {
    if let Some(path) = std::env::var_os("STRAWBOSS_TEST_CHILD") {
        write_until_killed(&PathBuf::from(path));
    }
    let mut dice = Dice::new("kills");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for in_place in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("priorities.csv");
        // Large enough that a write in place is more than one page, and so can be cut in two.
        let mut file = HEADER.as_bytes().to_vec();
        for id in 1..=40 {
            let notes = "notes ".repeat(800);
            writeln!(file, "{id},Antenna,Pending,,,\"Do {id}, \"\"it\"\"\",{notes}").unwrap();
        }
        fs::write(&path, file).unwrap();
        if in_place {
            fs::hard_link(&path, dir.path().join("another-name")).unwrap();
        }
        let mut before = theirs(&path);
        for kill in 0..12 {
            let stamp = fs::metadata(&path).unwrap().modified().unwrap();
            let child = start(&path);
            let deadline = Instant::now() + Duration::from_mins(1);
            while fs::metadata(&path).is_ok_and(|metadata| metadata.modified().unwrap() == stamp) {
                assert!(Instant::now() < deadline, "the child never wrote");
                std::thread::yield_now();
            }
            // Where in its work it dies.
            std::thread::sleep(Duration::from_micros(dice.below(60_000)));
            drop(child);
            if !in_place {
                let row = format!("k{kill},Person,Pending,,,After kill {kill},\n");
                OpenOptions::new().append(true).open(&path).unwrap().write_all(row.as_bytes()).unwrap();
                before.push(["k", "Person", "After kill ", ""].map(str::to_owned).to_vec());
                let last = before.last_mut().unwrap();
                last[0] += &kill.to_string();
                last[2] += &kill.to_string();
            }
            let backlog = backlog(&path);
            let items = runtime.block_on(items(&backlog));
            assert_eq!(items.len() + 1, before.len(), "in place: {in_place}, kill {kill}");
            assert_eq!(theirs(&path), before, "in place: {in_place}, kill {kill}");
        }
        for entry in fs::read_dir(dir.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(["priorities.csv", "another-name"].contains(&name.as_str()), "{name} was left");
        }
    }
}
