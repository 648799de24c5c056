/** When a run was in which state, from its reports. Pure. */
import type { ReportBody, Run, RunEvent } from "../../api/types";

export interface Segment {
  state: string;
  from: number;
  /** Undefined while it is going on. */
  to: number | undefined;
}

export function segments(run: Run, events: readonly RunEvent[]): Segment[] {
  const marks: { state: string; at: number }[] = [{ state: "starting", at: run.created_at }];
  let first: string | undefined;
  for (const event of events) {
    const body = event.body as unknown as Partial<ReportBody> | null;
    if (body?.kind !== "phase" || typeof body.phase !== "string") continue;
    first ??= event.sandbox;
    // Whatever a second sandbox is at, for people it is the checking.
    marks.push({ state: event.sandbox === first ? body.phase : "checking", at: event.at });
  }
  // The run's own state is newer than any report that is missing.
  const last = marks.at(-1);
  if (run.state !== "finished" && last && last.state !== run.state && last.state !== "saving") {
    const at = run.state === "working" && run.started_at != null ? run.started_at : (run.heard_at ?? last.at);
    marks.push({ state: run.state, at: Math.max(at, last.at) });
  }
  const merged: Segment[] = [];
  for (const mark of marks) {
    const previous = merged.at(-1);
    if (previous?.state === mark.state) continue;
    if (previous) previous.to = mark.at;
    merged.push({ state: mark.state, from: mark.at, to: undefined });
  }
  const end = merged.at(-1);
  if (end && run.finished_at != null) end.to = Math.max(run.finished_at, end.from);
  return merged;
}
