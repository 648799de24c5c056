//! What the database's errors mean for those who use the store.

use crate::open::OpenError;
use strawboss_core::store::StoreError;

/// Why a step inside the store failed: with a meaning already, or as the database said it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has a meaning.
    Store(StoreError),
    /// The database said no.
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// A connection that could not be made again.
    pub(crate) fn of_opening(error: &OpenError) -> Self {
        StoreError::Unavailable { why: error.to_string() }.into()
    }
}

/// What kind of trouble a database's error tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another connection holds the lock.
    Busy,
    /// Another transaction got in the way: done again, this one may go through.
    Contended,
    /// No space.
    Full,
    /// It may not be written.
    ReadOnly,
    /// The server or the connection to it is gone, or not there yet.
    Away,
    /// The server takes no more connections.
    Crowded,
    /// The server does not know us, or what we ask for.
    Denied,
    /// The disk failed.
    Io,
    /// It is damaged, or lacks what every database of ours has.
    Damaged,
    /// The file is no database.
    NoDatabase,
    /// A text that the database cannot hold.
    Text,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Reads the kind from an error.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => match database.code() {
                // PostgreSQL's codes have five characters, SQLite's are numbers with fewer.
                Some(code) if code.len() == 5 => Self::of_postgres(&code),
                Some(code) => Self::of_sqlite(&code),
                None => Self::Other,
            },
            sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Self::Denied,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut => Self::Away,
            _ => Self::Io,
        }
    }

    /// Of a failure that has no meaning yet.
    pub(crate) fn in_failure(failure: &Failure) -> Option<Self> {
        match failure {
            Failure::Sql(error) => Some(Self::of(error)),
            Failure::Store(_) => None,
        }
    }

    fn of_sqlite(code: &str) -> Self {
        // The primary result code is the low byte of the extended one.
        match code.parse::<i32>().map(|code| code & 0xff) {
            Ok(5 | 6 | 15) => Self::Busy,
            Ok(13) => Self::Full,
            Ok(8 | 3) => Self::ReadOnly,
            Ok(10 | 14) => Self::Io,
            // 1 is what a missing table or column gives: nothing that our own text asks for may be missing.
            Ok(1 | 11) => Self::Damaged,
            Ok(26) => Self::NoDatabase,
            _ => Self::Other,
        }
    }

    /// The codes of appendix A of PostgreSQL's manual.
    fn of_postgres(code: &str) -> Self {
        match code {
            "40001" | "40P01" => Self::Contended,
            "55P03" | "57014" => Self::Busy,
            "53100" => Self::Full,
            "25006" | "42501" => Self::ReadOnly,
            "53300" => Self::Crowded,
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Self::Away,
            "3D000" => Self::Denied,
            "22021" | "22P05" => Self::Text,
            "42P01" | "42703" | "XX001" | "XX002" => Self::Damaged,
            "58030" | "58P01" => Self::Io,
            _ if code.starts_with("08") => Self::Away,
            _ if code.starts_with("28") => Self::Denied,
            _ if code.starts_with("53") => Self::Crowded,
            _ => Self::Other,
        }
    }

    /// What a person can do about it, as the end of a sentence.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::Busy => {
                "another program holds the database: find it with `fuser` or in `pg_stat_activity`, and run one control plane per data directory"
            }
            Self::Contended => "other programs write the same rows all the time: run one control plane per database",
            Self::Full => "free space on that disk; writing then goes on by itself",
            Self::ReadOnly => {
                "make the file and its folder writable for the user that Strawboss runs as; a standby server takes no writes"
            }
            Self::Away => "see that the server runs and can be reached; writing goes on by itself when it answers",
            Self::Crowded => {
                "raise the server's `max_connections` (Strawboss needs four) or its memory; it goes on by itself then"
            }
            Self::Denied => "check user, password, database name and `sslmode` of the database's URL",
            Self::Io => "look at the disk and the system's log; writing goes on by itself when it answers again",
            Self::Damaged | Self::NoDatabase => {
                "stop Strawboss, keep a copy of it, and restore a backup (`strawboss db restore`)"
            }
            Self::Text | Self::Other => "nothing was changed",
        }
    }
}

/// The database's own words.
pub(crate) fn words(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => database.message().to_owned(),
        None => error.to_string(),
    }
}

/// Gives a failure its meaning; `place` says which database.
pub(crate) fn meaning(failure: Failure, place: &str) -> StoreError {
    let error = match failure {
        Failure::Store(error) => return error,
        Failure::Sql(error) => error,
    };
    match error {
        sqlx::Error::PoolClosed => return StoreError::Unavailable { why: format!("{place} is closed: Strawboss is stopping") },
        sqlx::Error::PoolTimedOut => {
            let why = format!("no connection to {place} is free: it does not answer, is very slow, or much is asked at once");
            return StoreError::Unavailable { why };
        }
        _ => {}
    }
    let trouble = Trouble::of(&error);
    let why = format!("{} ({place}; {})", words(&error), trouble.fix());
    match trouble {
        Trouble::Text => StoreError::Refused { what: "text", id: place.to_owned(), why },
        Trouble::Damaged | Trouble::NoDatabase => StoreError::Corrupt { what: "state", id: place.to_owned(), why },
        _ => StoreError::Unavailable { why },
    }
}

/// Whether it says that a row refers to one that is not there.
pub(crate) fn is_dangling(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

/// Whether it says that a row of that kind is there already.
pub(crate) fn is_double(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
