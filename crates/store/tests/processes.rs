//! More than one process, processes that are killed, processes that may not write, disks that are full.
//!
//! The other process is this test program itself, started again with [`PART`] set: then only [`other_process`] does
//! something.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use sqlx::{ConnectOptions, Connection, Executor, Row};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use strawboss_core::Timestamp;
use strawboss_core::store::{ChangeSet, Store, StoreError, TaskFilter};
use strawboss_core::task::TaskState;
use strawboss_store::conformance::sample;
use strawboss_store::{OpenError, SqlStore};

/// The variable that says which part the other process plays.
const PART: &str = "STRAWBOSS_STORE_TEST_PART";
/// The variable that says which file it plays it on.
const FILE: &str = "STRAWBOSS_STORE_TEST_FILE";

/// What the other processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_process() {
    let Ok(part) = std::env::var(PART) else { return };
    let path = PathBuf::from(std::env::var_os(FILE).unwrap());
    // Ends the line that the test harness has begun.
    println!();
    match part.as_str() {
        "write" => write_until_killed(&path).await,
        "count" => count_to(&path, 25).await,
        "fill" => fill_the_disk(&path).await,
        "unwritable" => find_it_unwritable(&path).await,
        other => panic!("no such part: {other}"),
    }
}

/// This program again, playing a part.
fn other(program: &Path, part: &str, file: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", "other_process", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(FILE, file).stdout(Stdio::piped());
    command
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// A small random number generator (xorshift), so that a run can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % (most + 1)
    }
}

/// Commits a task, its run and its message together, again and again, and says so on a line after each.
async fn write_until_killed(path: &Path) {
    let store = SqlStore::open_sqlite(path).await.unwrap();
    loop {
        let number = store.task_numbers_next("sample", 1).await.unwrap();
        let task = sample::task(number);
        let first = ChangeSet {
            outbox: vec![sample::message(task.id.as_str(), "made", "{}", 1)],
            tasks: vec![task.clone()],
            ..ChangeSet::default()
        };
        store.commit(&first).await.unwrap();
        println!("made {number}");
        let mut started = task;
        started.version = 1;
        started.start(Timestamp(2_000)).unwrap();
        // Larger than a page or three, so that a commit is more than one write.
        started.action = "x".repeat(20_000);
        let second = ChangeSet {
            runs: vec![sample::run(&started, 1)],
            outbox: vec![sample::message(started.id.as_str(), "started", "{}", 1)],
            tasks: vec![started],
            ..ChangeSet::default()
        };
        store.commit(&second).await.unwrap();
        println!("started {number}");
    }
}

