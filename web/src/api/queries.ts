/** What pages ask and do, as hooks. Every key of the cache is made here. */
import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  useMutation,
  useQueryClient,
  type QueryKey,
} from "@tanstack/react-query";
import { toast } from "../ui/toast";
import { api, unwrap } from "./client";
import { asApiError, type ApiError } from "./errors";
import type { NewSession, NewTask, RemovedSession } from "./types";

export const keys = {
  status: ["status"] as const,
  reviews: ["reviews"] as const,
  projects: ["projects"] as const,
  sessions: ["sessions"] as const,
  task: (id: string) => ["task", id] as const,
  taskRuns: (id: string, standing: string) => ["task-runs", id, standing] as const,
  finished: ["tasks", "done"] as const,
  run: (id: string) => ["run", id] as const,
  diff: (id: string, head: string | null | undefined) => ["diff", id, head ?? null] as const,
};

export const statusQuery = queryOptions({
  queryKey: keys.status,
  queryFn: () => unwrap(api.GET("/api/v1/status")),
  refetchInterval: 10_000,
});

export const reviewsQuery = queryOptions({
  queryKey: keys.reviews,
  queryFn: () => unwrap(api.GET("/api/v1/reviews")),
});

export const projectsQuery = queryOptions({
  queryKey: keys.projects,
  queryFn: () => unwrap(api.GET("/api/v1/projects")),
  staleTime: 30_000,
});

export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: keys.task(id),
    queryFn: () => unwrap(api.GET("/api/v1/tasks/{id}", { params: { path: { id } } })),
  });

export const taskRunsQuery = (id: string, standing: string) =>
  queryOptions({
    queryKey: keys.taskRuns(id, standing),
    placeholderData: keepPreviousData,
    queryFn: () => unwrap(api.GET("/api/v1/runs", { params: { query: { task: id, limit: 50 } } })),
  });

/** Finished tasks, page by page: the stream holds only the newest of them. */
export const finishedTasksQuery = infiniteQueryOptions({
  queryKey: keys.finished,
  queryFn: ({ pageParam }) =>
    unwrap(
      api.GET("/api/v1/tasks", {
        params: { query: { state: "done", limit: 50, ...(pageParam === null ? {} : { after: pageParam }) } },
      }),
    ),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next ?? null,
});

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: keys.run(id),
    queryFn: () => unwrap(api.GET("/api/v1/runs/{id}", { params: { path: { id } } })),
    // Load and usage move without the task changing.
    refetchInterval: (query) => (query.state.data?.run.state === "finished" ? false : 5_000),
  });

export const diffQuery = (id: string, head: string | null | undefined) =>
  queryOptions({
    queryKey: keys.diff(id, head),
    queryFn: () => unwrap(api.GET("/api/v1/runs/{id}/diff", { params: { path: { id } } })),
    staleTime: Infinity,
    gcTime: 60_000,
  });

interface Action<V> {
  /** What was tried, for the message when it fails: "approve the task". */
  what: string;
  run: (variables: V) => Promise<unknown>;
  /** What a person reads when it worked. */
  done?: string;
  changes?: (variables: V) => QueryKey[];
}

/** A command to the server. Its failure is shown with its fix; its success is seen when the stream says so. */
function useAction<V>({ what, run, done, changes }: Action<V>) {
  const queries = useQueryClient();
  return useMutation<unknown, ApiError, V>({
    mutationFn: async (variables) => {
      try {
        return await run(variables);
      } catch (error) {
        throw asApiError(error);
      }
    },
    onError: (error) => {
      if (error.status !== 401) toast.error(`Could not ${what}`, error.message, error.fix);
    },
    onSuccess: (_result, variables) => {
      if (done !== undefined) toast.info(done);
      for (const queryKey of [keys.status, keys.reviews, ...(changes?.(variables) ?? [])]) {
        void queries.invalidateQueries({ queryKey });
      }
    },
  });
}

export type TaskAction = "approve" | "start" | "stop" | "retry";

export function useTaskAction(action: TaskAction) {
  const call = (id: string) => {
    const options = { params: { path: { id } } };
    switch (action) {
      case "approve":
        return unwrap<unknown>(api.POST("/api/v1/tasks/{id}/approve", options));
      case "start":
        return unwrap<unknown>(api.POST("/api/v1/tasks/{id}/start", options));
      case "stop":
        return unwrap<unknown>(api.POST("/api/v1/tasks/{id}/stop", options));
      case "retry":
        return unwrap<unknown>(api.POST("/api/v1/tasks/{id}/retry", options));
    }
  };
  return useAction<string>({ what: `${action} the task`, run: call, changes: (id) => [keys.task(id)] });
}

