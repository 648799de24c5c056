// The stand-in's state, and how it moves. One writer: whoever changes a task calls `touch`, which tells every listener.
import { scenario } from "./scenario.mjs";
import { statOf } from "./patches.mjs";
import { script, SHELL_GREETING } from "./transcript.mjs";

/** @typedef {import("../../src/api/schema").components["schemas"]} Schemas */
/** @typedef {Schemas["TaskView"]} Task */
/** @typedef {Schemas["RunDetail"]} RunDetail */
/** @typedef {Schemas["Event"]} ServerEvent */
/** @typedef {import("./transcript.mjs").Step} Step */

const SLOTS = 5;

/** An error of the API. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {string} [fix]
   */
  constructor(status, code, message, fix) {
    super(message);
    this.status = status;
    this.body = { code, message, fix: fix ?? null };
  }
}

export class World {
  /** @param {{ empty?: boolean }} [options] */
  constructor(options = {}) {
    const now = Date.now();
    this.startedAt = now - 26 * 3_600_000;
    const begin = scenario(now);
    if (options.empty) {
      begin.tasks = [];
      begin.runs = [];
      for (const source of begin.sources) Object.assign(source, { items: 0, problems: [] });
    }
    /** @type {Map<string, Task>} */
    this.tasks = new Map(begin.tasks.map((task) => [task.id, task]));
    /** @type {Map<string, RunDetail>} */
    this.runs = new Map(begin.runs.map((detail) => [detail.run.id, detail]));
    this.patches = begin.patches;
    this.projects = begin.projects;
    this.sources = begin.sources;
    /** @type {Map<string, Schemas["RunEvent"][]>} */
    this.events = new Map();
    /** @type {Map<string, Buffer[]>} */
    this.terminals = new Map();
    /** @type {Set<(event: ServerEvent) => void>} */
    this.listeners = new Set();
    /** @type {Set<(run: string, bytes: Buffer) => void>} */
    this.printers = new Set();
    /** @type {Map<string, { steps: Step[], at: number }>} */
    this.scripts = new Map();
    this.row = 1;
    /** What was said to which run. @type {{ run: string, text: string }[]} */
    this.said = [];
    for (const detail of this.runs.values()) this.#replay(detail, now);
  }

