// What an agent of the stand-in says and does, as events and as its transcript.

/** @typedef {{ body?: Record<string, unknown>, print?: string, state?: string }} Step */

const DIM = "\x1b[2m";
const BOLD = "\x1b[1m";
const OFF = "\x1b[0m";
const GREEN = "\x1b[32m";
const RED = "\x1b[31m";
const YELLOW = "\x1b[33m";
const CYAN = "\x1b[36m";

/** @param {Record<string, unknown>} event */
const agent = (event) => ({ kind: "agent", event, raw: null });

/**
 * @param {string} text
 * @returns {Step}
 */
const says = (text) => ({ body: agent({ event: "message", text }), print: `\n${BOLD}●${OFF} ${text}\n` });

let calls = 0;

/**
 * @param {string} name
 * @param {string} input
 * @param {string} output
 * @returns {Step[]}
 */
function uses(name, input, output, failed = false) {
  const id = `call-${(calls += 1)}`;
  const shown = output
    .split("\n")
    .map((line) => `  ${DIM}│${OFF} ${line}`)
    .join("\n");
  return [
    {
      body: agent({ event: "tool_call", id, name, input }),
      print: `\n${CYAN}▸ ${name}${OFF} ${input}\n`,
    },
    {
      body: agent({ event: "tool_result", id, is_error: failed, text: output }),
      print: `${failed ? RED : ""}${shown}${OFF}\n`,
    },
  ];
}

/**
 * A small task from its clone to its push.
 *
 * @param {string} model
 * @param {string} prompt
 * @returns {Step[]}
 */
export function script(model, prompt) {
  return [
    {
      body: { kind: "phase", phase: "preparing" },
      state: "preparing",
      print: `${DIM}── preparing ──${OFF}\n`,
    },
    {
      body: { kind: "step", name: "clone", ok: true, duration_ms: 410, output_tail: null },
      print: `${GREEN}✓${OFF} clone ${DIM}0.4s${OFF}\n`,
    },
    {
      body: { kind: "step", name: "setup: cargo fetch", ok: true, duration_ms: 2_210, output_tail: null },
      print: `${GREEN}✓${OFF} cargo fetch ${DIM}2.2s${OFF}\n`,
    },
    { body: { kind: "phase", phase: "working" }, state: "working", print: `${DIM}── working ──${OFF}\n` },
    { body: agent({ event: "session", id: "5e1f", model }), print: `${DIM}session 5e1f · ${model}${OFF}\n` },
    {
      body: agent({ event: "told", text: prompt }),
      print: `\n${YELLOW}› ${prompt.replaceAll("\n", "\n  ")}${OFF}\n`,
    },
    says("I'll look at the upload path first, then at what its tests cover."),
    ...uses(
      "Bash",
      "rg -n 'send_with_retry' --type rust",
      "src/upload/retry.rs:8:pub async fn send_with_retry(\nsrc/upload/mod.rs:15:        send_with_retry(&chunk, client).await?;\ntests/upload_basic.rs:31:    send_with_retry(&chunk, &client).await.unwrap();",
    ),
    ...uses(
      "Read",
      "src/upload/retry.rs",
      "const PAUSE: Duration = Duration::from_secs(2);\n…\nfor _ in 0..5 {",
    ),
    says(
      "A fixed pause of 2 s and five attempts: it gives up after ten seconds, which is what the task reports. I'll double the pause up to 30 s and spread it with jitter.",
    ),
    ...uses("Edit", "src/upload/retry.rs", "+17 −6"),
    ...uses(
      "Bash",
      "cargo test -p antenna-upload",
      "error[E0061]: this function takes 3 arguments but 2 arguments were supplied\n  --> src/upload/mod.rs:15:9",
      true,
    ),
    says("The caller needs the jitter too."),
    ...uses("Edit", "src/upload/mod.rs", "+1 −1"),
    ...uses("Write", "tests/upload_retry.rs", "14 lines"),
    ...uses(
      "Bash",
      "cargo test -p antenna-upload",
      "running 9 tests\ntest retry::gives_up_after_the_last_attempt ... ok\ntest survives_a_restart_of_the_server ... ok\n\ntest result: ok. 9 passed; 0 failed; finished in 0.21s",
    ),
    ...uses(
      "Bash",
      "git commit -am 'Back off exponentially between upload attempts'",
      "[strawboss/antenna-7 9d0e714] Back off exponentially between upload attempts\n 3 files changed, 33 insertions(+), 7 deletions(-)",
    ),
    says(
      "Uploads now back off exponentially, from 250 ms to 30 s, with jitter. A new test shows that they survive a server that fails for 20 s.",
    ),
    {
      body: agent({ event: "turn_ended", is_error: false, text: "Done.", turns: 11 }),
      print: `\n${DIM}turn ended after 11 steps${OFF}\n`,
    },
    { body: agent({ event: "exited", code: 0 }) },
    { body: { kind: "phase", phase: "saving" }, print: `${DIM}── saving ──${OFF}\n` },
    {
      body: {
        kind: "pushed",
        reference: "refs/heads/strawboss/antenna-7",
        commit: "9d0e714c5b2a3f4e6d7c8b9a0f1e2d3c4b5a6978",
      },
      print: `${GREEN}✓${OFF} pushed 9d0e714c5b\n`,
    },
    { body: { kind: "done", end: { how: "complete", summary: null } } },
    { body: { kind: "phase", phase: "checking" }, state: "checking", print: `${DIM}── checking ──${OFF}\n` },
  ];
}

export const SHELL_GREETING = `agent@edge-3:~/workspace$ git bisect start v2.4.0 v2.3.0\r\nBisecting: 18 revisions left to test after this (roughly 4 steps)\r\n[${YELLOW}4be01d2${OFF}] boot: read the slot flag before the watchdog\r\nagent@edge-3:~/workspace$ `;
