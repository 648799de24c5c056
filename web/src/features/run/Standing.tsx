/** What a person must know about a run before anything else: why it waits, why it failed, what it says it did. */
import { Link } from "wouter";
import type { RunDetail, Task } from "../../api/types";
import { Clamp } from "../../ui/Clamp";
import { words } from "../../ui/format";
import { linkStyle } from "../../ui/link";
import { Notice } from "../../ui/Notice";
import { RichText } from "../../ui/RichText";
import { Ago, useNow } from "../../ui/time";
import { Progress } from "./Progress";
import { Answered, Question } from "./Question";
import styles from "./Standing.module.css";

/** Supervisors speak every 5 s; after this long what is shown may be old. */
const QUIET_MS = 20_000;

export function Standing({ detail, task }: { detail: RunDetail; task: Task | undefined }) {
  const { run } = detail;
  const live = run.state !== "finished";
  // Its load comes with every heartbeat.
  const heard = Math.max(run.heard_at ?? 0, detail.load?.at ?? 0);
  const superseded = task?.run != null && task.run.id !== run.id;
  const blocked = task?.state === "blocked" && !superseded ? task.block : undefined;
  return (
    <div className={styles.stack}>
      {superseded && task.run && (
        <Notice tone="info">
          <p>
            There is a newer run of this task:{" "}
            <Link href={`/runs/${encodeURIComponent(task.run.id)}`} className={linkStyle}>
              {task.run.id}
            </Link>
          </p>
        </Notice>
      )}
      {live && heard > 0 && <Silence heardAt={heard} />}
      {run.question != null && <Question key={run.question.number} run={run.id} asked={run.question} />}
      {run.waiting_for != null && run.question == null && (
        <Notice tone="warn" title="It waits">
          <p>{run.waiting_for}</p>
        </Notice>
      )}
      {detail.merge_problem != null && (
        <Notice tone="bad" title={`It did not land on ${run.target}`}>
          <p>
            <RichText text={detail.merge_problem} />
          </p>
        </Notice>
      )}
      {blocked ? (
        <Notice tone="bad" title={<RichText text={blocked.message} />} fix={blocked.fix} />
      ) : (
        run.outcome != null &&
        run.outcome !== "succeeded" && (
          <Notice tone={run.outcome === "stopped" ? "warn" : "bad"} title={outcomeTitle(run.outcome)}>
            {run.outcome_detail != null && (
              <p className={styles.words}>
                <RichText text={run.outcome_detail} />
              </p>
            )}
          </Notice>
        )
      )}
      {detail.merged_commit != null && (
        <Notice tone="good" title={`Landed on ${run.target}`}>
          <p>
            as <code>{detail.merged_commit.slice(0, 10)}</code>
          </p>
        </Notice>
      )}
      {live && run.progress != null && <Progress said={run.progress} />}
      <Answered questions={detail.questions} />
      {detail.phases_done.length > 0 && (
        <Notice
          tone="info"
          title={
            detail.merged_commit == null
              ? "Its agent says that this work does more phases of the plan: accepting it completes them"
              : "Completed along, as its agent said"
          }
        >
          <ul className={styles.phases}>
            {detail.phases_done.map((phase) => (
              <li key={phase.phase}>
                {phase.phase}: {phase.title}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      {detail.summary != null && (
        <section className={styles.summary} aria-label="The agent's summary">
          <h2>What the agent says</h2>
          <Clamp text={detail.summary} />
        </section>
      )}
    </div>
  );
}

function Silence({ heardAt }: { heardAt: number }) {
  const now = useNow();
  if (now - heardAt < QUIET_MS) return null;
  return (
    <Notice tone="warn" title="Its supervisor is silent">
      <p>
        Last heard <Ago at={heardAt} />; what is shown was true then. If it stays silent, the run is given up
        as lost and its work is saved.
      </p>
    </Notice>
  );
}

function outcomeTitle(outcome: string): string {
  switch (outcome) {
    case "failed":
      return "The run failed";
    case "stopped":
      return "The run was stopped";
    case "timed_out":
      return "The run took longer than its project allows";
    case "lost":
      return "The run was lost";
    default:
      return words(outcome);
  }
}
