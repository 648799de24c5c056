/** Puts the one live store into the tree and keeps its stream open while somebody is signed in. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { keys } from "../api/queries";
import { setSignInState } from "../api/session";
import type { RunDetail, Source, Status, Task } from "../api/types";
import { LiveStore, type LiveState } from "./store";
import { openStream } from "./stream";

const LiveContext = createContext<LiveStore | undefined>(undefined);

export function LiveProvider({ children, store: given }: { children: ReactNode; store?: LiveStore }) {
  const queries = useQueryClient();
  const [store] = useState(() => given ?? new LiveStore());

  useEffect(() => {
    let statusTimer: ReturnType<typeof setTimeout> | undefined;
    const offSource = store.onSource((source) => {
      queries.setQueryData<Status>(keys.status, (status) => status && withSource(status, source));
    });
    const offTask = store.onTask((task) => {
      queries.setQueryData(keys.task(task.id), task);
      const run = task.run;
      if (run) {
        queries.setQueryData<RunDetail>(keys.run(run.id), (detail) => detail && { ...detail, run });
        void queries.invalidateQueries({ queryKey: keys.run(run.id) });
      }
      // Many tasks may move at once; one look at the rest is enough.
      statusTimer ??= setTimeout(() => {
        statusTimer = undefined;
        void queries.invalidateQueries({ queryKey: keys.status });
        void queries.invalidateQueries({ queryKey: keys.reviews });
      }, 300);
    });
    return () => {
      clearTimeout(statusTimer);
      offSource();
      offTask();
    };
  }, [store, queries]);

  useEffect(() => {
    if (given) return;
    return openStream("/api/v1/events", {
      onHeard: () => store.heard(),
      onEvents: (events) => store.apply(events),
      onLost: (retryAt) => store.lost(retryAt),
      onUnauthorized: () => setSignInState("signed-out"),
    });
  }, [store, given]);

  return <LiveContext value={store}>{children}</LiveContext>;
}

export function withSource(status: Status, source: Source): Status {
  const known = status.sources.some((one) => one.name === source.name);
  return {
    ...status,
    sources: known
      ? status.sources.map((one) => (one.name === source.name ? source : one))
      : [...status.sources, source],
  };
}

export function useLiveStore(): LiveStore {
  const store = useContext(LiveContext);
  if (!store) throw new Error("useLiveStore needs a LiveProvider above it");
  return store;
}

export function useLive(): LiveState {
  const store = useLiveStore();
  return useSyncExternalStore(store.subscribe, store.getState);
}

/** One task as the stream knows it; undefined when it is not among what the stream shows. */
export function useLiveTask(id: string | undefined): Task | undefined {
  const store = useLiveStore();
  return useSyncExternalStore(store.subscribe, () =>
    id === undefined ? undefined : store.getState().tasks.get(id),
  );
}
