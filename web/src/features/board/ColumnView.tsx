import type { Task } from "../../api/types";
import { Button } from "../../ui/Button";
import { StateMark, stateWord, toneClass } from "../../ui/StateMark";
import { Skeleton } from "../../ui/Skeleton";
import styles from "./ColumnView.module.css";
import { COLUMNS, type Column } from "./model";
import { TaskCard } from "./TaskCard";

/** What an empty column teaches. */
const EMPTY: Record<Column, string> = {
  pending: "Nothing waits for approval. Tasks of projects with `approval: manual` stop here first.",
  queued: "Nothing is queued. Add a row to your backlog, or a task by hand.",
  running: "No agent works right now.",
  review: "Nothing to review. Finished work comes here with its diff and checks.",
  blocked: "Nothing is blocked.",
  paused: "Nothing is paused.",
  done: "Nothing is done yet. Approved work ends up here.",
};

interface ColumnProps {
  column: Column;
  tasks: readonly Task[];
  total: number;
  /** The only column on the page: its heading stands in the tabs. */
  single: boolean;
  filtering: boolean;
  onMore: (() => void) | undefined;
  loadingMore: boolean;
}

export function ColumnView({ column, tasks, total, single, filtering, onMore, loadingMore }: ColumnProps) {
  const heading = `column-${column}`;
  if (tasks.length === 0 && !single && total === 0) {
    return (
      <section className={styles.rail} aria-labelledby={heading} title={EMPTY[column].replaceAll("`", "")}>
        <h2 id={heading} className={styles.heading}>
          <span className={toneClass(column)}>
            <StateMark state={column} />
          </span>
          <span className={styles.name}>{stateWord(column)}</span>
          <span className={styles.count}>0</span>
        </h2>
      </section>
    );
  }
  return (
    <section
      className={single ? styles.single : styles.column}
      aria-labelledby={heading}
      data-column={column}
    >
      <h2 id={heading} className={single ? "visually-hidden" : styles.heading}>
        <StateMark state={column} />
        <span className={styles.name}>{stateWord(column)}</span>
        <span className={styles.count}>{total}</span>
      </h2>
      <div className={styles.cards}>
        {tasks.map((task) => (
          <TaskCard key={task.id} task={task} />
        ))}
        {tasks.length === 0 && (
          <p className={styles.empty}>
            {filtering ? "No task here matches the filter." : EMPTY[column].replaceAll("`", "")}
          </p>
        )}
        {onMore && (
          <Button small tone="quiet" busy={loadingMore} onClick={onMore}>
            {loadingMore ? "Loading…" : `Show more (${total - tasks.length})`}
          </Button>
        )}
      </div>
    </section>
  );
}

export function BoardSkeleton({ phone }: { phone: boolean }) {
  return (
    <div className={styles.skeleton}>
      {COLUMNS.slice(0, phone ? 1 : 5).map((column) => (
        <div key={column} className={styles.column}>
          <Skeleton lines={3} label="Loading tasks" />
          <Skeleton lines={4} label="Loading tasks" />
          <Skeleton lines={3} label="Loading tasks" />
        </div>
      ))}
    </div>
  );
}
