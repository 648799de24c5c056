//! Which of a table's columns are ours, from its header row.

use std::borrow::Cow;

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

/// Why a row is no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// It does not name these columns that we need.
    Missing(Vec<Column>),
    /// It names a column of ours twice; places from 1.
    Twice { column: Column, first: usize, second: usize },
}

impl Columns {
    /// Reads the header's names, from the left; a name that is no text is nobody's. `count`: how many columns there are.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = Option<Cow<'a, str>>>, count: usize) -> Result<Self, HeaderFault> {
        let mut columns = Self { at: [None; Column::ALL.len()], count };
        for (index, name) in names.into_iter().enumerate() {
            let Some(column) = name.as_deref().and_then(Column::from_name) else { continue };
            if let Some(first) = columns.at[column as usize].replace(index) {
                return Err(HeaderFault::Twice { column, first: first + 1, second: index + 1 });
            }
        }
        let missing: Vec<_> = Column::REQUIRED.into_iter().filter(|column| columns.index(*column).is_none()).collect();
        if missing.is_empty() { Ok(columns) } else { Err(HeaderFault::Missing(missing)) }
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
