/** Something to know or to mend, with the way to mend it. */
import type { ReactNode } from "react";
import { asApiError } from "../api/errors";
import { Button } from "./Button";
import { WarningIcon } from "./icons";
import styles from "./Notice.module.css";
import { RichText } from "./RichText";

interface NoticeProps {
  tone: "bad" | "warn" | "info" | "good";
  title?: ReactNode;
  children?: ReactNode;
  fix?: string | null | undefined;
  action?: ReactNode;
}

export function Notice({ tone, title, children, fix, action }: NoticeProps) {
  return (
    <div
      className={`${styles.notice ?? ""} ${styles[tone] ?? ""}`}
      role={tone === "bad" ? "alert" : undefined}
    >
      {(tone === "bad" || tone === "warn") && <WarningIcon className={styles.icon} />}
      <div className={styles.words}>
        {title !== undefined && <strong>{title}</strong>}
        {children}
        {typeof fix === "string" && fix !== "" && (
          <p className={styles.fix}>
            <span>What to do: </span>
            <RichText text={fix} />
          </p>
        )}
      </div>
      {action}
    </div>
  );
}

/** A request that failed, its fix and another try. */
export function ErrorNotice({ error, title, retry }: { error: unknown; title: string; retry?: () => void }) {
  const known = asApiError(error);
  return (
    <Notice
      tone="bad"
      title={title}
      fix={known.fix}
      action={
        retry && (
          <Button small onClick={retry}>
            Try again
          </Button>
        )
      }
    >
      <p>
        <RichText text={known.message} />
      </p>
    </Notice>
  );
}
