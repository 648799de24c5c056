//! A worksheet holds to what every source holds to, and each fault of Google's and of the sheet has its answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::conformance::{Fixture, Sight, Wish, holds};
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_backlog::{SheetsBacklog, SheetsConfig};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Reading, SourceItem, SourceProblem, WriteBack, WriteBackError, WriteOutcome,
};
use strawboss_testkit::Sheets;
use strawboss_testkit::sheets::{COLUMNS, EMAIL, Fault, NAME, Role, SPREADSHEET, fault};

/// A Google, and the key of its account in a file.
struct Scene {
    google: Sheets,
    dir: tempfile::TempDir,
}

impl std::ops::Deref for Scene {
    type Target = Sheets;

    fn deref(&self) -> &Sheets {
        &self.google
    }
}

impl Scene {
    async fn new() -> Self {
        let (google, dir) = (Sheets::start().await.unwrap(), tempfile::tempdir().unwrap());
        let scene = Self { google, dir };
        std::fs::write(scene.key(), scene.make_key().unwrap()).unwrap();
        scene
    }

    /// With rows whose project is `A`, and whose Next Action is this.
    async fn with(actions: &[&str]) -> Self {
        let scene = Self::new().await;
        for action in actions {
            scene.append(&["A", "1", "Pending", "", "", action]);
        }
        scene
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.json")
    }

    fn config(&self) -> SheetsConfig {
        SheetsConfig {
            base_url: Some(self.url().to_owned()),
            poll_interval: Duration::from_millis(20),
            ..SheetsConfig::new(Spreadsheet::Id(SPREADSHEET.to_owned()), self.key())
        }
    }

    fn source(&self) -> SheetsBacklog {
        SheetsBacklog::new(self.config()).unwrap()
    }

    /// The row of an action, from 1.
    fn row(&self, action: &str) -> usize {
        self.rows().iter().position(|row| row.iter().any(|cell| cell == action)).unwrap() + 1
    }

    fn status(&self, action: &str) -> String {
        self.cell(&format!("C{}", self.row(action)))
    }
}

