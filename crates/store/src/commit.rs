//! Everything that is written, each a step inside a transaction.

use crate::entity::{Entity, to_body};
use crate::error::{Failure, is_dangling, is_double};
use crate::sql::{REPORT_BYTES, Step};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};
use strawboss_core::Timestamp;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::{Account, ApiToken, ChangeSet, NewMessage, StoreError, StoredReport};
use strawboss_core::task::Task;

type Statement = Query<'static, Any, AnyArguments>;

/// How much of a failure's text is kept with a message of the outbox, in bytes.
const FAILURE_BYTES: usize = 4096;

/// Writes all of it; the first part that cannot be written ends it.
impl Step for &ChangeSet {
    type Value = ();

    async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
        apply(connection, self).await
    }
}

async fn apply(connection: &mut AnyConnection, changes: &ChangeSet) -> Result<(), Failure> {
    for task in &changes.tasks {
        write_task(connection, task).await?;
    }
    // Those that end come first: a task's next run may start in the same change set, and only one may be live.
    let (live, over): (Vec<_>, Vec<_>) = changes.runs.iter().partition(|run| run.is_live());
    for run in over.into_iter().chain(live) {
        write_run(connection, run).await?;
    }
    for sandbox in &changes.sandboxes {
        write_sandbox(connection, sandbox).await?;
    }
    for report in &changes.reports {
        write_report(connection, report).await?;
    }
    for run in &changes.reports_removed {
        sqlx::query("DELETE FROM reports WHERE run = $1 AND EXISTS (SELECT 1 FROM runs r WHERE r.id = $1 AND r.live = 0)")
            .bind(run.as_str())
            .execute(&mut *connection)
            .await?;
    }
    // Before the new ones: what was carried out is no longer there to be replaced.
    for id in &changes.delivered {
        sqlx::query("DELETE FROM outbox WHERE id = $1").bind(*id).execute(&mut *connection).await?;
    }
    for message in &changes.outbox {
        write_message(connection, message).await?;
    }
    Ok(())
}

async fn write_task(connection: &mut AnyConnection, task: &Task) -> Result<(), Failure> {
    let (body, version) = to_body(task)?;
    let statement = if task.version == 0 {
        "INSERT INTO tasks (id, project, state, priority, source, detached, created_at, updated_at, version, body, session) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE tasks SET project = $2, state = $3, priority = $4, source = $5, detached = $6, created_at = $7, \
         updated_at = $8, version = $9, body = $10, session = $11 WHERE id = $1 AND version = $12"
    };
    let source = task.source.as_ref();
    let statement = sqlx::query(statement)
        .bind(task.id.as_str())
        .bind(task.project.as_str())
        .bind(task.state.word())
        .bind(i64::from(task.priority))
        .bind(source.map(|link| link.source.as_str()))
        .bind(i64::from(source.is_none_or(|link| link.detached)))
        .bind(task.created_at.0)
        .bind(task.updated_at.0)
        .bind(version)
        .bind(body)
        .bind(i64::from(task.session.is_some()));
    write(connection, task, statement).await
}

async fn write_run(connection: &mut AnyConnection, run: &Run) -> Result<(), Failure> {
    let (body, version) = to_body(run)?;
    let statement = if run.version == 0 {
        "INSERT INTO runs (id, task, state, live, created_at, version, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE runs SET task = $2, state = $3, live = $4, created_at = $5, version = $6, body = $7 \
         WHERE id = $1 AND version = $8"
    };
    let statement = sqlx::query(statement)
        .bind(run.id.as_str())
        .bind(run.task.as_str())
        .bind(run.state.word())
        .bind(i64::from(run.is_live()))
        .bind(run.created_at.0)
        .bind(version)
        .bind(body);
    match write(connection, run, statement).await {
        // The id's own conflict is passed over by the statement, so what is left is the index of live runs.
        Err(Failure::Sql(error)) if is_double(&error) => Err(StoreError::LiveRunExists { task: run.task.clone() }.into()),
        done => done,
    }
}

