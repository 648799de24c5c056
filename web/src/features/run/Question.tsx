/** What a run's agent asks people, and the way to answer: its text is a sandbox's, and is shown as text. */
import { useId, useState, type SubmitEvent } from "react";
import { useAnswer } from "../../api/queries";
import type { Question as Asked } from "../../api/types";
import { Button } from "../../ui/Button";
import fields from "../../ui/fields.module.css";
import { Ago } from "../../ui/time";
import styles from "./Question.module.css";

/** The server takes no longer answer. */
const MOST_BYTES = 16_000;

export function Question({ run, asked }: { run: string; asked: Asked }) {
  const answer = useAnswer();
  const [text, setText] = useState("");
  const title = useId();
  const tooLong = new TextEncoder().encode(text).length > MOST_BYTES;

  const send = (said: string) => {
    if (said.trim() === "" || answer.isPending) return;
    answer.mutate({ id: run, question: asked.number, text: said.trim() });
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!tooLong) send(text);
  };

  return (
    <section className={styles.question} aria-labelledby={title}>
      <h2 id={title}>
        The agent asks, and waits for an answer{" "}
        <span className={styles.at}>
          (<Ago at={asked.at} />)
        </span>
      </h2>
      <p className={styles.text}>{asked.text}</p>
      {asked.choices.length > 0 && (
        <div className={styles.choices} role="group" aria-label="Answers that it offers">
          {asked.choices.map((choice) => (
            <Button key={choice} disabled={answer.isPending} onClick={() => send(choice)}>
              {choice}
            </Button>
          ))}
        </div>
      )}
      <form className={styles.form} onSubmit={submit}>
        <label className={`${fields.field ?? ""} ${styles.field ?? ""}`}>
          {asked.choices.length > 0 ? "Or answer something else" : "Your answer"}
          <textarea rows={2} value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        {tooLong && <span className={styles.bad}>Too long: 16 000 bytes at most</span>}
        <Button type="submit" tone="primary" busy={answer.isPending} disabled={tooLong || text.trim() === ""}>
          Answer
        </Button>
      </form>
    </section>
  );
}

/** What was asked and answered before. */
export function Answered({ questions }: { questions: Asked[] }) {
  const answered = questions.filter((asked) => asked.answer != null);
  if (answered.length === 0) return null;
  return (
    <details className={styles.answered}>
      <summary>Questions that were answered ({answered.length})</summary>
      <dl>
        {answered.map((asked) => (
          <div key={asked.number}>
            <dt className={styles.text}>{asked.text}</dt>
            <dd className={styles.text}>
              {asked.answer?.text}{" "}
              <span className={styles.at}>
                {asked.answer?.by}, <Ago at={asked.answer?.at ?? asked.at} />
                {asked.answer?.told_at == null && "; not seen to have reached the agent yet"}
              </span>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
