// Follows the demo's tasks and says what changes. With `once` it ends: 0 when everything that can run is Completed.
//
//   node watch.mjs ADDRESS TOKEN-FILE [once TASKS FINISHABLE]

import { readFileSync } from "node:fs";

const [address, tokenFile, mode, tasksInAll, finishable] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();
const colour = process.stderr.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const colours = { running: 36, review: 35, done: 32, blocked: 33, queued: 2 };
const seen = new Map();
const started = Date.now();
const LIMIT_MS = 15 * 60 * 1000;

async function tasks() {
  const answer = await fetch(`http://${address}/api/v1/tasks?limit=1000`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`the dashboard answers ${answer.status}`);
  return (await answer.json()).items;
}

function tell(task) {
  const run = task.run;
  const state = task.state === "running" && run ? `running, ${run.state}` : task.state;
  const why = task.block ? `: ${task.block.message}` : run?.outcome === "failed" ? `: ${run.outcome_detail}` : "";
  const line = `${state}${why}`;
  if (seen.get(task.id) === line) return;
  seen.set(task.id, line);
  const seconds = ((Date.now() - started) / 1000).toFixed(0).padStart(4);
  const action = task.action.length > 44 ? `${task.action.slice(0, 43)}…` : task.action.padEnd(44);
  process.stderr.write(`${seconds} s  ${task.project.padEnd(8)} ${action} ${paint(colours[task.state] ?? 0, line)}\n`);
}

for (;;) {
  const all = await tasks();
  all.forEach(tell);
  const over = all.filter((task) => task.state === "done");
  const waits = all.filter((task) => task.state === "blocked" && ["no_gpu", "by_source"].includes(task.block.code));
  const failed = all.filter((task) => task.state === "blocked" && !waits.includes(task));
  if (mode === "once") {
    if (failed.length > 0) {
      process.stderr.write(`${failed.length} task(s) cannot go on.\n`);
      process.exit(1);
    }
    const isOver = over.length === Number(finishable) && over.length + waits.length === Number(tasksInAll);
    if (isOver && all.length === Number(tasksInAll)) process.exit(0);
    if (Date.now() - started > LIMIT_MS) {
      process.stderr.write("The backlog was not worked off in time.\n");
      process.exit(1);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
}