export function useBlockTask() {
  return useAction<{ id: string; reason: string }>({
    what: "block the task",
    run: ({ id, reason }) =>
      unwrap<unknown>(api.POST("/api/v1/tasks/{id}/block", { params: { path: { id } }, body: { reason } })),
    changes: ({ id }) => [keys.task(id)],
  });
}

export function useAddTask() {
  return useAction<NewTask>({
    what: "add the task",
    run: (task) => unwrap<unknown>(api.POST("/api/v1/tasks", { body: task })),
    done: "Task added.",
  });
}

export function useStopRun() {
  return useAction<string>({
    what: "stop the run",
    run: (id) => unwrap<unknown>(api.POST("/api/v1/runs/{id}/stop", { params: { path: { id } } })),
    done: "Stopping. The work so far is saved first.",
    changes: (id) => [keys.run(id)],
  });
}

export function useSay() {
  return useAction<{ id: string; text: string }>({
    what: "tell the agent",
    run: ({ id, text }) =>
      unwrap<unknown>(api.POST("/api/v1/runs/{id}/say", { params: { path: { id } }, body: { text } })),
  });
}

export function useAnswer() {
  return useAction<{ id: string; question: number; text: string }>({
    what: "answer the agent",
    run: ({ id, question, text }) =>
      unwrap<unknown>(
        api.POST("/api/v1/runs/{id}/answer", { params: { path: { id } }, body: { question, text } }),
      ),
    done: "Answered. The agent goes on.",
    changes: ({ id }) => [keys.run(id)],
  });
}

export function useApproveReview() {
  return useAction<{ task: string; run: string }>({
    what: "approve the work",
    run: ({ task }) =>
      unwrap<unknown>(api.POST("/api/v1/reviews/{task}/approve", { params: { path: { task } } })),
    changes: ({ task, run }) => [keys.task(task), keys.run(run)],
  });
}

export function useRejectReview() {
  return useAction<{ task: string; run: string; comment: string | null }>({
    what: "send the work back",
    run: ({ task, comment }) =>
      unwrap<unknown>(
        api.POST("/api/v1/reviews/{task}/reject", {
          params: { path: { task } },
          body: comment === null ? {} : { comment },
        }),
      ),
    changes: ({ task, run }) => [keys.task(task), keys.run(run)],
  });
}

export const sessionsQuery = queryOptions({
  queryKey: keys.sessions,
  queryFn: () => unwrap(api.GET("/api/v1/sessions")),
  // They come, go and change without any task changing.
  refetchInterval: 3_000,
});

export function useOpenSession() {
  return useAction<NewSession>({
    what: "open the session",
    run: (session) => unwrap<unknown>(api.POST("/api/v1/sessions", { body: session })),
    changes: () => [keys.sessions],
  });
}

export function useSessionAction(action: "start" | "stop" | "delete") {
  return useAction<string>({
    what: `${action} the session`,
    run: async (id) => {
      const options = { params: { path: { id } } };
      switch (action) {
        case "start":
          return unwrap<unknown>(api.POST("/api/v1/sessions/{id}/start", options));
        case "stop":
          return unwrap<unknown>(api.POST("/api/v1/sessions/{id}/stop", options));
        case "delete": {
          const removed = await unwrap(api.DELETE("/api/v1/sessions/{id}", options));
          toast.info(removedWords(removed));
          return removed;
        }
      }
    },
    changes: () => [keys.sessions],
  });
}

/** What became of a session, and where its work is. */
function removedWords({ id, gone, saved_ref, repository }: RemovedSession): string {
  const what = gone
    ? `${id} is deleted.`
    : `${id} is being deleted: its volume goes as soon as what is on it is saved.`;
  return saved_ref == null
    ? what
    : `${what} What it held is saved: git fetch ${repository ?? ""} ${saved_ref}`;
}

export async function signIn(token: string): Promise<void> {
  await unwrap<unknown>(api.POST("/api/v1/sign-in", { body: { token } }));
}

export async function signOut(): Promise<void> {
  await unwrap<unknown>(api.POST("/api/v1/sign-out", {}));
}
