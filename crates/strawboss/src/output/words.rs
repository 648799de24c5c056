//! Times, sizes, money and states in words, and texts made harmless.

use super::style::{Tone, paint};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use strawboss_core::run::Usage;
use strawboss_core::{RunOutcome, RunState, TaskState};
use strawboss_protocol::api::{ProgressView, QuestionView};

/// Milliseconds since 1970, now.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A moment as people of this machine write it.
pub(crate) fn moment(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "an impossible time".to_owned(),
    }
}

/// How long ago, in one unit.
pub(crate) fn ago(ms: i64, now: i64) -> String {
    let since = now.saturating_sub(ms);
    if since < 0 { format!("in {}", span(since.saturating_neg())) } else { format!("{} ago", span(since)) }
}

/// Both.
pub(crate) fn at(ms: i64, now: i64) -> String {
    format!("{} ({})", moment(ms), ago(ms, now))
}

/// A length of time, in one unit, or two where the second matters.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        _ if ms < 1000 => format!("{ms}ms"),
        0..60 => format!("{seconds}s"),
        60..3600 => {
            let rest = seconds % 60;
            if seconds < 600 && rest > 0 { format!("{}m{rest}s", seconds / 60) } else { format!("{}m", seconds / 60) }
        }
        3600..86_400 => {
            let rest = seconds % 3600 / 60;
            if rest > 0 { format!("{}h{rest}m", seconds / 3600) } else { format!("{}h", seconds / 3600) }
        }
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A size.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A count with a unit for thousands and millions.
fn count(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(many: u64, one: &str) -> String {
    if many == 1 { format!("1 {one}") } else { format!("{many} {one}s") }
}

/// Money.
pub(crate) fn money(microusd: u64) -> String {
    let dollars = microusd as f64 / 1e6;
    if microusd > 0 && dollars < 0.01 { format!("${dollars:.4}") } else { format!("${dollars:.2}") }
}

/// What a run used, in one line; empty when it asked no model.
pub(crate) fn usage(usage: &Usage) -> String {
    if usage.requests == 0 {
        return String::new();
    }
    let input = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    let cost = if usage.cost_microusd > 0 { format!(", {}", money(usage.cost_microusd)) } else { String::new() };
    format!("{} in, {} out{cost}", count(input), count(usage.output_tokens))
}

/// A text on one line with nothing in it that a terminal obeys.
pub(crate) fn one_line(text: &str) -> String {
    clean(text.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}

/// A text with nothing in it that a terminal obeys but line ends and tabs.
pub(crate) fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| {
            // Signs that turn the direction of writing can make a text read as another one.
            let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if (c.is_control() && c != '\n' && c != '\t') || turns { '\u{fffd}' } else { c }
        })
        .collect()
}

/// At most so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The tone of a task's state.
pub(crate) fn task_tone(state: TaskState) -> Tone {
    match state {
        TaskState::Running => Tone::Busy,
        TaskState::Review | TaskState::Pending => Tone::Doubt,
        TaskState::Done => Tone::Good,
        TaskState::Blocked => Tone::Bad,
        TaskState::Paused | TaskState::Cancelled => Tone::Faint,
        TaskState::Queued => Tone::Plain,
    }
}

/// A run's state, or how it ended.
pub(crate) fn run_word(state: RunState, outcome: Option<RunOutcome>) -> (&'static str, Tone) {
    match outcome {
        None if state == RunState::Waiting => (state.word(), Tone::Doubt),
        None => (state.word(), Tone::Busy),
        Some(RunOutcome::Succeeded) => ("succeeded", Tone::Good),
        Some(RunOutcome::Stopped) => ("stopped", Tone::Faint),
        Some(outcome) => (outcome.word(), Tone::Bad),
    }
}

/// How far a run's agent says that it is, and how long ago it said so.
pub(crate) fn progress(said: &ProgressView, now: i64) -> String {
    let percent = said.percent.map(|percent| format!("{percent} %, ")).unwrap_or_default();
    format!("{percent}{} ({})", said.text.trim_end(), ago(said.at, now))
}

/// What a run's agent asks people, with what it offers.
pub(crate) fn question(asked: &QuestionView) -> String {
    let mut lines = vec![asked.text.clone()];
    lines.extend(asked.choices.iter().map(|choice| format!("- {choice}")));
    lines.join("\n")
}

/// A line of a description: a faint name and a value, or nothing when there is none.
pub(crate) fn entry(name: &str, value: &str, colour: bool) -> String {
    if value.is_empty() {
        return String::new();
    }
    let value = value.replace('\n', &format!("\n{:14}", ""));
    format!("{}{value}\n", paint(&format!("{name:<14}"), Tone::Faint, colour))
}

#[cfg(test)]
mod tests {
    use super::{ago, clean, money, one_line, shortened, size, span};

    #[test]
    fn lengths_are_said_in_the_unit_that_matters() {
        for (ms, words) in [
            (12, "12ms"),
            (59_999, "59s"),
            (61_000, "1m1s"),
            (120_000, "2m"),
            (1_800_000, "30m"),
            (5_400_000, "1h30m"),
            (90_000_000, "1d"),
        ] {
            assert_eq!(span(ms), words);
        }
        assert_eq!((ago(0, 61_000), ago(61_000, 0)), ("1m1s ago".to_owned(), "in 1m1s".to_owned()));
        assert_eq!((size(512), size(5 << 30)), ("512 B".to_owned(), "5.0 GiB".to_owned()));
        assert_eq!((money(0), money(4200), money(1_230_000)), ("$0.00".to_owned(), "$0.0042".to_owned(), "$1.23".to_owned()));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\u{1b}]0;owned\u{7}b\u{9b}2Jc\rd\u{202e}e\u{8}";
        let shown = clean(hostile);
        assert!(!shown.chars().any(char::is_control) && !shown.contains('\u{202e}'), "{shown:?}");
        assert_eq!(one_line("\n\n first \nsecond"), "first");
        assert_eq!(shortened("abcdef", 4), "abc…");
    }
}
