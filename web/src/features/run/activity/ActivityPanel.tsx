import { useMemo, useState } from "react";
import type { RunEvent } from "../../../api/types";
import { Button } from "../../../ui/Button";
import { Clamp } from "../../../ui/Clamp";
import { words } from "../../../ui/format";
import { ErrorNotice } from "../../../ui/Notice";
import { Skeleton } from "../../../ui/Skeleton";
import { StateMark, toneClass } from "../../../ui/StateMark";
import { Clock } from "../../../ui/time";
import styles from "./ActivityPanel.module.css";
import { keep, toItems, type Item, type Only } from "./model";
import type { RunEvents } from "./useRunEvents";

const ONLY: readonly (readonly [Only, string])[] = [
  ["all", "All"],
  ["words", "Words"],
  ["tools", "Tools"],
  ["problems", "Problems"],
];

const PAGE = 200;

const ROW: Partial<Record<Item["kind"], string | undefined>> = { phase: styles.phase, text: styles.text };

/** What the agent said and did, step by step. */
export function ActivityPanel({ events, loading, error }: RunEvents) {
  const [only, setOnly] = useState<Only>("all");
  const [most, setMost] = useState(PAGE);
  const items = useMemo(() => toItems(events as RunEvent[]), [events]);
  const kept = useMemo(() => items.filter((item) => keep(item, only)), [items, only]);
  const shown = kept.slice(-most);
  const earlier = kept.length - shown.length;

  return (
    <div className={styles.panel}>
      <div className={styles.bar} role="group" aria-label="Show">
        {ONLY.map(([value, label]) => (
          <button
            key={value}
            type="button"
            className={styles.only}
            aria-pressed={only === value}
            onClick={() => setOnly(value)}
          >
            {label}
          </button>
        ))}
        <span className={styles.total}>{kept.length} events</span>
      </div>
      {error && events.length === 0 && <ErrorNotice title="Could not load the events" error={error} />}
      {loading && events.length === 0 && <Skeleton lines={8} label="Loading events" />}
      {!loading && !error && kept.length === 0 && (
        <p className={styles.none}>
          {only === "all"
            ? "Nothing was reported yet."
            : only === "problems"
              ? "No problem was reported."
              : "Nothing of that kind."}
        </p>
      )}
      {earlier > 0 && (
        <Button small onClick={() => setMost(most + PAGE * 2)}>
          Show earlier ({earlier})
        </Button>
      )}
      <ol className={styles.list}>
        {shown.map((item) => (
          <li key={item.row} className={ROW[item.kind]}>
            <ItemView item={item} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function ItemView({ item }: { item: Item }) {
  switch (item.kind) {
    case "phase":
      return (
        <p className={styles.phaseLine}>
          <span className={`${styles.key ?? ""} ${toneClass(item.phase)}`} />
          <strong>{words(item.phase)}</strong>
          <At at={item.at} />
        </p>
      );
    case "text":
      return (
        <div className={item.who === "person" ? styles.told : styles.said}>
          <p className={styles.who}>
            {item.who === "person" ? "Told" : "Agent"}
            <At at={item.at} />
          </p>
          <Clamp text={item.text} />
        </div>
      );
    case "tool":
      return <ToolView item={item} />;
    case "line":
      return item.detail === undefined || item.detail === "" ? (
        <p className={`${styles.one ?? ""} ${styles[item.tone] ?? ""}`}>
          <span className={styles.words}>{item.text}</span>
          <At at={item.at} />
        </p>
      ) : (
        <details className={styles.details}>
          <summary className={`${styles.one ?? ""} ${styles[item.tone] ?? ""}`}>
            <span className={styles.words}>{item.text}</span>
            <At at={item.at} />
          </summary>
          <pre>{item.detail}</pre>
        </details>
      );
  }
}

function ToolView({ item }: { item: Extract<Item, { kind: "tool" }> }) {
  const { result } = item;
  return (
    <details className={styles.details}>
      <summary className={styles.call}>
        <span className={styles.tool}>{item.name}</span>
        <code className={styles.input}>{item.input}</code>
        {result === undefined ? (
          <StateMark state="working" size={12} />
        ) : (
          <span className={result.isError ? styles.bad : styles.good}>
            {result.isError ? "failed" : "ok"}
          </span>
        )}
        <At at={item.at} />
      </summary>
      {item.input.includes("\n") && <pre>{item.input}</pre>}
      <pre>{result === undefined ? "It works…" : result.text === "" ? "(no output)" : result.text}</pre>
    </details>
  );
}

function At({ at }: { at: number }) {
  return (
    <span className={styles.at}>
      <Clock at={at} />
    </span>
  );
}
