//! What docs/backlogs/csv.md promises about a CSV file, case by case, through the public port.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::{CsvBacklog, CsvConfig, CsvConfigError, Patience};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Reading, SourceItem, SourceProblem, WriteBack, WriteBackError, WriteOutcome,
};

const HEADER: &str = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n";

/// The seed documents' own example.
const SEED: &str = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n\
    Antenna ML Pipeline,1,Pending,,,\"Implement batch processing for image classification\",2026-01-15,Yes,Sonnet 4\n\
    APRS Audio Tools,2,Pending,,,\"Create CLI wrapper for audio decoder\",2026-01-10,No,Qwen\n\
    eButterfly Export,3,Blocked,,,\"Waiting for API access\",2026-02-01,No,\n\
    Pipecat Voice,4,Pending,,,\"Research VAD frameworks\",2026-01-20,Yes,Gemini 2.0\n";

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
    backlog: Arc<CsvBacklog>,
}

fn config(path: &Path) -> CsvConfig {
    let mut config = CsvConfig::new(path);
    // What does not pass is found out soon; what passes is waited for all the same.
    config.patience.torn = Duration::from_millis(300);
    config
}

fn place(content: impl AsRef<[u8]>) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, content).unwrap();
    let backlog = Arc::new(CsvBacklog::new(config(&path)).unwrap());
    Place { _dir: dir, path, backlog }
}

impl Place {
    async fn read(&self) -> (Vec<SourceItem>, Vec<SourceProblem>) {
        match self.backlog.read().await {
            Reading::Items { items, problems } => (items, problems),
            Reading::Unreadable { problem } => panic!("{}", problem.message),
        }
    }

    async fn unreadable(&self) -> String {
        match self.backlog.read().await {
            Reading::Items { items, .. } => panic!("was read: {items:?}"),
            Reading::Unreadable { problem } => problem.message,
        }
    }

    async fn complete(&self, native_ref: &str) -> Result<Vec<WriteOutcome>, WriteBackError> {
        let write = WriteBack {
            native_ref: native_ref.to_owned(),
            status: BacklogStatus::Completed,
            agent: "claude (antenna-1.1)".to_owned(),
            at: Timestamp(1_768_471_200_000),
            known: None,
            report: None,
            earlier: Vec::new(),
        };
        self.backlog.write_back(&[write]).await
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

/// One faulty row between two good ones: what is said of it, and that the others run.
async fn one_bad_row(row: &[u8]) -> SourceProblem {
    let mut file = format!("{HEADER}Antenna,1,Pending,,,First,,,\n").into_bytes();
    file.extend_from_slice(row);
    file.extend_from_slice(b"\nAntenna,2,Pending,,,Last,,,\n");
    let (items, problems) = place(file).read().await;
    let actions: Vec<_> = items.iter().map(|item| item.action.as_str()).collect();
    assert_eq!(actions, ["First", "Last"], "{problems:?}");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].skipped && problems[0].line == 3, "{problems:?}");
    problems[0].clone()
}

#[tokio::test]
async fn the_seeds_example_is_read() {
    let place = place(SEED);
    let (items, problems) = place.read().await;
    assert_eq!(problems, []);
    let of = |item: &SourceItem| (item.line, item.priority, item.status, item.needs_gpu, item.model.clone());
    assert_eq!(of(&items[0]), (2, 1, BacklogStatus::Pending, true, Some("Sonnet 4".to_owned())));
    assert_eq!(of(&items[2]), (4, 3, BacklogStatus::Blocked, false, None));
    assert_eq!(items.len(), 4);
    assert!(place.backlog.name().starts_with("csv:") && place.backlog.name().ends_with("priorities.csv"));
}

#[tokio::test]
async fn a_missing_header_is_unreadable() {
    let message = place("Antenna,1,Pending,,,Do it,,,\n").unreadable().await;
    assert!(message.contains("line 1 is no header row") && message.contains("`Project`"), "{message}");
    let message = place("Project,Priority,Next Action\nA,1,x\n").unreadable().await;
    assert!(message.contains("lacks `Status`"), "{message}");
    let message = place("Project;Status;Next Action\nA;1;x\n").unreadable().await;
    assert!(message.contains("semicolons"), "{message}");
}

