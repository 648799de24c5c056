/** A run's reports as a story for people. Pure; everything in a report is hostile and read with care. */
import type { AgentEvent, End, ReportBody, RunEvent } from "../../../api/types";

export type Tone = "plain" | "good" | "bad" | "warn" | "faint";

export type Item =
  | { row: number; at: number; kind: "phase"; phase: string }
  | { row: number; at: number; kind: "text"; who: "agent" | "person"; text: string }
  | {
      row: number;
      at: number;
      kind: "tool";
      name: string;
      input: string;
      /** Undefined while the tool works. */
      result: { text: string; isError: boolean } | undefined;
    }
  | { row: number; at: number; kind: "line"; tone: Tone; text: string; detail?: string | undefined };

function str(value: unknown): string {
  return typeof value === "string" ? value : value == null ? "" : JSON.stringify(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function toItems(events: readonly RunEvent[]): Item[] {
  const items: Item[] = [];
  const tools = new Map<string, Extract<Item, { kind: "tool" }>>();
  for (const event of events) {
    if (!isObject(event.body)) continue;
    const base = { row: event.row, at: event.at };
    const body = event.body as unknown as ReportBody;
    switch (body.kind) {
      case "phase":
        items.push({ ...base, kind: "phase", phase: str(body.phase) });
        break;
      case "step":
        items.push({
          ...base,
          kind: "line",
          tone: body.ok ? "good" : "bad",
          text: `${str(body.name)}${body.ok ? "" : " failed"}`,
          detail: body.output_tail ?? undefined,
        });
        break;
      case "agent":
        if (isObject(body.event)) addAgentEvent(items, tools, base, event.sandbox, body.event);
        break;
      case "check": {
        const good = isObject(body.result) && body.result.exit_code === 0;
        items.push({
          ...base,
          kind: "line",
          tone: good ? "good" : "bad",
          text: `Check ${good ? "passed" : "failed"}: ${isObject(body.result) ? str(body.result.command) : ""}`,
          detail: good || !isObject(body.result) ? undefined : str(body.result.output_tail),
        });
        break;
      }
      case "pushed":
        items.push({
          ...base,
          kind: "line",
          tone: "plain",
          text: `Pushed ${str(body.commit).slice(0, 10)} to ${str(body.reference).replace(/^refs\/heads\//, "")}`,
        });
        break;
      case "done":
        if (isObject(body.end)) items.push({ ...base, kind: "line", ...endLine(body.end) });
        break;
      default:
        items.push({
          ...base,
          kind: "line",
          tone: "faint",
          text: str((event.body as { kind?: unknown }).kind),
        });
    }
  }
  return items;
}

function addAgentEvent(
  items: Item[],
  tools: Map<string, Extract<Item, { kind: "tool" }>>,
  base: { row: number; at: number },
  sandbox: string,
  event: AgentEvent,
): void {
  const line = (tone: Tone, text: string) => items.push({ ...base, kind: "line", tone, text });
  switch (event.event) {
    case "session":
      line("faint", event.model == null ? "Session began" : `Session began with ${event.model}`);
      break;
    case "message":
      items.push({ ...base, kind: "text", who: "agent", text: str(event.text) });
      break;
    case "told":
      items.push({ ...base, kind: "text", who: "person", text: str(event.text) });
      break;
    case "tool_call": {
      const tool = {
        ...base,
        kind: "tool" as const,
        name: str(event.name),
        input: str(event.input),
        result: undefined,
      };
      items.push(tool);
      tools.set(`${sandbox}/${event.id}`, tool);
      break;
    }
    case "tool_result": {
      const result = { text: str(event.text), isError: event.is_error };
      const call = tools.get(`${sandbox}/${event.id}`);
      if (call) call.result = result;
      else items.push({ ...base, kind: "tool", name: "Result", input: "", result });
      break;
    }
    case "rate_limited":
      line(
        "warn",
        event.until == null
          ? "The provider limits it"
          : `The provider limits it until ${new Date(event.until).toLocaleTimeString()}`,
      );
      break;
    case "turn_ended":
      line(
        event.is_error ? "bad" : "faint",
        event.is_error
          ? `The agent says that it failed: ${str(event.text)}`
          : event.turns == null
            ? "Turn ended"
            : `Turn ended after ${event.turns} steps`,
      );
      break;
    case "exited":
      line(
        event.code === 0 ? "faint" : "bad",
        event.code == null ? "The agent was ended by a signal" : `The agent exited with ${event.code}`,
      );
      break;
    default:
      line("faint", str((event as { name?: unknown }).name));
  }
}

function endLine(end: End): { tone: Tone; text: string; detail?: string } {
  switch (end.how) {
    case "complete":
      return { tone: "good", text: "Sandbox done" };
    case "stopped":
      return { tone: "warn", text: "Stopped; work in progress is saved" };
    case "agent_failed":
      return { tone: "bad", text: "The agent failed", detail: end.detail };
    case "setup_failed":
      return { tone: "bad", text: "A set-up command failed", detail: end.detail };
    case "machinery_failed":
      return { tone: "bad", text: "The machinery failed", detail: end.detail };
    default:
      return { tone: "faint", text: str((end as { how?: unknown }).how) };
  }
}

export type Only = "all" | "words" | "tools" | "problems";

export function keep(item: Item, only: Only): boolean {
  switch (only) {
    case "all":
      return true;
    case "words":
      return item.kind === "text";
    case "tools":
      return item.kind === "tool";
    case "problems":
      return (
        (item.kind === "line" && (item.tone === "bad" || item.tone === "warn")) ||
        (item.kind === "tool" && item.result?.isError === true)
      );
  }
}

/** Adds reports by their row: the same one twice, or an older one late, changes nothing that it should not. */
export function mergeEvents(known: readonly RunEvent[], more: readonly RunEvent[]): readonly RunEvent[] {
  const last = known.at(-1)?.row ?? -1;
  const sorted = [...more].sort((a, b) => a.row - b.row);
  const newer = sorted.filter((event, index) => event.row > last && event.row !== sorted[index - 1]?.row);
  if (newer.length === sorted.length) return newer.length === 0 ? known : [...known, ...newer];
  const rows = new Set(known.map((event) => event.row));
  const missing = sorted.filter((event) => {
    if (rows.has(event.row)) return false;
    rows.add(event.row);
    return true;
  });
  if (missing.length === 0) return known;
  return [...known, ...missing].sort((a, b) => a.row - b.row);
}
