//! Tests of the write-back in bad weather: at every step of it the process dies, the disk fails or a person saves,
//! and afterwards nothing of the person's is gone, our cells are there, and no helper file is left.

use super::Patience;
use super::load::understand;
use super::siblings::Remains;
use super::steps::{Step, Steps};
use super::write::{Memory, Seen, Writer};
use super::{differs, look};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{BacklogStatus, WriteBack, WriteOutcome};

pub(super) const FILE: &str = "\u{feff}ID,Project,Status,Agent,Last Update,Next Action,Notes\r\n\
    a,Antenna,Pending,,,\"Do, it\",\"mine, \"\"really\"\"\"\r\n\
    b,Other,Pending,,,Do that,\r\n";

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// kill -9.
    Death,
    /// The operating system answers so.
    Error(i32),
    /// A person saves the way most editors do.
    SaveByRename,
    /// A person saves the way the others do.
    SaveInPlace,
    /// `>>` by a program that opened the file before the write began.
    LateAppend,
    /// Nothing, to let a step pass.
    Lull,
    /// A rewrite through a handle from before the write began.
    LateRewrite,
}

const PERSON: [Blow; 4] = [Blow::SaveByRename, Blow::SaveInPlace, Blow::LateAppend, Blow::LateRewrite];

/// How the file is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Exchange,
    Rename,
    HardLink,
    Mounted,
}

fn patience() -> Patience {
    Patience {
        // Above the tick of file times, which is 4 ms on most kernels.
        settle: Duration::from_millis(12),
        open_end: Duration::from_millis(12),
        shrunk: Duration::from_millis(20),
        torn: Duration::from_millis(60),
        changing: Duration::from_secs(10),
        write: Duration::from_secs(6),
    }
}

pub(super) fn writer(path: &Path, steps: Steps) -> Writer {
    Writer {
        name: "priorities.csv".to_owned(),
        path: path.to_owned(),
        backups: None,
        patience: patience(),
        steps,
        remains: Remains::default(),
        memory: Mutex::new(Memory::default()),
    }
}

pub(super) fn completed(native_ref: &str) -> WriteBack {
    WriteBack {
        native_ref: native_ref.to_owned(),
        status: BacklogStatus::Completed,
        agent: "claude (antenna-1.1)".to_owned(),
        at: Timestamp(1_768_471_200_000),
        known: None,
        report: None,
        earlier: Vec::new(),
    }
}

/// Adds the person's row to what they see, unless it looks half written, as they would notice.
fn with_row(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    bytes.extend_from_slice(b"p,Person,Pending,,,Mine,\r\n");
    bytes
}

fn strike(blow: Blow, path: &Path, handle: &File) -> io::Result<()> {
    match blow {
        Blow::Death => panic!("killed"),
        Blow::Error(code) => return Err(io::Error::from_raw_os_error(code)),
        Blow::Lull => {}
        Blow::SaveByRename => {
            let aside = path.with_extension("csv~");
            fs::write(&aside, with_row(path)).unwrap();
            fs::rename(&aside, path).unwrap();
        }
        Blow::SaveInPlace => fs::write(path, with_row(path)).unwrap(),
        Blow::LateAppend => (&*handle).write_all(b"p,Person,Pending,,,Mine,\r\n").unwrap(),
        Blow::LateRewrite => {
            let rewritten = FILE.replace("Do that", "Do more") + "p,Person,Pending,,,Mine,\r\n";
            handle.set_len(0).unwrap();
            (&*handle).write_all(rewritten.as_bytes()).unwrap();
        }
    }
    Ok(())
}

struct Weather {
    dir: tempfile::TempDir,
    path: PathBuf,
    struck: Arc<AtomicUsize>,
}

