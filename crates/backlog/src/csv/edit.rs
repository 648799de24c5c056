//! A write-back as a change of bytes: our cells of the rows asked for, and not one byte beside them.

use super::columns::{Column, Columns};
use super::document::{Document, Field};
use super::rows::{Listing, Row};
use std::collections::{BTreeMap, HashMap};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{BacklogStatus, WriteBack, WriteOutcome};

/// The longest text written into the Agent cell, in characters: a sentence, not a log.
const MAX_AGENT: usize = 300;

/// The file as it shall be.
#[derive(Debug)]
pub(crate) struct Edited {
    /// Every byte of it.
    pub(crate) bytes: Vec<u8>,
    /// What became of each write, in the order asked.
    pub(crate) outcomes: Vec<WriteOutcome>,
}

/// The result would change more than our cells: a fault in this module, which must not reach a person's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the new content would not be the old one but for our cells (record {record})")]
pub(crate) struct Unfaithful {
    record: usize,
}

/// Applies the writes; of several to one row the last one counts.
pub(crate) fn apply(
    document: &Document,
    columns: &Columns,
    listing: &Listing,
    writes: &[WriteBack],
) -> Result<Edited, Unfaithful> {
    let by_name: HashMap<&str, &Row> = listing.rows.iter().map(|row| (row.native_ref.as_str(), row)).collect();
    let mut wanted: BTreeMap<usize, &WriteBack> = BTreeMap::new();
    let outcomes = writes
        .iter()
        .map(|write| match by_name.get(write.native_ref.as_str()) {
            Some(row) if is_overtaken(row, write) => WriteOutcome::Overtaken,
            Some(row) => {
                wanted.insert(row.record, write);
                WriteOutcome::Written
            }
            None => WriteOutcome::RowGone,
        })
        .collect();

    let old = document.bytes();
    let mut bytes = Vec::with_capacity(old.len() + wanted.len() * 64);
    let mut copied = 0;
    let mut fields = Vec::new();
    for (&index, write) in &wanted {
        let record = &document.records()[index];
        let count = document.fields(record, &mut fields);
        let mut reached = count;
        for (place, value) in cells(columns, write) {
            if let Some(field) = fields.get(place) {
                if says_already(document, field, columns, place, &value) {
                    continue;
                }
                bytes.extend_from_slice(&old[copied..field.start]);
                encode(&value, field.quoted, &mut bytes);
                copied = field.end;
            } else {
                // The row ends before this column: as many commas as lead to it, and no more.
                bytes.extend_from_slice(&old[copied..record.end]);
                copied = record.end;
                bytes.extend(std::iter::repeat_n(b',', place + 1 - reached));
                reached = place + 1;
                encode(&value, false, &mut bytes);
            }
        }
    }
    bytes.extend_from_slice(&old[copied..]);
    let edited = Edited { bytes, outcomes };
    prove(document, columns, &wanted, &edited)?;
    Ok(edited)
}

/// Whether a person set the row's Status since the write was asked for. A row that cannot be understood is being edited.
fn is_overtaken(row: &Row, write: &WriteBack) -> bool {
    let status = row.item.as_ref().map(|item| item.status);
    write.known.is_some_and(|known| status != Some(known) && status != Some(write.status))
}

