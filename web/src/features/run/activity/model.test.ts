import { describe, expect, it } from "vitest";
import { anEvent } from "../../../test/fixtures";
import { keep, mergeEvents, toItems } from "./model";

const agent = (row: number, event: unknown, sandbox = "s1") =>
  anEvent(row, { kind: "agent", event, raw: null }, { sandbox });

describe("toItems", () => {
  it("puts a tool's result to its call", () => {
    const items = toItems([
      agent(1, { event: "tool_call", id: "t1", name: "Bash", input: "make" }),
      agent(2, { event: "tool_call", id: "t2", name: "Read", input: "x" }),
      agent(3, { event: "tool_result", id: "t1", is_error: true, text: "no rule" }),
    ]);
    expect(items).toMatchObject([
      { row: 1, kind: "tool", name: "Bash", result: { text: "no rule", isError: true } },
      { row: 2, kind: "tool", name: "Read", result: undefined },
    ]);
  });

  it("keeps the tools of two sandboxes apart", () => {
    const items = toItems([
      agent(1, { event: "tool_call", id: "t1", name: "Bash", input: "make" }, "one"),
      agent(2, { event: "tool_result", id: "t1", is_error: false, text: "other" }, "two"),
    ]);
    expect(items).toMatchObject([{ result: undefined }, { name: "Result", result: { text: "other" } }]);
  });

  it("tells what went wrong", () => {
    const items = toItems([
      anEvent(1, { kind: "step", name: "setup: npm ci", ok: false, duration_ms: 5, output_tail: "E404" }),
      anEvent(2, {
        kind: "check",
        index: 0,
        result: { command: "make", exit_code: 2, duration_ms: 1, output_tail: "!" },
      }),
      anEvent(3, { kind: "done", end: { how: "machinery_failed", detail: "no space left" } }),
    ]);
    expect(items).toMatchObject([
      { tone: "bad", text: "setup: npm ci failed", detail: "E404" },
      { tone: "bad", text: "Check failed: make", detail: "!" },
      { tone: "bad", text: "The machinery failed", detail: "no space left" },
    ]);
    expect(items.every((item) => keep(item, "problems"))).toBe(true);
  });

  it("stands whatever a sandbox sends", () => {
    const hostile = [
      null,
      1,
      "x",
      [],
      {},
      { kind: 7 },
      { kind: "agent" },
      { kind: "agent", event: { event: "message" } },
    ];
    const more = [
      { kind: "check" },
      { kind: "done" },
      { kind: "agent", event: { event: "tool_call", id: {}, name: [], input: 1 } },
    ];
    expect(() => toItems([...hostile, ...more].map((body, row) => anEvent(row, body)))).not.toThrow();
  });
});

describe("mergeEvents", () => {
  const rows = (events: readonly { row: number }[]) => events.map((event) => event.row);
  it("keeps each row once and in order, however they come", () => {
    const first = mergeEvents([], [anEvent(3, {}), anEvent(5, {})]);
    const second = mergeEvents(first, [
      anEvent(1, {}),
      anEvent(3, {}),
      anEvent(4, {}),
      anEvent(6, {}),
      anEvent(6, {}),
    ]);
    expect(rows(second)).toEqual([1, 3, 4, 5, 6]);
  });
  it("gives back what it has when nothing is new", () => {
    const known = [anEvent(1, {}), anEvent(2, {})];
    expect(mergeEvents(known, [anEvent(2, {})])).toBe(known);
    expect(mergeEvents(known, [])).toBe(known);
  });
});
