// A believable crew at work: what the stand-in begins with. Times are relative to the moment that it is made.
import { RETRY_PATCH } from "./patches.mjs";

/** @typedef {import("../../src/api/schema").components["schemas"]} Schemas */
/** @typedef {Schemas["TaskView"]} Task */
/** @typedef {Schemas["RunDetail"]} RunDetail */
/** @typedef {Schemas["RunView"]} Run */
/** @typedef {Schemas["ProjectView"]} Project */
/** @typedef {Schemas["StatusView"]} Status */

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const DAY = 24 * H;

/** A day, so many from now. */
function day(/** @type {number} */ now, /** @type {number} */ days) {
  const date = new Date(now + days * DAY);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** @type {() => Project[]} */
const projects = () => [
  {
    name: "Antenna ML Pipeline",
    repository: "~/Projects/antenna",
    branch: "main",
    agent: "claude",
    image: "rust:1-bookworm",
    checks: ["cargo test --workspace", "cargo clippy -- -D warnings"],
    approval: "auto",
    review: "manual",
    allow: ["crates", "github"],
    problem: null,
  },
  {
    name: "Billing",
    repository: "~/Projects/billing",
    branch: "main",
    agent: "claude",
    image: "node:20-bookworm",
    checks: ["npm test", "npm run lint"],
    approval: "manual",
    review: "manual",
    allow: ["npm"],
    problem: null,
  },
  {
    name: "Docs site",
    repository: "~/Projects/docs",
    branch: "main",
    agent: "claude",
    image: null,
    checks: ["make linkcheck"],
    approval: "auto",
    review: "auto",
    allow: [],
    problem: null,
  },
  {
    name: "Edge firmware",
    repository: "~/Projects/edge",
    branch: null,
    agent: "shell",
    image: "debian:bookworm-slim",
    checks: [],
    approval: "auto",
    review: "manual",
    allow: ["debian"],
    problem:
      "It has submodules (vendor/hal), which are not supported yet. Vendor them as plain files, or leave it out.",
  },
];

/** @returns {Schemas["UsageView"]} */
const usage = (requests = 0, input = 0, output = 0, cached = 0, cost = 0) => ({
  requests,
  input_tokens: input,
  output_tokens: output,
  cache_read_tokens: cached,
  cache_write_tokens: Math.round(cached / 6),
  cost_microusd: cost,
});

/**
 * @param {number} now
 * @param {Partial<Task> & { id: string, project: string, action: string, state: string }} given
 * @returns {Task}
 */
function task(now, given) {
  return {
    priority: 3,
    deadline: null,
    needs_gpu: false,
    agent: null,
    model: null,
    block: null,
    waits_for: null,
    depends_on: [],
    source: "csv:priorities.csv",
    ticket: null,
    run: null,
    attempts: 0,
    created_at: now - 3 * H,
    updated_at: now - 2 * H,
    ...given,
  };
}

/**
 * @param {number} now
 * @param {Task} of
 * @param {Partial<Run>} given
 * @param {Partial<RunDetail>} [more]
 * @returns {RunDetail}
 */
function run(now, of, given, more = {}) {
  const id = `${of.id}.${of.attempts || 1}`;
  /** @type {Run} */
  const view = {
    id,
    task: of.id,
    project: of.project,
    state: "working",
    waiting_for: null,
    outcome: null,
    outcome_detail: null,
    agent: of.agent ?? "claude",
    model: "claude-sonnet-4-20250514",
    mode: "headless",
    branch: `strawboss/${of.id}`,
    target: "main",
    green: null,
    usage: usage(),
    created_at: now - 5 * M,
    started_at: now - 4 * M,
    finished_at: null,
    heard_at: now,
    ...given,
  };
  of.attempts = Math.max(1, of.attempts);
  of.run = view;
  return {
    run: view,
    prompt: of.action,
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
    ...more,
  };
}

/** @param {number} now */
function finished(now, minutesAgo = 12, tookMinutes = 9) {
  const end = now - minutesAgo * M;
  return {
    state: "finished",
    outcome: "succeeded",
    green: true,
    created_at: end - tookMinutes * M - 4 * S,
    started_at: end - tookMinutes * M,
    finished_at: end,
    heard_at: end,
  };
}

/**
 * The first run of a task that had to be sent back.
 *
 * @param {number} now
 * @param {Task} of
 * @param {number} minutesAgo
 */
function earlier(now, of, minutesAgo) {
  return run(
    now,
    { ...of, attempts: 1 },
    {
      ...finished(now, minutesAgo, 7),
      outcome: "failed",
      outcome_detail: "A check is red.",
      green: false,
      usage: usage(18, 9_900, 7_100, 190_000, 241_000),
    },
  );
}

const CLIPPY_TAIL = `    Checking antenna-upload v0.4.1
error: this \`if\` statement can be collapsed
  --> crates/ingest/src/window.rs:88:9
   |
88 | /         if window.is_open() {
89 | |             if window.is_late(now) {
90 | |                 self.drop_late(window);
91 | |             }
92 | |         }
   | |_________^
   = note: \`-D clippy::collapsible-if\` implied by \`-D warnings\`

error: could not compile \`antenna-ingest\` (lib) due to 1 previous error
`;

/**
 * Everything that the stand-in begins with.
 *
 * @param {number} now
 * @returns {{ tasks: Task[], runs: RunDetail[], patches: Map<string, string>, projects: Project[], sources: Schemas["SourceView"][] }}
 */
export function scenario(now) {
  /** @type {Task[]} */
  const tasks = [];
  /** @type {RunDetail[]} */
  const runs = [];
  /** @type {Map<string, string>} */
  const patches = new Map();
  const add = (/** @type {Parameters<typeof task>[1]} */ given) => {
    const made = task(now, given);
    tasks.push(made);
    return made;
  };

  // Running.
  const retry = add({
    id: "antenna-7",
    project: "Antenna ML Pipeline",
    action:
      "Make chunk uploads survive a restart of the server\n\nUploads give up after ten seconds of 503. Use exponential back-off with jitter, cap it at 30 s, and add a test with a server that fails for a while.",
    state: "running",
    priority: 1,
    deadline: day(now, 0),
    model: "Sonnet 4",
    updated_at: now - 4 * M,
  });
  runs.push(
    run(
      now,
      retry,
      {
        usage: usage(14, 8_420, 6_130, 182_400, 214_000),
        created_at: now - 262 * S,
        started_at: now - 251 * S,
      },
      {
        load: {
          cpu_ms: 48_200,
          memory_bytes: 734_003_200,
          disk_bytes: 1_288_490_188,
          processes: 23,
          at: now - 2 * S,
        },
        refusals: [
          {
            target: "api.statsig.com:443",
            reason: "not on this project's list",
            known_probe: true,
            count: 3,
            last_at: now - 3 * M,
          },
          {
            target: "169.254.169.254:80",
            reason: "link-local addresses are never reached",
            known_probe: false,
            count: 1,
            last_at: now - 90 * S,
          },
        ],
      },
    ),
  );
  const invoices = add({
    id: "billing-12",
    project: "Billing",
    action: "Round invoice totals half to even and show the rounding on the PDF",
    state: "running",
    priority: 2,
    deadline: day(now, 3),
    model: "Sonnet 4",
    updated_at: now - 9 * M,
  });
  runs.push(
    run(now, invoices, {
      state: "waiting",
      waiting_for: "the provider's limit, until 14:05",
      usage: usage(31, 20_100, 11_800, 402_000, 480_300),
      created_at: now - 9 * M,
      started_at: now - 8.7 * M,
    }),
  );
  const naming = add({
    id: "antenna-31",
    project: "Antenna",
    action: "Rename the sensor's units as the standard has them",
    state: "running",
    priority: 3,
    updated_at: now - 4 * M,
  });
  const question = {
    number: 1,
    text: "Two services still read the old names. Shall both be kept for a release, or only the new ones?",
    choices: ["Keep both for a release", "Only the new ones"],
    at: now - M,
    answer: null,
  };
  runs.push(
    run(
      now,
      naming,
      {
        state: "waiting",
        waiting_for: "an answer to its question",
        progress: { text: "The names are collected; both readers are found.", percent: 40, at: now - 2 * M },
        question,
        usage: usage(12, 6_100, 3_050, 80_300, 91_000),
      },
      { questions: [question] },
    ),
  );
  const links = add({
    id: "docs-4",
    project: "Docs site",
    action: "Fix every dead link that `make linkcheck` reports",
    state: "running",
    priority: 4,
    updated_at: now - 6 * M,
  });
  runs.push(
    run(
      now,
      links,
      {
        state: "checking",
        usage: usage(9, 4_300, 2_050, 60_300, 71_000),
        created_at: now - 6 * M,
        started_at: now - 5.8 * M,
      },
      { head_commit: "77c1e09d3b5a4f6e8d2c1b0a9f8e7d6c5b4a3f2e", summary: "Replaced 14 dead links." },
    ),
  );
  const shell = add({
    id: "edge-3",
    project: "Edge firmware",
    action: "Bisect the boot loop between v2.3.0 and v2.4.0",
    state: "running",
    priority: 5,
    agent: "shell",
    updated_at: now - 20 * M,
  });
  runs.push(
    run(now, shell, { agent: "shell", model: null, created_at: now - 20 * M, started_at: now - 19.8 * M }),
  );

  // Queued.
  add({
    id: "antenna-8",
    project: "Antenna ML Pipeline",
    action: "Replace the hand-written CSV reader in ingest with the csv crate",
    state: "queued",
    priority: 2,
    model: "Sonnet 4",
    waits_for: "Its project has as many runs as it may.",
  });
  add({
    id: "billing-13",
    project: "Billing",
    action: "Let customers download all invoices of a year as one ZIP",
    state: "queued",
    priority: 3,
    deadline: day(now, 5),
    waits_for: "Its project has as many runs as it may.",
  });
  add({
    id: "docs-5",
    project: "Docs site",
    action: "Write a getting-started page for the 2.0 command line",
    state: "queued",
    priority: 4,
    waits_for: "Every slot is taken.",
  });

  // Pending.
  add({
    id: "billing-14",
    project: "Billing",
    action: "Delete the legacy tax tables and everything that reads them",
    state: "pending",
    priority: 2,
    deadline: day(now, -2),
    waits_for: "Waits for a person's approval.",
  });
  add({
    id: "billing-15",
    project: "Billing",
    action: "Upgrade Express to 5 and remove the body-parser shim",
    state: "pending",
    priority: 3,
    waits_for: "Waits for a person's approval.",
  });

  // Review.
  const backoff = add({
    id: "antenna-5",
    project: "Antenna ML Pipeline",
    action: "Back off exponentially between upload attempts",
    state: "review",
    priority: 1,
    deadline: day(now, 1),
    model: "Sonnet 4",
    waits_for: "Waits for a person's decision.",
    updated_at: now - 12 * M,
  });
  runs.push(
    run(
      now,
      backoff,
      { ...finished(now), usage: usage(22, 12_400, 9_020, 260_000, 312_400) },
      {
        head_commit: "9d0e714c5b2a3f4e6d7c8b9a0f1e2d3c4b5a6978",
        summary:
          "Uploads now back off exponentially, from 250 ms to 30 s, with jitter, and give up after 12 attempts. I added a test with a server that fails for 20 s and kept the old one.\n\nThe jitter is a trait so that tests stay deterministic.",
        checks: [
          {
            command: "cargo test --workspace",
            exit_code: 0,
            duration_ms: 41_300,
            output_tail: "test result: ok. 128 passed; 0 failed; 0 ignored; finished in 3.41s\n",
          },
          {
            command: "cargo clippy -- -D warnings",
            exit_code: 0,
            duration_ms: 18_200,
            output_tail: "    Finished `dev` profile in 17.6s\n",
          },
        ],
        refusals: [
          {
            target: "api.statsig.com:443",
            reason: "not on this project's list",
            known_probe: true,
            count: 3,
            last_at: now - 20 * M,
          },
        ],
      },
    ),
  );
  patches.set(`${backoff.id}.1`, RETRY_PATCH);
  const late = add({
    id: "antenna-6",
    project: "Antenna ML Pipeline",
    action: "Drop samples that arrive after their window closed",
    state: "review",
    priority: 2,
    model: "Sonnet 4",
    attempts: 2,
    waits_for: "Waits for a person's decision.",
    updated_at: now - 31 * M,
  });
  runs.push(
    run(
      now,
      late,
      {
        ...finished(now, 31, 14),
        outcome: "failed",
        outcome_detail: "The check `cargo clippy -- -D warnings` ended with 101.",
        green: false,
        usage: usage(40, 25_300, 17_400, 512_000, 655_000),
      },
      {
        head_commit: "c0ffee4c5b2a3f4e6d7c8b9a0f1e2d3c4b5a6978",
        summary: "Late samples are counted and dropped. One lint is left in a file that I did not touch.",
        resumes: "antenna-6.1",
        checks: [
          {
            command: "cargo test --workspace",
            exit_code: 0,
            duration_ms: 44_100,
            output_tail: "test result: ok. 131 passed; 0 failed\n",
          },
          {
            command: "cargo clippy -- -D warnings",
            exit_code: 101,
            duration_ms: 9_700,
            output_tail: CLIPPY_TAIL,
          },
        ],
      },
    ),
  );
  runs.push(earlier(now, late, 70));
  patches.set("antenna-6.2", RETRY_PATCH.replaceAll("upload", "ingest").replaceAll("retry", "window"));

  // Blocked.
  const gpu = add({
    id: "antenna-9",
    project: "Antenna ML Pipeline",
    action: "Retrain the beam classifier on the September captures",
    state: "blocked",
    priority: 1,
    deadline: day(now, -1),
    needs_gpu: true,
    block: {
      code: "no_gpu",
      message: "The task needs a GPU, and no machine here has one.",
      fix: "Add a machine with a GPU, or clear the GPU column of its row.",
    },
  });
  gpu.attempts = 0;
  const failed = add({
    id: "billing-9",
    project: "Billing",
    action: "Move the dunning e-mails to the template engine",
    state: "blocked",
    priority: 3,
    block: {
      code: "failed",
      message: "`npm test` failed twice on the pushed commit.",
      fix: "Look at the check's output on the run page, then retry it, with a clearer Next Action perhaps.",
    },
    attempts: 2,
    updated_at: now - 50 * M,
  });
  runs.push(
    run(
      now,
      failed,
      {
        ...finished(now, 50, 22),
        outcome: "failed",
        outcome_detail: "The check `npm test` ended with 1.",
        green: false,
        usage: usage(61, 40_100, 22_700, 803_000, 990_400),
      },
      {
        head_commit: "0dd1e04c5b2a3f4e6d7c8b9a0f1e2d3c4b5a6978",
        checks: [
          {
            command: "npm test",
            exit_code: 1,
            duration_ms: 12_800,
            output_tail:
              "  1) dunning second reminder\n     AssertionError: expected 'Dear customer' to equal 'Dear Ada'\n\n  41 passing\n  1 failing\n",
          },
        ],
      },
    ),
  );
  runs.push(earlier(now, failed, 90));
  patches.set("billing-9.2", RETRY_PATCH);

  // Paused.
  add({
    id: "docs-3",
    project: "Docs site",
    action: "Translate the operator's handbook to German",
    state: "paused",
    priority: 5,
    waits_for: "Paused; it goes on when somebody starts it.",
  });

  // Done.
  const done = [
    ["docs-1", "Docs site", "Add a search page"],
    ["docs-2", "Docs site", "Name the licence on every page"],
    ["antenna-1", "Antenna ML Pipeline", "Speed up the FFT by planning it once"],
    ["antenna-2", "Antenna ML Pipeline", "Read captures from object storage"],
    ["antenna-3", "Antenna ML Pipeline", "Log the antenna's serial number with each capture"],
    ["antenna-4", "Antenna ML Pipeline", "Refuse captures with a clock more than a minute off"],
    ["billing-1", "Billing", "Show net and gross on the overview"],
    ["billing-2", "Billing", "Send receipts as PDF/A"],
    ["billing-3", "Billing", "Validate VAT numbers against the checksum"],
    ["billing-4", "Billing", "Round exchange rates to six digits"],
    ["billing-5", "Billing", "Stop charging archived customers"],
    ["billing-6", "Billing", "Test the leap-day proration"],
    ["billing-7", "Billing", "Replace moment with Temporal"],
    ["billing-8", "Billing", "Index invoices by due date"],
    ["edge-1", "Edge firmware", "Shrink the bootloader below 64 KiB"],
  ];
  for (const [index, [id = "", project = "", action = ""]] of done.entries()) {
    const made = add({
      id,
      project,
      action,
      state: index === 4 ? "cancelled" : "done",
      updated_at: now - (index + 1) * 47 * M,
    });
    runs.push(
      run(
        now,
        made,
        {
          ...finished(now, (index + 1) * 47, 6 + (index % 5)),
          usage: usage(12, 9_000, 5_000, 120_000, 90_000 + index * 23_000),
        },
        {
          head_commit: "ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12",
          merged_commit: index === 4 ? null : "fe98dc76ba54fe98dc76ba54fe98dc76ba54fe98",
          summary: "Done as asked; the checks are green.",
        },
      ),
    );
    patches.set(`${id}.1`, RETRY_PATCH);
  }

  return {
    tasks,
    runs,
    patches,
    projects: projects(),
    sources: [
      {
        name: "csv:priorities.csv",
        readable: true,
        looked_at: now - 3 * S,
        items: tasks.length,
        problems: [
          {
            line: 14,
            column: "Deadline",
            message:
              "`next friday` is no date; the row was taken without a deadline. Write it as `2026-11-27`.",
            skipped: false,
          },
          {
            line: 19,
            column: "Status",
            message:
              "`Doing` is no status. Use Pending, Queued, In Progress, In Review, Completed, Paused or Blocked.",
            skipped: true,
          },
        ],
      },
    ],
  };
}