/// The cells that a write sets, by place from the left.
fn cells(columns: &Columns, write: &WriteBack) -> Vec<(usize, String)> {
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

/// Whether the cell means this already, so that its bytes, and a person's spelling, can stay.
fn says_already(document: &Document, field: &Field, columns: &Columns, place: usize, value: &str) -> bool {
    let old = document.value(field);
    if columns.index(Column::Status) == Some(place) {
        // An empty Status is read as Pending, yet it shall be said.
        return !old.trim_ascii().is_empty()
            && std::str::from_utf8(&old).ok().and_then(BacklogStatus::from_word).is_some_and(|old| old.word() == value);
    }
    *old == *value.as_bytes()
}

/// Writes a cell: quoted where it must be, or was.
fn encode(value: &str, quoted: bool, bytes: &mut Vec<u8>) {
    let must = value.contains(['"', ',', '\r', '\n']) || value.starts_with([' ', '\t', '#']) || value.ends_with([' ', '\t']);
    if quoted || must {
        bytes.push(b'"');
        bytes.extend_from_slice(value.replace('"', "\"\"").as_bytes());
        bytes.push(b'"');
    } else {
        bytes.extend_from_slice(value.as_bytes());
    }
}

/// Reads the result again and compares: the last guard before a person's file.
fn prove(old: &Document, columns: &Columns, wanted: &BTreeMap<usize, &WriteBack>, edited: &Edited) -> Result<(), Unfaithful> {
    let new = Document::parse(edited.bytes.clone());
    if new.records().len() != old.records().len() || new.broken() != old.broken() {
        return Err(Unfaithful { record: new.records().len().min(old.records().len()) });
    }
    let (mut old_fields, mut new_fields) = (Vec::new(), Vec::new());
    let (mut old_at, mut new_at) = (0, 0);
    for (index, (before, after)) in old.records().iter().zip(new.records()).enumerate() {
        // Between records: line ends, blank lines, comments, the BOM.
        let mut same = old.bytes()[old_at..before.start] == new.bytes()[new_at..after.start];
        (old_at, new_at) = (before.end, after.end);
        let Some(write) = wanted.get(&index) else {
            same &= old.bytes()[before.start..before.end] == new.bytes()[after.start..after.end];
            if same {
                continue;
            }
            return Err(Unfaithful { record: index });
        };
        let ours = cells(columns, write);
        old.fields(before, &mut old_fields);
        new.fields(after, &mut new_fields);
        let longest = ours.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
        same &= new_fields.len() == old_fields.len().max(longest);
        for (place, field) in new_fields.iter().enumerate() {
            same &= match (ours.iter().find(|(ours, _)| *ours == place), old_fields.get(place)) {
                (Some((_, value)), old_field) => {
                    *new.value(field) == *value.as_bytes()
                        || old_field.is_some_and(|old_field| {
                            says_already(old, old_field, columns, place, value) && old.raw(old_field) == new.raw(field)
                        })
                }
                (None, Some(old_field)) => old.raw(old_field) == new.raw(field),
                (None, None) => new.raw(field).is_empty(),
            };
        }
        if !same {
            return Err(Unfaithful { record: index });
        }
    }
    if old.bytes()[old_at..] == new.bytes()[new_at..] { Ok(()) } else { Err(Unfaithful { record: old.records().len() }) }
}

#[cfg(test)]
mod tests {
    use super::super::columns::Columns;
    use super::super::document::Document;
    use super::super::rows::list;
    use super::{apply, plain};
    use proptest::prelude::*;
    use strawboss_core::Timestamp;
    use strawboss_core::backlog::{BacklogStatus, WriteBack, WriteOutcome};

    const HEADER: &str = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n";

    fn write_all(bytes: &[u8], agent: &str) -> (Vec<u8>, usize) {
        let document = Document::parse(bytes.to_vec());
        let columns = Columns::find(&document).unwrap();
        let listing = list(&document, &columns);
        let writes: Vec<_> = listing
            .rows
            .iter()
            .map(|row| WriteBack {
                native_ref: row.native_ref.clone(),
                status: BacklogStatus::InProgress,
                agent: agent.to_owned(),
                at: Timestamp(1_768_471_200_123),
                known: None,
                report: None,
            })
            .collect();
        let edited = apply(&document, &columns, &listing, &writes).unwrap();
        assert!(edited.outcomes.iter().all(|outcome| *outcome == WriteOutcome::Written));
        (edited.bytes, writes.len())
    }

    fn one(row: &str, agent: &str) -> String {
        let (bytes, count) = write_all(format!("{HEADER}{row}").as_bytes(), agent);
        assert_eq!(count, 1, "{row}");
        String::from_utf8(bytes).unwrap()[HEADER.len()..].to_owned()
    }

    #[test]
    fn only_our_cells_change() {
        assert_eq!(
            one("Antenna , 1,Pending,,,\"Do, it\",2026-01-15,Yes,Sonnet 4\r\n", "claude (antenna-1.1)"),
            "Antenna , 1,In Progress,claude (antenna-1.1),2026-01-15T10:00:00Z,\"Do, it\",2026-01-15,Yes,Sonnet 4\r\n"
        );
    }

    #[test]
    fn quoting_stays_as_it_was_and_is_added_where_needed() {
        assert_eq!(
            one("A,1,\"Pending\",\"\",\"x\",Do it", "claude, \"the one\""),
            "A,1,\"In Progress\",\"claude, \"\"the one\"\"\",\"2026-01-15T10:00:00Z\",Do it"
        );
        assert_eq!(one("A,1,,x,,Do it", "a,b"), "A,1,In Progress,\"a,b\",2026-01-15T10:00:00Z,Do it");
    }

    #[test]
    fn a_persons_spelling_of_the_same_status_stays() {
        assert_eq!(one("A,1, in progress ,c,,Do it", "c"), "A,1, in progress ,c,2026-01-15T10:00:00Z,Do it");
    }

    #[test]
    fn a_short_row_grows_by_no_more_than_it_needs() {
        let header = "Next Action,Project,Notes,Last Update,Status,More\n";
        let (bytes, count) = write_all(format!("{header}Do it,A\n\nDo that,B").as_bytes(), "c");
        assert_eq!(count, 2);
        let at = "2026-01-15T10:00:00Z";
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("{header}Do it,A,,{at},In Progress\n\nDo that,B,,{at},In Progress")
        );
    }

    #[test]
    fn an_empty_agent_leaves_the_cell() {
        assert_eq!(one("A,1,,sarah,,Do it", ""), "A,1,In Progress,sarah,2026-01-15T10:00:00Z,Do it");
        assert_eq!(one("A,1,,sarah,,Do it", " \n "), "A,1,In Progress,sarah,2026-01-15T10:00:00Z,Do it");
    }

    #[test]
    fn what_we_write_is_no_formula_and_one_line() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1", " =cmd|' /C calc'!A0", "＝1"] {
            assert!(plain(formula).starts_with('\''), "{formula}");
        }
        assert_eq!(plain("blocked:\r\nno\u{1b} such\u{0} project"), "blocked:  no  such  project");
        assert_eq!(plain(&"x".repeat(5000)).chars().count(), super::MAX_AGENT + 1);
    }

    #[test]
    fn a_row_that_is_gone_is_said_to_be() {
        let document = Document::parse(format!("{HEADER}A,1,,,,Do it\n").into_bytes());
        let columns = Columns::find(&document).unwrap();
        let gone = WriteBack {
            native_ref: "id:9".to_owned(),
            status: BacklogStatus::Completed,
            agent: "x".to_owned(),
            at: Timestamp(0),
            known: None,
            report: None,
        };
        let edited = apply(&document, &columns, &list(&document, &columns), &[gone]).unwrap();
        assert_eq!(edited.outcomes, [WriteOutcome::RowGone]);
        assert_eq!(edited.bytes, document.bytes());
    }

    /// Files with a good header and hostile rows.
    fn files() -> impl Strategy<Value = Vec<u8>> {
        let header = prop::sample::select(vec![
            HEADER.as_bytes().to_vec(),
            b"\xef\xbb\xbfID,Project,Next Action,Status\r\n".to_vec(),
            b"#,Status,Agent,Notes,Next Action,Project,Last Update\r".to_vec(),
            b"Agent,Project,Next Action,Status\n".to_vec(),
        ]);
        let cell = prop_oneof![
            Just(b"".to_vec()),
            Just(b"A".to_vec()),
            Just(b"Pending".to_vec()),
            Just(b"\"do, \"\"it\"\"\r\nnow\"".to_vec()),
            Just(b" \xff".to_vec()),
            Just(b"#x".to_vec()),
            prop::collection::vec(prop::sample::select(b"\"a, \n\r#'=".to_vec()), 0..6),
        ];
        let row = (prop::collection::vec(cell, 1..11), prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\n#c,\"\n"]));
        (header, prop::collection::vec(row, 0..8), any::<bool>()).prop_map(|(mut file, rows, open_end)| {
            for (cells, end) in rows {
                file.extend(cells.join(&b','));
                file.extend(end.as_bytes());
            }
            if open_end {
                file.pop();
            }
            file
        })
    }

    proptest! {
        #[test]
        fn writing_nothing_changes_nothing(file in files()) {
            let document = Document::parse(file.clone());
            let columns = Columns::find(&document).unwrap();
            let edited = apply(&document, &columns, &list(&document, &columns), &[]).unwrap();
            prop_assert_eq!(edited.bytes, file);
        }

        // `apply` itself compares every other byte; here it must succeed, mean the same rows, and be repeatable.
        #[test]
        fn a_write_changes_our_cells_and_nothing_else(file in files(), agent in "[a=#,\" \n-]{0,8}") {
            // A file whose rows are not sure is never written to.
            prop_assume!(Document::parse(file.clone()).broken().is_none());
            let (once, _) = write_all(&file, &agent);
            let (twice, _) = write_all(&once, &agent);
            prop_assert_eq!(&once, &twice);
            let read = |bytes: &[u8]| {
                let document = Document::parse(bytes.to_vec());
                let listing = list(&document, &Columns::find(&document).unwrap());
                listing.rows.into_iter().map(|row| {
                    let item = row.item.map(|mut item| {
                        item.status = BacklogStatus::InProgress;
                        item.status_unclear = false;
                        item.agent = None;
                        item.line = 0;
                        item
                    });
                    (row.native_ref, item)
                }).collect::<Vec<_>>()
            };
            let (before, after) = (read(&file), read(&once));
            prop_assert_eq!(before.len(), after.len());
            for ((old_name, old), (new_name, new)) in before.into_iter().zip(after) {
                prop_assert_eq!(old_name, new_name);
                // A row that was skipped for what stood in a cell of ours may be understood now.
                if old.is_some() {
                    prop_assert_eq!(old, new);
                }
            }
        }
    }
}
