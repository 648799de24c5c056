/** One line that says how the whole is doing, as observed, and when that was. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { statusQuery } from "../../api/queries";
import type { Part } from "../../api/types";
import { useLive } from "../../live/LiveProvider";
import { clock, plural } from "../../ui/format";
import { linkStyle } from "../../ui/link";
import { Notice } from "../../ui/Notice";
import { Ago, Elapsed, useNow } from "../../ui/time";
import styles from "./StatusStrip.module.css";

/** How many runs that wait for an answer are named. */
const MOST_ASKING = 5;

export function StatusStrip() {
  const { data: status } = useQuery(statusQuery);
  const { connection } = useLive();
  return (
    <>
      <div
        className={styles.strip}
        role="group"
        aria-label="System status"
        tabIndex={0}
        // Without a connection nobody knows how it is now.
        data-stale={connection === "live" ? undefined : true}
      >
        <ConnectionMark />
        {status && (
          <>
            <span className={styles.item} title={`${status.live_runs} of ${status.slots} slots are in use`}>
              <Slots used={status.live_runs} slots={status.slots} />
              <span>
                <b>{status.live_runs}</b>/{status.slots} slots
              </span>
            </span>
            {status.asking.length > 0 && (
              <span className={`${styles.item ?? ""} ${styles.warn ?? ""}`} role="status">
                {status.asking.length === 1 ? "An agent asks: " : `${status.asking.length} agents ask: `}
                {status.asking.slice(0, MOST_ASKING).map((run) => (
                  <Link key={run} href={`/runs/${encodeURIComponent(run)}`} className={linkStyle}>
                    {run}
                  </Link>
                ))}
              </span>
            )}
            <PartMark label="runner" part={status.runner} />
            <PartMark label="store" part={status.store} />
            <PartMark label="engine" part={status.engine} />
            <PartMark label="gateway" part={status.gateway} />
            <span
              className={`${styles.item ?? ""} ${status.outbox_waiting > 0 ? (styles.warn ?? "") : ""}`}
              title="Changes that have not been written back to their sources yet"
            >
              {status.outbox_waiting > 0
                ? `${plural(status.outbox_waiting, "write-back")} waiting`
                : "write-backs landed"}
            </span>
            <span className={`${styles.item ?? ""} ${styles.version ?? ""}`}>
              v{status.version} · up <Elapsed from={status.started_at} />
            </span>
          </>
        )}
      </div>
      {status && !status.runner.ok && (
        <div className={styles.banner}>
          <Notice tone="bad" title={`The runner ${status.runner.name} does not answer: nothing new starts`}>
            <p>
              {status.runner.detail} <Since part={status.runner} />
            </p>
            <p>
              Run <code>strawboss doctor</code> for what is wrong and how to mend it.
            </p>
          </Notice>
        </div>
      )}
      {status?.paused != null && (
        <div className={styles.banner}>
          <Notice tone="warn" title="Nothing new starts">
            <p>{status.paused}</p>
          </Notice>
        </div>
      )}
    </>
  );
}

function Since({ part }: { part: Part }) {
  return (
    <>
      (since <Ago at={part.since} />)
    </>
  );
}

function ConnectionMark() {
  const { connection, asOf, retryAt } = useLive();
  const now = useNow();
  if (connection === "live") {
    return (
      <span className={`${styles.item ?? ""} ${styles.live ?? ""}`}>
        <span className={styles.dot} />
        Live
      </span>
    );
  }
  if (connection === "connecting") {
    return (
      <span className={styles.item}>
        <span className={styles.dot} />
        Connecting…
      </span>
    );
  }
  const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <span className={`${styles.item ?? ""} ${styles.lost ?? ""}`} role="status">
      <span className={styles.dot} />
      {asOf === null ? "Not connected" : `Stale: as of ${clock(asOf, now)}`}
      <span className={styles.faint}>{seconds > 0 ? `next try in ${seconds}s` : "trying…"}</span>
    </span>
  );
}

function PartMark({ label, part }: { label: string; part: Part }) {
  return (
    <span className={`${styles.item ?? ""} ${part.ok ? "" : (styles.bad ?? "")}`} title={part.detail}>
      <span className={`${styles.dot ?? ""} ${part.ok ? (styles.ok ?? "") : ""}`} />
      <span>
        <span className={styles.faint}>{label}</span> {part.name !== label && part.name}
        {part.state !== "ok" && `: ${part.state}`}
      </span>
    </span>
  );
}

/** Past this many slots single marks say nothing any more. */
const MOST_MARKS = 16;

function Slots({ used, slots }: { used: number; slots: number }) {
  if (slots === 0 || slots > MOST_MARKS) return null;
  return (
    <span className={styles.slots} aria-hidden="true">
      {Array.from({ length: slots }, (_, index) => (
        <span key={index} className={index < used ? styles.used : undefined} />
      ))}
    </span>
  );
}
