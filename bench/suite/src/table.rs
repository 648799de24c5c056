//! The table that people read and the JSON that programs read.

use crate::samples::Samples;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// Our median is below this.
    Below(f64),
    /// Our 99th percentile is below this.
    TailBelow(f64),
    /// Our median is at most this many times the peer's.
    Times(f64),
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Samples,
    /// What it is compared with, in words, and its figures.
    pub(crate) peer: Option<(String, Samples)>,
    pub(crate) aim: Option<Aim>,
}

impl Row {
    pub(crate) fn new(group: &'static str, name: impl Into<String>, unit: &'static str, ours: Samples) -> Self {
        Self { group, name: name.into(), unit, ours, peer: None, aim: None }
    }

    pub(crate) fn against(mut self, what: impl Into<String>, peer: Samples) -> Self {
        self.peer = Some((what.into(), peer));
        self
    }

    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        Some(self.ours.median() / peer.median()).filter(|ratio| ratio.is_finite())
    }

    fn met(&self) -> Option<bool> {
        Some(match self.aim? {
            Aim::Below(limit) => self.ours.median() < limit,
            Aim::TailBelow(limit) => self.ours.quantile(0.99) < limit,
            Aim::Times(limit) => self.ratio()? <= limit,
        })
    }

    fn aim_words(&self) -> String {
        let words = match self.aim {
            None => return String::new(),
            Some(Aim::Below(limit)) => format!("< {}", figure(limit)),
            Some(Aim::TailBelow(limit)) => format!("p99 < {}", figure(limit)),
            Some(Aim::Times(limit)) => format!("≤ {} ×", figure(limit)),
        };
        match self.met() {
            Some(true) => format!("{words}: met"),
            Some(false) => format!("{words}: **missed**"),
            None => words,
        }
    }

    fn json(&self) -> Value {
        json!({
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "repetitions": self.ours.len(),
            "ours": self.ours.json(),
            "peer": self.peer.as_ref().map(|(what, samples)| {
                let mut peer = samples.json();
                peer["what"] = json!(what);
                peer
            }),
            "ratio": self.ratio(),
            "aim": self.aim.map(|_| self.aim_words()),
            "met": self.met(),
        })
    }
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "–".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| | unit | Strawboss: median | min – max | peer | peer: median | ratio | repetitions | aim |\n|---|---|---:|---:|---|---:|---:|---:|---|\n",
    );
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            // A String takes whatever is written to it.
            let _ = writeln!(text, "| **{group}** | | | | | | | | |");
        }
        let (peer, its) = match &row.peer {
            Some((what, samples)) => (what.as_str(), figure(samples.median())),
            None => ("", String::new()),
        };
        let range = match row.ours.len() {
            0 | 1 => String::new(),
            _ => format!("{} – {}", figure(row.ours.min()), figure(row.ours.max())),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {range} | {peer} | {its} | {} | {} | {} |",
            row.name,
            row.unit,
            figure(row.ours.median()),
            row.ratio().map(|ratio| format!("{} ×", figure(ratio))).unwrap_or_default(),
            row.ours.len(),
            row.aim_words(),
        );
    }
    text
}

/// The same for programs.
pub(crate) fn results(machine: &Value, quick: bool, rows: &[Row]) -> Value {
    json!({ "machine": machine, "quick": quick, "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::{Aim, Row, markdown, results};
    use crate::samples::Samples;
    use serde_json::{Value, json};

    #[test]
    fn a_row_says_its_ratio_and_whether_it_met_its_aim() {
        let row = Row::new("start", "whole", "ms", Samples::new(vec![300.0, 100.0, 200.0]))
            .against("docker run", Samples::one(80.0))
            .aim(Aim::Times(2.0));
        let table = markdown(std::slice::from_ref(&row));
        assert!(
            table.contains("| whole | ms | 200 | 100 – 300 | docker run | 80.0 | 2.50 × | 3 | ≤ 2.00 ×: **missed** |"),
            "{table}"
        );
        let all = results(&json!({}), true, &[row.aim(Aim::Below(201.0))]);
        assert_eq!(
            (&all["rows"][0]["met"], &all["rows"][0]["ratio"], &all["rows"][0]["ours"]["max"]),
            (&json!(true), &json!(2.5), &json!(300.0))
        );
    }

    #[test]
    fn nothing_measured_is_no_zero() {
        let row = Row::new("a", "b", "ms", Samples::new(vec![])).aim(Aim::Below(1.0));
        assert!(markdown(std::slice::from_ref(&row)).contains("| b | ms | – |"));
        assert_eq!(results(&json!({}), false, &[row])["rows"][0]["ours"]["median"], Value::Null);
    }
}
