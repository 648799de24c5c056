-- The first shape of the state. Columns are what is searched, sorted or guarded; `body` is the whole entity as JSON.
-- BIGINT for numbers, truth values (0/1) and moments (milliseconds since 1970), TEXT for the rest.

-- "SBos": says that the file is ours, so that another program's database is never migrated by mistake.
PRAGMA application_id = 1396862835;

CREATE TABLE tasks (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT   NOT NULL UNIQUE,
    project    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    priority   BIGINT NOT NULL,
    source     TEXT,
    detached   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX tasks_by_state ON tasks (state, seq);
CREATE INDEX tasks_by_project ON tasks (project, seq);
CREATE INDEX tasks_by_source ON tasks (source, seq) WHERE detached = 0;

CREATE TABLE runs (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT   NOT NULL UNIQUE,
    task       TEXT   NOT NULL REFERENCES tasks (id),
    state      TEXT   NOT NULL,
    live       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
-- A task has at most one live run.
CREATE UNIQUE INDEX runs_one_live ON runs (task) WHERE live = 1;
CREATE INDEX runs_live ON runs (seq) WHERE live = 1;
CREATE INDEX runs_by_task ON runs (task, seq);

CREATE TABLE sandboxes (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT   NOT NULL UNIQUE,
    run        TEXT   NOT NULL REFERENCES runs (id),
    present    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX sandboxes_present ON sandboxes (seq) WHERE present = 1;
CREATE INDEX sandboxes_by_run ON sandboxes (run, seq);

CREATE TABLE reports (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    sandbox TEXT   NOT NULL,
    run     TEXT   NOT NULL REFERENCES runs (id),
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    body    TEXT   NOT NULL,
    UNIQUE (sandbox, seq)
);
CREATE INDEX reports_by_run ON reports (run, number);

CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT   NOT NULL,
    topic      TEXT   NOT NULL,
    payload    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    last_error TEXT
);
CREATE INDEX outbox_by_key ON outbox (key, id);
CREATE INDEX outbox_by_due ON outbox (due_at, id);

CREATE TABLE counters (
    slug TEXT   NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    label      TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE,
    scope      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row that is written to see whether writing works.
CREATE TABLE pulse (
    id    BIGINT NOT NULL PRIMARY KEY,
    beats BIGINT NOT NULL
);
INSERT INTO pulse (id, beats) VALUES (1, 0);
