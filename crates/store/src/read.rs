//! The store's port: what is asked of it.

use crate::commit::{
    ACCOUNT, AddAccount, AddToken, Beat, InitSetting, NextNumbers, NoteFailure, RemoveSetting, RemoveToken, SetAccount,
};
use crate::entity::{Entity, from_row};
use crate::error::Failure;
use crate::sql::SqlStore;
use futures_util::TryStreamExt;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};
use std::collections::HashMap;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::{
    Account, ApiToken, ChangeSet, Message, OUTBOX_HORIZON_MS, ReportTotal, Store, StoreError, StoredReport, TaskFilter,
};
use strawboss_core::task::Task;
use strawboss_core::{RunId, SandboxId, TaskId, TaskState, Timestamp};

/// Reads no row, only the index.
const TASK_COUNTS: &str = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM tasks WHERE session = 0 GROUP BY state";

/// By when they are due: a few that fail again and again then cannot keep the others out of a short list.
const OUTBOX_DUE: &str = "SELECT id, key, topic, payload, at, due_at, failures, last_error FROM outbox \
    WHERE due_at <= $1 AND id = (SELECT MIN(o.id) FROM outbox o WHERE o.key = outbox.key) \
    ORDER BY due_at, id LIMIT $2";
/// Those that a clock dated which has been set back since.
const OUTBOX_MISDATED: &str = "SELECT id, key, topic, payload, at, due_at, failures, last_error FROM outbox \
    WHERE due_at > $1 AND id = (SELECT MIN(o.id) FROM outbox o WHERE o.key = outbox.key) \
    ORDER BY due_at, id LIMIT $2";

/// How many ids one query names.
const IDS_AT_ONCE: usize = 500;

/// Sizes stand in the rows' heads: no body is read.
const REPORT_TOTALS: &str = "SELECT p.run, CAST(COUNT(*) AS BIGINT), CAST(SUM(OCTET_LENGTH(p.body)) AS BIGINT), \
    CAST(MAX(p.at) AS BIGINT), CAST(MAX(r.live) AS BIGINT), MAX(t.state) \
    FROM reports p JOIN runs r ON r.id = p.run JOIN tasks t ON t.id = r.task GROUP BY p.run ORDER BY p.run";

const PROJECT_LAST_RUNS: &str = "SELECT t.project, CAST(MAX(r.created_at) AS BIGINT), CAST(MAX(r.live) AS BIGINT) \
    FROM runs r JOIN tasks t ON t.id = r.task GROUP BY t.project ORDER BY t.project";

fn task_state(word: &str) -> Result<TaskState, StoreError> {
    TaskState::from_word(word).ok_or_else(|| StoreError::Corrupt {
        what: "task state",
        id: word.to_owned(),
        why: "this version knows no such state".to_owned(),
    })
}

fn account(row: &AnyRow) -> Result<Account, Failure> {
    let body: String = row.try_get(1)?;
    serde_json::from_str(&body).map_err(|error| {
        let id = row.try_get::<String, _>(0).unwrap_or_default();
        StoreError::Corrupt { what: "account", id, why: error.to_string() }.into()
    })
}

impl SqlStore {
    /// Every row of a query, each read as it comes, so that the texts of a long list are never all in memory.
    async fn rows<T: Send>(
        &self,
        query: Query<'_, Any, AnyArguments>,
        read: impl Fn(&AnyRow) -> Result<T, Failure> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let mut reading = self.reading().await?;
        let listed = async {
            let mut rows = query.fetch(reading.connection()?);
            let mut list = Vec::new();
            while let Some(row) = rows.try_next().await? {
                list.push(read(&row)?);
                // Parsing a long list must not hold up everything else on this thread.
                tokio::task::coop::consume_budget().await;
            }
            Ok(list)
        };
        listed.await.map_err(|failure| self.meaning(failure))
    }

