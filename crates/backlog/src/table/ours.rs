//! What is written to a row: our three cells, and when that is left.

use super::columns::{Column, Columns};
use super::rows::Row;
use strawboss_core::Timestamp;
use strawboss_core::backlog::{BacklogStatus, WriteBack};

/// The longest text written into the Agent cell, in characters: a sentence, not a log.
const MAX_AGENT: usize = 300;

/// Whether a person set the row's Status since the write was asked for. A row that cannot be understood is being edited.
pub(crate) fn is_overtaken(row: &Row, write: &WriteBack) -> bool {
    let status = row.item.as_ref().map(|item| item.status);
    write.known.is_some_and(|known| status != Some(known) && status != Some(write.status))
}

/// The cells that a write sets, by place from the left.
pub(crate) fn cells(columns: &Columns, write: &WriteBack) -> Vec<(usize, String)> {
    let mut cells = Vec::with_capacity(3);
    if let Some(place) = columns.index(Column::Status) {
        cells.push((place, write.status.word().to_owned()));
    }
    let agent = plain(&write.agent);
    if let Some(place) = columns.index(Column::Agent)
        && !agent.is_empty()
    {
        cells.push((place, agent));
    }
    if let Some(place) = columns.index(Column::LastUpdate) {
        cells.push((place, moment(write.at)));
    }
    cells.sort_unstable_by_key(|(place, _)| *place);
    cells
}

/// Whether a cell means this already, so that a person's spelling can stay.
pub(crate) fn says_already(columns: &Columns, place: usize, old: &[u8], value: &str) -> bool {
    if columns.index(Column::Status) == Some(place) {
        // An empty Status is read as Pending, yet it shall be said.
        return !old.trim_ascii().is_empty()
            && std::str::from_utf8(old).ok().and_then(BacklogStatus::from_word).is_some_and(|old| old.word() == value);
    }
    *old == *value.as_bytes()
}

/// A moment as a cell says it: ISO 8601, UTC, seconds.
pub(crate) fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One line of bounded text that no spreadsheet takes for a formula.
pub(crate) fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    let mut plain = String::with_capacity(line.len() + 1);
    if line.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        plain.push('\'');
    }
    plain.extend(line.chars().take(MAX_AGENT));
    if line.chars().nth(MAX_AGENT).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{MAX_AGENT, plain};

    #[test]
    fn what_we_write_is_no_formula_and_one_line() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1", " =cmd|' /C calc'!A0", "＝1"] {
            assert!(plain(formula).starts_with('\''), "{formula}");
        }
        assert_eq!(plain("blocked:\r\nno\u{1b} such\u{0} project"), "blocked:  no  such  project");
        assert_eq!(plain(&"x".repeat(5000)).chars().count(), MAX_AGENT + 1);
    }
}
