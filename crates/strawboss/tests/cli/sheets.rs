//! A Google Sheet as people configure it and ask after it.

use super::support::Folder;
use strawboss_testkit::Sheets;
use strawboss_testkit::sheets::{EMAIL, Role, SPREADSHEET};

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reads_a_sheet_and_says_what_to_do_when_it_may_not() {
    let google = Sheets::start().await.unwrap();
    google.append(&["Plain", "1", "Pending", "", "", "Do it"]);
    google.append(&["Plain", "1", "Someday", "", "", "Do that"]);
    let folder = Folder::new();
    folder.write("key.json", &google.make_key().unwrap());
    let backlog = format!("type: sheets, spreadsheet: {SPREADSHEET}, credentials_file: ./key.json, base_url: '{}'", google.url());
    folder.write("strawboss.yaml", &format!("backlogs: [{{ {backlog} }}]\nprojects: {{ Plain: ./plain }}\n"));
    let ran = folder.run(&["doctor"]);
    for part in [&format!("OK   backlog sheets:{SPREADSHEET}: 2 rows"), "Row 3, Status: `Someday` is no status"] {
        assert!(ran.out.contains(part), "{part}:\n{}", ran.out);
    }
    google.share(Role::Stranger);
    let ran = folder.run(&["doctor"]);
    let fix = format!("Share the spreadsheet with {EMAIL} as Editor");
    assert!(ran.out.contains(&format!("FAIL backlog sheets:{SPREADSHEET}")) && ran.out.contains(&fix), "{}", ran.out);
    google.asked();
    let quick = folder.run(&["doctor", "--quick"]);
    assert!(quick.out.contains("is set up (not asked)"), "{}", quick.out);
    assert_eq!(google.asked(), []);
    let shown = folder.run(&["config", "show"]);
    assert!(shown.out.contains(SPREADSHEET) && shown.out.contains("key.json"), "{}", shown.out);
    assert!(![&ran, &quick, &shown].iter().any(|ran| ran.out.contains("PRIVATE KEY") || ran.err.contains("PRIVATE KEY")));
}

#[test]
fn a_sheet_that_only_variables_name_is_taken_and_one_without_a_key_is_said() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", "projects: {}\n");
    folder.write("priorities.csv", "Project,Status,Next Action\n");
    let named = ("STRAWBOSS_SPREADSHEET", "CTO Sidekick - Projects");
    let with_key = folder.run_with(&["config", "show"], &[named, ("STRAWBOSS_SHEETS_CREDENTIALS", "./key.json")]);
    assert!(with_key.out.contains("CTO Sidekick - Projects") && !with_key.out.contains("priorities.csv"), "{}", with_key.out);
    let without = folder.run_with(&["doctor", "--quick"], &[named, ("GOOGLE_APPLICATION_CREDENTIALS", "")]);
    assert!(without.out.contains("priorities.csv: 0 rows"), "{}", without.out);
    let said = format!("{}{}", without.out, without.err);
    assert!(said.contains("STRAWBOSS_SPREADSHEET names a spreadsheet, and there is no key to read it with"), "{said}");
}
