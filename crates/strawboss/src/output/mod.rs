//! What people read: words with tones, tables as wide as the terminal, times, sizes. And what programs read: JSON.
//!
//! Texts of tasks, agents and repositories are written by anybody: nothing of them reaches the terminal but what it
//! shows as itself.

pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod words;

use crate::failure::{Failure, io};
use serde::Serialize;
use std::io::Write as _;

/// Writes to standard output. A reader that went away (`| head`) ends the program quietly.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// The same for bytes.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(Failure { report: true, ..Failure::new(String::new()) })
        }
        done => done.map_err(io("write to standard output")),
    }
}

/// Prints a line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Prints JSON for programs.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(format!("could not write JSON: {error}")))?;
    line(&text)
}

/// Says something beside the answer, on standard error.
pub(crate) fn note(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
