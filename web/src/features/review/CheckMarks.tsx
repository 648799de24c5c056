import type { Check } from "../../api/types";
import { CheckIcon, CrossIcon } from "../../ui/icons";
import styles from "./evidence.module.css";

export function passed(check: Check): boolean {
  return check.exit_code === 0;
}

/** How the checks went, in one glance. */
export function CheckMarks({ checks, green }: { checks: readonly Check[]; green: boolean | null }) {
  if (checks.length === 0) {
    return <span className={styles.none}>{green === true ? "No checks configured" : "No checks ran"}</span>;
  }
  const good = checks.filter(passed).length;
  const all = good === checks.length && green !== false;
  return (
    <span className={`${styles.verdict ?? ""} ${all ? (styles.green ?? "") : (styles.red ?? "")}`}>
      {all ? <CheckIcon size={14} /> : <CrossIcon size={14} />}
      {good}/{checks.length} {checks.length === 1 ? "check" : "checks"}
    </span>
  );
}