async fn all(source: &SheetsBacklog) -> (Vec<SourceItem>, Vec<SourceProblem>) {
    match source.read().await {
        Reading::Items { items, problems } => (items, problems),
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

async fn items(source: &SheetsBacklog) -> Vec<SourceItem> {
    let (items, problems) = all(source).await;
    assert_eq!(problems, []);
    items
}

async fn problems(source: &SheetsBacklog) -> Vec<String> {
    all(source).await.1.into_iter().map(|problem| problem.message).collect()
}

async fn trouble(source: &SheetsBacklog) -> String {
    match source.read().await {
        Reading::Items { items, .. } => panic!("it could be read: {items:?}"),
        Reading::Unreadable { problem } => problem.message,
    }
}

fn write(native_ref: &str, status: BacklogStatus) -> WriteBack {
    WriteBack {
        native_ref: native_ref.to_owned(),
        status,
        agent: "shell (a-1.1)".to_owned(),
        at: Timestamp(1_768_471_200_000),
        known: None,
        report: None,
    }
}

async fn put(source: &SheetsBacklog, write: WriteBack) -> Result<WriteOutcome, WriteBackError> {
    source.write_back(&[write]).await.map(|mut outcomes| outcomes.remove(0))
}

/// The name of the row with this action.
async fn name(source: &SheetsBacklog, action: &str) -> String {
    all(source).await.0.into_iter().find(|item| item.action == action).unwrap().native_ref
}

/// People with the spreadsheet open in the browser.
struct Person(Scene);

#[async_trait::async_trait]
impl Fixture for Person {
    async fn open(&mut self) -> Arc<dyn Backlog> {
        Arc::new(self.0.source())
    }

    async fn add(&mut self, wish: &Wish<'_>) {
        self.0.append(&[wish.project, wish.priority, wish.status, "", "", wish.action, wish.deadline, wish.gpu, wish.model]);
    }

    async fn set_status(&mut self, action: &str, status: &str) {
        self.0.type_in(&format!("C{}", self.0.row(action)), status);
    }

    async fn set_action(&mut self, action: &str, new: &str) {
        self.0.type_in(&format!("F{}", self.0.row(action)), new);
    }

    async fn remove(&mut self, action: &str) {
        self.0.delete_row(self.0.row(action));
    }

    async fn see(&mut self, action: &str) -> Option<Sight> {
        let rows = self.0.rows();
        let row = rows.iter().find(|row| row[5] == action)?;
        Some(Sight { status: row[2].clone(), agent: Some(row[3].clone()), last_update: Some(row[4].clone()) })
    }
}

#[tokio::test]
async fn a_worksheet_holds_to_what_every_source_holds_to() {
    holds(async || Person(Scene::new().await)).await;
}

#[tokio::test]
async fn columns_are_found_by_name_wherever_they_are_moved() {
    let scene = Scene::with(&["First"]).await;
    scene.type_in("H2", "yes");
    let source = scene.source();
    let before = items(&source).await;
    assert!(before[0].needs_gpu, "`GPU?` is read as `GPU`");
    assert_eq!(
        before[0].url.as_deref(),
        Some(format!("https://docs.google.com/spreadsheets/d/{SPREADSHEET}/edit#gid=0").as_str())
    );
    scene.move_column("F", "A");
    scene.insert_column("C", "Notes");
    scene.insert_row(1, &["What the crew works on"]);
    let after = items(&source).await;
    assert_eq!(after[0].native_ref, before[0].native_ref);
    assert_eq!(after[0].line, 3);
    assert_eq!(put(&source, write(&before[0].native_ref, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
    assert_eq!(scene.rows()[2][..7], ["First", "A", "", "1", "In Progress", "shell (a-1.1)", "2026-01-15T10:00:00Z"]);
}

#[tokio::test]
async fn columns_that_are_missing_renamed_or_there_twice_make_no_list() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    scene.type_in("C1", "State");
    let said = trouble(&source).await;
    assert!(said.contains("the header in row 1 lacks `Status`") && said.contains("what is known stays"), "{said}");
    let error = put(&source, write("id:1", BacklogStatus::Paused)).await.unwrap_err();
    assert!(error.retry && error.why.contains("lacks `Status`"), "{error}");
    scene.type_in("C1", "Status");
    scene.type_in("J1", "next action");
    assert!(trouble(&source).await.contains("has `Next Action` twice, in columns F and J"));
    scene.clear();
    assert!(trouble(&source).await.contains("is empty, not even a header row"));
    scene.append(&["A", "1", "Pending", "", "", "First"]);
    assert!(trouble(&source).await.contains("row 1 is no header row"));
}

#[tokio::test]
async fn bad_rows_are_reported_by_row_and_the_rest_runs() {
    let scene = Scene::with(&["Good"]).await;
    scene.append(&["", "", "", "", "", ""]);
    scene.append(&[]);
    scene.append(&["A"]);
    scene.append(&["A", "high", "Someday", "", "", "Odd", "soon", "maybe"]);
    let source = scene.source();
    let (items, problems) = all(&source).await;
    assert_eq!(items.iter().map(|item| item.action.as_str()).collect::<Vec<_>>(), ["Good", ""]);
    let said: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column.as_deref().unwrap())).collect();
    assert_eq!(said, [(6, "Deadline"), (6, "Status"), (6, "Priority"), (6, "GPU")]);
    assert!(problems[0].message.starts_with("Row 6, Deadline: `soon` is no day"), "{problems:?}");
    assert_eq!(problems[0].native_ref.as_deref().map(|name| name.starts_with("row:")), Some(true));
}

#[tokio::test]
async fn days_and_numbers_count_however_they_are_shown_and_formulas_by_what_they_give() {
    let scene = Scene::with(&["First", "Second"]).await;
    scene.put_day("G2", "2026-02-01", "01.02.2026");
    scene.put_formula("B2", "=1+2", "3");
    scene.put_formula("F2", "=\"Fi\"&\"rst\"", "First");
    scene.put_error("B3", "#REF!");
    let (items, problems) = all(&scene.source()).await;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].priority, items[0].deadline.map(|day| day.to_string()).as_deref()), (3, Some("2026-02-01")));
    assert_eq!((problems.len(), problems[0].skipped), (1, true));
    assert!(problems[0].message.contains("Row 3, Priority: the formula's value is #REF!"), "{problems:?}");
    // A formula gives what names a row: while it gives an error, the row cannot be named, and nothing is taken for deleted.
    scene.put_error("F2", "#N/A");
    let (items, problems) = all(&scene.source()).await;
    assert_eq!((items.len(), problems[0].native_ref.as_deref()), (0, None));
}