async fn write_sandbox(connection: &mut AnyConnection, sandbox: &Sandbox) -> Result<(), Failure> {
    let (body, version) = to_body(sandbox)?;
    let statement = if sandbox.version == 0 {
        "INSERT INTO sandboxes (id, run, present, created_at, version, body) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE sandboxes SET run = $2, present = $3, created_at = $4, version = $5, body = $6 \
         WHERE id = $1 AND version = $7"
    };
    let statement = sqlx::query(statement)
        .bind(sandbox.id.as_str())
        .bind(sandbox.run.as_str())
        .bind(i64::from(!sandbox.removed))
        .bind(sandbox.created_at.0)
        .bind(version)
        .bind(body);
    write(connection, sandbox, statement).await
}

/// Runs an insert or, with the old version as its last argument, an update; touching no row is a conflict.
async fn write<E: Entity>(connection: &mut AnyConnection, entity: &E, statement: Statement) -> Result<(), Failure> {
    let statement = if entity.version() == 0 { statement } else { statement.bind(entity.version()) };
    match statement.execute(&mut *connection).await {
        Ok(done) if done.rows_affected() == 1 => Ok(()),
        Ok(_) => Err(StoreError::Conflict { what: E::WHAT, id: entity.key().to_owned() }.into()),
        Err(error) => Err(dangling(error, E::WHAT, entity.key())),
    }
}

/// A row that refers to one that is not there breaks a rule; every other error stays as it is.
fn dangling(error: sqlx::Error, what: &'static str, id: &str) -> Failure {
    if is_dangling(&error) {
        let why = "it belongs to something that is not stored".to_owned();
        return StoreError::Refused { what, id: id.to_owned(), why }.into();
    }
    error.into()
}

async fn write_report(connection: &mut AnyConnection, report: &StoredReport) -> Result<(), Failure> {
    let id = || format!("{}#{}", report.sandbox, report.seq);
    let refused = |why: String| StoreError::Refused { what: "report", id: id(), why };
    if report.body.len() > REPORT_BYTES {
        return Err(refused(format!("it has {} bytes, {REPORT_BYTES} are kept at most", report.body.len())).into());
    }
    let seq = i64::try_from(report.seq).map_err(|_| refused("its number is too large".to_owned()))?;
    sqlx::query(
        "INSERT INTO reports (sandbox, run, seq, at, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (sandbox, seq) DO NOTHING",
    )
    .bind(report.sandbox.as_str())
    .bind(report.run.as_str())
    .bind(seq)
    .bind(report.at.0)
    .bind(report.body.as_str())
    .execute(&mut *connection)
    .await
    .map_err(|error| dangling(error, "report", &id()))?;
    Ok(())
}

async fn write_message(connection: &mut AnyConnection, message: &NewMessage) -> Result<(), Failure> {
    sqlx::query("DELETE FROM outbox WHERE key = $1 AND topic = $2")
        .bind(message.key.as_str())
        .bind(message.topic.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO outbox (key, topic, payload, at, due_at, failures) VALUES ($1, $2, $3, $4, $5, 0)")
        .bind(message.key.as_str())
        .bind(message.topic.as_str())
        .bind(message.payload.as_str())
        .bind(message.at.0)
        .bind(message.at.0)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Takes the next numbers of a slug; gives the first.
pub(crate) struct NextNumbers<'a> {
    pub(crate) slug: &'a str,
    pub(crate) count: u64,
}

impl Step for NextNumbers<'_> {
    type Value = u64;

    async fn take(&self, connection: &mut AnyConnection) -> Result<u64, Failure> {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        let row = sqlx::query(
            "INSERT INTO counters (slug, last) VALUES ($1, $2) \
             ON CONFLICT (slug) DO UPDATE SET last = counters.last + $2 RETURNING last",
        )
        .bind(self.slug)
        .bind(count)
        .fetch_one(&mut *connection)
        .await?;
        let last: i64 = row.try_get(0)?;
        u64::try_from(last - count + 1).map_err(|_| {
            let why = format!("it says {last}");
            StoreError::Corrupt { what: "counter", id: self.slug.to_owned(), why }.into()
        })
    }
}

/// Sets a value unless there is one, and gives back what is there then.
pub(crate) struct InitSetting<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

impl Step for InitSetting<'_> {
    type Value = String;

    async fn take(&self, connection: &mut AnyConnection) -> Result<String, Failure> {
        sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(self.name)
            .bind(self.value)
            .execute(&mut *connection)
            .await?;
        let query = sqlx::query("SELECT value FROM settings WHERE name = $1").bind(self.name);
        Ok(query.fetch_one(&mut *connection).await?.try_get(0)?)
    }
}