#[tokio::test]
async fn duplicate_columns_are_unreadable() {
    let message = place("Project,Status,Next Action,status\n").unreadable().await;
    assert!(message.contains("`Status` twice, as columns 2 and 4"), "{message}");
    // Columns that are not ours may stand as often as they like.
    place("Project,Status,Next Action,Notes,Notes\n").read().await;
}

#[tokio::test]
async fn an_unknown_status_is_pending_and_said() {
    let (items, problems) = place(format!("{HEADER}Antenna,1,WIP,,,Do it,,,\n")).read().await;
    assert!(items[0].status == BacklogStatus::Pending && items[0].status_unclear);
    assert_eq!((problems[0].line, problems[0].column.as_deref(), problems[0].skipped), (2, Some("Status"), false));
    assert_eq!(problems[0].native_ref.as_ref(), Some(&items[0].native_ref));
}

#[tokio::test]
async fn an_unreadable_priority_is_last_and_said() {
    let (items, problems) = place(format!("{HEADER}Antenna,high,,,,Do it,,,\n")).read().await;
    assert_eq!(items[0].priority, 999);
    assert_eq!((problems[0].line, problems[0].column.as_deref(), problems[0].skipped), (2, Some("Priority"), false));
}

#[tokio::test]
async fn a_wrong_date_costs_its_row() {
    let problem = one_bad_row(b"Antenna,1,Pending,,,Do it,15.01.2026,,").await;
    assert_eq!(problem.column.as_deref(), Some("Deadline"));
    assert!(problem.native_ref.is_some(), "the row is still known by its name, so it does not count as deleted");
}

#[tokio::test]
async fn a_non_utf_8_byte_costs_its_row() {
    let problem = one_bad_row(b"Antenna,1,Pending,,,Caf\xe9,,,").await;
    assert_eq!(problem.column.as_deref(), Some("Next Action"));
    assert!(problem.message.contains("byte 4") && problem.message.contains("0xE9"), "{}", problem.message);
    // In a column that is not ours it is none of our business, and stays as it is through a write.
    let place = place(b"Project,Status,Next Action,Notes\nAntenna,,Do it,caf\xe9\n");
    let (items, problems) = place.read().await;
    assert_eq!(problems, []);
    place.complete(&items[0].native_ref).await.unwrap();
    assert_eq!(fs::read(&place.path).unwrap(), b"Project,Status,Next Action,Notes\nAntenna,Completed,Do it,caf\xe9\n");
}

#[tokio::test]
async fn bad_rows_are_told_by_line_and_column_and_the_rest_runs() {
    assert!(one_bad_row(b"Antenna,1,Pending,,,Do this, and that,2026-01-01,No,,,x").await.message.contains("12 cells"));
    assert_eq!(one_bad_row(b",1,Pending,,,Do it,,,").await.column.as_deref(), Some("Project"));
    assert_eq!(one_bad_row(b"Ant\x1benna,1,Pending,,,Do it,,,").await.column.as_deref(), Some("Project"));
    assert_eq!(one_bad_row(b"Antenna,1,Pending,,,Do \x1b[2Jit,,,").await.column.as_deref(), Some("Next Action"));
    assert!(one_bad_row(b"Antenna,1,Pending,,,\"Do\" it,,,").await.message.contains("closing quote"));
    assert!(one_bad_row(b"Antenna,1,Pending,,,\"Do it,,,").await.message.contains("never ends"));
    let long = format!("Antenna,1,Pending,,,{},,,", "x".repeat(70_000));
    assert!(one_bad_row(long.as_bytes()).await.message.contains("70000 bytes"));
}

#[tokio::test]
async fn an_id_stands_once() {
    let header = "ID,Project,Status,Next Action\n";
    let (items, problems) = place(format!("{header}7,A,,x\n8,A,,x\n7,B,,y\n,A,,x\n")).read().await;
    let names: Vec<_> = items.iter().map(|item| item.native_ref.as_str()).collect();
    assert_eq!(names[..2], ["id:7", "id:8"]);
    assert!(names[2].starts_with("row:") && names[2].ends_with(":1"), "{names:?}");
    assert_eq!((problems[0].line, problems[0].column.as_deref(), problems[0].skipped), (4, Some("ID"), true));
}

