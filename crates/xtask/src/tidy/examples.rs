//! A failing and a passing example of each rule, in small repositories. This file is exempt from the rules it quotes.

use super::{Finding, files, find};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes a repository with one file and gives what the rules find in it.
fn findings(path: &str, text: &str) -> Vec<Finding> {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), path, text);
    find(dir.path(), &[path.into()])
}

fn put(root: &Path, path: &str, text: &str) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, text).unwrap();
}

#[track_caller]
fn breaks(rule: &str, line: usize, path: &str, text: &str) {
    let found = findings(path, text);
    assert_eq!(found.len(), 1, "{path}: {found:?}");
    assert_eq!((found[0].rule, found[0].line), (rule, line), "{found:?}");
    let said = found[0].to_string();
    assert!(said.starts_with(&format!("{path}:{line}: ")) && said.ends_with('.'), "{said}");
}

#[track_caller]
fn keeps(path: &str, text: &str) {
    assert_eq!(findings(path, text), []);
}

#[test]
fn a_file_past_600_lines() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(600));
    breaks("long-file", 601, "crates/a/src/lib.rs", &long);
    breaks("long-file", 601, "web/src/a.tsx", &"x();\n".repeat(601));
    keeps("crates/a/src/lib.rs", &long[..long.len() - 10]);
    keeps("web/src/schema.ts", &format!("// Generated. Do not edit.\n{}", "x();\n".repeat(601)));
    keeps("docs/long.md", &"x\n".repeat(601));
}

#[test]
fn a_module_that_does_not_say_what_it_is_for() {
    breaks("module-doc", 1, "crates/a/src/b.rs", "fn f() {}\n");
    breaks("module-doc", 3, "tests/e2e/tests/a.rs", "\n\nuse x;\n//! late\n");
    breaks("module-doc", 1, "crates/a/src/empty.rs", "");
    keeps("crates/a/src/b.rs", "//! B.\nfn f() {}\n");
    keeps("crates/a/src/b.rs", "#![expect(x)]\n\n//! B.\nfn f() {}\n");
}

#[test]
fn what_is_not_finished() {
    for line in ["todo!()", "unimplemented!(\"x\")", "dbg!(x);", "#[ignore]", "#[ignore = \"slow\"]"] {
        breaks("unfinished", 2, "crates/a/src/b.rs", &format!("//! B.\n{line}\n"));
    }
    for line in ["it.only(\"x\", f);", "describe.skip(\"x\", f);", "test.only(f)", "debugger;"] {
        breaks("unfinished", 1, "web/src/a.test.ts", &format!("{line}\n"));
    }
    keeps("crates/a/src/b.rs", "//! B.\nfn f() { x.iter().skip(1); }\n");
    keeps("web/src/a.ts", "rows.skip(1); wizard.only(2);\n");
    keeps("docs/a.md", "todo!()\n");
}

#[test]
fn a_test_that_sleeps() {
    let nap = "std::thread::sleep(Duration::from_millis(50));\n";
    breaks("sleeping-test", 2, "crates/a/tests/b.rs", &format!("//! B.\n{nap}"));
    breaks("sleeping-test", 2, "crates/a/src/b/tests.rs", &format!("//! B.\n{nap}"));
    breaks("sleeping-test", 4, "crates/a/src/b.rs", &format!("//! B.\n#[cfg(test)]\nmod tests {{\n{nap}}}\n"));
    breaks("sleeping-test", 1, "web/src/a.test.ts", "await sleep(50);\n");
    keeps("crates/a/src/b.rs", &format!("//! B.\n{nap}"));
    keeps("crates/a/tests/b.rs", &format!("//! B.\n// The kill may come at any moment.\n{nap}"));
    keeps("crates/a/tests/b.rs", &format!("//! B.\nwhile !done() {{\n    assert!(now() < deadline);\n    {nap}}}\n"));
}

#[test]
fn a_line_that_ends_with_a_blank() {
    breaks("trailing-blank", 2, "README.md", "# A\nx \n");
    breaks("trailing-blank", 1, "Makefile", "a:\t\n");
    breaks("trailing-blank", 1, "a.md", "x \r\n");
    keeps("a.snap", "x \n");
    keeps("README.md", "# A\n\nx\r\n");
}

