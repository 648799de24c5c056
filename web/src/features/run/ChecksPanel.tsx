import type { Check, RunDetail } from "../../api/types";
import { shortDuration } from "../../ui/format";
import { CheckIcon, CrossIcon } from "../../ui/icons";
import { passed } from "../review/CheckMarks";
import styles from "./ChecksPanel.module.css";

/** What the checks did, on the pushed commit, in a fresh sandbox. */
export function ChecksPanel({ detail }: { detail: RunDetail }) {
  const { checks, run } = detail;
  return (
    <div className={styles.panel}>
      <p className={styles.how}>
        Checks run in a fresh sandbox, on a fresh clone of the pushed commit
        {detail.head_commit != null && (
          <>
            {" "}
            <code>{detail.head_commit.slice(0, 10)}</code>
          </>
        )}
        . What the agent says proves nothing.
      </p>
      {checks.length === 0 && <p className={styles.none}>{why(detail)}</p>}
      {checks.map((check, index) => (
        <CheckView key={index} check={check} />
      ))}
      {run.state === "checking" && checks.length > 0 && <p className={styles.none}>More are running…</p>}
    </div>
  );
}

function why({ run }: RunDetail): string {
  if (run.state === "checking") return "The checks are running…";
  if (run.state !== "finished") return "They run when the agent is done.";
  if (run.green === true) return "This project has no checks. Name some under `checks:` in strawboss.yaml.";
  return "No check ran, because nothing was pushed to run them on.";
}

function CheckView({ check }: { check: Check }) {
  const good = passed(check);
  return (
    // A red check's words are what one looks for.
    <details className={styles.check} open={!good}>
      <summary>
        <span className={good ? styles.good : styles.bad}>
          {good ? <CheckIcon size={14} /> : <CrossIcon size={14} />}
        </span>
        <code className={styles.command}>{check.command}</code>
        <span className={good ? styles.faint : styles.bad}>
          {good
            ? "passed"
            : check.exit_code == null
              ? "ended by a signal or the time limit"
              : `exit ${check.exit_code}`}
        </span>
        <span className={styles.time}>{shortDuration(check.duration_ms)}</span>
      </summary>
      <pre>{check.output_tail === "" ? "(no output)" : check.output_tail}</pre>
    </details>
  );
}
