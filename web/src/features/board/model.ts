/** What the board shows where, and in which order. Pure. */
import { isTaskState, type Task, type TaskState } from "../../api/types";

export const COLUMNS = ["pending", "queued", "running", "review", "blocked", "paused", "done"] as const;
export type Column = (typeof COLUMNS)[number];

/** How many finished tasks are shown before somebody asks for more. */
export const DONE_CAP = 12;

export interface Filter {
  text: string;
  project: string;
}

/** Withdrawn tasks stand with the finished ones, marked; a state that this page does not know needs a person's eye. */
export function columnOf(state: string): Column {
  const known: TaskState = isTaskState(state) ? state : "blocked";
  return known === "cancelled" ? "done" : known;
}

export function matches(task: Task, filter: Filter): boolean {
  if (filter.project !== "" && task.project !== filter.project) return false;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const hay = [task.id, task.project, task.action, task.agent, task.model, task.run?.agent, task.run?.model]
    .filter((part) => part != null)
    .join(" ")
    .toLowerCase();
  return words.every((word) => hay.includes(word));
}

/** The scheduler's order: priority, then deadline, then age. */
function byUrgency(a: Task, b: Task): number {
  return (
    a.priority - b.priority ||
    (a.deadline ?? "9999").localeCompare(b.deadline ?? "9999") ||
    a.created_at - b.created_at ||
    a.id.localeCompare(b.id)
  );
}

function byNewest(a: Task, b: Task): number {
  return b.updated_at - a.updated_at || a.id.localeCompare(b.id);
}

export function arrange(tasks: Iterable<Task>, filter: Filter): Record<Column, Task[]> {
  const columns: Record<Column, Task[]> = {
    pending: [],
    queued: [],
    running: [],
    review: [],
    blocked: [],
    paused: [],
    done: [],
  };
  for (const task of tasks) {
    if (matches(task, filter)) columns[columnOf(task.state)].push(task);
  }
  for (const column of COLUMNS) columns[column].sort(column === "done" ? byNewest : byUrgency);
  return columns;
}

export function projectsOf(tasks: Iterable<Task>): string[] {
  return [...new Set([...tasks].map((task) => task.project))].sort((a, b) => a.localeCompare(b));
}

/** On a phone one column is shown; first the one where a person is waited for. */
export function firstColumn(columns: Record<Column, Task[]>): Column {
  const order: Column[] = ["review", "running", "blocked", "pending", "queued", "paused", "done"];
  return order.find((column) => columns[column].length > 0) ?? "queued";
}

/** Where the selection goes from a card. Columns without cards are passed over. */
export function moveSelection(
  columns: readonly (readonly string[])[],
  current: string | null,
  direction: "down" | "up" | "left" | "right",
): string | null {
  const x = columns.findIndex((column) => current !== null && column.includes(current));
  if (x < 0 || current === null) return columns.find((column) => column.length > 0)?.[0] ?? null;
  const column = columns[x] ?? [];
  const y = column.indexOf(current);
  if (direction === "down" || direction === "up") {
    return column[y + (direction === "down" ? 1 : -1)] ?? current;
  }
  const step = direction === "right" ? 1 : -1;
  for (let next = x + step; next >= 0 && next < columns.length; next += step) {
    const other = columns[next] ?? [];
    if (other.length > 0) return other[Math.min(y, other.length - 1)] ?? current;
  }
  return current;
}
