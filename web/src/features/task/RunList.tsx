import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { taskRunsQuery } from "../../api/queries";
import type { Task } from "../../api/types";
import { cost } from "../../ui/format";
import { ErrorNotice } from "../../ui/Notice";
import { Skeleton } from "../../ui/Skeleton";
import { StateBadge } from "../../ui/StateMark";
import { Ago, Elapsed } from "../../ui/time";
import styles from "./RunList.module.css";

/** Every attempt at a task, the newest first. */
export function RunList({ task, current }: { task: Task; current?: string }) {
  // A new attempt, or a new state of the last one, is another question.
  const standing = `${task.attempts} ${task.run?.state ?? ""} ${task.run?.outcome ?? ""}`;
  const runs = useQuery(taskRunsQuery(task.id, standing));
  if (task.attempts === 0) return <p className={styles.none}>No agent has started on it yet.</p>;
  if (runs.isPending) return <Skeleton lines={2} />;
  if (runs.isError) return <ErrorNotice title="Could not load the runs" error={runs.error} />;
  const sorted = [...runs.data].sort((a, b) => b.created_at - a.created_at);
  return (
    <ol className={styles.list}>
      {sorted.map((run) => {
        const price = cost(run.usage);
        return (
          <li key={run.id}>
            <Link
              href={`/runs/${encodeURIComponent(run.id)}`}
              className={styles.run}
              aria-current={run.id === current ? "page" : undefined}
            >
              <StateBadge state={run.outcome ?? run.state} />
              <span className={styles.id}>{run.id}</span>
              <span className={styles.number}>
                <Elapsed from={run.started_at ?? run.created_at} to={run.finished_at} />
              </span>
              {price !== undefined && <span className={styles.number}>{price}</span>}
              <span className={styles.when}>
                <Ago at={run.created_at} />
              </span>
            </Link>
          </li>
        );
      })}
    </ol>
  );
}