#[tokio::test]
async fn merged_cells_say_the_same_of_each_row_or_are_reported() {
    let scene = Scene::with(&["First", "Second", "Third"]).await;
    scene.insert_row(2, &["Next quarter"]);
    scene.merge("A2:I2");
    scene.merge("A3:A4");
    let source = scene.source();
    let read = items(&source).await;
    assert_eq!(read.len(), 3, "a title over rows is no row: {read:?}");
    assert!(read.iter().all(|item| item.project.as_str() == "A"));
    let second = read[1].native_ref.clone();
    scene.merge("C4:C5");
    let said = problems(&source).await;
    assert!(said.iter().all(|said| said.contains("Status: the cell is merged with those above or below")), "{said:?}");
    assert_eq!(said.len(), 2);
    let outcome = put(&source, write(&second, BacklogStatus::InProgress)).await.unwrap();
    assert!(
        matches!(&outcome, WriteOutcome::Refused(why) if why.contains("Row 4, Status: the cell is part of merged cells")),
        "{outcome:?}"
    );
    scene.merge("F3:G3");
    assert!(
        problems(&source).await.iter().any(|said| said.contains("Row 3, Next Action: the cell is merged with those beside it"))
    );
}

#[tokio::test]
async fn a_formula_is_not_written_over_and_other_rows_are_written() {
    let scene = Scene::with(&["First", "Second", "Third"]).await;
    scene.put_formula("C2", "=IF(1,\"Pending\",\"\")", "Pending");
    scene.fill("D3", "somebody");
    let source = scene.source();
    let names: Vec<String> = items(&source).await.into_iter().map(|item| item.native_ref).collect();
    let writes: Vec<WriteBack> = names.iter().map(|name| write(name, BacklogStatus::InProgress)).collect();
    let outcomes = source.write_back(&writes).await.unwrap();
    assert!(
        matches!(&outcomes[0], WriteOutcome::Refused(why) if why.contains("Row 2, Status: the cell holds a formula")),
        "{outcomes:?}"
    );
    assert!(
        matches!(&outcomes[1], WriteOutcome::Refused(why) if why.contains("Row 3, Agent: the cell is filled by a formula")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[2], WriteOutcome::Written);
    assert_eq!(
        (scene.status("First"), scene.status("Second"), scene.status("Third")),
        ("Pending".into(), "Pending".into(), "In Progress".into())
    );
    assert!(scene.typed("C2").unwrap()["formulaValue"].is_string());
    // People are told with the next reading, until the cell is free.
    let said = problems(&source).await;
    assert!(said.len() == 2 && said[0].contains("Row 2, Status: the cell holds a formula"), "{said:?}");
    scene.type_in("C2", "Pending");
    scene.type_in("D3", "");
    assert_eq!(source.write_back(&writes).await.unwrap(), [const { WriteOutcome::Written }; 3]);
    assert_eq!(problems(&source).await, [""; 0]);
    // What is written is text, whatever it looks like.
    let evil = WriteBack { agent: "=HYPERLINK(\"https://evil.test\")".to_owned(), ..write(&names[2], BacklogStatus::Blocked) };
    assert_eq!(put(&source, evil).await, Ok(WriteOutcome::Written));
    assert!(scene.typed("D4").unwrap()["stringValue"].as_str().unwrap().starts_with("'=HYPERLINK"));
}

#[tokio::test]
async fn a_protected_cell_does_not_hold_up_other_rows() {
    let scene = Scene::with(&["First", "Second"]).await;
    scene.protect("A2:I2");
    let source = scene.source();
    let names: Vec<String> = items(&source).await.into_iter().map(|item| item.native_ref).collect();
    let writes: Vec<WriteBack> = names.iter().map(|name| write(name, BacklogStatus::InProgress)).collect();
    let outcomes = source.write_back(&writes).await.unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Refused(why) if why.contains("protected cell")), "{outcomes:?}");
    assert_eq!(outcomes[1], WriteOutcome::Written);
    assert_eq!(scene.names(), [""; 0]);
}

