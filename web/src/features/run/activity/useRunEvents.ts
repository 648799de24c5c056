/** A run's reports: what is stored, then what arrives. Subscribed first, so that nothing falls between the two. */
import { useEffect, useState } from "react";
import { api, unwrap } from "../../../api/client";
import { asApiError, type ApiError } from "../../../api/errors";
import type { RunEvent } from "../../../api/types";
import { useLive, useLiveStore } from "../../../live/LiveProvider";
import { mergeEvents } from "./model";

const PAGE = 500;
/** A page must not grow without end; the terminal and the server hold the rest. */
const MOST = 20_000;

export interface RunEvents {
  events: readonly RunEvent[];
  loading: boolean;
  error: ApiError | undefined;
}

export function useRunEvents(run: string): RunEvents {
  const store = useLiveStore();
  const { snapshots } = useLive();
  const [state, setState] = useState<RunEvents>({ events: [], loading: true, error: undefined });

  useEffect(() => {
    let queued: RunEvent[] = [];
    let frame: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      frame = undefined;
      const more = queued;
      queued = [];
      setState((now) => ({ ...now, events: mergeEvents(now.events, more).slice(-MOST) }));
    };
    const off = store.onReport(run, (report) => {
      queued.push(report);
      frame ??= setTimeout(flush, 50);
    });
    return () => {
      off();
      clearTimeout(frame);
    };
  }, [store, run]);

  // Again after each snapshot: between two connections reports were missed.
  useEffect(() => {
    const controller = new AbortController();
    const load = async () => {
      let after = 0;
      for (let loaded = 0; loaded < MOST; loaded += PAGE) {
        const page = await unwrap(
          api.GET("/api/v1/runs/{id}/events", {
            params: { path: { id: run }, query: { after, limit: PAGE } },
            signal: controller.signal,
          }),
        );
        const last = page.items.at(-1);
        setState((now) => ({ ...now, events: mergeEvents(now.events, page.items).slice(-MOST) }));
        if (page.next == null || last === undefined) break;
        after = last.row;
      }
      setState((now) => ({ ...now, loading: false, error: undefined }));
    };
    load().catch((error: unknown) => {
      if (!controller.signal.aborted)
        setState((now) => ({ ...now, loading: false, error: asApiError(error) }));
    });
    return () => controller.abort();
  }, [run, snapshots]);

  return state;
}
