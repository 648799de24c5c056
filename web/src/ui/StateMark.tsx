/** Where a task or run stands: a mark of its own shape, a colour and the word. */
import { capital, words } from "./format";
import styles from "./StateMark.module.css";

const WORDS: Record<string, string> = {
  pending: "Pending",
  queued: "Queued",
  running: "Running",
  review: "In review",
  blocked: "Blocked",
  paused: "Paused",
  done: "Done",
  cancelled: "Cancelled",
};

/** The state in words for people; an unknown one is shown as it came. */
export function stateWord(state: string): string {
  return WORDS[state] ?? capital(words(state));
}

/** The colour family of a state or of a run's state and outcome. */
export function stateTone(state: string): string {
  switch (state) {
    case "starting":
    case "preparing":
      return "queued";
    case "working":
      return "running";
    case "checking":
    case "saving":
      return "review";
    case "waiting":
      return "paused";
    case "succeeded":
      return "done";
    case "failed":
    case "timed_out":
    case "lost":
      return "blocked";
    case "stopped":
    case "finished":
      return "cancelled";
    default:
      return state in WORDS ? state : "cancelled";
  }
}

export function toneClass(state: string): string {
  return styles[stateTone(state)] ?? "";
}

export function StateMark({ state, size = 14 }: { state: string; size?: number }) {
  const tone = stateTone(state);
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 14 14"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      aria-hidden="true"
      className={`${styles.mark ?? ""} ${styles[tone] ?? ""}`}
    >
      <Shape tone={tone} />
    </svg>
  );
}

function Shape({ tone }: { tone: string }) {
  switch (tone) {
    case "pending":
      return <circle cx="7" cy="7" r="5.6" strokeDasharray="1.9 1.62" />;
    case "queued":
      return <circle cx="7" cy="7" r="5.6" />;
    case "running":
      return (
        <>
          <circle cx="7" cy="7" r="5.6" opacity="0.28" />
          <path className={styles.spin} d="M7 1.4A5.6 5.6 0 0 1 12.6 7" strokeWidth="2" />
        </>
      );
    case "review":
      return (
        <>
          <circle cx="7" cy="7" r="5.6" />
          <path d="M7 4a3 3 0 0 1 0 6z" fill="currentColor" stroke="none" />
          <path d="M7 4a3 3 0 0 0 0 6z" fill="currentColor" stroke="none" opacity="0.3" />
        </>
      );
    case "done":
      return (
        <>
          <circle cx="7" cy="7" r="6.3" fill="currentColor" stroke="none" />
          <path d="m4.3 7.2 1.9 1.9 3.5-3.9" stroke="var(--surface)" />
        </>
      );
    case "blocked":
      return (
        <>
          <circle cx="7" cy="7" r="6.3" fill="currentColor" stroke="none" />
          <path d="M7 3.9v3.6M7 10v.01" stroke="var(--surface)" />
        </>
      );
    case "paused":
      return (
        <>
          <circle cx="7" cy="7" r="5.6" />
          <path d="M5.6 5.2v3.6M8.4 5.2v3.6" />
        </>
      );
    default:
      return (
        <>
          <circle cx="7" cy="7" r="5.6" />
          <path d="m5.3 5.3 3.4 3.4M8.7 5.3 5.3 8.7" />
        </>
      );
  }
}

/** A state as a small tinted label. */
export function StateBadge({ state, label }: { state: string; label?: string | undefined }) {
  return (
    <span className={`${styles.badge ?? ""} ${styles[stateTone(state)] ?? ""}`}>
      <StateMark state={state} size={12} />
      {label ?? stateWord(state)}
    </span>
  );
}
