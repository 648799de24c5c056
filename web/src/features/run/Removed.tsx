/** Stands where something was that retention removed: says so, and when. */
import { fullTime, isoTime } from "../../ui/format";
import styles from "./RunPage.module.css";

export function Removed({ what, at }: { what: string; at: number }) {
  return (
    <p className={styles.message}>
      {what} removed by retention on <time dateTime={isoTime(at)}>{fullTime(at)}</time>.
    </p>
  );
}
