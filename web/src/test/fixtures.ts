/** Things of the API for tests; say only what the test is about. */
import type { Part, Project, Run, RunDetail, RunEvent, Session, Status, Task } from "../api/types";

export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

export function aTask(given: Partial<Task> = {}): Task {
  return {
    id: "antenna-1",
    project: "Antenna",
    action: "Do it",
    priority: 3,
    deadline: null,
    needs_gpu: false,
    agent: null,
    model: null,
    state: "queued",
    block: null,
    waits_for: null,
    depends_on: [],
    source: null,
    ticket: null,
    source_url: null,
    run: null,
    attempts: 0,
    created_at: NOW - 60_000,
    updated_at: NOW - 30_000,
    ...given,
  };
}

export function aRun(given: Partial<Run> = {}): Run {
  return {
    id: "antenna-1.1",
    task: "antenna-1",
    project: "Antenna",
    state: "working",
    waiting_for: null,
    outcome: null,
    outcome_detail: null,
    agent: "claude",
    model: null,
    mode: "headless",
    branch: "strawboss/antenna-1",
    target: "main",
    green: null,
    usage: {
      requests: 0,
      input_tokens: 0,
      output_tokens: 0,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      cost_microusd: 0,
    },
    created_at: NOW - 60_000,
    started_at: NOW - 50_000,
    finished_at: null,
    heard_at: NOW,
    ...given,
  };
}

export function aDetail(run: Run, given: Partial<RunDetail> = {}): RunDetail {
  return {
    run,
    prompt: "Do it",
    base_commit: null,
    head_commit: null,
    saved_ref: null,
    summary: null,
    questions: [],
    phases_done: [],
    checks: [],
    refusals: [],
    merged_commit: null,
    merge_problem: null,
    resumes: null,
    recording_removed_at: null,
    reports_removed_at: null,
    load: null,
    ...given,
  };
}

export function aPart(given: Partial<Part> = {}): Part {
  return { name: "part", state: "ok", ok: true, detail: "answers", since: NOW, observed_at: NOW, ...given };
}

export function aStatus(given: Partial<Status> = {}): Status {
  return {
    version: "0.1.0",
    started_at: NOW - 3_600_000,
    runner: aPart({ name: "docker" }),
    store: aPart({ name: "sqlite" }),
    engine: aPart({ name: "engine", detail: "schedules" }),
    gateway: aPart({ name: "gateway" }),
    sources: [],
    tasks: [],
    live_runs: 0,
    asking: [],
    slots: 2,
    outbox_waiting: 0,
    paused: null,
    ...given,
  };
}

export function anEvent(row: number, body: unknown, given: Partial<RunEvent> = {}): RunEvent {
  return { row, sandbox: "s1", at: NOW + row * 1000, body: body as RunEvent["body"], ...given };
}

export function aProject(given: Partial<Project> = {}): Project {
  return {
    name: "Antenna",
    repository: "antenna",
    branch: null,
    agent: "claude",
    mode: null,
    image: null,
    checks: [],
    approval: "auto",
    review: "manual",
    allow: [],
    problem: null,
    ...given,
  };
}

export function aSession(given: Partial<Session> = {}): Session {
  return {
    id: "try",
    run: null,
    source: "container",
    command: "",
    live: true,
    viewers: 0,
    bytes: 0,
    project: null,
    created_at: NOW - 60_000,
    state: "running",
    detail: null,
    image: null,
    owner: null,
    private: false,
    saved_ref: null,
    ...given,
  };
}
