/** The small facts of a task that cards and pages share. */
import type { Task } from "../../api/types";
import { deadline, modelName } from "../../ui/format";
import { CalendarIcon, ChipIcon } from "../../ui/icons";
import { useTimeText } from "../../ui/time";
import styles from "./TaskFacts.module.css";

/** The priority that a row gets whose own could not be read. */
const UNREADABLE = 999;

export function Priority({ task }: { task: Task }) {
  const unreadable = task.priority >= UNREADABLE;
  return (
    <span
      className={`${styles.priority ?? ""} ${task.priority <= 1 ? (styles.first ?? "") : ""}`}
      title={
        unreadable
          ? "No readable priority: after everything that has one"
          : `Priority ${task.priority}; 1 goes first`
      }
    >
      {unreadable ? "P–" : `P${task.priority}`}
    </span>
  );
}

export function DeadlineMark({ task }: { task: Task }) {
  const over = task.state === "done" || task.state === "cancelled";
  const day = over ? "" : (task.deadline ?? "");
  // Tone and text change together, at midnight.
  const due = useTimeText((now) => Object.values(deadline(day, now) ?? {}).join("|"));
  const [text = "", tone = ""] = due.split("|");
  if (due === "") return null;
  return (
    <span className={`${styles.fact ?? ""} ${styles[tone] ?? ""}`} title={`Deadline ${task.deadline}`}>
      <CalendarIcon size={12} />
      {text}
    </span>
  );
}

export function GpuMark() {
  return (
    <span className={styles.fact} title="Needs a GPU">
      <ChipIcon size={12} />
      GPU
    </span>
  );
}

/** Who works on it or shall. A model that names its agent is enough. */
export function agentLine(task: Task): string {
  return crewName(task.run?.agent ?? task.agent, task.model ?? task.run?.model);
}

export function crewName(agent: string | null | undefined, model: string | null | undefined): string {
  const named = model == null ? "" : modelName(model);
  if (agent == null || agent === "" || named.toLowerCase().startsWith(agent)) return named;
  return named === "" ? agent : `${agent} · ${named}`;
}
