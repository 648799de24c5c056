import { useState, type SubmitEvent, type KeyboardEvent } from "react";
import { useSay } from "../../api/queries";
import type { Run } from "../../api/types";
import { Button } from "../../ui/Button";
import { SendIcon } from "../../ui/icons";
import styles from "./SayLine.module.css";

/** The server takes no longer line. */
const MOST_BYTES = 16 * 1024;

/** A line for the agent: a user message in its session. */
export function SayLine({ run }: { run: Run }) {
  const say = useSay();
  const [text, setText] = useState("");
  const open = run.state === "working" || run.state === "waiting";
  const tooLong = new TextEncoder().encode(text).length > MOST_BYTES;

  const send = () => {
    const line = text.trim();
    if (line === "" || !open || tooLong || say.isPending) return;
    say.mutate({ id: run.id, text: line }, { onSuccess: () => setText("") });
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };

  return (
    <form className={styles.line} onSubmit={submit}>
      <span className={styles.prompt} aria-hidden="true">
        ›
      </span>
      <label className={styles.field}>
        <span className="visually-hidden">Tell the agent</span>
        <textarea
          rows={1}
          value={text}
          disabled={!open}
          placeholder={open ? hint(run) : whyNot(run)}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
      </label>
      {tooLong && <span className={styles.bad}>Too long: 16 KiB at most</span>}
      <Button
        type="submit"
        small
        label="Send"
        icon={<SendIcon size={15} />}
        busy={say.isPending}
        disabled={!open || tooLong || text.trim() === ""}
      />
    </form>
  );
}

function hint(run: Run): string {
  if (run.mode === "interactive")
    return "Tell the agent something, or /complete and a summary when the task is complete.";
  return `Tell ${run.agent} something. Enter sends, Shift+Enter breaks the line.`;
}

function whyNot(run: Run): string {
  switch (run.state) {
    case "starting":
    case "preparing":
      return "You can speak to the agent as soon as it works.";
    case "checking":
      return "The agent is done; its work is being checked.";
    default:
      return "The run is over. Send the work back to go on in the same session.";
  }
}
