import { useEffect, useRef } from "react";
import type { Task } from "../../api/types";
import { StateMark, stateWord } from "../../ui/StateMark";
import { COLUMNS, type Column } from "./model";
import styles from "./StateTabs.module.css";

interface StateTabsProps {
  columns: Record<Column, Task[]>;
  doneTotal: number;
  chosen: Column;
  onChoose: (column: Column) => void;
}

/** The columns of the board where there is no room for them side by side. */
export function StateTabs({ columns, doneTotal, chosen, onChoose }: StateTabsProps) {
  const current = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [chosen]);
  return (
    <div className={styles.tabs} role="group" aria-label="State">
      {COLUMNS.map((column) => {
        const total = column === "done" ? doneTotal : columns[column].length;
        return (
          <button
            key={column}
            ref={column === chosen ? current : undefined}
            type="button"
            className={styles.tab}
            aria-pressed={column === chosen}
            data-empty={total === 0 || undefined}
            onClick={() => onChoose(column)}
          >
            <StateMark state={column} />
            {stateWord(column)}
            <span className={styles.count}>{total}</span>
          </button>
        );
      })}
    </div>
  );
}