/// Runs a write under the blows, each struck once and in order, then starts anew until the write is through, and
/// checks what is there. `None` when a blow's step was never reached.
fn weather(way: Way, script: &[(Step, Blow)]) -> Option<Weather> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    if way == Way::HardLink {
        fs::hard_link(&path, dir.path().join("another-name")).unwrap();
    }
    let handle = OpenOptions::new().append(true).open(&path).unwrap();
    let left: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(script.iter().copied().collect()));
    let total = script.len();
    let struck = Arc::new(AtomicUsize::new(0));
    let mut rounds = 0;
    let (writer, outcomes) = loop {
        let (at, blows, count) = (path.clone(), Arc::clone(&left), Arc::clone(&struck));
        let handle = handle.try_clone().unwrap();
        let steps = Steps::watched(move |step| {
            let next = {
                let mut blows = blows.lock().unwrap();
                if blows.front().is_some_and(|(when, _)| *when == step) { blows.pop_front() } else { None }
            };
            if let Some((_, blow)) = next {
                count.fetch_add(1, Ordering::SeqCst);
                strike(blow, &at, &handle)?;
            }
            match (way, step) {
                (Way::Rename, Step::Exchange) => Err(io::Error::from_raw_os_error(22)), // EINVAL
                (Way::Mounted, Step::Exchange) => Err(io::Error::from_raw_os_error(16)), // EBUSY
                _ => Ok(()),
            }
        });
        let writer = writer(&path, steps);
        // A reader comes first after a start. It never sees less than was there.
        let deadline = Instant::now() + Duration::from_secs(30);
        let rows = loop {
            match writer.look() {
                Ok(loaded) => break loaded.listing.rows.len(),
                Err(refusal) => assert!(Instant::now() < deadline && refusal.fault.may_pass(), "{refusal:?}"),
            }
        };
        assert!(rows >= 2, "{rows} rows");
        match catch_unwind(AssertUnwindSafe(|| writer.write(&[completed("id:a")]))) {
            Ok(Ok(outcomes)) => break (writer, outcomes),
            Ok(Err(error)) => assert!(error.retry, "{error}"),
            Err(_) => {}
        }
        rounds += 1;
        assert!(rounds < 4, "the write never came through: {way:?} {script:?}");
    };
    assert_eq!(outcomes, [WriteOutcome::Written]);
    // The last look merges what came in late.
    let deadline = Instant::now() + Duration::from_secs(30);
    writer.look().unwrap();
    while writer.is_touched() {
        writer.look().unwrap();
        assert!(Instant::now() < deadline, "a late edit was never merged");
    }
    (struck.load(Ordering::SeqCst) == total).then_some(Weather { dir, path, struck })
}

/// What is there now must have our cells and, if a person saved, their row once.
fn check(weather: &Weather, script: &[(Step, Blow)], conflict_allowed: bool) {
    let text = fs::read_to_string(&weather.path).unwrap();
    let saved = script.iter().any(|(_, blow)| PERSON.contains(blow));
    assert_eq!(text.matches("p,Person,Pending,,,Mine,\r\n").count(), usize::from(saved), "{script:?}\n{text}");
    assert!(
        text.contains("a,Antenna,Completed,claude (antenna-1.1),2026-01-15T10:00:00Z,\"Do, it\",\"mine, \"\"really\"\"\"\r\n"),
        "{script:?}\n{text}"
    );
    assert!(text.starts_with("\u{feff}ID,"), "{script:?}\n{text}");
    let rewritten = script.iter().any(|(_, blow)| *blow == Blow::LateRewrite);
    assert!(text.contains(if rewritten { "Do more" } else { "Do that" }), "{script:?}\n{text}");
    let (document, ..) = understand(text.clone().into_bytes()).unwrap();
    assert_eq!(document.records().len(), 3 + usize::from(saved), "{script:?}\n{text}");
    for entry in fs::read_dir(weather.dir.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let expected = ["priorities.csv", "another-name"].contains(&name.as_str())
            || (conflict_allowed && name.contains("strawboss-conflict"));
        assert!(expected, "{name} was left: {script:?}");
    }
    assert_eq!(weather.struck.load(Ordering::SeqCst), script.len());
}

/// A way to replace, what strikes when, and whether a copy may be kept for the person.
type Script = (Way, Vec<(Step, Blow)>, bool);

