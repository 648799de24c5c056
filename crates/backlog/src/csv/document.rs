//! A CSV file as its bytes, and where its records and fields stand in them.
//!
//! Responsible for quoting, line ends, BOM, blank lines and comments, so that everything else can point at the
//! bytes of one cell and leave the rest alone. It knows nothing of columns, rows' meaning or files, and it accepts
//! any bytes without failing.

use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// Records beyond this many are not looked at: 250 000, more than twice what the scheduler is measured with.
pub(crate) const MAX_RECORDS: usize = 250_000;

/// Fields of one record beyond this many are counted, not kept.
const MAX_FIELDS: usize = 4_096;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A parsed file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    bytes: Vec<u8>,
    records: Vec<Record>,
    broken: Option<Broken>,
}

/// One record: a line, or several when a quoted field holds line ends. Blank lines and comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last, which is where its line end is.
    pub(crate) end: usize,
    /// The line it begins on, from 1.
    pub(crate) line: u64,
    /// What is wrong with its quoting, if anything.
    pub(crate) flaw: Option<Flaw>,
}

/// Wrong quoting in one record whose neighbours are sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A quoted field is never closed.
    Unterminated,
    /// Text follows a closing quote.
    TextAfterQuote,
}

/// Wrong quoting after which nobody can say where rows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The quote that opens in the record on this line swallows lines that may be rows of their own.
    Quote {
        /// Where the record begins.
        line: u64,
    },
    /// More than [`MAX_RECORDS`].
    TooManyRecords,
}

/// One cell, with its quotes if it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
    /// Whether it begins with a quote.
    pub(crate) quoted: bool,
}

/// What scanning one record found.
struct Scan {
    end: usize,
    next: usize,
    count: usize,
    flaw: Option<Flaw>,
}

impl Document {
    /// Finds the records. Never fails: what is wrong is in [`Record::flaw`] and [`Document::broken`].
    pub(crate) fn parse(bytes: Vec<u8>) -> Self {
        let mut document = Self { bytes, records: Vec::new(), broken: None };
        document.find_records();
        document
    }

    fn find_records(&mut self) {
        let bytes = &self.bytes;
        let mut at = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let mut line = 1;
        let mut fields = Vec::new();
        let mut columns = None;
        while let Some(&byte) = bytes.get(at) {
            if matches!(byte, b'\r' | b'\n') {
                at = after_line_end(bytes, at);
                line += 1;
                continue;
            }
            if is_comment(bytes, at) {
                at = line_end(bytes, at);
                continue;
            }
            if self.records.len() >= MAX_RECORDS {
                self.broken = Some(Broken::TooManyRecords);
                return;
            }
            let scan = scan(bytes, at, &mut fields);
            let first_line_end = line_end(bytes, at);
            if scan.flaw.is_some() && first_line_end < scan.end {
                // The bad quote swallowed line ends. Only if what it swallowed reads as whole rows is it sure that
                // the fault is this one line's; else a guess could take text for rows, and write into it.
                let next = after_line_end(bytes, first_line_end);
                if !columns.is_some_and(|columns| reads_as_rows(bytes, next, scan.end, columns)) {
                    self.broken = Some(Broken::Quote { line });
                    return;
                }
                self.records.push(Record { start: at, end: first_line_end, line, flaw: scan.flaw });
                at = next;
                line += 1;
                continue;
            }
            columns.get_or_insert(scan.count);
            self.records.push(Record { start: at, end: scan.end, line, flaw: scan.flaw });
            line += count_line_ends(&bytes[at..scan.next]);
            at = scan.next;
        }
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records in order, up to what is [`Document::broken`].
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Why the records end before the file does.
    pub(crate) fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Whether the last line has its line end.
    pub(crate) fn ends_with_line_end(&self) -> bool {
        self.bytes.last().is_none_or(|byte| matches!(byte, b'\r' | b'\n'))
    }

    /// Puts the fields of a record into `fields` and says how many there are, which may be more than are kept.
    pub(crate) fn fields(&self, record: &Record, fields: &mut Vec<Field>) -> usize {
        scan(&self.bytes[..record.end], record.start, fields).count
    }

    /// The cell's bytes as they stand in the file.
    pub(crate) fn raw(&self, field: &Field) -> &[u8] {
        &self.bytes[field.start..field.end]
    }

    /// The cell's value: without its quotes, doubled quotes made one.
    pub(crate) fn value(&self, field: &Field) -> Cow<'_, [u8]> {
        let raw = self.raw(field);
        if !field.quoted {
            return Cow::Borrowed(raw);
        }
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        if memchr(b'"', inner).is_none() {
            return Cow::Borrowed(inner);
        }
        let mut value = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(quote) = memchr(b'"', rest) {
            value.extend_from_slice(&rest[..=quote]);
            rest = rest.get(quote + 2..).unwrap_or_default();
        }
        value.extend_from_slice(rest);
        Cow::Owned(value)
    }
}