#[tokio::test]
async fn rows_without_project_and_action_are_passed_over() {
    let (items, problems) = place(format!("{HEADER},,,,,,,,\n\n,,Pending,,,,,No,\n \nAntenna,1,,,,,,,\n")).read().await;
    assert_eq!(problems, []);
    assert_eq!(
        (items.len(), items[0].action.as_str()),
        (1, ""),
        "a row without a Next Action is there, and the policy blocks it"
    );
}

#[tokio::test]
async fn a_200_mb_file_is_refused_unread() {
    let place = place("");
    File::options().write(true).open(&place.path).unwrap().set_len(200_000_000).unwrap();
    let message = place.unreadable().await;
    assert!(message.contains("200000000 bytes, more than the 67108864"), "{message}");
    let error = place.complete("id:1").await.unwrap_err();
    assert!(error.to_string().contains("200000000"), "{error}");
}

#[tokio::test]
async fn what_is_no_text_or_no_file_is_unreadable() {
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(HEADER.bytes().flat_map(|byte| [byte, 0])).collect();
    let message = place(utf16).unreadable().await;
    assert!(message.contains("UTF-16") && message.contains("CSV UTF-8"), "{message}");
    assert!(place(b"PK\x03\x04\0\0").unreadable().await.contains("a spreadsheet's own format"));
    assert!(place("").unreadable().await.contains("empty"));
    let gone = place(HEADER);
    fs::remove_file(&gone.path).unwrap();
    assert!(gone.unreadable().await.contains("there is no such file"));
    fs::create_dir(&gone.path).unwrap();
    assert!(gone.unreadable().await.contains("a folder"));
    fs::remove_dir(&gone.path).unwrap();
    let (mode, kind) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &gone.path, kind, mode, 0).unwrap();
    assert!(gone.unreadable().await.contains("a named pipe"));
}

#[tokio::test]
async fn an_unclosed_quote_over_several_lines_is_unreadable() {
    let place = place(format!("{HEADER}A,1,Pending,,,\"Do this:\n- one, and\n- two\nB,2,Pending,,,x,,,\n"));
    let message = place.unreadable().await;
    assert!(message.contains("begins on line 2"), "{message}");
    let before = place.text();
    assert!(place.complete("id:1").await.is_err());
    assert_eq!(place.text(), before);
}

#[tokio::test]
async fn a_symlink_is_followed_and_stays_a_link() {
    let place = place("");
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("real.csv");
    fs::write(&target, SEED).unwrap();
    fs::remove_file(&place.path).unwrap();
    symlink(&target, &place.path).unwrap();
    let (items, _) = place.read().await;
    place.complete(&items[0].native_ref).await.unwrap();
    assert_eq!(fs::read_link(&place.path).unwrap(), target);
    assert!(fs::read_to_string(&target).unwrap().contains("Pipeline,1,Completed,"));
    // The link's new target is noticed, in a folder that was not watched before.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("other.csv"), HEADER).unwrap();
    place.read().await;
    fs::remove_file(&place.path).unwrap();
    symlink(other.path().join("other.csv"), &place.path).unwrap();
    tokio::time::timeout(Duration::from_mins(1), place.backlog.changed()).await.unwrap();
    assert_eq!(place.read().await.0, []);
    fs::remove_file(other.path().join("other.csv")).unwrap();
    assert!(place.unreadable().await.contains("a link to"));
}

#[tokio::test]
async fn a_read_only_file_is_read_and_not_written() {
    let place = place(SEED);
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o444)).unwrap();
    let (items, problems) = place.read().await;
    assert_eq!((items.len(), problems.len()), (4, 0));
    let error = place.complete(&items[0].native_ref).await.unwrap_err();
    assert!(error.retry && error.why.contains("read-only") && error.fix.contains("chmod"), "{error}");
    assert_eq!(place.text(), SEED);
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.complete(&items[0].native_ref).await, Ok(vec![WriteOutcome::Written]));
}