/// Runs scripts side by side, since most of their time is waiting. The answer is how many came to pass.
fn all(scripts: Vec<Script>) -> usize {
    let queue = Mutex::new(VecDeque::from(scripts));
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                loop {
                    let Some((way, script, conflict_allowed)) = queue.lock().unwrap().pop_front() else { return };
                    if let Some(weather) = weather(way, &script) {
                        check(&weather, &script, conflict_allowed);
                        passed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    passed.into_inner()
}

const BY_NAME: [Step; 6] =
    [Step::WriteAside, Step::NameAside, Step::LastLook, Step::Exchange, Step::Verify, Step::RemoveDisplaced];

const IN_PLACE: [Step; 7] = [
    Step::MakeBackup,
    Step::NameBackup,
    Step::OpenInPlace,
    Step::WritePiece,
    Step::Truncate,
    Step::VerifyInPlace,
    Step::RemoveBackup,
];

#[test]
fn in_fair_weather_nothing_is_left_behind() {
    for way in [Way::Exchange, Way::Rename, Way::HardLink, Way::Mounted] {
        let weather = weather(way, &[]).unwrap();
        check(&weather, &[], false);
    }
}

#[test]
fn a_process_that_dies_at_any_step_loses_nothing() {
    let mut scripts: Vec<_> = BY_NAME.iter().map(|step| (Way::Exchange, vec![(*step, Blow::Death)], false)).collect();
    scripts.extend(BY_NAME[..4].iter().map(|step| (Way::Rename, vec![(*step, Blow::Death)], false)));
    for way in [Way::HardLink, Way::Mounted] {
        scripts.extend(IN_PLACE.iter().map(|step| (way, vec![(*step, Blow::Death)], false)));
        // Dead in the middle of the pieces: a write of this file has sixteen.
        scripts.extend((2..17).map(|piece| {
            let mut script = vec![(Step::WritePiece, Blow::Lull); piece - 1];
            script.push((Step::WritePiece, Blow::Death));
            (way, script, false)
        }));
    }
    let expected = scripts.len();
    assert_eq!(all(scripts), expected);
}

#[test]
fn a_disk_that_fails_at_any_step_loses_nothing() {
    let mut scripts = Vec::new();
    for code in [28, 5, 122] {
        // ENOSPC, EIO, EDQUOT
        scripts.extend(BY_NAME.iter().map(|step| (Way::Exchange, vec![(*step, Blow::Error(code))], false)));
        scripts.extend(IN_PLACE.iter().map(|step| (Way::HardLink, vec![(*step, Blow::Error(code))], true)));
    }
    let expected = scripts.len();
    assert_eq!(all(scripts), expected);
}

#[test]
fn an_edit_at_any_step_is_never_lost() {
    let mut scripts = Vec::new();
    for blow in PERSON {
        scripts.extend(BY_NAME.iter().map(|step| (Way::Exchange, vec![(*step, blow)], false)));
        // Without an exchange, an edit right before the rename is seen only through the old file's handle.
        scripts.extend(BY_NAME[..3].iter().map(|step| (Way::Rename, vec![(*step, blow)], false)));
        // A save by rename in the middle of a write in place leaves that to a file without a name.
        if blow == Blow::SaveByRename {
            scripts.extend(IN_PLACE.iter().map(|step| (Way::Mounted, vec![(*step, blow)], false)));
            continue;
        }
        // In place, the moment between the last comparison and the end of the write cannot be guarded; all others are.
        for step in [Step::MakeBackup, Step::NameBackup, Step::OpenInPlace, Step::VerifyInPlace, Step::RemoveBackup] {
            // Who overwrites our finished write with what they saw before it keeps their edit; ours is theirs to undo.
            if (step, blow) != (Step::RemoveBackup, Blow::LateRewrite) {
                scripts.push((Way::Mounted, vec![(step, blow)], true));
            }
        }
    }
    let expected = scripts.len();
    assert_eq!(all(scripts), expected);
}

#[test]
fn an_edit_at_any_step_survives_a_death_at_any_later_step() {
    let mut scripts = Vec::new();
    for blow in PERSON {
        for edit in BY_NAME {
            for death in BY_NAME.into_iter().chain([Step::ExchangeBack]) {
                scripts.push((Way::Exchange, vec![(edit, blow), (death, Blow::Death)], false));
            }
        }
    }
    // The process that dies after the edit is restarted as another one, which has the old file's handle no more. Only
    // then a late write to a file that is already displaced is out of reach, so those are not among the scripts.
    scripts.retain(|(_, script, _)| {
        let late = matches!(script[0].1, Blow::LateAppend | Blow::LateRewrite);
        !(late && script[0].0 == Step::RemoveDisplaced)
    });
    assert!(all(scripts) > 100);
}

#[test]
fn two_edits_around_the_exchange_are_both_there() {
    // Saved right before the exchange, and again into our content before it was taken back.
    for (first, second) in [(Blow::SaveByRename, Blow::SaveByRename), (Blow::SaveInPlace, Blow::SaveByRename)] {
        let dir_of = weather(Way::Exchange, &[(Step::Exchange, first), (Step::ExchangeBack, second)]).unwrap();
        let text = fs::read_to_string(&dir_of.path).unwrap();
        let conflict = fs::read_to_string(dir_of.dir.path().join("priorities.csv.strawboss-conflict-1")).unwrap();
        assert!(text.contains("p,Person") && conflict.contains("p,Person"), "{text}\n{conflict}");
    }
}

#[test]
fn many_writes_of_one_call_are_one_write_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let writer = writer(
        &path,
        Steps::watched(move |step| {
            counted.fetch_add(usize::from(step == Step::Exchange), Ordering::SeqCst);
            Ok(())
        }),
    );
    let writes = [completed("id:a"), completed("id:b"), completed("id:gone")];
    let outcomes = writer.write(&writes).unwrap();
    assert_eq!(outcomes, [WriteOutcome::Written, WriteOutcome::Written, WriteOutcome::RowGone]);
    assert_eq!(writer.write(&writes).unwrap(), outcomes);
    assert_eq!(count.load(Ordering::SeqCst), 1, "writing the same again writes nothing");
}

#[test]
fn our_own_write_is_no_news_but_an_edit_under_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    for hard_link in [false, true] {
        if hard_link {
            fs::hard_link(&path, dir.path().join("another-name")).unwrap();
        }
        let writer = writer(&path, Steps::default());
        let read = |writer: &Writer| {
            let loaded = writer.look().unwrap();
            writer.memory().seen = Seen::At(loaded.stamp, Some(loaded.hash));
        };
        let news = |writer: &Writer| differs(writer.memory().seen, look::glance(&path), true);
        assert!(news(&writer));
        read(&writer);
        assert!(!news(&writer));
        let mut write = completed("id:a");
        write.agent = format!("first, {hard_link}");
        writer.write(&[write.clone()]).unwrap();
        assert!(!news(&writer), "own write");
        fs::write(&path, with_row(&path)).unwrap();
        assert!(news(&writer));
        write.agent = format!("second, {hard_link}");
        writer.write(&[write]).unwrap();
        assert!(news(&writer), "the person's row was written upon, and nobody has read it yet");
        read(&writer);
        assert!(!news(&writer));
    }
}

