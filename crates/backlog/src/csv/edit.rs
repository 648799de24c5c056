//! A write-back as a change of bytes: our cells of the rows asked for, and not one byte beside them.

use super::document::{Document, Field};
use crate::table::{self, Columns, Listing, Row, is_overtaken};
use std::collections::{BTreeMap, HashMap};
use strawboss_core::backlog::{WriteBack, WriteOutcome};

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

    let bytes = write(document, columns, &wanted);
    if prove(document, columns, &wanted, &bytes).is_ok() {
        return Ok(Edited { bytes, outcomes });
    }
    // A quote of ours may close one that stands open in a row above: without any, it cannot.
    let plain: Vec<_> = wanted.into_iter().map(|(record, write)| (record, in_plain_words(write))).collect();
    let wanted = plain.iter().map(|(record, write)| (*record, write)).collect();
    let bytes = write(document, columns, &wanted);
    prove(document, columns, &wanted, &bytes)?;
    Ok(Edited { bytes, outcomes })
}

/// The same with an Agent cell that needs no quotes.
fn in_plain_words(write: &WriteBack) -> WriteBack {
    let plain = write.agent.replace(',', ";").replace('"', "'").replace(['\r', '\n', '\t'], " ");
    let plain = plain.trim();
    let agent = if plain.starts_with('#') { format!("'{plain}") } else { plain.to_owned() };
    WriteBack { agent, ..write.clone() }
}

/// The file with our cells of these records.
fn write(document: &Document, columns: &Columns, wanted: &BTreeMap<usize, &WriteBack>) -> Vec<u8> {
    let old = document.bytes();
    let mut bytes = Vec::with_capacity(old.len() + wanted.len() * 64);
    let mut copied = 0;
    let mut fields = Vec::new();
    for (&index, write) in wanted {
        let record = &document.records()[index];
        let count = document.fields(record, &mut fields);
        let mut reached = count;
        for (place, value) in table::ours(columns, write) {
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
    bytes
}

/// Whether the cell means this already, so that its bytes, and a person's spelling, can stay.
fn says_already(document: &Document, field: &Field, columns: &Columns, place: usize, value: &str) -> bool {
    table::says_already(columns, place, &document.value(field), value)
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
fn prove(old: &Document, columns: &Columns, wanted: &BTreeMap<usize, &WriteBack>, bytes: &[u8]) -> Result<(), Unfaithful> {
    let new = Document::parse(bytes.to_vec());
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
        let ours = table::ours(columns, write);
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
    use super::super::document::Document;
    use super::super::{header, rows::list};
    use super::apply;
    use proptest::prelude::*;
    use strawboss_core::Timestamp;
    use strawboss_core::backlog::{BacklogStatus, WriteBack, WriteOutcome};

    const HEADER: &str = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n";

    fn write_all(bytes: &[u8], agent: &str) -> (Vec<u8>, usize) {
        let document = Document::parse(bytes.to_vec());
        let columns = header::find(&document).unwrap();
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
                earlier: Vec::new(),
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
    fn a_quote_of_ours_closes_none_that_stands_open() {
        let file = "Agent,Project,Next Action,Status\n\"\n,A,Do it,\n";
        for (agent, written) in [(", \"b\" ", "; 'b'"), ("#1,", "\"#1,\""), ("a b", "a b")] {
            let (bytes, count) = write_all(file.as_bytes(), agent);
            let expected = format!("Agent,Project,Next Action,Status\n\"\n{written},A,Do it,In Progress\n");
            assert_eq!((String::from_utf8(bytes).unwrap(), count), (expected, 1));
        }
    }

    #[test]
    fn a_row_that_is_gone_is_said_to_be() {
        let document = Document::parse(format!("{HEADER}A,1,,,,Do it\n").into_bytes());
        let columns = header::find(&document).unwrap();
        let gone = WriteBack {
            native_ref: "id:9".to_owned(),
            status: BacklogStatus::Completed,
            agent: "x".to_owned(),
            at: Timestamp(0),
            known: None,
            report: None,
            earlier: Vec::new(),
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
            let columns = header::find(&document).unwrap();
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
                let listing = list(&document, &header::find(&document).unwrap());
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
