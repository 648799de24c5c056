import { describe, expect, it, vi } from "vitest";
import { aTask, anEvent } from "../test/fixtures";
import { applyToTasks, LiveStore } from "./store";

describe("applyToTasks", () => {
  it("takes a snapshot for all there is", () => {
    const before = new Map([["old-1", aTask({ id: "old-1" })]]);
    const after = applyToTasks(before, [{ type: "snapshot", tasks: [aTask({ id: "new-1" })] }]);
    expect([...after.keys()]).toEqual(["new-1"]);
  });

  it("adds and changes tasks in the order of the events", () => {
    const after = applyToTasks(new Map(), [
      { type: "task", task: aTask({ id: "a-1", state: "queued" }) },
      { type: "task", task: aTask({ id: "a-1", state: "running" }) },
      { type: "task", task: aTask({ id: "a-2", state: "blocked" }) },
    ]);
    expect([...after.values()].map((task) => task.state)).toEqual(["running", "blocked"]);
  });

  it("keeps the very map when no event is about tasks", () => {
    const before = new Map([["a-1", aTask()]]);
    expect(applyToTasks(before, [{ type: "run_report", run: "r", report: anEvent(1, {}) }])).toBe(before);
  });
});

describe("LiveStore", () => {
  it("is ready and live with the first snapshot only", () => {
    const store = new LiveStore();
    store.apply([{ type: "task", task: aTask() }]);
    expect(store.getState()).toMatchObject({ ready: false, connection: "connecting" });
    store.apply([{ type: "snapshot", tasks: [] }]);
    expect(store.getState()).toMatchObject({ ready: true, connection: "live", snapshots: 1 });
  });

  it("says as of when what it shows was true, until the next snapshot", () => {
    vi.useFakeTimers();
    vi.setSystemTime(1_000_000);
    const store = new LiveStore();
    store.apply([{ type: "snapshot", tasks: [] }]);
    vi.setSystemTime(1_009_000);
    store.lost(1_010_000);
    expect(store.getState()).toMatchObject({ connection: "lost", asOf: 1_000_000, retryAt: 1_010_000 });

    // A connection that opens and breaks before its snapshot makes nothing true.
    vi.setSystemTime(1_020_000);
    store.heard();
    store.lost(1_030_000);
    expect(store.getState().asOf).toBe(1_000_000);

    store.apply([{ type: "snapshot", tasks: [] }]);
    expect(store.getState()).toMatchObject({ connection: "live", asOf: null, retryAt: null });
  });

  it("gives reports to those who asked for that run", () => {
    const store = new LiveStore();
    const mine: number[] = [];
    const off = store.onReport("a-1.1", (report) => mine.push(report.row));
    store.apply([
      { type: "run_report", run: "a-1.1", report: anEvent(1, {}) },
      { type: "run_report", run: "b-1.1", report: anEvent(2, {}) },
    ]);
    off();
    store.apply([{ type: "run_report", run: "a-1.1", report: anEvent(3, {}) }]);
    expect(mine).toEqual([1]);
  });
});
