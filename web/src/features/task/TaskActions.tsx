/** What a person can do with a task in its state. One place, so that board and pages offer the same. */
import { useState } from "react";
import { useLocation } from "wouter";
import { useTaskAction } from "../../api/queries";
import type { Task } from "../../api/types";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { CheckIcon, PauseIcon, PlayIcon, RetryIcon, StopIcon } from "../../ui/icons";

/** Blocks that lift by themselves when configuration or machines change: trying again changes nothing. */
const LIFTS_BY_ITSELF = new Set([
  "no_such_project",
  "project_unusable",
  "no_such_agent",
  "no_such_model",
  "no_gpu",
  "no_next_action",
  "no_such_dependency",
  "dependency_cycle",
  "by_source",
]);

export function TaskActions({ task, small = false }: { task: Task; small?: boolean }) {
  const approve = useTaskAction("approve");
  const start = useTaskAction("start");
  const stop = useTaskAction("stop");
  const retry = useTaskAction("retry");
  const [asking, setAsking] = useState(false);
  const [, navigate] = useLocation();
  const size = { small };
  const icon = small ? 13 : 15;

  switch (task.state) {
    case "pending":
      return (
        <Button
          {...size}
          tone="primary"
          icon={<CheckIcon size={icon} />}
          busy={approve.isPending}
          onClick={() => approve.mutate(task.id)}
        >
          Approve
        </Button>
      );
    case "queued":
      return (
        <Button
          {...size}
          tone={small ? "quiet" : "plain"}
          icon={<PauseIcon size={icon} />}
          busy={stop.isPending}
          onClick={() => stop.mutate(task.id)}
        >
          Hold
        </Button>
      );
    case "running":
      return (
        <>
          <Button
            {...size}
            tone={small ? "quiet" : "danger"}
            icon={<StopIcon size={icon} />}
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
              onConfirm={() => stop.mutate(task.id, { onSettled: () => setAsking(false) })}
            >
              <p>
                The agent is interrupted. Its work so far is saved, and the task is paused until you resume
                it.
              </p>
            </Confirm>
          )}
        </>
      );
    case "review":
      return small ? (
        <Button
          {...size}
          tone="primary"
          onClick={() => navigate(task.run ? `/runs/${task.run.id}` : `/tasks/${task.id}`)}
        >
          Review
        </Button>
      ) : null;
    case "paused":
      return (
        <Button
          {...size}
          icon={<PlayIcon size={icon} />}
          busy={start.isPending}
          onClick={() => start.mutate(task.id)}
        >
          Resume
        </Button>
      );
    case "blocked":
      return task.block && LIFTS_BY_ITSELF.has(task.block.code) ? null : (
        <Button
          {...size}
          icon={<RetryIcon size={icon} />}
          busy={retry.isPending}
          onClick={() => retry.mutate(task.id)}
        >
          {task.block?.code === "by_person" ? "Unblock" : "Retry"}
        </Button>
      );
    case "cancelled":
      return (
        <Button
          {...size}
          tone={small ? "quiet" : "plain"}
          icon={<RetryIcon size={icon} />}
          busy={retry.isPending}
          onClick={() => retry.mutate(task.id)}
        >
          Queue again
        </Button>
      );
    default:
      return null;
  }
}