/// Scans the record at `start`, whose first byte is no line end.
fn scan(bytes: &[u8], start: usize, fields: &mut Vec<Field>) -> Scan {
    fields.clear();
    let mut at = start;
    let mut count = 0;
    let mut flaw = None;
    loop {
        let from = at;
        let quoted = bytes.get(at) == Some(&b'"');
        if quoted {
            match closing_quote(bytes, at) {
                None => {
                    flaw = flaw.or(Some(Flaw::Unterminated));
                    at = bytes.len();
                }
                Some(close) => {
                    at = close + 1;
                    if !matches!(bytes.get(at), None | Some(b',' | b'\r' | b'\n')) {
                        flaw = flaw.or(Some(Flaw::TextAfterQuote));
                    }
                }
            }
        }
        at = memchr3(b',', b'\r', b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        count += 1;
        if fields.len() < MAX_FIELDS {
            fields.push(Field { start: from, end: at, quoted });
        }
        if bytes.get(at) == Some(&b',') {
            at += 1;
        } else {
            return Scan { end: at, next: after_line_end(bytes, at), count, flaw };
        }
    }
}

/// Where the quoted field that opens at `open` closes.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// Whether everything from `at` to past `until` is whole rows of exactly `columns` cells, blank lines and comments.
fn reads_as_rows(bytes: &[u8], mut at: usize, until: usize, columns: usize) -> bool {
    let mut fields = Vec::new();
    while at < until {
        if matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            at = after_line_end(bytes, at);
        } else if is_comment(bytes, at) {
            at = line_end(bytes, at);
        } else {
            let scan = scan(bytes, at, &mut fields);
            // A quote in the middle of a cell may be the one that closes what was opened above.
            let stray = |field: &Field| !field.quoted && memchr(b'"', &bytes[field.start..field.end]).is_some();
            if scan.flaw.is_some() || scan.count != columns || fields.iter().any(stray) {
                return false;
            }
            at = scan.next;
        }
    }
    true
}

/// A line whose first byte is `#`, unless `#` is all of its first cell: spreadsheets number rows under such a header.
fn is_comment(bytes: &[u8], at: usize) -> bool {
    if bytes.get(at) != Some(&b'#') {
        return false;
    }
    let rest = &bytes[at + 1..line_end(bytes, at)];
    rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) != Some(&b',')
}

/// The end of the physical line that `at` is on.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr2(b'\r', b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found)
}

/// The byte after the line end at `at`, if there is one.
fn after_line_end(bytes: &[u8], at: usize) -> usize {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => at + 2,
        (Some(b'\r' | b'\n'), _) => at + 1,
        _ => at,
    }
}

