/** One run: what it does now, what it did, what it proves, and the decision on it. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "wouter";
import { runQuery, taskQuery, useStopRun } from "../../api/queries";
import { asApiError } from "../../api/errors";
import type { Run, RunDetail, Task } from "../../api/types";
import { useLiveTask } from "../../live/LiveProvider";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { ErrorBoundary } from "../../ui/ErrorBoundary";
import { cost, firstLine } from "../../ui/format";
import { StopIcon } from "../../ui/icons";
import { ErrorNotice } from "../../ui/Notice";
import { PageHead, projectCrumbs } from "../../ui/PageHead";
import { Skeleton } from "../../ui/Skeleton";
import { StateBadge } from "../../ui/StateMark";
import { Tabs, type TabItem } from "../../ui/Tabs";
import { Elapsed } from "../../ui/time";
import { NotFound } from "../shell/NotFound";
import { CheckMarks, passed } from "../review/CheckMarks";
import { Decision } from "../review/Decision";
import { TaskActions } from "../task/TaskActions";
import { crewName, DeadlineMark, Priority } from "../task/TaskFacts";
import { ActivityPanel } from "./activity/ActivityPanel";
import { useRunEvents } from "./activity/useRunEvents";
import { ChecksPanel } from "./ChecksPanel";
import { DiffPanel } from "./diff/DiffPanel";
import { Facts } from "./Facts";
import { Removed } from "./Removed";
import styles from "./RunPage.module.css";
import { SayLine } from "./SayLine";
import { Standing } from "./Standing";
import { TerminalView } from "./terminal/TerminalView";

export default function RunPage({ id }: { id: string }) {
  const query = useQuery(runQuery(id));
  if (query.data) return <RunView detail={query.data} />;
  if (query.isError) {
    if (asApiError(query.error).status === 404) return <NotFound />;
    return (
      <div className={styles.message}>
        <ErrorNotice title="Could not load the run" error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  }
  return (
    <div className={styles.message}>
      <Skeleton lines={10} label="Loading the run" />
    </div>
  );
}

const TABS = ["terminal", "changes", "checks", "activity", "prompt"] as const;
type TabId = (typeof TABS)[number];

function RunView({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  const live = useLiveTask(run.task);
  const { data: asked } = useQuery(taskQuery(run.task));
  const task = live ?? asked;
  const events = useRunEvents(run.id);
  const [search, setSearch] = useSearchParams();

  const wanted = search.get("tab");
  const chosen: TabId = TABS.find((tab) => tab === wanted) ?? firstTab(detail);

  const tabs: TabItem<TabId>[] = [
    {
      id: "terminal",
      label: "Terminal",
      keep: true,
      fill: true,
      panel: (
        <ErrorBoundary what="the terminal">
          {detail.recording_removed_at == null ? (
            <TerminalView run={run} />
          ) : (
            <Removed what="The recording of this terminal was" at={detail.recording_removed_at} />
          )}
          {run.agent !== "shell" && <SayLine run={run} />}
        </ErrorBoundary>
      ),
    },
    {
      id: "changes",
      label: "Changes",
      panel: (
        <ErrorBoundary what="the diff">
          <DiffPanel key={detail.head_commit} detail={detail} />
        </ErrorBoundary>
      ),
    },
    {
      id: "checks",
      label:
        detail.checks.length > 0 ? <CheckMarks checks={detail.checks} green={run.green ?? null} /> : "Checks",
      panel: <ChecksPanel detail={detail} />,
    },
    {
      id: "activity",
      label: "Activity",
      panel:
        detail.reports_removed_at == null ? (
          <ActivityPanel {...events} />
        ) : (
          <Removed what="The reports of this run were" at={detail.reports_removed_at} />
        ),
    },
    { id: "prompt", label: "Prompt", panel: <p className={styles.prompt}>{detail.prompt}</p> },
  ];

  return (
    <div className={styles.page}>
      <Head detail={detail} task={task} />
      <div className={styles.columns}>
        <div className={styles.main} data-tab={chosen}>
          <Standing detail={detail} task={task} />
          <Tabs
            label="Run"
            tabs={tabs}
            chosen={chosen}
            onChoose={(tab) => setSearch({ tab }, { replace: true })}
          />
        </div>
        <Facts detail={detail} task={task} events={events.events} />
      </div>
    </div>
  );
}

/** Of a live run one wants to see what it does, of a failed one why, of a finished one what it changed. */
function firstTab({ run, checks, head_commit }: RunDetail): TabId {
  if (run.state !== "finished") return "terminal";
  if (checks.some((check) => !passed(check))) return "checks";
  return head_commit == null ? "terminal" : "changes";
}

/** The one word for where it stands: the task's, once the run is over and no newer one took its place. */
function standing(run: Run, task: Task | undefined): string {
  if (run.state !== "finished") return run.state;
  if (task?.run?.id === run.id && task.state !== "running") return task.state;
  return run.outcome ?? run.state;
}

function Head({ detail, task }: { detail: RunDetail; task: Task | undefined }) {
  const { run } = detail;
  const price = cost(run.usage);
  return (
    <PageHead
      className={styles.head}
      above={[
        ...projectCrumbs(run.project),
        { text: run.task, href: `/tasks/${encodeURIComponent(run.task)}` },
      ]}
      here={run.id}
      title={firstLine(task?.action ?? detail.prompt)}
      actions={<Actions detail={detail} task={task} />}
    >
      <StateBadge state={standing(run, task)} />
      {task && <Priority task={task} />}
      {task && <DeadlineMark task={task} />}
      <span>{crewName(run.agent, task?.model ?? run.model)}</span>
      <span className={styles.number}>
        <Elapsed from={run.started_at ?? run.created_at} to={run.finished_at} />
      </span>
      {price !== undefined && <span className={styles.number}>{price}</span>}
    </PageHead>
  );
}

function Actions({ detail, task }: { detail: RunDetail; task: Task | undefined }) {
  const { run } = detail;
  if (run.state !== "finished") return <StopRun id={run.id} />;
  // An older run of the task is history: there is nothing to decide on it.
  if (!task || (task.run && task.run.id !== run.id)) return null;
  if (task.state === "review") return <Decision task={task.id} run={run} />;
  return <TaskActions task={task} />;
}

function StopRun({ id }: { id: string }) {
  const stop = useStopRun();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button
        tone="danger"
        icon={<StopIcon size={15} />}
        busy={stop.isPending}
        onClick={() => setAsking(true)}
      >
        Stop
      </Button>
      {asking && (
        <Confirm
          title="Stop this run?"
          confirm="Stop the run"
          busy={stop.isPending}
          onClose={() => setAsking(false)}
          onConfirm={() => stop.mutate(id, { onSettled: () => setAsking(false) })}
        >
          <p>
            The agent is interrupted. Its work so far is saved, and the task is paused until you resume it.
          </p>
        </Confirm>
      )}
    </>
  );
}
