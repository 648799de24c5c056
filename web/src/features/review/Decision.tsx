/** Approve, send back or discard: the decision on finished work. */
import { useState, type SubmitEvent } from "react";
import { useApproveReview, useRejectReview } from "../../api/queries";
import type { Run } from "../../api/types";
import { Button } from "../../ui/Button";
import { Confirm, Dialog, DialogActions } from "../../ui/Dialog";
import fields from "../../ui/fields.module.css";
import { BackIcon, CheckIcon, TrashIcon } from "../../ui/icons";

interface DecisionProps {
  task: string;
  run: Run;
  small?: boolean;
}

export function Decision({ task, run, small = false }: DecisionProps) {
  const approve = useApproveReview();
  const reject = useRejectReview();
  const [asking, setAsking] = useState<"approve" | "back" | "discard" | null>(null);
  const close = () => setAsking(null);
  const busy = approve.isPending || reject.isPending;
  const land = () => approve.mutate({ task, run: run.id }, { onSettled: close });
  const icon = small ? 13 : 15;

  return (
    <>
      <Button
        small={small}
        tone="good"
        icon={<CheckIcon size={icon} />}
        busy={busy}
        // Red or missing evidence is no reason to forbid, but one to ask.
        onClick={() => (run.green === true ? land() : setAsking("approve"))}
      >
        Approve
      </Button>
      <Button small={small} icon={<BackIcon size={icon} />} disabled={busy} onClick={() => setAsking("back")}>
        Send back
      </Button>
      <Button
        small={small}
        tone={small ? "quiet" : "danger"}
        icon={<TrashIcon size={icon} />}
        disabled={busy}
        onClick={() => setAsking("discard")}
      >
        Discard
      </Button>
      {asking === "approve" && (
        <Confirm
          title={run.green === false ? "Approve although checks failed?" : "Approve without green checks?"}
          confirm={`Merge into ${run.target}`}
          tone="danger"
          busy={busy}
          onConfirm={land}
          onClose={close}
        >
          <p>
            <code>{run.branch}</code> is merged into <code>{run.target}</code>
            {run.green === false ? ", with failing checks." : ", though no check proves that it works."}
          </p>
        </Confirm>
      )}
      {asking === "back" && (
        <SendBack
          busy={busy}
          onClose={close}
          onSend={(comment) => reject.mutate({ task, run: run.id, comment }, { onSuccess: close })}
        />
      )}
      {asking === "discard" && (
        <Confirm
          title="Discard this work?"
          confirm="Discard"
          busy={busy}
          onConfirm={() => reject.mutate({ task, run: run.id, comment: null }, { onSettled: close })}
          onClose={close}
        >
          <p>
            The task is withdrawn and nothing is merged. The branch <code>{run.branch}</code> stays in the
            mirror.
          </p>
        </Confirm>
      )}
    </>
  );
}

interface SendBackProps {
  busy: boolean;
  onSend: (comment: string) => void;
  onClose: () => void;
}

function SendBack({ busy, onSend, onClose }: SendBackProps) {
  const [comment, setComment] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (comment.trim() !== "") onSend(comment.trim());
  };
  return (
    <Dialog title="Send back to the agent" onClose={onClose}>
      <form className={fields.form} onSubmit={submit}>
        <label className={fields.field}>
          What shall it do?
          <textarea
            required
            autoFocus
            rows={5}
            maxLength={16_000}
            placeholder="The agent goes on in the same session and on the same branch, with these words."
            value={comment}
            onChange={(event) => setComment(event.target.value)}
          />
        </label>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={busy} disabled={comment.trim() === ""}>
            Send back
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
