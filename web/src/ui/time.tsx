/** Times that move. One timer for the whole page; only what shows a time renders again. */
import { useSyncExternalStore } from "react";
import { ago, clock, duration, fullTime, isoTime } from "./format";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The present, to the second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** A text that changes with time: whoever shows it renders again only when it reads differently. */
export function useTimeText(text: (now: number) => string): string {
  return useSyncExternalStore(subscribe, () => text(now));
}

/** How long something has been going on, or went on. */
export function Elapsed({ from, to }: { from: number; to?: number | null | undefined }) {
  return typeof to === "number" ? (
    <time dateTime={`PT${Math.max(0, Math.round((to - from) / 1000))}S`}>{duration(to - from)}</time>
  ) : (
    <Ticking from={from} />
  );
}

function Ticking({ from }: { from: number }) {
  const text = useTimeText((now) => duration(now - from));
  return <time role="timer">{text}</time>;
}

/** How long ago something was; the moment itself as tooltip. */
export function Ago({ at }: { at: number }) {
  const text = useTimeText((now) => ago(at, now));
  return (
    <time dateTime={isoTime(at)} title={fullTime(at)}>
      {text}
    </time>
  );
}

/** The time of day of something. */
export function Clock({ at }: { at: number }) {
  const text = useTimeText((now) => clock(at, now));
  return (
    <time dateTime={isoTime(at)} title={fullTime(at)}>
      {text}
    </time>
  );
}