#[tokio::test]
async fn every_byte_that_is_not_ours_stays() {
    let file = "\u{feff}# my list\r\n Notes,project ,Status,NEXT ACTION,gpu?,\"Agent\",Last Update\r\n\
        \"a \"\"b\"\"\",Antenna,pending,\"Do, it\",,\"\",x\r\n\r\n  \nold mac,Other,\"Queued\",two\r,,,\r\n\
        # a comment, with \"a quote\nshort,Other,,three\n";
    let place = place(file);
    let (items, problems) = place.read().await;
    assert_eq!((items.len(), problems.len()), (3, 0));
    for item in &items {
        place.complete(&item.native_ref).await.unwrap();
    }
    let (agent, at) = ("claude (antenna-1.1)", "2026-01-15T10:00:00Z");
    let expected = file
        .replace("pending,\"Do, it\",,\"\",x", &format!("Completed,\"Do, it\",,\"{agent}\",{at}"))
        .replace("\"Queued\",two\r", &format!("\"Completed\",two,,{agent},{at}\r"))
        .replace("Other,,three", &format!("Other,Completed,three,,{agent},{at}"));
    assert_eq!(place.text(), expected);
}

#[tokio::test]
async fn mode_and_owner_are_kept() {
    let place = place(SEED);
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o664)).unwrap();
    // Only root may give a file away; anybody else has their own to keep.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&place.path, Some(12_345), Some(54_321)).unwrap();
    }
    let before = fs::metadata(&place.path).unwrap();
    let (items, _) = place.read().await;
    place.complete(&items[0].native_ref).await.unwrap();
    let after = fs::metadata(&place.path).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "it was replaced, not overwritten");
}

#[tokio::test]
async fn a_half_written_missing_or_empty_file_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    let mut patient = config(Path::new("priorities.csv"));
    patient.patience = Patience { torn: Duration::from_mins(1), changing: Duration::from_mins(2), ..patient.patience };
    patient.base = Some(dir.path().to_owned());
    let backlog = Arc::new(CsvBacklog::new(patient).unwrap());
    assert_eq!(backlog.name(), "csv:priorities.csv");
    // Ends inside a quoted text, inside the header, and right after the byte order mark.
    let in_a_text = &SEED[..SEED.find("Research").unwrap()];
    for before in [None, Some(""), Some(in_a_text), Some("Project,Prio"), Some("\u{feff}")] {
        match before {
            None => drop(fs::remove_file(&path)),
            Some(before) => fs::write(&path, before).unwrap(),
        }
        let waiting = Arc::clone(&backlog);
        let reading = tokio::spawn(async move { waiting.read().await });
        tokio::task::yield_now().await;
        fs::write(&path, SEED).unwrap();
        let Reading::Items { items, problems } = reading.await.unwrap() else { panic!("{before:?}: not waited for") };
        assert_eq!((items.len(), problems.len()), (4, 0), "{before:?}");
    }
}

#[tokio::test]
async fn what_was_unreadable_is_read_when_it_is_mended() {
    let place = place("");
    place.unreadable().await;
    fs::remove_file(&place.path).unwrap();
    place.unreadable().await;
    for _ in 0..2 {
        let backlog = Arc::clone(&place.backlog);
        let noticed = tokio::spawn(async move { backlog.changed().await });
        fs::write(&place.path, SEED).unwrap();
        tokio::time::timeout(Duration::from_mins(1), noticed).await.unwrap().unwrap();
        assert_eq!(place.read().await.0.len(), 4);
        fs::remove_file(&place.path).unwrap();
        tokio::time::timeout(Duration::from_mins(1), place.backlog.changed()).await.unwrap();
        place.unreadable().await;
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let mut config = CsvConfig::new("priorities.csv");
    config.encoding = "latin-1".to_owned();
    let error = CsvBacklog::new(config.clone()).unwrap_err();
    assert!(error.to_string().contains("`latin-1`") && error.to_string().contains("utf-8"), "{error}");
    config.encoding = "UTF-8".to_owned();
    config.watch_interval = Duration::ZERO;
    assert!(matches!(CsvBacklog::new(config), Err(CsvConfigError::Interval { seconds: 0, .. })));
    assert!(matches!(CsvBacklog::new(CsvConfig::new("..")), Err(CsvConfigError::NoFile { .. })));
}
