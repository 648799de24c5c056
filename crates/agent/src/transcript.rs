//! A readable transcript of an agent's events, for the run's terminal. Every text passes [`visible`]: the only escape
//! sequences that come out are the colours set here.

use crate::text::{one_line, visible};
use std::fmt::Write as _;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

/// How many lines of a tool's answer are shown, and how many characters of each.
const RESULT_LINES: usize = 8;
const LINE_CHARS: usize = 200;

pub(crate) fn told(text: &str) -> String {
    let mut out = String::new();
    for (number, line) in text.trim_end().lines().enumerate() {
        let mark = if number == 0 { "›" } else { " " };
        let _ = write!(out, "{BOLD}{CYAN}{mark} {}{RESET}\r\n", visible(line));
    }
    out.push_str("\r\n");
    out
}

pub(crate) fn session(model: Option<&str>) -> String {
    let model = model.map_or_else(String::new, |model| format!(" with {}", one_line(model, 100)));
    format!("{DIM}Claude Code{model}{RESET}\r\n\r\n")
}

pub(crate) fn message(text: &str) -> String {
    format!("{}\r\n\r\n", visible(text.trim()))
}

pub(crate) fn call(name: &str, input: &str) -> String {
    format!("{GREEN}●{RESET} {BOLD}{}{RESET}({})\r\n", one_line(name, 80), one_line(input, LINE_CHARS))
}

pub(crate) fn result(is_error: bool, text: &str) -> String {
    let (colour, lines): (_, Vec<&str>) = (if is_error { RED } else { DIM }, text.trim_end().lines().collect());
    let mut out = String::new();
    for (number, line) in lines.iter().take(RESULT_LINES).enumerate() {
        let mark = if number == 0 { "⎿" } else { " " };
        let _ = write!(out, "  {colour}{mark} {}{RESET}\r\n", one_line(line, LINE_CHARS));
    }
    match lines.len() {
        0 => {
            let _ = write!(out, "  {colour}⎿ (nothing){RESET}\r\n");
        }
        n if n > RESULT_LINES => {
            let _ = write!(out, "    {colour}… {} more lines{RESET}\r\n", n - RESULT_LINES);
        }
        _ => {}
    }
    out.push_str("\r\n");
    out
}

pub(crate) fn note(text: &str) -> String {
    format!("{YELLOW}{}{RESET}\r\n", one_line(text, 400))
}

pub(crate) fn turn_ended(is_error: bool, text: &str, turns: Option<u32>, duration_ms: Option<u64>) -> String {
    let mut facts = Vec::new();
    if let Some(turns) = turns {
        facts.push(if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") });
    }
    if let Some(ms) = duration_ms {
        facts.push(format!("{}.{} s", ms / 1000, ms % 1000 / 100));
    }
    let facts = if facts.is_empty() { String::new() } else { format!(" {DIM}({}){RESET}", facts.join(", ")) };
    if is_error {
        format!("{RED}✘ Failed:{RESET} {}{facts}\r\n", visible(text.trim()))
    } else {
        format!("{GREEN}✔ Done{RESET}{facts}\r\n")
    }
}
