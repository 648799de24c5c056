/** Keeps one event stream to the server open: reconnects with back-off, notices silence, stops at 401. */
import { createParser } from "eventsource-parser";
import type { ServerEvent } from "../api/types";

/** Longer silence than this means that the connection is dead: the server sends a comment every 15 s. */
export const SILENCE_MS = 40_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** One event may be this long; a longer one is not ours. */
const MAX_EVENT_CHARS = 64 * 1024 * 1024;

export interface StreamHandlers {
  /** What came in one piece. */
  onEvents: (events: ServerEvent[]) => void;
  /** Something was heard, if only a comment. */
  onHeard: () => void;
  /** The connection is gone; the next try is at this time. */
  onLost: (retryAt: number) => void;
  /** Nobody is signed in; there will be no next try. */
  onUnauthorized: () => void;
}

/** How long to wait before the n-th try in a row (from 0): grows, is capped, and never the same for everybody. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}

/** Reads one event's data; undefined for what this page does not know. */
export function parseEvent(data: string): ServerEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  const event = value as ServerEvent;
  switch (event.type) {
    case "snapshot":
      return Array.isArray(event.tasks) ? event : undefined;
    case "task":
      return typeof event.task === "object" ? event : undefined;
    case "run_report":
      return typeof event.report === "object" ? event : undefined;
    case "source":
      return typeof event.source === "object" ? event : undefined;
    default:
      return undefined;
  }
}

/** Opens the stream and keeps it open until the returned function is called. */
export function openStream(url: string, handlers: StreamHandlers): () => void {
  let stopped = false;
  let attempt = 0;
  let controller = new AbortController();
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;

  const heard = () => {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => controller.abort(), SILENCE_MS);
    handlers.onHeard();
  };

  const lost = () => {
    clearTimeout(silenceTimer);
    if (stopped) return;
    const delay = backoff(attempt);
    attempt += 1;
    retryTimer = setTimeout(() => {
      retryTimer = undefined;
      void connect();
    }, delay);
    handlers.onLost(Date.now() + delay);
  };

  const connect = async () => {
    controller = new AbortController();
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => controller.abort(), SILENCE_MS);
    try {
      const response = await fetch(url, {
        headers: { Accept: "text/event-stream" },
        credentials: "same-origin",
        cache: "no-store",
        signal: controller.signal,
      });
      if (response.status === 401) {
        clearTimeout(silenceTimer);
        if (!stopped) handlers.onUnauthorized();
        return;
      }
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        lost();
        return;
      }
      await read(response.body);
    } catch {
      // Refused, reset, timed out or aborted: all the same from here.
    }
    lost();
  };

  const read = async (body: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    let batch: ServerEvent[] = [];
    let unparsed = 0;
    const parser = createParser({
      onEvent: (message) => {
        unparsed = 0;
        const event = parseEvent(message.data);
        if (event !== undefined) batch.push(event);
      },
      onComment: () => {
        unparsed = 0;
      },
    });
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || stopped) break;
      unparsed += value.length;
      parser.feed(decoder.decode(value, { stream: true }));
      heard();
      if (unparsed > MAX_EVENT_CHARS) {
        controller.abort();
        break;
      }
      if (batch.length > 0) {
        attempt = 0;
        const events = batch;
        batch = [];
        handlers.onEvents(events);
      }
    }
  };

  // When the network or the tab comes back there is no reason to wait any longer.
  const hurry = () => {
    if (stopped || retryTimer === undefined || document.visibilityState === "hidden") return;
    clearTimeout(retryTimer);
    retryTimer = undefined;
    void connect();
  };

  void connect();
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);

  return () => {
    stopped = true;
    window.removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", hurry);
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    controller.abort();
  };
}
