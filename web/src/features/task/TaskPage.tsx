/** A task in full: what it says, why it stands where it stands, and its runs. */
import { useQuery } from "@tanstack/react-query";
import { Fragment, useState, type SubmitEvent } from "react";
import { Link } from "wouter";
import { taskQuery, useBlockTask } from "../../api/queries";
import type { Task } from "../../api/types";
import { useLiveTask } from "../../live/LiveProvider";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import fields from "../../ui/fields.module.css";
import { firstLine } from "../../ui/format";
import { ErrorNotice, Notice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { PageHead, projectCrumbs } from "../../ui/PageHead";
import { RichText } from "../../ui/RichText";
import { Skeleton } from "../../ui/Skeleton";
import { StateBadge } from "../../ui/StateMark";
import { Ago } from "../../ui/time";
import { RunList } from "./RunList";
import { TaskActions } from "./TaskActions";
import { agentLine, DeadlineMark, GpuMark, Priority } from "./TaskFacts";
import styles from "./TaskPage.module.css";

export default function TaskPage({ id }: { id: string }) {
  const live = useLiveTask(id);
  const query = useQuery(taskQuery(id));
  const task = live ?? query.data;
  if (task) return <TaskView task={task} />;
  return (
    <div className={page.page}>
      {query.isError ? (
        <ErrorNotice title="Could not load the task" error={query.error} retry={() => void query.refetch()} />
      ) : (
        <Skeleton lines={6} />
      )}
    </div>
  );
}

const BLOCKABLE = new Set(["pending", "queued", "paused"]);

function TaskView({ task }: { task: Task }) {
  const [blocking, setBlocking] = useState(false);
  const agent = agentLine(task);
  return (
    <div className={page.page}>
      <PageHead
        above={projectCrumbs(task.project)}
        here={task.id}
        title={firstLine(task.action)}
        actions={
          <>
            <TaskActions task={task} />
            {BLOCKABLE.has(task.state) && (
              <Button tone="quiet" onClick={() => setBlocking(true)}>
                Block
              </Button>
            )}
          </>
        }
      >
        <StateBadge state={task.state} />
        <Priority task={task} />
        <DeadlineMark task={task} />
        {task.needs_gpu && <GpuMark />}
        {agent !== "" && <span>{agent}</span>}
        {task.source_url == null ? (
          <span>{task.source ?? "added by hand"}</span>
        ) : (
          <a href={task.source_url} target="_blank" rel="noreferrer">
            {task.ticket ?? task.source ?? "its ticket"}
          </a>
        )}
        {task.pull_request != null && (
          <a href={task.pull_request.url} target="_blank" rel="noreferrer">
            pull request #{task.pull_request.number} ({task.pull_request.state})
          </a>
        )}
        <span>
          changed <Ago at={task.updated_at} />
        </span>
      </PageHead>
      {task.block && (
        <Notice tone="bad" title={<RichText text={task.block.message} />} fix={task.block.fix} />
      )}
      {task.waits_for != null && task.state !== "pending" && (
        <Notice tone="info" title="Why it does not start yet">
          <p>{task.waits_for}</p>
        </Notice>
      )}
      {task.depends_on.length > 0 && (
        <p>
          Depends on{" "}
          {task.depends_on.map((needed, at) => (
            <Fragment key={needed.name}>
              {at > 0 && ", "}
              {needed.task == null ? (
                <span>{needed.name}</span>
              ) : (
                <Link href={`/tasks/${encodeURIComponent(needed.task)}`}>{needed.task}</Link>
              )}
            </Fragment>
          ))}
        </p>
      )}
      {task.state === "pending" && (
        <Notice tone="info" title="It waits for your approval">
          <p>No agent starts on it before. Read what it says, then approve.</p>
        </Notice>
      )}
      {task.action.trim() !== firstLine(task.action) && (
        <section className={page.panel} aria-label="What shall be done">
          <p className={styles.action}>{task.action}</p>
        </section>
      )}
      <section aria-label="Runs" className={styles.runs}>
        <h2>Runs</h2>
        <RunList task={task} />
      </section>
      {blocking && <BlockDialog task={task} onClose={() => setBlocking(false)} />}
    </div>
  );
}

function BlockDialog({ task, onClose }: { task: Task; onClose: () => void }) {
  const block = useBlockTask();
  const [reason, setReason] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    block.mutate({ id: task.id, reason: reason.trim() }, { onSuccess: onClose });
  };
  return (
    <Dialog title="Block this task" onClose={onClose}>
      <form className={fields.form} onSubmit={submit}>
        <label className={fields.field}>
          Why, for those who look at it later
          <textarea
            required
            autoFocus
            rows={3}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={block.isPending} disabled={reason.trim() === ""}>
            Block
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