    async fn entities<E: Entity>(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<E>, StoreError> {
        self.rows(query, from_row::<E>).await
    }

    async fn entity<E: Entity>(&self, query: Query<'_, Any, AnyArguments>) -> Result<Option<E>, StoreError> {
        Ok(self.entities(query).await?.pop())
    }

    async fn messages(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<Message>, StoreError> {
        self.rows(query, |row| {
            Ok(Message {
                id: row.try_get(0)?,
                key: row.try_get(1)?,
                topic: row.try_get(2)?,
                payload: row.try_get(3)?,
                at: Timestamp(row.try_get(4)?),
                due_at: Timestamp(row.try_get(5)?),
                failures: u32::try_from(row.try_get::<i64, _>(6)?).unwrap_or(u32::MAX),
                last_error: row.try_get(7)?,
            })
        })
        .await
    }
}

/// The text of a list of tasks: only placeholders and fixed words, whatever the filter holds.
fn task_list_text(filter: &TaskFilter) -> String {
    let mut next = 0;
    let mut place = || {
        next += 1;
        format!("${next}")
    };
    let mut conditions = vec![format!("session = {}", u8::from(filter.sessions))];
    if !filter.states.is_empty() {
        let places: Vec<_> = filter.states.iter().map(|_| place()).collect();
        conditions.push(format!("state IN ({})", places.join(", ")));
    }
    if filter.project.is_some() {
        conditions.push(format!("project = {}", place()));
    }
    if filter.after.is_some() {
        conditions.push(format!("seq > (SELECT a.seq FROM tasks a WHERE a.id = {})", place()));
    }
    let mut text = format!("SELECT id, version, body FROM tasks WHERE {} ORDER BY seq", conditions.join(" AND "));
    if filter.limit > 0 {
        text.push_str(" LIMIT ");
        text.push_str(&place());
    }
    text
}

#[async_trait::async_trait]
impl Store for SqlStore {
    async fn commit(&self, changes: &ChangeSet) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.transact(changes).await
    }

    async fn task_numbers_next(&self, slug: &str, count: u64) -> Result<u64, StoreError> {
        self.transact(NextNumbers { slug, count }).await
    }

    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        self.entity(sqlx::query("SELECT id, version, body FROM tasks WHERE id = $1").bind(id.as_str())).await
    }

    async fn task_list(&self, filter: &TaskFilter) -> Result<Vec<Task>, StoreError> {
        let mut query = sqlx::query(AssertSqlSafe(task_list_text(filter)));
        for state in &filter.states {
            query = query.bind(state.word());
        }
        if let Some(project) = &filter.project {
            query = query.bind(project.as_str());
        }
        if let Some(after) = &filter.after {
            query = query.bind(after.as_str());
        }
        if filter.limit > 0 {
            query = query.bind(i64::from(filter.limit));
        }
        self.entities(query).await
    }

    async fn task_states(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, TaskState>, StoreError> {
        let mut states = HashMap::with_capacity(ids.len());
        for some in ids.chunks(IDS_AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|at| format!("${at}")).collect();
            let text = format!("SELECT id, state FROM tasks WHERE id IN ({})", places.join(", "));
            let mut query = sqlx::query(AssertSqlSafe(text));
            for id in some {
                query = query.bind(id.as_str());
            }
            let found = self.rows(query, |row| Ok((row.try_get::<String, _>(0)?, task_state(row.try_get(1)?)?))).await?;
            let mut found: HashMap<String, TaskState> = found.into_iter().collect();
            states.extend(some.iter().filter_map(|id| Some((id.clone(), found.remove(id.as_str())?))));
        }
        Ok(states)
    }

    async fn task_counts(&self) -> Result<Vec<(TaskState, u64)>, StoreError> {
        let counted = self
            .rows(sqlx::query(TASK_COUNTS), |row| {
                let count: i64 = row.try_get(1)?;
                Ok((task_state(row.try_get(0)?)?, count.unsigned_abs()))
            })
            .await?;
        let count_of = |state| counted.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
        Ok(TaskState::ALL.into_iter().map(|state| (state, count_of(state))).collect())
    }