/// What somebody does while a write is on its way.
type Edit = fn(&strawboss_testkit::sheets::Office);

/// A worksheet whose other rows hold a person's words and formulas in our columns.
async fn busy() -> Scene {
    let scene = Scene::with(&["Zeta", "Target", "Beta", "Alpha"]).await;
    for row in [2, 4, 5] {
        scene.type_in(&format!("D{row}"), &format!("person {row}"));
        scene.type_in(&format!("E{row}"), "=NOW()");
    }
    scene
}

/// What stands in every row but the one that is written, wherever it stands.
fn others(scene: &Scene) -> Vec<Vec<String>> {
    let mut rows = scene.rows();
    rows.retain(|row| !row.iter().any(|cell| cell == "Target"));
    for row in &mut rows {
        row.retain(|cell| !cell.is_empty());
        row.sort();
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn a_write_follows_its_row_whatever_people_do_meanwhile() {
    let edits: [(&str, Edit); 7] = [
        ("a row is inserted above", |sheet| sheet.insert_row(2, &["A", "9", "Paused", "me", "today", "New"])),
        ("the row is dragged", |sheet| sheet.move_row(3, 5)),
        ("another row is dragged over it", |sheet| sheet.move_row(5, 2)),
        ("a row above is deleted", |sheet| sheet.delete_row(2)),
        ("rows are sorted", |sheet| sheet.sort("F")),
        ("a column is inserted", |sheet| sheet.insert_column("C", "Notes")),
        ("a column is dragged", |sheet| sheet.move_column("E", "A")),
    ];
    // After each request of a write: which worksheet, the look before, names, the look again, the write, the look after, names.
    let named = format!("{SPREADSHEET}:batchUpdate");
    let looked = ":getByDataFilter";
    let steps =
        [("sheets.properties", 1), (looked, 1), (&named, 1), (looked, 2), ("/values:batchUpdate", 1), (looked, 3), (&named, 2)];
    for (what, edit) in edits {
        for (step, nth) in steps {
            let copy = busy().await;
            edit(&copy);
            let scene = busy().await;
            let source = scene.source();
            let target = name(&source, "Target").await;
            for _ in 1..nth {
                scene.once_asked(step, |_| {});
            }
            scene.once_asked(step, edit);
            let written = put(&source, write(&target, BacklogStatus::InProgress)).await;
            assert_eq!(written, Ok(WriteOutcome::Written), "{what} after {step} {nth}");
            let rows = scene.rows();
            let row = rows.iter().find(|row| row.iter().any(|cell| cell == "Target")).unwrap();
            for ours in ["In Progress", "shell (a-1.1)", "2026-01-15T10:00:00Z"] {
                assert!(row.iter().any(|cell| cell == ours), "{what} after {step} {nth}: {rows:?}");
            }
            assert_eq!(others(&scene), others(&copy), "{what} after {step} {nth}: other rows keep every cell");
            assert_eq!(scene.names(), [""; 0], "{what} after {step} {nth}");
        }
    }
}

#[tokio::test]
async fn what_is_sorted_away_under_a_write_is_put_back_as_it_was() {
    let scene = Scene::with(&["Target", "Alpha"]).await;
    scene.type_in("D3", "sarah");
    scene.type_in("E3", "=NOW()");
    let source = scene.source();
    let target = name(&source, "Target").await;
    scene.asked();
    // The look right before the write is the second one of its kind.
    scene.once_asked(":getByDataFilter", |_| {});
    scene.once_asked(":getByDataFilter", |sheet| sheet.sort("F"));
    assert_eq!(put(&source, write(&target, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
    assert_eq!(scene.rows()[1][2..6], ["Pending", "sarah", "now", "Alpha"]);
    assert_eq!(scene.typed("E2").unwrap()["formulaValue"], "=NOW()");
    assert_eq!(scene.status("Target"), "In Progress");
}

#[tokio::test]
async fn what_a_person_set_meanwhile_is_not_written_over_and_what_is_gone_is_said() {
    let scene = Scene::with(&["First", "Second"]).await;
    let source = scene.source();
    let (first, second) = (name(&source, "First").await, name(&source, "Second").await);
    let known =
        |native_ref: &str| WriteBack { known: Some(BacklogStatus::Pending), ..write(native_ref, BacklogStatus::InProgress) };
    scene.once_asked(":batchUpdate", |sheet| sheet.type_in("C2", "Paused"));
    assert_eq!(put(&source, known(&first)).await, Ok(WriteOutcome::Overtaken));
    assert_eq!(scene.rows()[1][2..5], ["Paused", "", ""]);
    scene.once_asked(":batchUpdate", |sheet| sheet.delete_row(3));
    assert_eq!(put(&source, known(&second)).await, Ok(WriteOutcome::RowGone));
    assert_eq!(put(&source, write("id:77", BacklogStatus::Completed)).await, Ok(WriteOutcome::RowGone));
    assert_eq!(scene.names(), [""; 0]);
}

#[tokio::test]
async fn a_write_whose_answers_are_lost_is_made_once_and_leaves_nothing() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    let named = format!("{SPREADSHEET}:batchUpdate");
    for lost in [":getByDataFilter", "/values:batchUpdate", &named, "fields=namedRanges"] {
        scene.type_in("C2", "Pending");
        scene.fail(Fault::status(0, "").on(lost, 1));
        let written = put(&source, write(&first, BacklogStatus::InProgress)).await;
        assert!(written.as_ref().is_ok_and(|written| *written == WriteOutcome::Written) || written.unwrap_err().retry);
        assert_eq!(put(&source, write(&first, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
    }
    assert_eq!(scene.rows()[1][2..5], ["In Progress", "shell (a-1.1)", "2026-01-15T10:00:00Z"]);
    // What says so already costs no write.
    scene.asked();
    assert_eq!(put(&source, write(&first, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
    assert!(scene.asked().iter().all(|asked| !asked.path.contains("batchUpdate")));
    // Names that a process left when it died go with the next write; a person's stay, and so do those of a write on its way.
    let left = scene.names().len();
    scene.name("strawboss_65000000_1_0", "C2").unwrap();
    scene.name("strawboss_plan", "A1").unwrap();
    scene.name("strawboss_ffffffffff_1_0", "A1").unwrap();
    assert_eq!(put(&source, write(&first, BacklogStatus::Completed)).await, Ok(WriteOutcome::Written));
    assert_eq!(scene.names().len(), left + 2);
    assert!(!scene.names().contains(&"strawboss_65000000_1_0".to_owned()));
}

#[tokio::test]
async fn each_fault_of_google_is_said_and_takes_nothing_away() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    items(&source).await;
    let html = || Fault::html();
    let cut = || Fault { body: "{\"sheets\": [{\"prop".to_owned(), ..fault(200, "", "") };
    let mut huge = fault(200, "", "");
    huge.body = " ".repeat((64 << 20) + 1);
    for (broken, why) in [
        (fault(500, "INTERNAL", "Internal error encountered."), "answered with 500"),
        (fault(503, "UNAVAILABLE", "The service is currently unavailable."), "answered with 503"),
        (html(), "HTML instead of JSON"),
        (cut(), "cannot be read"),
        (Fault::status(0, ""), "does not answer"),
        (Fault { status: 302, ..fault(302, "", "") }, "points elsewhere"),
        (huge, "larger than the 64 MiB"),
        (
            fault(400, "FAILED_PRECONDITION", "This operation is not supported for this document"),
            "not supported for this document",
        ),
        (fault(200, "", ""), "no worksheet with cells"),
    ] {
        scene.fail(broken);
        let said = trouble(&source).await;
        assert!(said.contains(why) && said.contains("what is known stays"), "{why}: {said}");
        assert!(put(&source, write("id:1", BacklogStatus::Paused)).await.is_err() || why.contains("not supported"));
        scene.mend();
        assert_eq!(items(&source).await.len(), 1);
    }
    let nobody = SheetsConfig { base_url: Some("http://127.0.0.1:1".to_owned()), ..scene.config() };
    assert!(trouble(&SheetsBacklog::new(nobody).unwrap()).await.contains("does not answer"));
}

#[tokio::test]
async fn quotas_are_kept_to_and_writes_wait_for_them_too() {
    for (refused, waits) in [
        (None, "60 s"),
        (Some(fault(429, "RESOURCE_EXHAUSTED", "Quota exceeded").header("retry-after", "3600")), "3600 s"),
        (
            Some(Fault {
                body: r#"{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}"#.to_owned(),
                ..fault(403, "", "")
            }),
            "60 s",
        ),
    ] {
        let scene = Scene::with(&["First"]).await;
        let source = scene.source();
        let first = name(&source, "First").await;
        match refused {
            Some(fault) => scene.fail(fault),
            None => scene.quota(Some((0, 0))),
        }
        let said = trouble(&source).await;
        assert!(said.contains("quota of requests is used up") && said.contains(waits), "{said}");
        scene.mend();
        scene.quota(None);
        scene.asked();
        assert!(trouble(&source).await.contains("goes on by itself"));
        let error = put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err();
        assert!(error.retry, "{error}");
        assert_eq!(scene.asked(), [], "nothing is asked until the quota is filled again");
    }
    // The moment passes, and it goes on by itself; a write that the quota cut short is whole then.
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    scene.fail(fault(429, "RESOURCE_EXHAUSTED", "Quota exceeded").header("retry-after", "1").on("/values:batchUpdate", 1));
    assert!(put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err().retry);
    trouble(&source).await;
    source.changed().await;
    assert_eq!(items(&source).await.len(), 1);
    assert_eq!(put(&source, write(&first, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
}

#[tokio::test]
async fn a_key_that_was_revoked_is_said_and_another_one_counts_as_soon_as_it_is_there() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    items(&source).await;
    // One token is enough.
    items(&source).await;
    let tokens = |scene: &Scene| scene.asked().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens(&scene), 1);
    scene.revoke_tokens();
    items(&source).await;
    assert_eq!(tokens(&scene), 1, "a token that is refused is asked for once more");
    scene.revoke_keys();
    let said = trouble(&source).await;
    assert!(
        said.contains(&format!("does not accept the key of {EMAIL} (Invalid JWT Signature.)"))
            && said.contains("make another key"),
        "{said}"
    );
    assert!(!put(&source, write("id:1", BacklogStatus::Paused)).await.unwrap_err().retry);
    std::fs::write(scene.key(), scene.make_key().unwrap()).unwrap();
    assert_eq!(items(&source).await.len(), 1);
    for (content, why) in [("", "is no JSON"), ("{\"type\": \"authorized_user\"}", "not `service_account`")] {
        std::fs::write(scene.key(), content).unwrap();
        assert!(trouble(&source).await.contains(why));
    }
    std::fs::remove_file(scene.key()).unwrap();
    assert!(trouble(&source).await.contains("key.json cannot be read"));
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let scene = Scene::with(&["First"]).await;
    scene.token_life(30);
    let source = scene.source();
    items(&source).await;
    items(&source).await;
    let asked = scene.asked();
    assert_eq!(asked.iter().filter(|asked| asked.path == "/token").count() as u64, asked.len() as u64 / 2, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.status == 200));
}

#[tokio::test]
async fn a_spreadsheet_that_may_not_be_seen_or_written_is_said_to_be() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    scene.share(Role::Viewer);
    assert_eq!(items(&source).await.len(), 1);
    let error = put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err();
    assert!(!error.retry && error.fix.contains(&format!("Share the spreadsheet with {EMAIL} as Editor")), "{error}");
    scene.share(Role::Stranger);
    assert!(trouble(&source).await.contains("(403) (The caller does not have permission)"));
    scene.turn_off(true);
    let said = trouble(&source).await;
    assert!(said.contains("an API is not turned on") && said.contains("Turn on the Google Sheets API"), "{said}");
    let other = SheetsConfig { spreadsheet: Spreadsheet::Id("1another-spreadsheet-0123456789".to_owned()), ..scene.config() };
    scene.turn_off(false);
    assert!(trouble(&SheetsBacklog::new(other).unwrap()).await.contains("there is no such spreadsheet (404)"));
}

#[tokio::test]
async fn a_spreadsheet_is_found_by_its_name_if_it_is_the_only_one() {
    let scene = Scene::with(&["First"]).await;
    let by = |name: &str| {
        SheetsBacklog::new(SheetsConfig { spreadsheet: Spreadsheet::Name(name.to_owned()), ..scene.config() }).unwrap()
    };
    let source = by(NAME);
    assert_eq!(items(&source).await.len(), 1);
    assert_eq!(source.name(), "sheets:CTO Sidekick - Projects");
    items(&source).await;
    assert_eq!(scene.asked().iter().filter(|asked| asked.path.starts_with("/drive/")).count(), 1, "it is looked for once");
    // Others of its name in other capitals are others; they fill pages of the list.
    for number in 0..3 {
        scene.share_another(&format!("1another-spreadsheet-012345678{number}"), "cto sidekick - PROJECTS");
    }
    scene.share_another("1quoted-spreadsheet-0123456789", "Sarah's \\ list");
    assert_eq!(items(&by(NAME)).await.len(), 1);
    assert!(trouble(&by("Sarah's \\ list")).await.contains("there is no such spreadsheet (404)"), "it is found, by its id");
    assert!(trouble(&by("Nowhere")).await.contains(&format!("no spreadsheet `Nowhere` is shared with {EMAIL}")));
    scene.share_another("1another-spreadsheet-0123456789", NAME);
    assert!(trouble(&by(NAME)).await.contains("several spreadsheets `CTO Sidekick - Projects`"));
    assert_eq!(items(&source).await.len(), 1, "what was found is kept to");
}

#[tokio::test]
async fn the_worksheet_is_the_first_or_the_one_that_is_named() {
    let scene = Scene::with(&["First"]).await;
    scene.add_worksheet("Notes");
    let named = |title: &str| SheetsBacklog::new(SheetsConfig { worksheet: Some(title.to_owned()), ..scene.config() }).unwrap();
    let (first, projects) = (scene.source(), named("Projects"));
    assert_eq!((items(&first).await.len(), items(&projects).await.len()), (1, 1));
    assert_eq!(projects.name(), format!("sheets:{SPREADSHEET}/Projects"));
    assert!(trouble(&named("notes")).await.contains(
        "it has no worksheet `notes`. Nothing was taken over from it; what is known stays. Write one of `Projects`, `Notes`"
    ));
    scene.rename_worksheet("Work");
    assert!(trouble(&projects).await.contains("no worksheet `Projects`"));
    scene.first_worksheet_to_the_end();
    assert!(trouble(&first).await.contains("is empty"), "another worksheet is the first now");
    assert_eq!(items(&named("Work")).await.len(), 1);
    assert_eq!(COLUMNS.len(), 9);
}
