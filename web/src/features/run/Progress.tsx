/** How far an agent says that it is: its own word, and so it is shown as that. */
import type { Progress as Said } from "../../api/types";
import { Ago } from "../../ui/time";
import styles from "./Progress.module.css";

export function Progress({ said, small = false }: { said: Said; small?: boolean }) {
  const percent = said.percent ?? null;
  return (
    <div className={`${styles.progress ?? ""} ${small ? (styles.small ?? "") : ""}`}>
      {percent !== null && (
        <div
          className={styles.track}
          role="progressbar"
          aria-label="The agent's own estimate"
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={percent}
        >
          <div className={styles.bar} style={{ inlineSize: `${Math.min(100, Math.max(0, percent))}%` }} />
        </div>
      )}
      <p className={styles.text} title={small ? said.text : undefined}>
        {percent !== null && <span className={styles.number}>{percent} %</span>}
        <span className={styles.words}>{said.text}</span>
        {!small && (
          <span className={styles.at}>
            <Ago at={said.at} />
          </span>
        )}
      </p>
    </div>
  );
}
