//! The tables of the state, in an order in which each only refers to those before it.

use super::Value;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    NumberOrNull,
    TextOrNull,
}

pub(super) struct Table {
    pub(super) name: &'static str,
    /// The first ones are what rows are ordered by.
    pub(super) columns: &'static [(&'static str, Kind)],
    /// The column that the database numbers by itself.
    pub(super) numbered: Option<&'static str>,
    /// What the last columns hold in rows of backups that were made before these columns were added.
    pub(super) added: &'static [Value],
}

use Kind::{Number, NumberOrNull, Text, TextOrNull};

pub(super) const TABLES: &[Table] = &[
    Table { name: "settings", columns: &[("name", Text), ("value", Text)], numbered: None, added: &[] },
    Table { name: "counters", columns: &[("slug", Text), ("last", Number)], numbered: None, added: &[] },
    Table {
        name: "tokens",
        columns: &[
            ("id", Text),
            ("label", Text),
            ("hash", Text),
            ("scope", Text),
            ("created_at", Number),
            ("expires_at", NumberOrNull),
        ],
        numbered: None,
        added: &[],
    },
    Table {
        name: "tasks",
        columns: &[
            ("seq", Number),
            ("id", Text),
            ("project", Text),
            ("state", Text),
            ("priority", Number),
            ("source", TextOrNull),
            ("detached", Number),
            ("created_at", Number),
            ("updated_at", Number),
            ("version", Number),
            ("body", Text),
            ("session", Number),
        ],
        numbered: Some("seq"),
        added: &[Value::Number(0)],
    },
    Table {
        name: "runs",
        columns: &[
            ("seq", Number),
            ("id", Text),
            ("task", Text),
            ("state", Text),
            ("live", Number),
            ("created_at", Number),
            ("version", Number),
            ("body", Text),
        ],
        numbered: Some("seq"),
        added: &[],
    },
    Table {
        name: "sandboxes",
        columns: &[
            ("seq", Number),
            ("id", Text),
            ("run", Text),
            ("present", Number),
            ("created_at", Number),
            ("version", Number),
            ("body", Text),
        ],
        numbered: Some("seq"),
        added: &[],
    },
    Table {
        name: "reports",
        columns: &[("number", Number), ("sandbox", Text), ("run", Text), ("seq", Number), ("at", Number), ("body", Text)],
        numbered: Some("number"),
        added: &[],
    },
    Table {
        name: "outbox",
        columns: &[
            ("id", Number),
            ("key", Text),
            ("topic", Text),
            ("payload", Text),
            ("at", Number),
            ("due_at", Number),
            ("failures", Number),
            ("last_error", TextOrNull),
        ],
        numbered: Some("id"),
        added: &[],
    },
];