    async fn task_list_by_source(&self, source: &str) -> Result<Vec<Task>, StoreError> {
        let text = "SELECT id, version, body FROM tasks WHERE source = $1 AND detached = 0 ORDER BY seq";
        self.entities(sqlx::query(text).bind(source)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.entity(sqlx::query("SELECT id, version, body FROM runs WHERE id = $1").bind(id.as_str())).await
    }

    async fn run_list(&self, task: &TaskId) -> Result<Vec<Run>, StoreError> {
        let text = "SELECT id, version, body FROM runs WHERE task = $1 ORDER BY seq";
        self.entities(sqlx::query(text).bind(task.as_str())).await
    }

    async fn run_list_live(&self) -> Result<Vec<Run>, StoreError> {
        self.entities(sqlx::query("SELECT id, version, body FROM runs WHERE live = 1 ORDER BY seq")).await
    }

    async fn run_list_recent(&self, limit: u32) -> Result<Vec<Run>, StoreError> {
        let text = "SELECT id, version, body FROM runs ORDER BY seq DESC LIMIT $1";
        self.entities(sqlx::query(text).bind(i64::from(limit))).await
    }

    async fn sandbox(&self, id: &SandboxId) -> Result<Option<Sandbox>, StoreError> {
        self.entity(sqlx::query("SELECT id, version, body FROM sandboxes WHERE id = $1").bind(id.as_str())).await
    }

    async fn sandbox_list_present(&self) -> Result<Vec<Sandbox>, StoreError> {
        self.entities(sqlx::query("SELECT id, version, body FROM sandboxes WHERE present = 1 ORDER BY seq")).await
    }

    async fn sandbox_list(&self, run: &RunId) -> Result<Vec<Sandbox>, StoreError> {
        let text = "SELECT id, version, body FROM sandboxes WHERE run = $1 ORDER BY seq";
        self.entities(sqlx::query(text).bind(run.as_str())).await
    }

    async fn report_last_seq(&self, sandbox: &SandboxId) -> Result<u64, StoreError> {
        let text = "SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) FROM reports WHERE sandbox = $1";
        let query = sqlx::query(text).bind(sandbox.as_str());
        let last = self.rows(query, |row| Ok(row.try_get::<i64, _>(0)?)).await?;
        Ok(last.first().map_or(0, |last| last.unsigned_abs()))
    }

    async fn report_list(&self, run: &RunId, after: i64, limit: u32) -> Result<Vec<(i64, StoredReport)>, StoreError> {
        let query = sqlx::query(
            "SELECT number, sandbox, seq, at, body FROM reports WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3",
        );
        let query = query.bind(run.as_str()).bind(after).bind(i64::from(limit));
        self.rows(query, |row| {
            let number: i64 = row.try_get(0)?;
            let sandbox: &str = row.try_get(1)?;
            let corrupt = |why: String| StoreError::Corrupt { what: "report", id: number.to_string(), why };
            let report = StoredReport {
                sandbox: SandboxId::parse(sandbox).map_err(|error| corrupt(error.to_string()))?,
                run: run.clone(),
                seq: row.try_get::<i64, _>(2)?.unsigned_abs(),
                at: Timestamp(row.try_get(3)?),
                body: row.try_get(4)?,
            };
            Ok((number, report))
        })
        .await
    }

    async fn report_totals(&self) -> Result<Vec<ReportTotal>, StoreError> {
        self.rows(sqlx::query(REPORT_TOTALS), |row| {
            let run: &str = row.try_get(0)?;
            let state = TaskState::from_word(row.try_get(5)?);
            let corrupt = |why: String| StoreError::Corrupt { what: "report", id: run.to_owned(), why };
            Ok(ReportTotal {
                run: RunId::parse(run).map_err(|error| corrupt(error.to_string()))?,
                count: row.try_get::<i64, _>(1)?.unsigned_abs(),
                bytes: row.try_get::<i64, _>(2)?.unsigned_abs(),
                last_at: Timestamp(row.try_get(3)?),
                settled: row.try_get::<i64, _>(4)? == 0 && state.is_some_and(TaskState::is_over),
            })
        })
        .await
    }

    async fn project_last_runs(&self) -> Result<Vec<(String, Timestamp, bool)>, StoreError> {
        self.rows(sqlx::query(PROJECT_LAST_RUNS), |row| {
            Ok((row.try_get(0)?, Timestamp(row.try_get(1)?), row.try_get::<i64, _>(2)? != 0))
        })
        .await
    }

    async fn outbox_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
        let mut due = self.messages(sqlx::query(OUTBOX_DUE).bind(now.0).bind(i64::from(limit))).await?;
        let room = i64::from(limit) - i64::try_from(due.len()).unwrap_or(i64::MAX);
        let horizon = now.plus_ms(OUTBOX_HORIZON_MS);
        due.extend(self.messages(sqlx::query(OUTBOX_MISDATED).bind(horizon.0).bind(room.max(0))).await?);
        Ok(due)
    }

    async fn outbox_list(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        let text = "SELECT id, key, topic, payload, at, due_at, failures, last_error FROM outbox ORDER BY id LIMIT $1";
        self.messages(sqlx::query(text).bind(i64::from(limit))).await
    }

    async fn outbox_list_by_key(&self, key: &str) -> Result<Vec<Message>, StoreError> {
        let text = "SELECT id, key, topic, payload, at, due_at, failures, last_error FROM outbox WHERE key = $1 ORDER BY id";
        self.messages(sqlx::query(text).bind(key)).await
    }

    async fn outbox_failed(&self, id: i64, error: &str, due_at: Timestamp) -> Result<(), StoreError> {
        self.transact(NoteFailure { message: id, error, due_at }).await
    }

    async fn token_add(&self, token: &ApiToken) -> Result<(), StoreError> {
        self.transact(AddToken(token)).await
    }