  /** Gives a run the past that its state implies. */
  #replay(/** @type {RunDetail} */ detail, /** @type {number} */ now) {
    const { run } = detail;
    if (run.agent === "shell") {
      this.report(run.id, { kind: "phase", phase: "working" }, run.started_at ?? now);
      this.print(run.id, SHELL_GREETING);
      return;
    }
    const steps = script(run.model ?? "claude", detail.prompt);
    const shown =
      run.state === "finished" || run.state === "checking" ? steps.length : Math.min(16, steps.length);
    const from = run.created_at;
    const to = run.finished_at ?? now;
    steps.slice(0, shown).forEach((step, index) => {
      const at = Math.round(from + ((to - from) * (index + 1)) / (shown + 1));
      if (step.body) this.report(run.id, step.body, at);
      if (step.print) this.print(run.id, step.print);
    });
    if (run.state === "checking" || run.state === "finished") {
      for (const [index, result] of detail.checks.entries()) {
        this.report(run.id, { kind: "check", index, result }, to, "checks");
      }
    }
    if (run.state === "working") this.scripts.set(run.id, { steps, at: shown });
  }

  /**
   * @param {string} run
   * @param {Record<string, unknown>} body
   * @param {number} [at]
   * @param {string} [sandbox]
   */
  report(run, body, at = Date.now(), sandbox = "agent") {
    const report = { row: this.row++, sandbox: `${run}.${sandbox}`, at, body: /** @type {never} */ (body) };
    const list = this.events.get(run) ?? [];
    list.push(report);
    this.events.set(run, list);
    this.emit({ type: "run_report", run, report });
  }

  /** Terminal bytes of a run. */
  print(/** @type {string} */ run, /** @type {string | Buffer} */ text) {
    const bytes = Buffer.from(text);
    const list = this.terminals.get(run) ?? [];
    list.push(bytes);
    this.terminals.set(run, list);
    for (const printer of this.printers) printer(run, bytes);
  }

  emit(/** @type {ServerEvent} */ event) {
    for (const listener of this.listeners) listener(event);
  }

  task(/** @type {string} */ id) {
    const task = this.tasks.get(id);
    if (!task)
      throw new Refused(404, "not_found", `There is no task \`${id}\`.`, "GET /api/v1/tasks lists them.");
    return task;
  }

  run(/** @type {string} */ id) {
    const run = this.runs.get(id);
    if (!run)
      throw new Refused(404, "not_found", `There is no run \`${id}\`.`, "GET /api/v1/runs lists them.");
    return run;
  }

  /** A run whose supervisor, when it lives, spoke just now. */
  heard(/** @type {string} */ id) {
    const detail = this.run(id);
    if (detail.run.state !== "finished") {
      detail.run.heard_at = Date.now();
      if (detail.load) detail.load.at = Date.now();
    }
    return detail;
  }

  /** Changes a task and tells everybody. */
  touch(/** @type {Task} */ task, /** @type {Partial<Task>} */ change = {}) {
    Object.assign(task, change, { updated_at: Date.now() });
    this.tasks.set(task.id, task);
    this.emit({ type: "task", task });
    return task;
  }

  snapshot() {
    return { type: /** @type {const} */ ("snapshot"), tasks: [...this.tasks.values()] };
  }

  liveRuns() {
    return [...this.tasks.values()].filter((task) => task.state === "running").length;
  }

  /** @returns {Schemas["StatusView"]} */
  status() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const task of this.tasks.values()) counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
    return {
      version: "0.1.0",
      started_at: this.startedAt,
      runner: {
        name: "docker",
        state: "ok",
        ok: true,
        detail: "Docker 26.1.5, doors proven",
        since: this.startedAt,
        observed_at: this.startedAt,
      },
      store: {
        name: "sqlite",
        state: "ok",
        ok: true,
        detail: "answers in 0.2 ms",
        since: this.startedAt,
        observed_at: this.startedAt,
      },
      engine: {
        name: "engine",
        state: "ok",
        ok: true,
        detail: "schedules",
        since: this.startedAt,
        observed_at: this.startedAt,
      },
      gateway: {
        name: "gateway",
        state: "ok",
        ok: true,
        detail: "answers",
        since: this.startedAt,
        observed_at: this.startedAt,
      },
      sources: this.sources,
      tasks: [...counts].map(([state, count]) => ({ state, count })),
      live_runs: this.liveRuns(),
      asking: [...this.runs.values()].filter(({ run }) => run.question).map(({ run }) => run.id),
      slots: SLOTS,
      outbox_waiting: 0,
      paused: null,
    };
  }

  /** A task by hand. */
  add(/** @type {Schemas["NewTask"]} */ given) {
    const project = this.projects.find((one) => one.name === given.project);
    if (!project) {
      throw new Refused(
        400,
        "invalid",
        `There is no project \`${given.project}\`.`,
        "Use a name of `projects:`.",
      );
    }
    const id = `hand-${this.tasks.size + 1}`;
    const now = Date.now();
    const manual = project.approval === "manual";
    return this.touch({
      id,
      project: given.project,
      action: given.action,
      priority: given.priority ?? 999,
      deadline: given.deadline ?? null,
      needs_gpu: given.needs_gpu ?? false,
      agent: given.agent ?? null,
      model: given.model ?? null,
      state: manual ? "pending" : "queued",
      block: null,
      waits_for: manual ? "Waits for a person's approval." : "Every slot is taken.",
      depends_on: [],
      source: null,
      ticket: null,
      run: null,
      attempts: 0,
      created_at: now,
      updated_at: now,
    });
  }

  /** Starts a run of a queued task. */
  start(/** @type {Task} */ task) {
    const now = Date.now();
    const id = `${task.id}.${task.attempts + 1}`;
    /** @type {RunDetail} */
    const detail = {
      run: {
        id,
        task: task.id,
        project: task.project,
        state: "preparing",
        waiting_for: null,
        outcome: null,
        outcome_detail: null,
        agent: task.agent ?? "claude",
        model: "claude-sonnet-4-20250514",
        mode: "headless",
        branch: `strawboss/${task.id}`,
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
        created_at: now,
        started_at: null,
        finished_at: null,
        heard_at: now,
      },
      prompt: task.action,
      base_commit: "b41f0c2e9a7d5538c6d1f2a90e4b7c3d8e5f6a10",
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
      load: null,
    };
    this.runs.set(id, detail);
    this.scripts.set(id, { steps: script("claude-sonnet-4-20250514", task.action), at: 0 });
    this.touch(task, {
      state: "running",
      waits_for: null,
      block: null,
      run: detail.run,
      attempts: task.attempts + 1,
    });
  }

  /** Ends a live run. */
  finish(
    /** @type {RunDetail} */ detail,
    /** @type {string} */ outcome,
    /** @type {string | null} */ words = null,
  ) {
    const now = Date.now();
    Object.assign(detail.run, {
      state: "finished",
      outcome,
      outcome_detail: words,
      waiting_for: null,
      finished_at: now,
      heard_at: now,
    });
    detail.load = null;
    this.scripts.delete(detail.run.id);
  }

  /** One beat: every run does its next step, and free slots are filled. */
  beat() {
    for (const [id, progress] of this.scripts) {
      const detail = this.run(id);
      const step = progress.steps[progress.at];
      progress.at += 1;
      detail.run.heard_at = Date.now();
      if (step) this.#do(detail, step);
      else this.#submit(detail);
    }
    const queued = [...this.tasks.values()]
      .filter((task) => task.state === "queued")
      .sort((a, b) => a.priority - b.priority || a.created_at - b.created_at);
    for (const task of queued) {
      const busy = [...this.tasks.values()].some(
        (one) => one.state === "running" && one.project === task.project,
      );
      if (!busy && this.liveRuns() < SLOTS) this.start(task);
    }
  }

  #do(/** @type {RunDetail} */ detail, /** @type {Step} */ step) {
    const { run } = detail;
    if (step.body) this.report(run.id, step.body);
    if (step.print) this.print(run.id, step.print);
    if (step.state && step.state !== run.state) {
      run.state = step.state;
      if (step.state === "working") run.started_at ??= Date.now();
      this.touch(this.task(run.task), { run });
    }
    run.usage.requests += 1;
    run.usage.input_tokens += 410;
    run.usage.output_tokens += 260;
    run.usage.cache_read_tokens += 9_100;
    run.usage.cost_microusd += 11_300;
    detail.load = {
      cpu_ms: 900 * run.usage.requests,
      memory_bytes: 512 << 20,
      disk_bytes: 900 << 20,
      processes: 12,
      at: Date.now(),
    };
  }

  #submit(/** @type {RunDetail} */ detail) {
    detail.head_commit = "9d0e714c5b2a3f4e6d7c8b9a0f1e2d3c4b5a6978";
    detail.summary = "Done as asked. The tests that I added fail without the change.";
    detail.checks = [
      { command: "make test", exit_code: 0, duration_ms: 8_400, output_tail: "ok: 57 passed\n" },
    ];
    detail.run.green = true;
    this.report(detail.run.id, { kind: "check", index: 0, result: detail.checks[0] }, Date.now(), "checks");
    this.patches.set(detail.run.id, this.patches.get("antenna-5.1") ?? "");
    this.finish(detail, "succeeded");
    this.touch(this.task(detail.run.task), {
      state: "review",
      waits_for: "Waits for a person's decision.",
      run: detail.run,
    });
  }

  review(/** @type {Task} */ task) {
    const evidence = this.run(task.run?.id ?? "");
    return { task, evidence, stat: statOf(this.patches.get(evidence.run.id) ?? "") };
  }

  diff(/** @type {string} */ id) {
    const detail = this.run(id);
    const patch = this.patches.get(id);
    if (patch === undefined || detail.head_commit == null) {
      throw new Refused(
        409,
        "conflict",
        `The run ${id} has not pushed a commit yet.`,
        "Ask again when it is in review.",
      );
    }
    const whole = statOf(patch);
    return {
      base: detail.base_commit ?? "",
      head: detail.head_commit,
      stat: whole,
      patch: patch.slice(0, 2 * 1024 * 1024),
      truncated: patch.length > 2 * 1024 * 1024,
    };
  }
}
