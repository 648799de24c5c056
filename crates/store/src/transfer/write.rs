//! Writing everything: all of it or nothing, into a database that holds nothing or is told to forget.

use super::read::read_all;
use super::tables::{Kind, TABLES, Table};
use super::{Record, Summary, Tally, Value};
use crate::error::Failure;
use crate::sql::{Database, SqlStore};
use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row};
use strawboss_core::store::StoreError;
use tokio::sync::mpsc;

impl SqlStore {
    /// How many rows there are: none in a database that was just made.
    pub async fn rows_in_all(&self) -> Result<u64, StoreError> {
        let mut reading = self.reading().await?;
        let counted = async {
            let mut rows = 0;
            for table in TABLES {
                let text = format!("SELECT CAST(COUNT(*) AS BIGINT) FROM {}", table.name);
                let row = reading.connection()?.fetch_one(AssertSqlSafe(text)).await?;
                rows += row.try_get::<i64, _>(0)?.unsigned_abs();
            }
            Ok(rows)
        };
        counted.await.map_err(|failure| self.meaning(failure))
    }

    /// Puts what comes in the place of everything that is there, in one transaction: what cannot be read, or is not as
    /// `expected` says once it is written and read again, leaves everything as it was.
    pub async fn import(&self, mut from: mpsc::Receiver<Record>, expected: Option<&Summary>) -> Result<Summary, StoreError> {
        let mut writer = self.writing().await?;
        let written = async {
            let connection = writer.connection()?;
            for table in TABLES.iter().rev() {
                connection.execute(AssertSqlSafe(format!("DELETE FROM {}", table.name))).await?;
            }
            // As they came, and as they are written: those of an older version lack the columns that were added since.
            let (mut came, mut completed) = (Tally::new(), Tally::new());
            while let Some(mut record) = from.recv().await {
                came.take(&record);
                complete(&mut record);
                completed.take(&record);
                write(connection, self.database(), record).await?;
            }
            let (came, completed) = (came.summary(), completed.summary());
            let written = read_all(connection, self.database(), None).await?;
            let differs = |one: &Summary, other: &Summary| {
                let why = format!("what was written differs from what was read in: {}", one.difference(other).join(", "));
                Failure::from(StoreError::Corrupt { what: "copy", id: "state".to_owned(), why })
            };
            match expected {
                Some(expected) if came != *expected => Err(differs(&came, expected)),
                _ if written != completed => Err(differs(&written, &completed)),
                _ => Ok(written),
            }
        };
        let written = written.await;
        self.ended(writer, written).await
    }
}

/// Adds what a row of an older version lacks.
fn complete(record: &mut Record) {
    let Record::Row(name, values) = record else { return };
    let Some(table) = TABLES.iter().find(|table| table.name == name) else { return };
    let missing = table.columns.len().saturating_sub(values.len());
    if let Some(from) = table.added.len().checked_sub(missing) {
        values.extend_from_slice(&table.added[from..]);
    }
}

async fn write(connection: &mut AnyConnection, database: &Database, record: Record) -> Result<(), Failure> {
    let refused =
        |what: &str, why: String| Failure::from(StoreError::Refused { what: "record", id: what.chars().take(40).collect(), why });
    let find = |name: &str| {
        let table = TABLES.iter().find(|table| table.name == name);
        table.ok_or_else(|| refused(name, "this version knows no such table".to_owned()))
    };
    match record {
        Record::Row(name, values) => {
            let table = find(&name)?;
            if values.len() > table.columns.len() {
                let why = "it has more values than the table has columns: a newer version wrote it, which can restore it";
                return Err(refused(&name, why.to_owned()));
            }
            if !table.fits(&values) {
                return Err(refused(&name, "its values are not those of the table's columns".to_owned()));
            }
            insert(connection, table, values).await
        }
        Record::Counted(name, number) => {
            let table = find(&name)?;
            let numbered = table.numbered.ok_or_else(|| refused(&name, "this table does not count".to_owned()))?;
            if number < 0 {
                return Err(refused(&name, format!("it says that {number} rows were counted")));
            }
            count_on(connection, database, table, numbered, number).await
        }
    }
}

async fn insert(connection: &mut AnyConnection, table: &Table, values: Vec<Value>) -> Result<(), Failure> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
    let text = format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), places.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(text));
    for ((_, kind), value) in table.columns.iter().zip(values) {
        query = match (kind, value) {
            (_, Value::Number(number)) => query.bind(number),
            (_, Value::Text(text)) => query.bind(text),
            (Kind::NumberOrNull, Value::Null) => query.bind(None::<i64>),
            (_, Value::Null) => query.bind(None::<String>),
        };
    }
    query.execute(&mut *connection).await?;
    Ok(())
}

/// Has the table go on counting after this number.
async fn count_on(
    connection: &mut AnyConnection,
    database: &Database,
    table: &Table,
    numbered: &str,
    number: i64,
) -> Result<(), Failure> {
    match database {
        Database::Sqlite { .. } => {
            let forget = format!("DELETE FROM sqlite_sequence WHERE name = '{}'", table.name);
            connection.execute(AssertSqlSafe(forget)).await?;
            if number > 0 {
                let set = format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{}', {number})", table.name);
                connection.execute(AssertSqlSafe(set)).await?;
            }
        }
        Database::Postgres(_) => {
            // Unlike `setval`, this is undone with its transaction.
            let next = number.saturating_add(1);
            let set = format!("ALTER TABLE {} ALTER COLUMN {numbered} RESTART WITH {next}", table.name);
            connection.execute(AssertSqlSafe(set)).await?;
        }
    }
    Ok(())
}

impl Table {
    /// Whether values are of the kinds of the columns.
    fn fits(&self, values: &[Value]) -> bool {
        values.len() == self.columns.len()
            && self.columns.iter().zip(values).all(|((_, kind), value)| {
                matches!(
                    (kind, value),
                    (Kind::Number | Kind::NumberOrNull, Value::Number(_))
                        | (Kind::Text | Kind::TextOrNull, Value::Text(_))
                        | (Kind::NumberOrNull | Kind::TextOrNull, Value::Null)
                )
            })
    }
}
