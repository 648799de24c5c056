import { useSyncExternalStore } from "react";
import { Button } from "./Button";
import { CrossIcon } from "./icons";
import { RichText } from "./RichText";
import { getToasts, subscribeToasts, toast } from "./toast";
import styles from "./Toasts.module.css";

export function Toasts() {
  const toasts = useSyncExternalStore(subscribeToasts, getToasts);
  return (
    <div className={styles.stack} role="status" aria-live="polite">
      {toasts.map((one) => (
        <div
          key={one.id}
          className={`${styles.toast ?? ""} ${one.tone === "error" ? (styles.error ?? "") : ""}`}
          role={one.tone === "error" ? "alert" : undefined}
        >
          <div className={styles.words}>
            <strong>{one.title}</strong>
            {one.message !== undefined && (
              <p>
                <RichText text={one.message} />
              </p>
            )}
            {one.fix !== undefined && (
              <p className={styles.fix}>
                <RichText text={one.fix} />
              </p>
            )}
          </div>
          <Button
            tone="quiet"
            small
            label="Dismiss"
            icon={<CrossIcon size={14} />}
            onClick={() => toast.dismiss(one.id)}
          />
        </div>
      ))}
    </div>
  );
}
