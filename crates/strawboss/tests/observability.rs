//! Alert rules and dashboard: judged by Prometheus' own tool, and about metrics that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use strawboss_testkit::programs;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/observability")
}

/// Everything in a text that reads like a metric of ours.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("strawboss_"))
        .map(|word| ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned())
        .collect()
}

#[test]
fn promtool_finds_nothing_wrong_and_its_unit_tests_pass() {
    let promtool = programs::promtool().unwrap();
    // The token that the configuration names is not on this machine.
    for args in [
        ["check", "config", "--syntax-only", "prometheus.yml"].as_slice(),
        &["check", "rules", "alerts.yml"],
        &["test", "rules", "alerts_test.yml"],
    ] {
        programs::run(Command::new(&promtool).args(args).current_dir(folder())).unwrap();
    }
}

#[test]
fn every_alert_has_a_test_and_says_what_to_do() {
    let rules = std::fs::read_to_string(folder().join("alerts.yml")).unwrap();
    let tests = std::fs::read_to_string(folder().join("alerts_test.yml")).unwrap();
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 9, "{alerts:?}");
    for alert in &alerts {
        assert!(tests.contains(alert), "{alert} has no test");
    }
    for word in ["severity:", "summary:", "description:"] {
        assert_eq!(rules.matches(word).count(), alerts.len(), "{word}");
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_are_documented() {
    let documented = std::fs::read_to_string(folder().join("../../docs/metrics.md")).unwrap();
    let documented = metrics_in(&documented);
    for file in ["alerts.yml", "alerts_test.yml", "grafana/strawboss.json"] {
        let asked = metrics_in(&std::fs::read_to_string(folder().join(file)).unwrap());
        assert!(asked.len() >= 9, "{file}: {asked:?}");
        let unknown: Vec<&String> = asked.difference(&documented).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, which docs/metrics.md does not know");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_can_provision() {
    let board: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder().join("grafana/strawboss.json")).unwrap()).unwrap();
    assert_eq!((&board["uid"], &board["title"]), (&"strawboss".into(), &"Strawboss".into()));
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}
