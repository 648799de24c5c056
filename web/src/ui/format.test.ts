import { describe, expect, it } from "vitest";
import { ago, bytes, cost, count, deadline, duration, firstLine, isoTime, modelName } from "./format";

const USAGE = {
  requests: 1,
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  cost_microusd: 0,
};

describe("format", () => {
  it("says durations in two units at most", () => {
    expect([-5, 900, 61_000, 3_725_000, 90_000_000].map(duration)).toEqual([
      "0s",
      "0s",
      "1m 01s",
      "1h 02m",
      "1d 1h",
    ]);
  });

  it("never says that something is yet to have been", () => {
    expect(ago(2_000, 1_000)).toBe("just now");
    expect(ago(0, 3_600_000 * 25)).toBe("1 day ago");
  });

  it("compares deadlines by the person's own calendar", () => {
    const noon = new Date(2026, 10, 21, 12).getTime();
    const lastMinute = new Date(2026, 10, 21, 23, 59).getTime();
    expect(deadline("2026-11-21", noon)).toEqual({ text: "due today", tone: "soon" });
    expect(deadline("2026-11-21", lastMinute)).toEqual({ text: "due today", tone: "soon" });
    expect(deadline("2026-11-20", noon)).toEqual({ text: "1 day overdue", tone: "overdue" });
    expect(deadline("2026-11-22", noon)).toEqual({ text: "due tomorrow", tone: "soon" });
    expect(deadline("2026-11-25", noon)).toEqual({ text: "due in 4 days", tone: "later" });
    expect(deadline("next friday", noon)).toBeUndefined();
  });

  it("says no price where none is known", () => {
    expect(cost(USAGE)).toBeUndefined();
    expect(cost({ ...USAGE, cost_microusd: 12 })).toBe("<$0.001");
    expect(cost({ ...USAGE, cost_microusd: 42_000 })).toBe("$0.042");
    expect(cost({ ...USAGE, cost_microusd: 12_345_678 })).toBe("$12.35");
  });

  it("shortens numbers", () => {
    expect([999, 1_000, 12_345, 182_400, 3_100_000].map(count)).toEqual([
      "999",
      "1k",
      "12.3k",
      "182k",
      "3.1M",
    ]);
    expect([512, 1_536, 734_003_200].map(bytes)).toEqual(["512 B", "1.5 KiB", "700 MiB"]);
  });

  it("stands what is no text, no time, no model date", () => {
    expect(firstLine("  \n ")).toBe("(no text)");
    expect(isoTime(9e15)).toBe("");
    expect(modelName("claude-sonnet-4-20250514")).toBe("claude-sonnet-4");
  });
});
