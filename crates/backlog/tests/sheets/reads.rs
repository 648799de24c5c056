//! What is read of a worksheet, however people keep it.

use super::{Scene, all, items, problems, put, trouble, write};
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_backlog::{SheetsBacklog, SheetsConfig};
use strawboss_core::backlog::{Backlog, BacklogStatus, WriteOutcome};
use strawboss_testkit::sheets::{EMAIL, NAME, SPREADSHEET};

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
}
