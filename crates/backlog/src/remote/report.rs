//! A report in words that every tracker shows alike.

use std::fmt::Write as _;
use strawboss_core::backlog::Report;

/// What the model cost, in cents that were begun; none when it cost nothing.
pub(crate) fn cost(report: &Report) -> Option<String> {
    let cents = report.cost_microusd.div_ceil(10_000);
    (report.cost_microusd > 0).then(|| format!("${}.{:02}", cents / 100, cents % 100))
}

/// A line a check.
pub(crate) fn checks(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        // Writing to a string cannot fail.
        let _ = match check.exit_code {
            Some(0) => writeln!(text, "passed   {}", check.command),
            Some(code) => writeln!(text, "exit {code}   {}", check.command),
            None => writeln!(text, "was ended   {}", check.command),
        };
    }
    text
}
