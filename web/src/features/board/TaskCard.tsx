import { memo, useState } from "react";
import { Link } from "wouter";
import type { Task } from "../../api/types";
import { cost, firstLine, plural, words } from "../../ui/format";
import { CheckIcon, CrossIcon } from "../../ui/icons";
import { RichText } from "../../ui/RichText";
import { StateMark } from "../../ui/StateMark";
import { Ago, Elapsed } from "../../ui/time";
import { Progress } from "../run/Progress";
import { TaskActions } from "../task/TaskActions";
import { agentLine, DeadlineMark, GpuMark, Priority } from "../task/TaskFacts";
import styles from "./TaskCard.module.css";

/** Where a card leads: to the work if there is some, else to the task. */
export function taskHref(task: Task): string {
  return task.run ? `/runs/${encodeURIComponent(task.run.id)}` : `/tasks/${encodeURIComponent(task.id)}`;
}

/** What every task in review waits for; the column says it already. */
const USUAL_REVIEW = "Waits for a person's decision.";

/** Where acting is the exception, the button comes only when one points at the card. */
const SHY = new Set(["queued", "running", "cancelled"]);

/** A card that came by an event is lit up for a moment, so that the eye sees what moved. */
const FRESH_MS = 4_000;

export const TaskCard = memo(function TaskCard({ task }: { task: Task }) {
  const over = task.state === "done" || task.state === "cancelled";
  const agent = agentLine(task);
  // Asked when the card is made, which is when it came into its column.
  const [fresh] = useState(() => Date.now() - task.updated_at < FRESH_MS);
  return (
    <article
      className={`${styles.card ?? ""} ${styles[task.state] ?? ""} ${fresh ? (styles.fresh ?? "") : ""}`}
      data-task={task.id}
    >
      <header className={styles.top}>
        {over && <StateMark state={task.state} size={13} />}
        <span className={styles.project}>{task.project}</span>
        {!over && <Priority task={task} />}
      </header>
      <h3 className={styles.action}>
        <Link href={taskHref(task)} className={styles.link} data-card={task.id}>
          <RichText text={firstLine(task.action)} />
        </Link>
      </h3>
      <Standing task={task} />
      <footer className={styles.foot}>
        <div className={styles.facts}>
          {agent !== "" && !over && (
            <span className={styles.agent} title={agent}>
              {agent}
            </span>
          )}
          <DeadlineMark task={task} />
          {task.needs_gpu && <GpuMark />}
          {task.attempts > 1 && <span>{plural(task.attempts, "run")}</span>}
          {over && (
            <span>
              <Ago at={task.updated_at} />
            </span>
          )}
          {task.state !== "running" && task.run && <Cost task={task} />}
        </div>
        <div className={`${styles.actions ?? ""} ${SHY.has(task.state) ? (styles.shy ?? "") : ""}`}>
          <TaskActions task={task} small />
        </div>
      </footer>
    </article>
  );
});

function Cost({ task }: { task: Task }) {
  const text = task.run ? cost(task.run.usage) : undefined;
  return text === undefined ? null : <span className={styles.number}>{text}</span>;
}

/** The line that says what goes on, or what is waited for. */
function Standing({ task }: { task: Task }) {
  const run = task.run;
  switch (task.state) {
    case "running": {
      if (!run) return null;
      const price = cost(run.usage);
      return (
        <>
          <p className={styles.standing}>
            <StateMark state={run.state} size={13} />
            <span className={styles.word}>{words(run.state)}</span>
            <span className={styles.number}>
              <Elapsed from={run.started_at ?? run.created_at} to={run.finished_at} />
            </span>
            {price !== undefined && <span className={styles.number}>{price}</span>}
          </p>
          {run.question != null ? (
            <p className={styles.waiting} title={run.question.text}>
              Asks: <span className={styles.question}>{firstLine(run.question.text)}</span>
            </p>
          ) : (
            run.waiting_for != null && <p className={styles.waiting}>Waits for {run.waiting_for}</p>
          )}
          {run.progress != null && <Progress said={run.progress} small />}
        </>
      );
    }
    case "review":
      return (
        <>
          {run && <Verdict green={run.green ?? null} />}
          {task.waits_for != null && task.waits_for !== USUAL_REVIEW && (
            <p className={styles.hint}>{task.waits_for}</p>
          )}
        </>
      );
    case "blocked":
      return task.block ? (
        <div className={styles.block}>
          <p>
            <RichText text={task.block.message} />
          </p>
          <p className={styles.fix}>
            <RichText text={task.block.fix} />
          </p>
        </div>
      ) : null;
    case "queued":
    case "paused":
      return task.waits_for != null ? <p className={styles.hint}>{task.waits_for}</p> : null;
    default:
      return null;
  }
}

function Verdict({ green }: { green: boolean | null }) {
  if (green === null) return <p className={styles.hint}>No checks ran</p>;
  return (
    <p className={`${styles.standing ?? ""} ${green ? (styles.green ?? "") : (styles.red ?? "")}`}>
      {green ? <CheckIcon size={13} /> : <CrossIcon size={13} />}
      {green ? "All checks passed" : "Checks failed"}
    </p>
  );
}
