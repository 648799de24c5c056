/** A modal dialog on the platform's own element: focus is kept inside and given back, Escape closes. */
import { useEffect, useId, useRef, type SubmitEvent, type ReactNode } from "react";
import { Button } from "./Button";
import styles from "./Dialog.module.css";
import { CrossIcon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();

  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);

  return (
    <dialog
      ref={ref}
      className={`${styles.dialog ?? ""} ${wide === true ? (styles.wide ?? "") : ""}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div className={styles.body}>
        <header className={styles.header}>
          <h2 id={heading}>{title}</h2>
          <Button tone="quiet" small label="Close" icon={<CrossIcon />} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children: ReactNode;
  /** What happens: "Discard the work". */
  confirm: string;
  tone?: "danger" | "primary" | "good";
  busy: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be taken back. */
export function Confirm({
  title,
  children,
  confirm,
  tone = "danger",
  busy,
  onConfirm,
  onClose,
}: ConfirmProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onConfirm();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit} className={styles.form}>
        <div className={styles.text}>{children}</div>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone={tone} type="submit" busy={busy}>
            {confirm}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <footer className={styles.actions}>{children}</footer>;
}
