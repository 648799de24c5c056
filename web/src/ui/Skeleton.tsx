import styles from "./Skeleton.module.css";

/** Grey bars where text will be. Said once for those who listen. */
export function Skeleton({ lines = 3, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div className={styles.block} role="status" data-loading>
      <span className="visually-hidden">{label}</span>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} className={styles.bar} />
      ))}
    </div>
  );
}
