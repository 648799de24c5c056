//! What is written to a worksheet, whatever people do in it meanwhile.

use super::{Scene, items, name, problems, put, write};
use strawboss_core::backlog::{Backlog, BacklogStatus, WriteBack, WriteOutcome};
use strawboss_testkit::sheets::{Fault, Office, SPREADSHEET, fault};

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
type Edit = fn(&Office);

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
async fn a_page_in_the_place_of_an_answer_is_no_write() {
    let scene = Scene::with(&["First"]).await;
    let source = scene.source();
    let first = name(&source, "First").await;
    let named = format!("{SPREADSHEET}:batchUpdate");
    for line in [&named, "/values:batchUpdate"] {
        for page in [Fault::html(), Fault { body: "{}".to_owned(), ..fault(200, "", "") }] {
            scene.fail(page.on(line, 1));
            assert!(put(&source, write(&first, BacklogStatus::InProgress)).await.unwrap_err().retry, "{line}");
            assert_eq!(scene.status("First"), "Pending", "{line}");
        }
    }
    assert_eq!(put(&source, write(&first, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written));
    assert_eq!((scene.status("First").as_str(), scene.names()), ("In Progress", Vec::new()));
}

#[tokio::test]
async fn what_went_astray_is_put_back_also_when_it_could_not_be_looked_at_at_once() {
    for lost in [("/values:batchUpdate", 0), (":getByDataFilter", 503), (":getByDataFilter", 429)] {
        let scene = Scene::with(&["Target", "Alpha"]).await;
        scene.type_in("D3", "sarah");
        let source = scene.source();
        let target = name(&source, "Target").await;
        scene.once_asked(":getByDataFilter", |_| {});
        scene.once_asked(":getByDataFilter", |sheet| sheet.sort("F"));
        let (line, status) = lost;
        if status == 0 {
            scene.fail(Fault::status(0, "").on(line, 1));
        } else {
            let away = fault(status, "UNAVAILABLE", "").header("retry-after", "0").on(line, 1);
            scene.once_asked("/values:batchUpdate", move |sheet| sheet.fail(away));
        }
        assert!(put(&source, write(&target, BacklogStatus::InProgress)).await.unwrap_err().retry);
        assert_eq!(scene.status("Alpha"), "In Progress", "it went astray");
        assert_eq!(put(&source, write(&target, BacklogStatus::InProgress)).await, Ok(WriteOutcome::Written), "{lost:?}");
        assert_eq!(scene.rows()[1][2..6], ["Pending", "sarah", "", "Alpha"], "{lost:?}");
        assert_eq!(scene.rows()[2][2..4], ["In Progress", "shell (a-1.1)"], "{lost:?}");
        assert_eq!(scene.names(), [""; 0], "{lost:?}");
    }
}
