import { describe, expect, it } from "vitest";
import { aRun, aTask } from "../../test/fixtures";
import { arrange, columnOf, firstColumn, matches, moveSelection } from "./model";

const ALL = { text: "", project: "" };

describe("arrange", () => {
  it("puts tasks where their state says, withdrawn ones to the finished", () => {
    const columns = arrange(
      [
        aTask({ id: "a", state: "pending" }),
        aTask({ id: "b", state: "cancelled" }),
        aTask({ id: "c", state: "review" }),
      ],
      ALL,
    );
    expect(columns.pending.map((task) => task.id)).toEqual(["a"]);
    expect(columns.done.map((task) => task.id)).toEqual(["b"]);
    expect(columns.review.map((task) => task.id)).toEqual(["c"]);
  });

  it("shows a state of a later version where a person looks", () => {
    expect(columnOf("hibernating")).toBe("blocked");
  });

  it("orders as the scheduler does: priority, deadline, age", () => {
    const columns = arrange(
      [
        aTask({ id: "late", priority: 2, deadline: "2026-12-01" }),
        aTask({ id: "none", priority: 2, deadline: null }),
        aTask({ id: "soon", priority: 2, deadline: "2026-11-22" }),
        aTask({ id: "first", priority: 1 }),
        aTask({ id: "older", priority: 2, deadline: null, created_at: 1 }),
      ],
      ALL,
    );
    expect(columns.queued.map((task) => task.id)).toEqual(["first", "soon", "late", "older", "none"]);
  });

  it("shows what finished last first", () => {
    const columns = arrange(
      [aTask({ id: "a", state: "done", updated_at: 1 }), aTask({ id: "b", state: "done", updated_at: 2 })],
      ALL,
    );
    expect(columns.done.map((task) => task.id)).toEqual(["b", "a"]);
  });
});

describe("matches", () => {
  const task = aTask({ project: "Antenna", action: "Speed up the FFT", run: aRun({ model: "sonnet" }) });
  it("wants every word, anywhere", () => {
    expect(matches(task, { text: "fft ANTENNA", project: "" })).toBe(true);
    expect(matches(task, { text: "sonnet", project: "" })).toBe(true);
    expect(matches(task, { text: "fft billing", project: "" })).toBe(false);
  });
  it("takes the project literally", () => {
    expect(matches(task, { text: "", project: "Antenna" })).toBe(true);
    expect(matches(task, { text: "", project: "Ant" })).toBe(false);
  });
});

describe("moveSelection", () => {
  const columns = [["a", "b", "c"], [], ["x"]];
  it("begins with the first card", () => {
    expect(moveSelection(columns, null, "down")).toBe("a");
    expect(moveSelection(columns, "gone", "right")).toBe("a");
    expect(moveSelection([[], []], null, "down")).toBeNull();
  });
  it("stays at the ends", () => {
    expect(moveSelection(columns, "c", "down")).toBe("c");
    expect(moveSelection(columns, "a", "up")).toBe("a");
    expect(moveSelection(columns, "x", "right")).toBe("x");
  });
  it("passes over empty columns and keeps the height where it can", () => {
    expect(moveSelection(columns, "c", "right")).toBe("x");
    expect(moveSelection(columns, "x", "left")).toBe("a");
  });
});

describe("firstColumn", () => {
  it("is where a person is waited for", () => {
    const columns = arrange([aTask({ state: "queued" }), aTask({ id: "r", state: "review" })], ALL);
    expect(firstColumn(columns)).toBe("review");
    expect(firstColumn(arrange([], ALL))).toBe("queued");
  });
});
