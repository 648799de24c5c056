import { describe, expect, it } from "vitest";
import { anEvent, aRun, NOW } from "../../test/fixtures";
import { segments } from "./timeline";

const phase = (row: number, name: string, sandbox = "agent") =>
  anEvent(row, { kind: "phase", phase: name }, { sandbox });

describe("segments", () => {
  it("follows the phases, and takes a second sandbox for the checking", () => {
    const run = aRun({ state: "finished", outcome: "succeeded", created_at: NOW, finished_at: NOW + 60_000 });
    const parts = segments(run, [
      phase(1, "preparing"),
      phase(3, "working"),
      phase(20, "saving"),
      phase(25, "preparing", "checks"),
      phase(26, "checking", "checks"),
    ]);
    expect(parts.map(({ state, from, to }) => [state, from - NOW, (to ?? 0) - NOW])).toEqual([
      ["starting", 0, 1_000],
      ["preparing", 1_000, 3_000],
      ["working", 3_000, 20_000],
      ["saving", 20_000, 25_000],
      ["checking", 25_000, 60_000],
    ]);
  });

  it("shows a live run's state before its report is there", () => {
    const parts = segments(aRun({ state: "working", created_at: NOW, started_at: NOW + 5_000 }), []);
    expect(parts).toEqual([
      { state: "starting", from: NOW, to: NOW + 5_000 },
      { state: "working", from: NOW + 5_000, to: undefined },
    ]);
  });

  it("goes to and fro between work and waiting", () => {
    const parts = segments(aRun({ state: "working", created_at: NOW }), [
      phase(1, "working"),
      phase(2, "waiting"),
      phase(3, "working"),
    ]);
    expect(parts.map((part) => part.state)).toEqual(["starting", "working", "waiting", "working"]);
  });

  it("passes over reports that are no phases", () => {
    expect(() =>
      segments(aRun(), [anEvent(1, null), anEvent(2, { kind: "phase" }), anEvent(3, "x")]),
    ).not.toThrow();
  });
});