/// How many line ends: `\r\n` is one.
fn count_line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    let mut at = 0;
    while let Some(found) = memchr2(b'\r', b'\n', &bytes[at..]) {
        at = after_line_end(bytes, at + found);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Broken, Document, Flaw};
    use proptest::prelude::*;

    fn values(document: &Document) -> Vec<Vec<String>> {
        let mut fields = Vec::new();
        let mut rows = Vec::new();
        for record in document.records() {
            document.fields(record, &mut fields);
            rows.push(fields.iter().map(|field| String::from_utf8_lossy(&document.value(field)).into_owned()).collect());
        }
        rows
    }

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn quotes_line_ends_bom_and_blank_lines_are_understood() {
        let document = parse("\u{feff}a,b\r\n\"x,\"\"y\"\"\nz\",\n\n\r\n mid\"dle\" ,\"\"\rlast,");
        assert_eq!(values(&document), [["a", "b"], ["x,\"y\"\nz", ""], [" mid\"dle\" ", ""], ["last", ""]]);
        let lines: Vec<_> = document.records().iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 2, 6, 7]);
        assert!(!document.ends_with_line_end());
        assert_eq!(document.broken(), None);
    }

    #[test]
    fn comments_are_no_records_but_a_number_column_is() {
        let document = parse("# my list, with \"a quote\n#,a\n1,x\n#2,y\n\"#3\",z\n");
        assert_eq!(values(&document), [["#", "a"], ["1", "x"], ["#3", "z"]]);
        assert_eq!(document.records()[2].line, 5);
    }

    #[test]
    fn a_bad_quote_on_one_line_costs_that_line_only() {
        let document = parse("a,b\n\"x\" y,1\nfine,2\n");
        assert_eq!(document.records()[1].flaw, Some(Flaw::TextAfterQuote));
        assert_eq!(values(&document)[2], ["fine", "2"]);
    }

    #[test]
    fn rows_that_a_bad_quote_swallowed_are_found_again_when_they_are_sure() {
        let document = parse("a,b\n\"never closed,1\nfine,2\n\nalso,\"3\"\nlast,4\n");
        assert_eq!(document.broken(), None);
        assert_eq!(document.records()[1].flaw, Some(Flaw::TextAfterQuote));
        assert_eq!(values(&document)[2..], [["fine", "2"], ["also", "3"], ["last", "4"]]);
        let document = parse("a,b\n\"\"x,\"this is\none text\",2\n");
        assert_eq!(document.broken(), Some(Broken::Quote { line: 2 }), "its second line is no row");
        let document = parse("a,b\nx,\"never closed\nfine,2\n");
        assert_eq!(document.records()[1].flaw, Some(Flaw::Unterminated));
        assert_eq!(values(&document)[2], ["fine", "2"]);
    }

    #[test]
    fn where_rows_begin_is_never_guessed() {
        let document = parse("a,b\nfirst,0\nx,\"do this:\n- one thing, then\n- another\n");
        assert_eq!(document.broken(), Some(Broken::Quote { line: 3 }));
        assert_eq!(document.records().len(), 2);
        assert_eq!(parse("\"a,b\nx,y\n").broken(), Some(Broken::Quote { line: 1 }));
    }

    #[test]
    fn a_record_of_very_many_fields_is_counted_not_kept() {
        let document = Document::parse(vec![b','; 1_000_000]);
        let mut fields = Vec::new();
        assert_eq!(document.fields(&document.records()[0], &mut fields), 1_000_001);
        assert_eq!(fields.len(), super::MAX_FIELDS);
    }

    #[test]
    fn too_many_records_are_refused() {
        let document = Document::parse(b"x\n".repeat(super::MAX_RECORDS + 1));
        assert_eq!(document.broken(), Some(Broken::TooManyRecords));
        assert_eq!(Document::parse(b"x\n".repeat(super::MAX_RECORDS)).broken(), None);
    }

    /// Bytes in which the bytes that matter are frequent.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => prop::sample::select(b"\",\r\n# \xef\xbb\xbf".to_vec()),
            2 => prop::sample::select(b"ab".to_vec()),
            1 => any::<u8>(),
        ];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_and_kept(bytes in hostile()) {
            let document = Document::parse(bytes.clone());
            prop_assert_eq!(document.bytes(), &bytes[..]);
            let mut fields = Vec::new();
            let mut last = 0;
            for record in document.records() {
                prop_assert!(record.start >= last && record.end >= record.start && record.end <= bytes.len());
                last = record.end;
                prop_assert_eq!(document.fields(record, &mut fields), fields.len());
                // Fields and the commas between them are the record, without gap or overlap.
                prop_assert_eq!(fields[0].start, record.start);
                prop_assert_eq!(fields[fields.len() - 1].end, record.end);
                for pair in fields.windows(2) {
                    prop_assert_eq!(pair[0].end + 1, pair[1].start);
                    prop_assert_eq!(bytes[pair[0].end], b',');
                }
                for field in &fields {
                    document.value(field);
                }
            }
        }

        #[test]
        fn well_formed_files_read_as_the_csv_crate_reads_them(
            rows in prop::collection::vec(prop::collection::vec("[a,\" \r\n\u{e9}#]{0,6}", 1..6), 0..20),
            crlf in any::<bool>(), bom in any::<bool>(), always in any::<bool>(), open_end in any::<bool>(),
        ) {
            let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
            let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(style).terminator(end)
                .comment(Some(b'#')).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let mut bytes = writer.into_inner().unwrap();
            if open_end {
                while matches!(bytes.last(), Some(b'\r' | b'\n')) {
                    bytes.pop();
                }
            }
            if bom {
                bytes.splice(0..0, *b"\xef\xbb\xbf");
            }
            let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(&bytes[..]);
            let theirs: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            let document = Document::parse(bytes);
            prop_assert_eq!(document.broken(), None);
            prop_assert_eq!(values(&document), theirs);
        }
    }
}