    async fn token_list(&self) -> Result<Vec<ApiToken>, StoreError> {
        let text = "SELECT id, label, hash, scope, created_at, expires_at FROM tokens ORDER BY created_at, id";
        self.rows(sqlx::query(text), |row| {
            Ok(ApiToken {
                id: row.try_get(0)?,
                label: row.try_get(1)?,
                hash: row.try_get(2)?,
                scope: row.try_get(3)?,
                created_at: Timestamp(row.try_get(4)?),
                expires_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp),
            })
        })
        .await
    }

    async fn token_remove(&self, id: &str) -> Result<bool, StoreError> {
        self.transact(RemoveToken(id)).await
    }

    async fn account_add(&self, account: &Account) -> Result<(), StoreError> {
        self.transact(AddAccount(account)).await
    }

    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        let name = format!("{ACCOUNT}{username}");
        Ok(self.rows(sqlx::query("SELECT name, value FROM settings WHERE name = $1").bind(name), account).await?.pop())
    }

    async fn account_list(&self) -> Result<Vec<Account>, StoreError> {
        let text = "SELECT name, value FROM settings WHERE name LIKE $1 ORDER BY name";
        self.rows(sqlx::query(text).bind(format!("{ACCOUNT}%")), account).await
    }

    async fn account_set(&self, account: &Account) -> Result<bool, StoreError> {
        self.transact(SetAccount(account)).await
    }

    async fn account_remove(&self, username: &str) -> Result<bool, StoreError> {
        self.transact(RemoveSetting(&format!("{ACCOUNT}{username}"))).await
    }

    async fn setting_init(&self, key: &str, value: &str) -> Result<String, StoreError> {
        self.transact(InitSetting { name: key, value }).await
    }

    async fn setting_remove(&self, key: &str) -> Result<bool, StoreError> {
        self.transact(RemoveSetting(key)).await
    }

    fn kind(&self) -> &'static str {
        self.word()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.transact(Beat).await
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTBOX_DUE, OUTBOX_MISDATED, SqlStore, TASK_COUNTS, task_list_text};
    use sqlx::{AssertSqlSafe, Row};
    use strawboss_core::store::TaskFilter;
    use strawboss_core::task::TaskState;

    /// SQLite's plan of a query, one step a line.
    async fn plan(text: &str) -> String {
        let store = SqlStore::open_sqlite_in_memory().await.unwrap();
        let mut reading = store.reading().await.unwrap();
        let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
        let rows = explained.fetch_all(reading.connection().unwrap()).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(3) + "\n").collect()
    }

    #[tokio::test]
    async fn what_is_asked_often_is_answered_from_an_index() {
        assert_eq!(plan(TASK_COUNTS).await, "SCAN tasks USING COVERING INDEX tasks_by_state\n");
        let open = TaskFilter { states: vec![TaskState::Queued, TaskState::Running], ..TaskFilter::default() };
        let plan_of_open = plan(&task_list_text(&open)).await;
        assert!(plan_of_open.starts_with("SEARCH tasks USING INDEX tasks_by_state (state=?)"), "{plan_of_open}");
        let sessions = TaskFilter { sessions: true, ..TaskFilter::default() };
        let plan_of_sessions = plan(&task_list_text(&sessions)).await;
        assert_eq!(plan_of_sessions, "SCAN tasks USING INDEX tasks_sessions\n");
        let page = TaskFilter { after: "sample-1".parse().ok(), limit: 5, ..TaskFilter::default() };
        let plan_of_page = plan(&task_list_text(&page)).await;
        assert!(plan_of_page.starts_with("SEARCH tasks USING INTEGER PRIMARY KEY (rowid>?)"), "{plan_of_page}");
        let plan_of_due = plan(OUTBOX_DUE).await;
        assert!(plan_of_due.contains("USING INDEX outbox_by_due (due_at<?)"), "{plan_of_due}");
        assert!(plan_of_due.contains("USING COVERING INDEX outbox_by_key (key=?)"), "{plan_of_due}");
        for (text, index) in [
            ("SELECT id, version, body FROM tasks WHERE source = $1 AND detached = 0 ORDER BY seq", "tasks_by_source"),
            (OUTBOX_MISDATED, "outbox_by_due (due_at>?)"),
            ("SELECT id, version, body FROM runs WHERE live = 1 ORDER BY seq", "runs_live"),
            ("SELECT id, version, body FROM sandboxes WHERE present = 1 ORDER BY seq", "sandboxes_present"),
        ] {
            let plan = plan(text).await;
            assert!(plan.contains(index), "{text}: {plan}");
        }
    }

    #[test]
    fn a_filter_never_becomes_part_of_the_text() {
        let filter = TaskFilter {
            states: vec![TaskState::Done; 2],
            project: Some("'; DROP TABLE tasks;--".to_owned()),
            after: "sample-1".parse().ok(),
            sessions: true,
            limit: 9,
        };
        assert_eq!(
            task_list_text(&filter),
            "SELECT id, version, body FROM tasks WHERE session = 1 AND state IN ($1, $2) AND project = $3 \
             AND seq > (SELECT a.seq FROM tasks a WHERE a.id = $4) ORDER BY seq LIMIT $5"
        );
    }
}