#[test]
fn a_lock_that_another_holds_is_respected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    let mut writer = writer(&path, Steps::default());
    writer.patience.write = Duration::from_millis(100);
    let holder = File::open(&path).unwrap();
    holder.lock().unwrap();
    let error = writer.write(&[completed("id:a")]).unwrap_err();
    assert!(error.retry && error.why.contains("lock"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), FILE);
    drop(holder);
    writer.patience.write = Duration::from_secs(6);
    writer.write(&[completed("id:a")]).unwrap();
}

#[test]
fn a_file_that_is_being_saved_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    let mut writer = writer(&path, Steps::default());
    (writer.patience.settle, writer.patience.write) = (Duration::from_hours(1), Duration::from_millis(50));
    let error = writer.write(&[completed("id:a")]).unwrap_err();
    assert!(error.retry && error.why.contains("changed"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), FILE);
}

#[test]
fn what_only_looks_like_a_backup_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    let backup = dir.path().join("priorities.csv.strawboss-backup");
    fs::write(&path, FILE).unwrap();
    fs::write(&backup, "my own notes").unwrap();
    let writer = writer(&path, Steps::default());
    let error = writer.write(&[completed("id:a")]).unwrap_err();
    assert!(error.why.contains("strawboss-backup"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), FILE);
    fs::rename(&backup, dir.path().join("notes")).unwrap();
    writer.write(&[completed("id:a")]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
}
