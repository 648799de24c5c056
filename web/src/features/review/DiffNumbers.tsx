import type { DiffStat } from "../../api/types";
import { plural } from "../../ui/format";
import styles from "./evidence.module.css";

export function DiffNumbers({ stat }: { stat: DiffStat }) {
  return (
    <span className={styles.numbers}>
      {plural(stat.files, "file")} <span className={styles.added}>+{stat.added}</span>{" "}
      <span className={styles.removed}>−{stat.removed}</span>
    </span>
  );
}
