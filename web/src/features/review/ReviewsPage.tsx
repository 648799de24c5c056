/** What waits for a decision, with its evidence at a glance. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { reviewsQuery } from "../../api/queries";
import type { Review } from "../../api/types";
import { EmptyState } from "../../ui/EmptyState";
import { cost, count, duration, firstLine, totalTokens } from "../../ui/format";
import { CheckIcon } from "../../ui/icons";
import { ErrorNotice, Notice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { RichText } from "../../ui/RichText";
import { Skeleton } from "../../ui/Skeleton";
import { Ago } from "../../ui/time";
import { crewName, Priority } from "../task/TaskFacts";
import { CheckMarks } from "./CheckMarks";
import { DiffNumbers } from "./DiffNumbers";
import { Decision } from "./Decision";
import styles from "./ReviewsPage.module.css";

export default function ReviewsPage() {
  const reviews = useQuery(reviewsQuery);
  const sorted = [...(reviews.data ?? [])].sort(
    (a, b) => a.task.priority - b.task.priority || a.task.updated_at - b.task.updated_at,
  );
  return (
    <div className={page.page}>
      <header className={page.head}>
        <h1>Reviews</h1>
        <p>Finished work, checked in a fresh sandbox, that waits for your decision.</p>
      </header>
      {reviews.isPending && <Skeleton lines={6} />}
      {reviews.isError && !reviews.data && (
        <ErrorNotice
          title="Could not load the reviews"
          error={reviews.error}
          retry={() => void reviews.refetch()}
        />
      )}
      {reviews.data?.length === 0 && (
        <EmptyState title="Nothing to review" mark={<CheckIcon size={36} className={styles.mark} />}>
          <p>
            When an agent is done, its branch comes here with its diff, its checks and its cost. Projects with{" "}
            <code>review: auto</code> merge by themselves when every check is green.
          </p>
        </EmptyState>
      )}
      {sorted.length > 0 && (
        <ul className={styles.list}>
          {sorted.map((review) => (
            <ReviewRow key={review.task.id} review={review} />
          ))}
        </ul>
      )}
    </div>
  );
}

function ReviewRow({ review }: { review: Review }) {
  const { task, evidence, stat } = review;
  const run = evidence.run;
  const price = cost(run.usage);
  return (
    <li className={styles.row}>
      <div className={styles.what}>
        <p className={styles.over}>
          <Priority task={task} />
          <span>{task.project}</span>
          <span>
            <Ago at={run.finished_at ?? task.updated_at} />
          </span>
        </p>
        <h2>
          <Link href={`/runs/${encodeURIComponent(run.id)}`}>
            <RichText text={firstLine(task.action)} />
          </Link>
        </h2>
        {evidence.summary != null && <p className={styles.summary}>{evidence.summary}</p>}
        {evidence.merge_problem != null && (
          <Notice tone="bad" title="The last merge did not land">
            <p>{evidence.merge_problem}</p>
          </Notice>
        )}
        <div className={styles.evidence}>
          <CheckMarks checks={evidence.checks} green={run.green ?? null} />
          <DiffNumbers stat={stat} />
          {run.started_at != null && run.finished_at != null && (
            <span title="From the agent's start to the end of the checks">
              {duration(run.finished_at - run.started_at)}
            </span>
          )}
          <span>{count(totalTokens(run.usage))} tokens</span>
          {price !== undefined && <span>{price}</span>}
          <span className={styles.agent}>{crewName(run.agent, task.model ?? run.model)}</span>
        </div>
      </div>
      <div className={styles.decision}>
        <Decision task={task.id} run={run} small />
      </div>
    </li>
  );
}