#[test]
fn an_action_that_is_not_pinned() {
    let workflow = ".github/workflows/ci.yml";
    let steps = |step: &str| format!("permissions: {{}}\nsteps:\n  - {step}\n");
    let pin = "uses: actions/checkout@0123456789abcdef0123456789abcdef01234567";
    breaks("unpinned-action", 3, workflow, &steps("uses: actions/checkout@v4"));
    breaks("unpinned-action", 3, workflow, &steps("uses: \"aquasecurity/trivy-action@0.20.0\""));
    breaks("unpinned-action", 3, workflow, &steps("uses: docker://alpine:3"));
    breaks("unpinned-action", 3, workflow, &steps(pin));
    breaks("unpinned-action", 1, "ci/action.yaml", "uses: actions/checkout\n");
    keeps(workflow, &steps(&format!("{pin} # v4.2.0")));
    keeps(workflow, &steps("uses: ./ci"));
    keeps(workflow, &steps(&format!("uses: docker://alpine@sha256:{}", "a".repeat(64))));
    keeps("docs/a.yml", "uses: actions/checkout@v4\n");
}

#[test]
fn a_workflow_that_trusts_too_much() {
    let workflow = ".github/workflows/ci.yml";
    breaks("trusting-workflow", 1, workflow, "on: push\njobs:\n  a:\n    permissions: {}\n");
    breaks("trusting-workflow", 2, workflow, "permissions: {}\non: pull_request_target\n");
    breaks("trusting-workflow", 1, workflow, "permissions: write-all\n");
    breaks("trusting-workflow", 3, workflow, "permissions: {}\nuses: ./ci\nsecrets: inherit\n");
    keeps(workflow, "on: pull_request # never pull_request_target\npermissions:\n  contents: read\n");
    keeps("docs/a.yml", "on: pull_request_target\n");
}

#[test]
fn a_path_of_one_machine() {
    for path in ["/root/x", "/home/ann/x", "/Users/ann/x", "/work/x", "C:\\Users\\ann"] {
        breaks("machine-path", 1, "README.md", &format!("see {path}\n"));
    }
    keeps("README.md", "see ~/work/x, /home/agent/x, demo/.work/x, src/work/x, https://h/a/work/x, /tmp/x and ${HOME}/root/x\n");
}

#[test]
fn a_link_that_leads_nowhere() {
    breaks("dead-link", 1, "README.md", "see [b](docs/b.md#top)\n");
    breaks("dead-link", 1, "docs/a.md", "![a picture](pictures/a.png)\n");
    keeps("docs/a.md", "[self](a.md#x), [up](../docs/a.md), [there](#x), [net](https://example.org/b.md)\n");
}

#[test]
fn a_line_may_excuse_itself_with_a_reason() {
    keeps("README.md", "<!-- tidy: machine-path because it is an example -->\nsee /root/x\n");
    keeps("README.md", "see /root/x <!-- tidy: machine-path because it is an example -->\n");
    keeps("a.mjs", "// tidy: trailing-blank throughout because diffs have such lines\nx \ny \n");
    breaks("machine-path", 1, "README.md", "see /root/x <!-- tidy: machine-path because -->\n");
    breaks("machine-path", 1, "README.md", "see /root/x <!-- tidy: long-file because it is an example -->\n");
}

#[test]
fn every_file_is_looked_at_that_git_knows_or_would_add() {
    let dir = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        assert!(Command::new("git").current_dir(dir.path()).args(arguments).output().unwrap().status.success());
    };
    git(&["init", "--quiet"]);
    put(dir.path(), ".gitignore", "/target\n");
    put(dir.path(), "target/a.md", "x \n");
    put(dir.path(), "known.md", "x \n");
    put(dir.path(), "gone.md", "x \n");
    git(&["add", "known.md", "gone.md"]);
    fs::remove_file(dir.path().join("gone.md")).unwrap();
    put(dir.path(), "new \"file\".md", "x \n");
    fs::write(dir.path().join("picture.png"), b"x \n\0\xff").unwrap();
    let files = files(dir.path()).unwrap();
    let found: Vec<_> = find(dir.path(), &files).iter().map(|finding| finding.file.display().to_string()).collect();
    assert_eq!(found, ["known.md", "new \"file\".md"]);
}
