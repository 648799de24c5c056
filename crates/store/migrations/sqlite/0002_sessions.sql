-- Sessions are kept as tasks, and no list or count of tasks holds them: the indexes by which those are answered leave them out.
-- What was stored before this had no sessions.

ALTER TABLE tasks ADD COLUMN session BIGINT NOT NULL DEFAULT 0;
DROP INDEX tasks_by_state;
CREATE INDEX tasks_by_state ON tasks (state, seq) WHERE session = 0;
CREATE INDEX tasks_sessions ON tasks (seq) WHERE session = 1;
