import type { Source } from "../../api/types";
import { RichText } from "../../ui/RichText";
import styles from "./ProblemTable.module.css";

/** What is wrong in one source, by line and column. */
export function ProblemTable({ source }: { source: Source }) {
  return (
    <div className={styles.scroll}>
      <table className={styles.table}>
        <caption className="visually-hidden">Problems in {source.name}</caption>
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">Row</th>
            <th scope="col">Column</th>
            <th scope="col">What is wrong</th>
          </tr>
        </thead>
        <tbody>
          {source.problems.map((problem, index) => (
            <tr key={index}>
              <td className={styles.line}>{problem.line === 0 ? "file" : problem.line}</td>
              <td className={problem.skipped ? styles.skipped : styles.used}>
                {problem.skipped ? "skipped" : "used"}
              </td>
              <td>{problem.column ?? "–"}</td>
              <td className={styles.message}>
                <RichText text={problem.message} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
