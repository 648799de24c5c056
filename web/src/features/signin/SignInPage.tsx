import { useEffect, useRef, useState, type SubmitEvent } from "react";
import { signIn } from "../../api/queries";
import { asApiError, type ApiError } from "../../api/errors";
import { Button } from "../../ui/Button";
import { Mark } from "../../ui/icons";
import { Notice } from "../../ui/Notice";
import { RichText } from "../../ui/RichText";
import styles from "./SignInPage.module.css";

/** Asks for a token, or tries the one that the first-start link carried. */
export function SignInPage({ token, onDone }: { token: string | undefined; onDone: () => void }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(token !== undefined);
  const [error, setError] = useState<ApiError>();
  const field = useRef<HTMLInputElement>(null);
  const started = useRef(false);

  const attempt = async (secret: string) => {
    setBusy(true);
    setError(undefined);
    try {
      await signIn(secret);
      onDone();
    } catch (thrown) {
      setError(asApiError(thrown));
      setBusy(false);
      field.current?.focus();
    }
  };

  useEffect(() => {
    // Once, though effects run twice while developing: a link's token may be good for one use.
    if (token === undefined || started.current) return;
    started.current = true;
    void attempt(token);
  });

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const secret = text.trim();
    if (secret !== "") void attempt(secret);
  };

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={submit}>
        <div className={styles.head}>
          <Mark size={44} />
          <h1>Strawboss</h1>
        </div>
        <label className={styles.label}>
          Token
          <input
            ref={field}
            type="password"
            name="token"
            autoComplete="current-password"
            spellCheck={false}
            autoFocus
            value={text}
            onChange={(event) => setText(event.target.value)}
            aria-invalid={error !== undefined}
            aria-describedby="sign-in-help"
          />
        </label>
        {error && (
          <Notice tone="bad" fix={error.fix}>
            <p>
              <RichText
                text={error.status === 401 ? "That token is not valid, or has been revoked." : error.message}
              />
            </p>
          </Notice>
        )}
        <Button type="submit" tone="primary" busy={busy} disabled={text.trim() === "" && !busy}>
          {busy ? "Signing in…" : "Sign in"}
        </Button>
        <p id="sign-in-help" className={styles.help}>
          On the machine that Strawboss runs on, <code>strawboss token link</code> prints a link that signs
          you in. Any other token works here too.
        </p>
      </form>
    </main>
  );
}
