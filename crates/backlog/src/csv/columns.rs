//! Which of the file's columns are ours, from its header row.

use super::document::{Document, Field};
use super::fault::Fault;

/// A column that Strawboss knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Project,
    Priority,
    Status,
    Agent,
    LastUpdate,
    NextAction,
    Deadline,
    Gpu,
    Model,
    DependsOn,
}

impl Column {
    const ALL: [Self; 11] = [
        Self::Id,
        Self::Project,
        Self::Priority,
        Self::Status,
        Self::Agent,
        Self::LastUpdate,
        Self::NextAction,
        Self::Deadline,
        Self::Gpu,
        Self::Model,
        Self::DependsOn,
    ];

    /// Without these a row means nothing, or what became of it could not be told.
    const REQUIRED: [Self; 3] = [Self::Project, Self::Status, Self::NextAction];

    /// As the header says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::Project => "Project",
            Self::Priority => "Priority",
            Self::Status => "Status",
            Self::Agent => "Agent",
            Self::LastUpdate => "Last Update",
            Self::NextAction => "Next Action",
            Self::Deadline => "Deadline",
            Self::Gpu => "GPU",
            Self::Model => "Model",
            Self::DependsOn => "Depends On",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("GPU?") {
            return Some(Self::Gpu);
        }
        if name.eq_ignore_ascii_case("depends_on") {
            return Some(Self::DependsOn);
        }
        Self::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(name))
    }
}

/// Where our columns stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    at: [Option<usize>; Column::ALL.len()],
    count: usize,
}

impl Columns {
    /// Reads the header: the first record that is no comment.
    pub(crate) fn find(document: &Document) -> Result<Self, Fault> {
        let Some(header) = document.records().first() else {
            return Err(Fault::Empty);
        };
        if header.flaw.is_some() {
            return Err(Fault::BrokenQuote { line: header.line });
        }
        let mut fields: Vec<Field> = Vec::new();
        let count = document.fields(header, &mut fields);
        let mut columns = Self { at: [None; Column::ALL.len()], count };
        for (index, field) in fields.iter().enumerate() {
            let value = document.value(field);
            let Some(column) = std::str::from_utf8(&value).ok().and_then(Column::from_name) else { continue };
            if let Some(first) = columns.at[column as usize].replace(index) {
                return Err(Fault::DuplicateColumn { column, line: header.line, first: first + 1, second: index + 1 });
            }
        }
        let missing: Vec<_> = Column::REQUIRED.into_iter().filter(|column| columns.index(*column).is_none()).collect();
        if missing.is_empty() {
            return Ok(columns);
        }
        let raw = &document.bytes()[header.start..header.end];
        let separator = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")]
            .into_iter()
            .find(|(byte, _)| memchr::memchr_iter(*byte, raw).count() > count)
            .map(|(_, word)| word);
        Err(Fault::NoHeader { missing, line: header.line, separator })
    }

    /// The column's place, from 0.
    pub(crate) fn index(&self, column: Column) -> Option<usize> {
        self.at[column as usize]
    }

    /// How many columns the header has, ours or not.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Columns, Document};
    use crate::csv::fault::Fault;

    fn find(text: &str) -> Result<Columns, Fault> {
        Columns::find(&Document::parse(text.as_bytes().to_vec()))
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
