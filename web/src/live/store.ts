/**
 * What the server said last: the tasks, and how fresh that is. Written by the event stream alone; pages only read.
 * A snapshot replaces everything, because after a gap nothing older can be trusted.
 */
import type { RunEvent, ServerEvent, Source, Task } from "../api/types";

export type Connection = "connecting" | "live" | "lost";

export interface LiveState {
  readonly tasks: ReadonlyMap<string, Task>;
  /** Whether a first snapshot arrived. */
  readonly ready: boolean;
  readonly connection: Connection;
  /** When the connection was lost: what is shown was true then. Milliseconds since 1970. */
  readonly asOf: number | null;
  /** When the next try is. */
  readonly retryAt: number | null;
  /** Counts snapshots, so that readers know when to fill a gap of their own. */
  readonly snapshots: number;
}

export const INITIAL: LiveState = {
  tasks: new Map(),
  ready: false,
  connection: "connecting",
  asOf: null,
  retryAt: null,
  snapshots: 0,
};

/** The tasks after some events; the same map when none was about tasks. */
export function applyToTasks(
  tasks: ReadonlyMap<string, Task>,
  events: readonly ServerEvent[],
): ReadonlyMap<string, Task> {
  let next: Map<string, Task> | undefined;
  for (const event of events) {
    if (event.type === "snapshot") next = new Map(event.tasks.map((task) => [task.id, task]));
    else if (event.type === "task") {
      next ??= new Map(tasks);
      next.set(event.task.id, event.task);
    }
  }
  return next ?? tasks;
}

type ReportListener = (report: RunEvent) => void;

export class LiveStore {
  #state: LiveState = INITIAL;
  #heardAt: number | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #reports = new Map<string, Set<ReportListener>>();
  readonly #sources = new Set<(source: Source) => void>();
  readonly #tasks = new Set<(task: Task) => void>();

  readonly getState = (): LiveState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Calls with each report of one run, in the order of arrival. */
  onReport(run: string, listener: ReportListener): () => void {
    const listeners = this.#reports.get(run) ?? new Set();
    listeners.add(listener);
    this.#reports.set(run, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#reports.delete(run);
    };
  }

  /** Calls with each source that was read. */
  onSource(listener: (source: Source) => void): () => void {
    this.#sources.add(listener);
    return () => this.#sources.delete(listener);
  }

  /** Calls with each task that changed. */
  onTask(listener: (task: Task) => void): () => void {
    this.#tasks.add(listener);
    return () => this.#tasks.delete(listener);
  }

  /** Something came over a connection; only after a snapshot does that make what is shown true. */
  heard(): void {
    if (this.#state.connection === "live") this.#heardAt = Date.now();
  }

  lost(retryAt: number): void {
    this.#set({
      ...this.#state,
      connection: "lost",
      asOf: this.#state.ready ? (this.#heardAt ?? this.#state.asOf) : null,
      retryAt,
    });
  }

  reset(): void {
    this.#heardAt = null;
    this.#set(INITIAL);
  }

  apply(events: readonly ServerEvent[]): void {
    const snapshots = events.filter((event) => event.type === "snapshot").length;
    const ready = this.#state.ready || snapshots > 0;
    if (snapshots > 0) this.#heardAt = Date.now();
    this.#set({
      ...this.#state,
      tasks: applyToTasks(this.#state.tasks, events),
      ready,
      // Only a snapshot makes what is shown true again.
      ...(snapshots > 0 ? { connection: "live" as const, asOf: null, retryAt: null } : {}),
      snapshots: this.#state.snapshots + snapshots,
    });
    for (const event of events) {
      if (event.type === "run_report") {
        for (const listener of this.#reports.get(event.run) ?? []) listener(event.report);
      } else if (event.type === "source") {
        for (const listener of this.#sources) listener(event.source);
      } else if (event.type === "task") {
        for (const listener of this.#tasks) listener(event.task);
      }
    }
  }

  #set(next: LiveState): void {
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }
}
