import type { ReactNode } from "react";
import styles from "./EmptyState.module.css";

/** Nothing here, and what to do so that there is. */
export function EmptyState({
  title,
  children,
  mark,
}: {
  title: string;
  children?: ReactNode;
  mark?: ReactNode;
}) {
  return (
    <div className={styles.empty}>
      {mark}
      <h2>{title}</h2>
      <div className={styles.words}>{children}</div>
    </div>
  );
}
