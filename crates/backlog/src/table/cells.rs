//! What the text of a cell means: priorities, days, GPU words, agents.

use strawboss_core::backlog::BacklogStatus;
use strawboss_core::{AgentKind, Date};

/// The priority of a row whose Priority is empty or cannot be read: last.
pub(crate) const NO_PRIORITY: u32 = 999;

/// Agents' words that ask for that agent. Those that this version cannot launch are among them, so that such a row
/// is blocked and says so instead of running with another agent.
const AGENT_WORDS: [&str; 6] = ["claude", "codex", "gemini", "qwen", "opencode", "shell"];

const GPU_YES: [&str; 11] = ["yes", "y", "true", "t", "1", "x", "required", "need", "needed", "gpu", "✓"];
const GPU_NO: [&str; 9] = ["no", "n", "false", "f", "0", "none", "-", "n/a", "cpu"];

/// Reads a Priority cell: a whole number from 0, also as spreadsheets write it (`2.0`). `None`: cannot be read.
pub(crate) fn priority(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(NO_PRIORITY);
    }
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    whole.parse().ok()
}

/// Reads a Status cell. `None`: no status that we know.
pub(crate) fn status(text: &str) -> Option<BacklogStatus> {
    BacklogStatus::from_word(text)
}

/// Reads a Deadline cell: an ISO 8601 day, or a moment, of which the day as written counts.
pub(crate) fn day(text: &str) -> Option<Date> {
    let of = |date: jiff::civil::Date| Date::new(date.year(), date.month().unsigned_abs(), date.day().unsigned_abs());
    if text.len() <= 10 {
        return Date::parse(text).or_else(|| (text.len() == 8).then(|| text.parse().ok().and_then(of)).flatten());
    }
    // The day as it stands there, whatever the offset: a deadline is a day on somebody's calendar.
    let written = text.split(['T', 't', ' ']).next()?;
    let moment = text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok();
    if moment { day(written) } else { None }
}

/// Reads a GPU cell. `None`: a word that we do not know.
pub(crate) fn needs_gpu(text: &str) -> Option<bool> {
    if text.is_empty() || GPU_NO.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Some(false);
    }
    if GPU_YES.iter().any(|word| word.eq_ignore_ascii_case(text)) || text.parse::<u8>().is_ok_and(|count| count > 0) {
        return Some(true);
    }
    None
}

/// Reads an Agent cell: only a bare agent's word asks for one, since we write other things into the same cell.
pub(crate) fn agent(text: &str) -> Option<String> {
    AgentKind::from_word(text)
        .map(AgentKind::word)
        .map(str::to_owned)
        .or_else(|| AGENT_WORDS.into_iter().find(|word| word.eq_ignore_ascii_case(text)).map(str::to_owned))
}

/// Reads a Depends On cell: IDs with semicolons between them, or commas.
pub(crate) fn names(text: &str) -> Vec<String> {
    text.split([';', ',', '\n']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{agent, day, names, needs_gpu, priority};

    #[test]
    fn names_stand_with_semicolons_or_commas_between_them() {
        assert_eq!(names(" 7; A-8 ,,9\n"), ["7", "A-8", "9"]);
        assert!(names(" ; ").is_empty());
    }

    #[test]
    fn priorities_are_whole_numbers() {
        for (text, value) in [("1", 1), ("0", 0), ("007", 7), ("2.0", 2), ("3.", 3), ("", 999)] {
            assert_eq!(priority(text), Some(value), "{text}");
        }
        for text in ["high", "-1", "+1", "1.5", "1e3", "99999999999", "١", ".0", "1 2"] {
            assert_eq!(priority(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_iso_8601() {
        for text in [
            "2026-01-15",
            "20260115",
            "2026-01-15T23:59",
            "2026-01-15 23:59:59",
            "2026-01-15T23:59:59Z",
            "2026-01-15T00:30:00+08:00",
            "2026-01-15t10:00:00.5Z",
        ] {
            assert_eq!(day(text).map(|day| day.to_string()).as_deref(), Some("2026-01-15"), "{text}");
        }
        for text in [
            "15.01.2026",
            "01/15/2026",
            "2026-02-30",
            "2026-13-01",
            "2026-1-5",
            "tomorrow",
            "2026-01-15T25:00",
            "2026-01-15 or later",
            "2026-01",
            "46037",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn gpu_words() {
        for text in ["Yes", "y", "TRUE", "1", "x", "required", "GPU", "2"] {
            assert_eq!(needs_gpu(text), Some(true), "{text}");
        }
        for text in ["", "No", "n", "false", "0", "-", "none"] {
            assert_eq!(needs_gpu(text), Some(false), "{text}");
        }
        assert_eq!(needs_gpu("A100"), None);
    }

    #[test]
    fn only_a_bare_word_asks_for_an_agent() {
        assert_eq!(agent("Claude").as_deref(), Some("claude"));
        assert_eq!(agent("codex").as_deref(), Some("codex"));
        for text in ["", "claude (antenna-3.1)", "sarah", "claude, please"] {
            assert_eq!(agent(text), None, "{text}");
        }
    }
}