/// Notes that a message of the outbox failed.
pub(crate) struct NoteFailure<'a> {
    pub(crate) message: i64,
    pub(crate) error: &'a str,
    pub(crate) due_at: Timestamp,
}

impl Step for NoteFailure<'_> {
    type Value = ();

    async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
        // PostgreSQL's text cannot hold a NUL, and other people's error texts are not to be trusted with that.
        let error = self.error[..self.error.floor_char_boundary(FAILURE_BYTES)].replace('\0', " ");
        sqlx::query("UPDATE outbox SET failures = failures + 1, last_error = $2, due_at = $3 WHERE id = $1")
            .bind(self.message)
            .bind(error)
            .bind(self.due_at.0)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }
}

/// Adds a token.
pub(crate) struct AddToken<'a>(pub(crate) &'a ApiToken);

impl Step for AddToken<'_> {
    type Value = ();

    async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
        let token = self.0;
        let text = "INSERT INTO tokens (id, label, hash, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let added = sqlx::query(text)
            .bind(token.id.as_str())
            .bind(token.label.as_str())
            .bind(token.hash.as_str())
            .bind(token.scope.as_str())
            .bind(token.created_at.0)
            .bind(token.expires_at.map(|at| at.0))
            .execute(&mut *connection)
            .await;
        match added {
            Ok(_) => Ok(()),
            Err(error) if is_double(&error) => Err(StoreError::Conflict { what: "token", id: token.id.clone() }.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes a token; false when there is none of that id.
pub(crate) struct RemoveToken<'a>(pub(crate) &'a str);

impl Step for RemoveToken<'_> {
    type Value = bool;

    async fn take(&self, connection: &mut AnyConnection) -> Result<bool, Failure> {
        let removed = sqlx::query("DELETE FROM tokens WHERE id = $1").bind(self.0).execute(&mut *connection).await?;
        Ok(removed.rows_affected() > 0)
    }
}

/// What an account's setting is called, before its name. Accounts are few and only ever asked for by name, so that they need
/// no table of their own.
pub(crate) const ACCOUNT: &str = "account/";

/// The setting that holds an account: its name and value.
fn account_setting(account: &Account) -> Result<(String, String), StoreError> {
    let body = serde_json::to_string(account).map_err(|error| StoreError::Refused {
        what: "account",
        id: account.username.clone(),
        why: error.to_string(),
    })?;
    Ok((format!("{ACCOUNT}{}", account.username), body))
}

/// Adds an account.
pub(crate) struct AddAccount<'a>(pub(crate) &'a Account);

impl Step for AddAccount<'_> {
    type Value = ();

    async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
        let (name, body) = account_setting(self.0)?;
        let text = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let added = sqlx::query(text).bind(name).bind(body).execute(&mut *connection).await?;
        if added.rows_affected() > 0 {
            return Ok(());
        }
        Err(StoreError::Conflict { what: "account", id: self.0.username.clone() }.into())
    }
}

/// Replaces an account; false when there is none of that name.
pub(crate) struct SetAccount<'a>(pub(crate) &'a Account);

impl Step for SetAccount<'_> {
    type Value = bool;

    async fn take(&self, connection: &mut AnyConnection) -> Result<bool, Failure> {
        let (name, body) = account_setting(self.0)?;
        let text = "UPDATE settings SET value = $2 WHERE name = $1";
        let set = sqlx::query(text).bind(name).bind(body).execute(&mut *connection).await?;
        Ok(set.rows_affected() > 0)
    }
}

/// Removes a setting; false when there is none of that name.
pub(crate) struct RemoveSetting<'a>(pub(crate) &'a str);

impl Step for RemoveSetting<'_> {
    type Value = bool;

    async fn take(&self, connection: &mut AnyConnection) -> Result<bool, Failure> {
        let removed = sqlx::query("DELETE FROM settings WHERE name = $1").bind(self.0).execute(&mut *connection).await?;
        Ok(removed.rows_affected() > 0)
    }
}

/// Writes to see whether writing works: only a commit tells of a full disk.
pub(crate) struct Beat;

impl Step for Beat {
    type Value = ();

    async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
        sqlx::query("UPDATE pulse SET beats = beats + 1 WHERE id = 1").execute(&mut *connection).await?;
        Ok(())
    }
}
