//! Reading everything, as it was at one moment.

use super::tables::{Kind, TABLES, Table};
use super::{Record, Summary, Tally, Value};
use crate::error::Failure;
use crate::sql::{Database, SqlStore};
use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row};
use strawboss_core::store::StoreError;
use tokio::sync::mpsc;

impl SqlStore {
    /// Sends everything, as it was when this began, while others go on writing. What nobody takes any more ends it.
    pub async fn export(&self, to: mpsc::Sender<Record>) -> Result<Summary, StoreError> {
        let begin = match self.database() {
            // The first read fixes what is seen.
            Database::Sqlite { .. } => "BEGIN",
            Database::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0",
        };
        let mut reading = self.reading().await?;
        let read = async {
            let connection = reading.connection()?;
            connection.execute(begin).await?;
            let read = read_all(connection, self.database(), Some(&to)).await;
            connection.execute("ROLLBACK").await?;
            read
        };
        read.await.map_err(|failure| self.meaning(failure))
    }
}

/// Reads everything on a connection that is in a transaction; sends it where there is somewhere to send it.
pub(super) async fn read_all(
    connection: &mut AnyConnection,
    database: &Database,
    to: Option<&mpsc::Sender<Record>>,
) -> Result<Summary, Failure> {
    let mut tally = Tally::new();
    for table in TABLES {
        let mut send = async |record: Record| {
            tally.take(&record);
            if let Some(to) = to {
                let gone = |_| StoreError::Unavailable { why: "whoever wanted it is gone".to_owned() };
                to.send(record).await.map_err(gone)?;
            }
            Ok::<(), Failure>(())
        };
        let counted = counted(connection, database, table).await?;
        let mut rows = connection.fetch(AssertSqlSafe(table.select()));
        while let Some(row) = rows.try_next().await? {
            send(Record::Row(table.name.to_owned(), table.values(&row)?)).await?;
        }
        drop(rows);
        if let Some(counted) = counted {
            send(Record::Counted(table.name.to_owned(), counted)).await?;
        }
    }
    Ok(tally.summary())
}

/// The last number that the database gave in this table.
async fn counted(connection: &mut AnyConnection, database: &Database, table: &Table) -> Result<Option<i64>, Failure> {
    let Some(numbered) = table.numbered else { return Ok(None) };
    let text = match database {
        Database::Sqlite { .. } => format!("SELECT CAST(seq AS BIGINT) FROM sqlite_sequence WHERE name = '{}'", table.name),
        Database::Postgres(_) => format!(
            "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {}",
            sequence(connection, table.name, numbered).await?
        ),
    };
    let row = connection.fetch_optional(AssertSqlSafe(text)).await?;
    // None: SQLite has not counted yet.
    Ok(Some(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0)))
}

/// PostgreSQL's name of what counts a column, safe in a text.
async fn sequence(connection: &mut AnyConnection, table: &str, column: &str) -> Result<String, Failure> {
    let text = format!("SELECT pg_get_serial_sequence('{table}', '{column}')");
    Ok(connection.fetch_one(AssertSqlSafe(text)).await?.try_get(0)?)
}

impl Table {
    /// Every row, in an order that both databases agree on.
    fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), self.name, columns[0])
    }

    fn values(&self, row: &AnyRow) -> Result<Vec<Value>, Failure> {
        let value = |(index, (_, kind)): (usize, &(&str, Kind))| {
            let value = match kind {
                Kind::Number => Value::Number(row.try_get(index)?),
                Kind::Text => Value::Text(row.try_get(index)?),
                Kind::NumberOrNull => row.try_get::<Option<i64>, _>(index)?.map_or(Value::Null, Value::Number),
                Kind::TextOrNull => row.try_get::<Option<String>, _>(index)?.map_or(Value::Null, Value::Text),
            };
            Ok(value)
        };
        self.columns.iter().enumerate().map(value).collect()
    }
}
