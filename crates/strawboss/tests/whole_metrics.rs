//! What Prometheus sees of a run that was worked off: the figures, and that its own tool finds nothing wrong with them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use strawboss_server::measure::names::METRICS;
use strawboss_testkit::{World, WorldOptions, programs};

async fn metrics(world: &World) -> String {
    world.get("/metrics").await.unwrap().as_str().unwrap().to_owned()
}

/// The value of a series, by its name with labels.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_run_is_counted_and_the_figures_are_well_formed() {
    let mut world = World::new(WorldOptions::default()).unwrap();
    world.project("Greeter", &[("README.md", "hi\n")], "agent: shell\n").unwrap();
    world.backlog().append("Greeter", "1", "Pending", "echo hello > greeting; echo said", ",,").unwrap();
    world.start().await.unwrap();
    world.until_task("echo hello", "review").await.unwrap();
    let finished = "strawboss_runs_finished_total{outcome=\"succeeded\"}";
    // It is counted after what the task became was stored.
    let counted = async |world: &World| {
        let text = metrics(world).await;
        Ok(value(&text, finished).is_some_and(|count| count >= 1.0).then_some(text))
    };
    let text = world.until("the run is counted", counted).await.unwrap();
    let at_least = |series: &str, least: f64| {
        let value = value(&text, series);
        assert!(value.is_some_and(|value| value >= least), "{series} is {value:?}\n{text}");
    };
    at_least("strawboss_run_start_seconds_count", 1.0);
    at_least("strawboss_run_start_seconds_bucket{le=\"+Inf\"}", 1.0);
    at_least("strawboss_store_seconds_count{operation=\"commit\"}", 1.0);
    at_least("strawboss_store_seconds_count{operation=\"read\"}", 1.0);
    at_least("strawboss_terminal_recorded_bytes_total", 5.0);
    at_least("strawboss_data_dir_free_bytes", 1.0);
    for part in ["store", "engine", "gateway", "runner"] {
        at_least(&format!("strawboss_part_ok{{part=\"{part}\"}}"), 1.0);
        at_least(&format!("strawboss_part_since_seconds{{part=\"{part}\"}}"), 1.0);
    }
    for state in ["starting", "preparing", "working", "waiting", "checking"] {
        at_least(&format!("strawboss_runs{{state=\"{state}\"}}"), 0.0);
    }
    for (series, exactly) in [("strawboss_queue_age_seconds", 0.0), ("strawboss_tasks{state=\"review\"}", 1.0)] {
        assert_eq!(value(&text, series), Some(exactly), "{series}");
    }
    let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(names.contains(&name) || names.contains(&plain), "{name} is not documented");
    }
    let mut promtool = Command::new(programs::promtool().unwrap())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
    assert!(judged.status.success(), "{said}\n{text}");
}
