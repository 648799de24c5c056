import type { Run, RunEvent } from "../../api/types";
import { shortDuration, words } from "../../ui/format";
import { StateMark, toneClass } from "../../ui/StateMark";
import { Elapsed, useNow } from "../../ui/time";
import styles from "./Timeline.module.css";
import { segments } from "./timeline";

/** How long the run was in each state, in their order. */
export function Timeline({ run, events }: { run: Run; events: readonly RunEvent[] }) {
  const now = useNow();
  const parts = segments(run, events);
  return (
    <div className={styles.timeline}>
      <div className={styles.bar} aria-hidden="true">
        {parts.map((part) => (
          <span
            key={`${part.from} ${part.state}`}
            className={`${styles.part ?? ""} ${toneClass(part.state)}`}
            style={{ flexGrow: Math.max(1, (part.to ?? now) - part.from) }}
          />
        ))}
      </div>
      <ol className={styles.list}>
        {parts.map((part) => (
          <li key={`${part.from} ${part.state}`}>
            {part.to === undefined ? (
              <StateMark state={part.state} size={12} />
            ) : (
              <span className={`${styles.key ?? ""} ${toneClass(part.state)}`} />
            )}
            <span className={styles.name}>{words(part.state)}</span>
            <span className={styles.time}>
              {part.to === undefined ? <Elapsed from={part.from} /> : shortDuration(part.to - part.from)}
            </span>
          </li>
        ))}
        {run.outcome != null && (
          <li>
            <StateMark state={run.outcome} size={12} />
            <span className={styles.name}>{words(run.outcome)}</span>
            <span className={styles.time}>
              {run.finished_at != null && <Elapsed from={run.created_at} to={run.finished_at} />} in all
            </span>
          </li>
        )}
      </ol>
    </div>
  );
}
