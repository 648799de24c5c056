//! What the database's errors mean for those who use the store.

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

/// What kind of trouble a database's error tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another connection holds the lock.
    Busy,
    /// No space.
    Full,
    /// It may not be written.
    ReadOnly,
    /// The disk or the connection failed.
    Io,
    /// The file is damaged, or lacks what every database of ours has.
    Damaged,
    /// The file is no database.
    NoDatabase,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Reads the kind from an error.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code) else {
            return Self::Io;
        };
        // SQLite's primary result code is the low byte of the extended one.
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

    /// What a person can do about it, as the end of a sentence.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::Busy => {
                "another program holds the database: find it with `fuser`, and run one control plane per data directory"
            }
            Self::Full => "free space on that disk; writing then goes on by itself",
            Self::ReadOnly => "make the file and its folder writable for the user that Strawboss runs as",
            Self::Io => "look at the disk and the system's log; writing goes on by itself when it answers again",
            Self::Damaged | Self::NoDatabase => {
                "stop Strawboss, keep a copy of the file, and restore a backup or try `sqlite3 FILE .recover`"
            }
            Self::Other => "nothing was changed",
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
            let why = format!("every connection to {place} is busy reading: the disk is very slow, or much is asked at once");
            return StoreError::Unavailable { why };
        }
        _ => {}
    }
    let trouble = Trouble::of(&error);
    let why = format!("{} ({place}; {})", words(&error), trouble.fix());
    match trouble {
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
