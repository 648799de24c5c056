/** What a person can do with a session that stands free of runs. */
import { useState } from "react";
import { useSessionAction } from "../../api/queries";
import type { Session } from "../../api/types";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { placeOf } from "./model";

interface SessionActionsProps {
  session: Session;
  /** After it was deleted. */
  onDeleted?: () => void;
}

export function SessionActions({ session, onDeleted }: SessionActionsProps) {
  const start = useSessionAction("start");
  const stop = useSessionAction("stop");
  const remove = useSessionAction("delete");
  const [asking, setAsking] = useState(false);
  const place = placeOf(session);
  if (place === "run") return null;
  const { id, state } = session;
  return (
    <>
      {(state === "stopped" || state === "failed") && (
        <Button small busy={start.isPending} onClick={() => start.mutate(id)}>
          Start <span className="visually-hidden">{id}</span>
        </Button>
      )}
      {(state === "running" || state === "starting") && (
        <Button small busy={stop.isPending} onClick={() => stop.mutate(id)}>
          Stop <span className="visually-hidden">{id}</span>
        </Button>
      )}{" "}
      <Button small tone="danger" busy={remove.isPending} onClick={() => setAsking(true)}>
        Delete <span className="visually-hidden">{id}</span>
      </Button>
      {asking && (
        <Confirm
          title={`Delete ${id}?`}
          confirm="Delete the session"
          busy={remove.isPending}
          onClose={() => setAsking(false)}
          onConfirm={() =>
            remove.mutate(id, {
              onSuccess: () => onDeleted?.(),
              onSettled: () => setAsking(false),
            })
          }
        >
          {place === "container" ? (
            <p>
              Whatever runs in it ends, and its container and volume go. What its repository has and the
              project does not is saved to a ref first; other files in its home are lost, and so is what it
              printed.
            </p>
          ) : (
            <p>Whatever runs in it on the host ends, for everybody who is attached.</p>
          )}
        </Confirm>
      )}
    </>
  );
}
