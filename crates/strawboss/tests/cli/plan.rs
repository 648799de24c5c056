//! Plans by hand, as the programs that this one takes the place of kept them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::support::{Folder, Ran, git};
use serde_json::Value;
use strawboss_testkit::Person;

const NINE: &str = include_str!("../files/plans.json");
const ID: &str = "docker_arch_blueprint_20250817";

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// A folder with the plans of nine phases in it, imported.
fn imported() -> Folder {
    let folder = Folder::new();
    folder.write("old/todo-tasks.json", NINE);
    let ran = folder.run(&["plan", "import", "old/todo-tasks.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    folder
}

fn plans(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("plans.json")).unwrap()
}

#[test]
fn nine_phases_come_in_and_go_out_without_a_loss() {
    let folder = imported();
    assert_eq!(plans(&folder), NINE);
    assert_eq!(folder.run(&["plan", "export"]).out, NINE);
    let again = folder.run(&["plan", "import", "old/todo-tasks.json"]);
    assert!(again.code == 0 && again.out.contains("there already"), "{}{}", again.out, again.err);
    assert_eq!(plans(&folder), NINE);
    let alone: Value = json(&folder.run(&["plan", "export", ID]));
    let all: Value = serde_json::from_str(NINE).unwrap();
    assert_eq!(alone[0], all[0]);
    for (name, wrapped) in [("tasks.json", format!("{{\"tasks\": {NINE}}}")), ("map.json", format!("{{\"m\": {}}}", all[1]))] {
        folder.write(name, &wrapped);
        folder.write("other.json", "[]");
        let ran = folder.run(&["plan", "--file", "other.json", "import", name, "--json"]);
        assert!(!json(&ran)["added"].as_array().unwrap().is_empty(), "{}", ran.out);
        let copied = folder.run(&["plan", "--file", "fresh.json", "import", name]);
        assert_eq!(copied.code, 0, "{}", copied.err);
        assert_eq!(std::fs::read_to_string(folder.path().join("fresh.json")).unwrap(), wrapped, "its shape stays");
        std::fs::remove_file(folder.path().join("fresh.json")).unwrap();
    }
    let markdown = folder.run(&["plan", "export", ID, "--format", "markdown"]);
    folder.write("PLAN.md", &markdown.out);
    let ran = folder.run(&["plan", "import", "PLAN.md", "--id", "from_markdown", "--project", "P"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = json(&folder.run(&["plan", "show", "from_markdown", "--json"]));
    let old = json(&folder.run(&["plan", "show", ID, "--json"]));
    assert_eq!(shown["project"], "P");
    for (new, old) in shown["phases"].as_array().unwrap().iter().zip(old["phases"].as_array().unwrap()) {
        assert_eq!(
            (&new["title"], &new["done"], &new["note"], &new["commands"]),
            (&old["title"], &old["done"], &old["note"], &old["commands"])
        );
    }
    assert!(plans(&folder).starts_with(NINE.trim_end().trim_end_matches(']').trim_end()));
}

#[test]
fn what_is_there_is_listed_shown_and_said_next() {
    let folder = imported();
    let listed = json(&folder.run(&["plan", "list", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["done"], &listed[0]["phases"], &listed[0]["next"]["index"]), (&1.into(), &9.into(), &1.into()));
    assert_eq!(json(&folder.run(&["plan", "list", "--all", "--json"])).as_array().unwrap().len(), 2);
    assert!(folder.run(&["plan", "list"]).out.contains("1/9"));
    let next = folder.run(&["plan", "next"]);
    for part in ["1 of 9 done", "[✗] 1. PHASE 1: Build & push", "IMPORTANT NOTE", "Heed \"quotes\"", "     1  printf"] {
        assert!(next.out.contains(part), "{part}: {}", next.out);
    }
    let tree = folder.run(&["plan", "tree", ID]);
    for part in
        ["[✔] 0. PHASE 0: SETUP", "[✗] 8. PHASE 8: Rollback procedure — 前のタグ", "     2  echo \"plan", "      - CPU ≈100 MB"]
    {
        assert!(tree.out.contains(part), "{part}: {}", tree.out);
    }
    assert!(!tree.out.contains('\u{1b}') && folder.run(&["plan", "tree", ID, "--color", "always"]).out.contains('\u{1b}'));
    let shown = json(&folder.run(&["plan", "show", ID, "--json"]));
    assert_eq!(shown["created"], "2025-08-17T12:00:00+08:00");
    let lines: Vec<_> =
        shown["phases"][0]["commands"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3, 4], "lines are counted from 1, comments with them");
    let lint = folder.run(&["plan", "lint"]);
    assert!(lint.code == 0 && lint.out.contains("phase 3: its first block is `yaml`"), "{}{}", lint.out, lint.err);
    assert_eq!(folder.run(&["plan", "lint", "--strict", "--json"]).code, 1);
    for (command, code) in [("tree", 2), ("show", 5), ("next", 5), ("archive", 5)] {
        let ran = folder.run(&["plan", command, "unknown"]);
        assert!(ran.code == code && ran.err.contains(ID), "{command}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn phases_are_ticked_added_and_deleted_by_their_numbers() {
    let folder = imported();
    let done = folder.run(&["plan", "done", ID, "1"]);
    assert!(done.code == 0 && done.out.contains("next is 2. PHASE 2"), "{}{}", done.out, done.err);
    let text = plans(&folder);
    let changed: Vec<_> = text.lines().zip(NINE.lines()).filter(|(new, old)| new != old).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(
        changed[0].0.contains("\"updated\"") && changed[0].0.contains("+08:00") && changed[1].0.trim() == "\"done\": true",
        "{changed:?}"
    );
    assert_eq!(folder.run(&["plan", "undone", ID, "1"]).code, 0);
    let back = plans(&folder);
    assert_eq!(back.lines().zip(NINE.lines()).filter(|(new, old)| new != old).count(), 1, "but for `updated`");
    for (command, code) in [
        (&["plan", "done", ID, "9"][..], 5),
        (&["plan", "done", ID, "-1"], 2),
        (&["plan", "done", "nix", "0"], 5),
        (&["plan", "delete", ID], 2),
    ] {
        let ran = folder.run(command);
        assert_eq!(ran.code, code, "{command:?}: {}", ran.err);
        assert_eq!(plans(&folder), back);
    }
    let added = json(&folder.run(&["plan", "add", ID, "PHASE 9: Clean up — schön", "--json"]));
    assert_eq!(added["phase"], 9);
    assert_eq!(folder.run(&["plan", "add", "PHASE 10: the only open plan is meant"]).code, 0);
    assert_eq!(
        json(&folder.run(&["plan", "show", ID, "--json"]))["phases"][10]["title"],
        "PHASE 10: the only open plan is meant"
    );
    for _ in 0..2 {
        assert_eq!(folder.run(&["plan", "delete", ID, "9"]).code, 0);
    }
    assert_eq!(plans(&folder).lines().zip(NINE.lines()).filter(|(new, old)| new != old).count(), 1, "but for `updated`");
    assert_eq!(folder.run(&["plan", "new", "A second one", "--id", "second"]).code, 0);
    assert_eq!(folder.run(&["plan", "new", "A second one", "--id", "second"]).code, 6);
    let ambiguous = folder.run(&["plan", "add", "text"]);
    assert!(ambiguous.code == 2 && ambiguous.err.contains("second"), "{}", ambiguous.err);
    assert_eq!(folder.run(&["plan", "add", "second", "one"]).code, 0);
    assert_eq!(folder.run(&["plan", "done", "second", "0"]).code, 0);
    assert!(folder.run(&["plan", "cleanup"]).out.contains("second is archived"));
    assert_eq!(json(&folder.run(&["plan", "list", "--json"])).as_array().unwrap().len(), 1);
    assert_eq!(folder.run(&["plan", "hard_delete", "second"]).code, 0);
    assert_eq!(folder.run(&["plan", "show", "second"]).code, 5);
}

#[test]
fn commands_are_shown_and_with_run_they_run() {
    let folder = imported();
    let shown = folder.run(&["plan", "exec", ID, "0"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert_eq!(shown.out, format!("0.2 $ echo \"plan {ID} phase 0.2\"\n0.3 $ export STEP=größer\n0.4 $ echo \"kept: $STEP\"\n"));
    assert!(shown.err.contains("Nothing was run"), "{}", shown.err);
    let ran = folder.run(&["plan", "exec", ID, "0", "--run"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, format!("plan {ID} phase 0.2\nkept: größer\n").as_str()), "{}", ran.err);
    let ran = folder.run(&["plan", "exec", ID, "1", "--run"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, format!("one\ntwo\nheredoc {ID}\n").as_str()), "{}", ran.err);
    let line = folder.run(&["plan", "exec", ID, "1.3", "--run"]);
    assert_eq!((line.code, line.out.as_str()), (0, format!("heredoc {ID}\n").as_str()), "{}", line.err);
    let failed = folder.run(&["plan", "exec", ID, "2", "--run"]);
    assert_eq!((failed.code, failed.out.as_str()), (1, "before\n"));
    assert!(
        failed.err.contains("line 2 of phase 2") && failed.err.contains("the command after it was not run"),
        "{}",
        failed.err
    );
    assert!(folder.run(&["plan", "exec", ID, "5", "--run"]).err.contains("ended with 7"));
    let told = folder.run(&["plan", "exec", ID, "2", "--run", "--json"]);
    let value: Value = serde_json::from_str(&told.out).unwrap();
    let results: Vec<_> = value["commands"].as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!((told.code, results), (1, vec!["done", "failed", "not run"]), "{}", told.err);
    for (place, code, part) in [
        ("3", 1, "`yaml`, no commands"),
        ("4.2", 1, "part of the command on line 1"),
        ("0.1", 5, "no command"),
        ("0.9", 5, "no command"),
        ("9", 5, "no phase 9"),
        ("0.0", 2, "counted from 1"),
        ("x", 2, "counted from 0"),
    ] {
        let ran = folder.run(&["plan", "exec", ID, place, "--run"]);
        assert!(ran.code == code && ran.err.contains(part), "{place}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn a_hostile_id_reaches_no_shell() {
    let folder = Folder::new();
    folder.write(
        "plans.json",
        r#"[{"id":"x'; touch owned; '","todos":[{"text":"a\n```sh\necho '<task_id>'\n```"},{"text":"b\n```\necho <PHASE_INDEX>\n```"}]}]"#,
    );
    let ran = folder.run(&["plan", "exec", "x'; touch owned; '", "0", "--run"]);
    assert!(ran.code == 1 && ran.err.contains("more than a name to a shell"), "{}", ran.err);
    assert_eq!(folder.run(&["plan", "exec", "x'; touch owned; '", "1", "--run"]).out, "1\n");
    assert!(!folder.path().join("owned").exists());
}

#[test]
fn bad_files_are_refused_and_nothing_is_lost() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["plan", "list"]).code, 5);
    for (text, part) in [
        (&b""[..], "empty"),
        (b"[{\"id\": \"a\", ]", "no JSON"),
        (b"[{\"id\": \"caf\xe9\"}]", "not UTF-8"),
        (b"[{\"id\":\"a\",\"todos\":[]},{\"id\":\"a\",\"todos\":[]}]", "stands 2 times"),
        (b"[{\"todos\":[]}]", "no `id`"),
    ] {
        std::fs::write(folder.path().join("bad.json"), text).unwrap();
        let ran = folder.run(&["plan", "import", "bad.json"]);
        assert!(ran.code == 1 && ran.err.contains(part), "{part}: {} {}", ran.code, ran.err);
        assert!(!folder.path().join("plans.json").exists(), "{part}");
        let ran = folder.run(&["plan", "--file", "bad.json", "done", "a", "0"]);
        assert!(ran.code != 0, "{part}: {}", ran.err);
        assert_eq!(std::fs::read(folder.path().join("bad.json")).unwrap(), text, "{part}");
    }
    let folder = imported();
    folder.write("changed.json", &NINE.replace("Finished long ago", "Another one"));
    let ran = folder.run(&["plan", "import", "changed.json"]);
    assert!(ran.code == 6 && ran.err.contains("old_one"), "{}", ran.err);
    assert_eq!(plans(&folder), NINE);
    let ran = folder.run(&["plan", "import", "changed.json", "--replace"]);
    assert!(ran.code == 0 && ran.out.contains("old_one replaced"), "{}{}", ran.out, ran.err);
    assert_eq!(plans(&folder), NINE.replace("Finished long ago", "Another one"));
}

#[test]
fn the_file_stands_beside_the_configuration() {
    let folder = imported();
    folder.write("strawboss.yaml", "runner: { type: process }\n");
    let inner = folder.path().join("deep/below");
    std::fs::create_dir_all(&inner).unwrap();
    assert!(folder.run_in(&inner, &["plan", "list"]).out.contains(ID));
    assert!(folder.run_in(&inner, &["plan", "exec", ID, "7", "--run"]).out.contains("ok"));
}

#[test]
fn a_configured_plan_file_is_the_one() {
    let folder = imported();
    std::fs::create_dir(folder.path().join("work")).unwrap();
    std::fs::rename(folder.path().join("plans.json"), folder.path().join("work/mine.json")).unwrap();
    folder.write("strawboss.yaml", "backlogs: [{ type: plan, file: ./work/mine.json }, { type: csv, file: ./a.csv }]\n");
    assert!(folder.run(&["plan", "list"]).out.contains(ID));
    let shown = json(&folder.run(&["config", "show", "--json"]));
    assert_eq!(shown["backlogs"][0]["type"], "plan");
    folder.write("strawboss.yaml", "backlogs: [{ type: plan, file: ./work/mine.json }, { type: plan, file: ./b.json }]\n");
    let ran = folder.run(&["plan", "list"]);
    assert!(ran.code == 2 && ran.err.contains("--file") && ran.err.contains("b.json"), "{}", ran.err);
    folder.write("strawboss.yaml", "backlogs: [{ type: plna }]\n");
    assert_eq!(folder.run(&["plan", "list"]).code, 2);
    assert!(folder.run(&["plan", "--file", "work/mine.json", "list"]).out.contains(ID));
}

#[test]
fn phases_become_tasks_that_wait_for_each_other() {
    let folder = imported();
    let repository = folder.path().join("repo");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    git(&repository, &["commit", "--quiet", "--allow-empty", "--message=Begin"]);
    folder.write(
        "strawboss.yaml",
        "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\n\
         backlogs: [{ type: plan, file: ./plans.json, project: P }]\n\
         projects: { P: { directory: ./repo, approval: manual } }\n",
    );
    let mut service = folder.serve(&[]);
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    let tasks = loop {
        let tasks = json(&folder.run(&["task", "list", "--all", "--json"]));
        if tasks.as_array().is_some_and(|tasks| tasks.len() == 8) {
            break tasks;
        }
        assert!(std::time::Instant::now() < until, "{tasks}");
    };
    let second = json(&folder.run(&["task", "show", "p-2", "--json"]));
    assert!(tasks.to_string().contains("IMPORTANT NOTE"), "{tasks}");
    assert!(second.to_string().contains("p-1"), "phase 2 waits for phase 1: {second}");
    assert_eq!(service.stop(), 0);
}

/// A person at a terminal with the page on it.
fn sit_down(folder: &Folder) -> Person {
    let command = pty_process::Command::new(env!("CARGO_BIN_EXE_strawboss"));
    let command = command.args(["plan"]).current_dir(folder.path()).env("SHELL", "/bin/sh").env("TERM", "xterm");
    // Without colours a blank that changed nothing is not written, and words stand apart by movements of the cursor.
    Person::sit_down(command.env_remove("NO_COLOR")).unwrap()
}

/// How it ended, once the terminal is as it was.
async fn ended(mut person: Person) -> i32 {
    person.see("\u{1b}[?1049l").await.unwrap();
    let code = person.leave().await.unwrap().0.code().unwrap();
    assert!(!person.is_raw().unwrap());
    code
}

const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);

#[tokio::test]
async fn the_page_ticks_runs_follows_and_leaves_the_terminal_as_it_was() {
    let folder = imported();
    let mut person = sit_down(&folder);
    person.see("\u{1b}[?1049h").await.unwrap();
    person.see("1 of 9 done").await.unwrap();
    assert!(person.is_raw().unwrap());
    person.see("PHASE 1: Build").await.unwrap();
    person.press(" ").await.unwrap();
    // Only the cells that change are drawn.
    person.see("2").await.unwrap();
    let until = std::time::Instant::now() + DEADLINE;
    while json(&folder.run(&["plan", "show", ID, "--json"]))["phases"][1]["done"] != true {
        assert!(std::time::Instant::now() < until, "it is not ticked");
    }
    // Somebody else's change is shown as it comes.
    assert_eq!(folder.run(&["plan", "add", ID, "PHASE 9: Come later"]).code, 0);
    person.see("10 done").await.unwrap();
    person.press("nxy").await.unwrap();
    person.see("\u{1b}[?1049l").await.unwrap();
    person.see("before").await.unwrap();
    person.see("Press Enter").await.unwrap();
    assert!(!person.is_raw().unwrap());
    person.press("\r").await.unwrap();
    person.see("\u{1b}[?1049h").await.unwrap();
    // Blanks are passed over when it is drawn.
    person.see(&format!("`{ID}`")).await.unwrap();
    person.press("q").await.unwrap();
    assert_eq!(ended(person).await, 0);
}

#[tokio::test]
async fn a_signal_gives_the_terminal_back() {
    let folder = imported();
    let mut person = sit_down(&folder);
    person.see("1 of 9 done").await.unwrap();
    nix::sys::signal::kill(person.pid().unwrap(), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(ended(person).await, 130);
}

#[test]
fn without_a_terminal_there_is_no_page() {
    let ran = imported().run(&["plan"]);
    assert!(ran.code == 2 && ran.err.contains("needs a terminal") && ran.err.contains("plan list"), "{}", ran.err);
}
