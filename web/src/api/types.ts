/** Short names for what the server's OpenAPI snapshot describes, and the bodies of reports, which it leaves open. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Task = Schemas["TaskView"];
export type Block = Schemas["BlockView"];
export type Run = Schemas["RunView"];
export type RunDetail = Schemas["RunDetail"];
export type Progress = Schemas["ProgressView"];
export type Question = Schemas["QuestionView"];
export type Usage = Schemas["UsageView"];
export type Check = Schemas["CheckView"];
export type Refusal = Schemas["RefusalView"];
export type Load = Schemas["LoadView"];
export type RunEvent = Schemas["RunEvent"];
export type NewTask = Schemas["NewTask"];
export type Review = Schemas["ReviewView"];
export type Diff = Schemas["DiffView"];
export type DiffStat = Schemas["DiffStat"];
export type Project = Schemas["ProjectView"];
export type Source = Schemas["SourceView"];
export type Problem = Schemas["ProblemView"];
export type Session = Schemas["SessionView"];
export type NewSession = Schemas["NewSession"];
export type RemovedSession = Schemas["RemovedSession"];
export type Status = Schemas["StatusView"];
export type Part = Schemas["PartView"];
export type ErrorBody = Schemas["ErrorBody"];

/** Every state of a task, in the order of the board. The wire says a string: an unknown one must not break a page. */
export const TASK_STATES = [
  "pending",
  "queued",
  "running",
  "review",
  "blocked",
  "paused",
  "done",
  "cancelled",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

export function isTaskState(word: string): word is TaskState {
  return (TASK_STATES as readonly string[]).includes(word);
}

/** What `/api/v1/events` sends. */
export type ServerEvent = Schemas["Event"];

/** Text frames of `/ws/sessions/{id}` from the server. */
export type SessionServerMessage = Schemas["SessionServerMessage"];

/** Text frames of `/ws/sessions/{id}` to the server. */
export type SessionClientMessage = Schemas["SessionClientMessage"];

/** What an agent said or did, in one vocabulary for all agents. */
export type AgentEvent =
  | { event: "session"; id: string; model?: string | null }
  | { event: "message"; text: string }
  | { event: "told"; text: string }
  | { event: "tool_call"; id: string; name: string; input: string }
  | { event: "tool_result"; id: string; is_error: boolean; text: string }
  | { event: "rate_limited"; until?: number | null }
  | { event: "turn_ended"; is_error: boolean; text: string; turns?: number | null }
  | { event: "exited"; code?: number | null }
  | { event: "other"; name: string };

/** How a sandbox's work ended. */
export type End =
  | { how: "complete"; summary?: string | null }
  | { how: "agent_failed" | "setup_failed" | "machinery_failed"; detail: string }
  | { how: "stopped" };

/** The body of a stored report. */
export type ReportBody =
  | { kind: "phase"; phase: string }
  | { kind: "step"; name: string; ok: boolean; duration_ms: number; output_tail?: string | null }
  | { kind: "agent"; event: AgentEvent; raw?: string | null }
  | { kind: "check"; index: number; result: Check }
  | { kind: "pushed"; reference: string; commit: string }
  | { kind: "done"; end: End };
