//! What bench/gateway measured, as rows of the table: its own report has more.

use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::path::Path;

const GROUP: &str = "gateway, metering included";
/// Events of one stream: 200 deltas, five that open and close.
const EVENTS: f64 = 205.0;

/// A figure of one server: from its phase and the same phase without anything between.
type Read = fn(&Value, &Value) -> Option<f64>;

fn added(ours: &Value, direct: &Value, kind: &str, quantile: &str) -> Option<f64> {
    Some((ours[kind][quantile].as_f64()? - direct[kind][quantile].as_f64()?) / 1000.0)
}

fn cpu(ours: &Value, per_request: f64) -> Option<f64> {
    Some(ours["cpu_s"].as_f64()? * 1e6 / (ours["with_warmup"].as_f64()? * per_request))
}

/// Name, phase, unit, aim and how it is read.
const FIGURES: [(&str, &str, &str, f64, Read); 5] = [
    ("JSON of 1 KB, one at a time: added, median", "json c1", "ms", 0.20, |ours, direct| added(ours, direct, "total_us", "p50")),
    ("… 99th percentile", "json c1", "ms", 0.35, |ours, direct| added(ours, direct, "total_us", "p99")),
    ("CPU a request, 16 at a time", "json c16", "µs", 40.0, |ours, _| cpu(ours, 1.0)),
    ("stream: first event, added, median", "stream c1", "ms", 0.25, |ours, direct| added(ours, direct, "first_us", "p50")),
    ("stream, 16 at a time: CPU an event", "stream c16", "µs", 5.0, |ours, _| cpu(ours, EVENTS)),
];

/// Rows of its results file.
pub(crate) fn rows(file: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    from_results(&serde_json::from_str(&text)?)
}

fn from_results(results: &Value) -> Result<Vec<Row>> {
    let phase = |server: &str, phase: &str| {
        let found = &results[server]["phases"][phase];
        (found["ok"].as_u64().unwrap_or(0) > 0 && found.get("failed").is_none_or(Value::is_null)).then_some(found)
    };
    let mut rows = Vec::new();
    for (name, of, unit, aim, read) in FIGURES {
        let figure = |server: &str| read(phase(server, of)?, phase("direct", of)?);
        let ours = figure("strawboss").with_context(|| format!("no figure of ours for `{of}`"))?;
        let row = Row::new(GROUP, name, unit, Samples::one(ours)).aim(Aim::Below(aim));
        rows.push(match ["nginx", "relay"].iter().find_map(|peer| Some((*peer, figure(peer)?))) {
            Some((peer, figure)) => row.against(peer, Samples::one(figure)),
            None => row,
        });
    }
    let peak = results["strawboss"]["phases"].as_object().into_iter().flatten();
    let peak = peak.filter_map(|(_, phase)| phase["peak_rss_mib"].as_f64()).fold(f64::NAN, f64::max);
    rows.push(Row::new(GROUP, "peak memory", "MiB", Samples::one(peak)).aim(Aim::Below(40.0)));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::from_results;
    use serde_json::json;

    #[test]
    fn figures_are_what_was_added_to_a_direct_call() {
        let phases = |p50: f64, cpu: f64| {
            let phase = json!({
                "ok": 10, "with_warmup": 10, "cpu_s": cpu, "peak_rss_mib": 12.5,
                "total_us": { "p50": p50, "p99": 2.0 * p50 }, "first_us": { "p50": p50 },
            });
            json!({ "phases": { "json c1": phase, "json c16": phase, "stream c1": phase, "stream c16": phase } })
        };
        let results = json!({ "direct": phases(100.0, 0.0), "nginx": phases(200.0, 0.0001), "strawboss": phases(250.0, 0.0002) });
        let rows = from_results(&results).unwrap();
        let figure = |at: usize| (rows[at].ours.median(), rows[at].peer.as_ref().map(|(_, peer)| peer.median()));
        assert_eq!(figure(0), (0.15, Some(0.1)));
        assert_eq!(figure(2), (20.0, Some(10.0)));
        assert_eq!(figure(5), (12.5, None));
        let refused = json!({ "direct": phases(1.0, 0.0), "strawboss": { "phases": {} } });
        assert!(from_results(&refused).is_err());
    }
}