/// The lines that a process prints until it ends.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let seed = std::env::var("STRAWBOSS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1);
    println!("STRAWBOSS_SEED={seed}");
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let (mut made, mut started) = (Vec::new(), Vec::new());
    for round in 0..12 {
        let mut child = other(&this_program(), "write", &path).spawn().unwrap();
        let mut lines = lines(&mut child).filter(|line| line.starts_with("made ") || line.starts_with("started "));
        let mut hear = |line: String| {
            let (what, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            if what == "made" { made.push(number) } else { started.push(number) }
        };
        for _ in 0..=dice.up_to(40) {
            hear(lines.next().expect("the process ended by itself"));
        }
        // Any moment of a commit, not only the one after an acknowledgement.
        std::thread::sleep(std::time::Duration::from_micros(dice.up_to(3_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // What was printed before the kill counts as acknowledged.
        lines.for_each(hear);

        let store = SqlStore::open_sqlite(&path).await.unwrap();
        let tasks = store.task_list(&TaskFilter::default()).await.unwrap();
        let messages = store.outbox_list(u32::MAX).await.unwrap();
        let has = |number: u64, topic: &str| {
            let key = sample::task(number).id;
            messages.iter().any(|message| message.key == key.as_str() && message.topic == topic)
        };
        for number in &made {
            assert!(tasks.iter().any(|task| task.id == sample::task(*number).id), "round {round}: task {number} is lost");
        }
        for number in &started {
            let task = tasks.iter().find(|task| task.id == sample::task(*number).id).unwrap();
            assert_eq!(task.state, TaskState::Running, "round {round}: the start of {number} is lost");
        }
        for task in &tasks {
            let number = task.id.as_str().trim_start_matches("sample-").parse().unwrap();
            let running = task.state == TaskState::Running;
            assert!(has(number, "made"), "round {round}: half of a commit: {number}");
            assert_eq!(has(number, "started"), running, "round {round}: half of a commit: {number}");
            assert_eq!(store.run(&task.id.run(1)).await.unwrap().is_some(), running, "round {round}: half of a commit: {number}");
        }
        store.close().await;
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let check = connection.fetch_all("PRAGMA integrity_check").await.unwrap();
        assert_eq!(check.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>(), ["ok"], "round {round}");
        connection.close().await.unwrap();
    }
    assert!(made.len() >= 12 && !started.is_empty());
}

/// Counts a task's attempts up, `times` times, among others who do the same.
async fn count_to(path: &Path, times: u32) {
    let store = SqlStore::open_sqlite(path).await.unwrap();
    let id = sample::task(1).id;
    for _ in 0..times {
        println!("number {}", store.task_numbers_next("shared", 1).await.unwrap());
        sample::count_up(&store, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_write_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    store.commit(&sample::adds(&sample::task(1))).await.unwrap();
    let mut children: Vec<_> = (0..2).map(|_| other(&this_program(), "count", &path).spawn().unwrap()).collect();
    let mut numbers = Vec::new();
    for child in &mut children {
        numbers.extend(lines(child).filter_map(|line| line.strip_prefix("number ")?.parse::<u64>().ok()));
        assert!(child.wait().unwrap().success());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(store.task(&sample::task(1).id).await.unwrap().unwrap().attempts, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut opening = Vec::new();
    for number in 1..=8 {
        let path = path.clone();
        opening.push(tokio::spawn(async move {
            let store = SqlStore::open_sqlite(&path).await.unwrap();
            store.commit(&sample::adds(&sample::task(number))).await.unwrap();
        }));
    }
    for opened in opening {
        opened.await.unwrap();
    }
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_that_another_process_holds_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut holder = options.connect().await.unwrap();
    for lock in ["BEGIN IMMEDIATE; CREATE TABLE passing (id BIGINT)", "BEGIN EXCLUSIVE"] {
        holder.execute(lock).await.unwrap();
        let mut opening = std::pin::pin!(SqlStore::open_sqlite(&path));
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut opening).await;
        assert!(early.is_err(), "{lock}: it did not wait: {early:?}");
        holder.execute("ROLLBACK").await.unwrap();
        opening.await.unwrap().close().await;
        std::fs::remove_file(&path).unwrap();
        holder = options.connect().await.unwrap();
    }
}

/// Run by somebody who may read the file and its folder, but not write them.
async fn find_it_unwritable(path: &Path) {
    let error = SqlStore::open_sqlite(path).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("state.db") && text.contains("writable for the user"), "{text}");
    println!("refused: {text}");
    let error = SqlStore::open_sqlite(&path.with_file_name("new.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    println!("refused: {error}");
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let path = folder.join("state.db");
    SqlStore::open_sqlite(&path).await.unwrap().close().await;
    // Root may write everything, so as root the part is played by nobody, who needs a program that nobody may read.
    let program = dir.path().join("program");
    std::fs::copy(this_program(), &program).unwrap();
    for (file, mode) in [(dir.path(), 0o755), (&folder, 0o555), (&path, 0o444), (&program, 0o555)] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    let mut command = other(&program, "unwritable", &path);
    if root {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.matches("refused: ").count(), 2, "{printed}");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Run on a disk of its own that is small: writes until nothing more fits, frees space, goes on.
async fn fill_the_disk(path: &Path) {
    let ballast = path.with_file_name("ballast");
    // More than half: what is in the log must fit into the file as well when it is folded in.
    std::fs::write(&ballast, vec![0; 2304 * 1024]).unwrap();
    let store = SqlStore::open_sqlite(path).await.unwrap();
    let large = |number| {
        let mut task = sample::task(number);
        task.action = "x".repeat(20_000);
        sample::adds(&task)
    };
    let mut number = 1;
    let error = loop {
        if let Err(error) = store.commit(&large(number)).await {
            break error;
        }
        number += 1;
        assert!(number < 1_000, "the disk has no end");
    };
    let StoreError::Unavailable { why } = &error else { panic!("{error:?}") };
    assert!(why.contains("free space on that disk"), "{why}");
    println!("full: {why}");
    for _ in 0..3 {
        store.commit(&large(number)).await.unwrap_err();
    }
    // What was acknowledged is there, what was not is not.
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().len() as u64, number - 1);
    std::fs::remove_file(&ballast).unwrap();
    store.ping().await.unwrap();
    store.commit(&large(number)).await.unwrap();
    store.close().await;
    let store = SqlStore::open_sqlite(path).await.unwrap();
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().len() as u64, number);
    println!("went on");
}

/// Where nobody may make a disk (no root, no user namespaces) only the limit inside SQLite is tried, next to its code.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_goes_on_when_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=4m none \"$1\"";
    let may = |flags: &str| {
        let mut tried = Command::new("unshare");
        tried.args([flags, "sh", "-c", mount, "sh"]).arg(dir.path()).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    let Some(flags) = ["-m", "-rm"].into_iter().find(|flags| may(flags)) else {
        println!("this user may not mount a disk of its own");
        return;
    };
    let file = dir.path().join("state.db");
    let inner = other(&this_program(), "fill", &file);
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", &format!("{mount} && shift && exec \"$@\""), "sh"]).arg(dir.path());
    command.arg(inner.get_program()).args(inner.get_args());
    command.env(PART, "fill").env(FILE, &file);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("full: ") && printed.contains("went on"), "{printed}");
}
