//! The bench keeps working: every measurement runs to its end on a small scale and gives its rows. No time is judged.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use strawboss_testkit::programs;

/// Runs one measurement; its rows' names by group.
fn rows_of(what: &str) -> BTreeMap<String, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("results.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_strawboss-bench"));
    command.args([what, "--quick", "--out"]).arg(&out);
    command.env("STRAWBOSS_BIN_DIR", programs::bin_dir().unwrap());
    command.env("STRAWBOSS_SUPERVISOR_DIR", programs::supervisor_tool().unwrap());
    let printed = programs::run(&mut command).unwrap();
    let results: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(results["quick"], true);
    assert!(results["machine"]["cores"].as_u64().unwrap() >= 1);
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in results["rows"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap().to_owned();
        assert!(row["ours"]["median"].is_number(), "nothing was measured: {row}");
        // On a small scale a peer may have cost less than the clock can tell: then there is no ratio, and none is made up.
        let peer = row["peer"]["median"].as_f64();
        assert_eq!(row["ratio"].is_number(), peer.is_some_and(|peer| peer > 0.0), "{row}");
        assert!(printed.contains(&format!("| {name} |")), "not in the table: {name}");
        groups.entry(row["group"].as_str().unwrap().to_owned()).or_default().push(name);
    }
    groups
}

#[test]
fn scheduling_decisions() {
    assert_eq!(rows_of("decisions")["scheduling"].len(), 8);
}

#[test]
fn from_a_row_to_the_first_byte_and_whole_runs() {
    let rows = &rows_of("start")["starting"];
    assert!(rows.contains(&"… added, docker".to_owned()), "{rows:?}");
    assert!(rows.contains(&"row to finished run of `true` and its container gone, docker".to_owned()), "{rows:?}");
}

#[test]
fn a_large_repository() {
    let rows = &rows_of("repository")["large repository"];
    assert_eq!(rows.iter().filter(|row| row.starts_with("row to the agent's end")).count(), 4, "{rows:?}");
}

#[test]
fn the_control_plane_at_rest() {
    assert_eq!(rows_of("idle")["at rest"].len(), 3);
}

#[test]
fn one_viewer() {
    let rows = &rows_of("terminal")["one viewer"];
    assert!(rows.contains(&"… that reached the viewer (0 times passed over), process".to_owned()), "{rows:?}");
}
