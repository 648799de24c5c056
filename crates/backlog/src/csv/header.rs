//! Where our columns stand in a file: its first record that is no comment.

use super::document::{Document, Field};
use super::fault::Fault;
use crate::table::{Columns, HeaderFault};

/// Reads the header.
pub(crate) fn find(document: &Document) -> Result<Columns, Fault> {
    let Some(header) = document.records().first() else {
        return Err(Fault::Empty);
    };
    if header.flaw.is_some() {
        return Err(Fault::BrokenQuote { line: header.line });
    }
    let mut fields: Vec<Field> = Vec::new();
    let count = document.fields(header, &mut fields);
    let values: Vec<_> = fields.iter().map(|field| document.value(field)).collect();
    let names = values.iter().map(|value| std::str::from_utf8(value).ok().map(Into::into));
    match Columns::of(names, count) {
        Ok(columns) => Ok(columns),
        Err(HeaderFault::Twice { column, first, second }) => {
            Err(Fault::DuplicateColumn { column, line: header.line, first, second })
        }
        Err(HeaderFault::Missing(missing)) => {
            let raw = &document.bytes()[header.start..header.end];
            let separator = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")]
                .into_iter()
                .find(|(byte, _)| memchr::memchr_iter(*byte, raw).count() > count)
                .map(|(_, word)| word);
            Err(Fault::NoHeader { missing, line: header.line, separator })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Document, Fault};
    use crate::table::Column;

    fn find(text: &str) -> Result<Columns, Fault> {
        super::find(&Document::parse(text.as_bytes().to_vec()))
    }

    #[test]
    fn names_are_read_whatever_their_case_blanks_and_quotes() {
        let columns = find("\u{feff}# list\n Notes,project ,\"STATUS\",next action,gpu?,Notes\n").unwrap();
        assert_eq!(columns.index(Column::Project), Some(1));
        assert_eq!(columns.index(Column::Status), Some(2));
        assert_eq!(columns.index(Column::Gpu), Some(4));
        assert_eq!(columns.index(Column::Id), None);
        assert_eq!(columns.count(), 6);
    }

    #[test]
    fn a_missing_header_is_no_list() {
        assert_eq!(find(""), Err(Fault::Empty));
        assert_eq!(find("\n# only a comment\n"), Err(Fault::Empty));
        let row = find("Antenna,1,Pending,,,Do it,2026-01-01,No,\n").unwrap_err();
        assert!(matches!(row, Fault::NoHeader { ref missing, .. } if missing.len() == 3), "{row:?}");
        let semicolons = find("Project;Priority;Status;Next Action\n").unwrap_err();
        assert!(matches!(semicolons, Fault::NoHeader { separator: Some("semicolons"), .. }), "{semicolons:?}");
    }

    #[test]
    fn a_column_of_ours_may_stand_once_only() {
        let fault = find("Project,Status,Next Action,GPU,x,GPU?\n").unwrap_err();
        assert_eq!(fault, Fault::DuplicateColumn { column: Column::Gpu, line: 1, first: 4, second: 6 });
    }
}
