/** A page with what stands around it: a live store, a cache, an address, and a server that answers as told. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactElement } from "react";
import { vi } from "vitest";
import { Router } from "wouter";
import { memoryLocation } from "wouter/memory-location";
import type { Task } from "../api/types";
import { LiveProvider } from "../live/LiveProvider";
import { LiveStore } from "../live/store";
import { Toasts } from "../ui/Toasts";
import { aStatus } from "./fixtures";

export interface Asked {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

type Answer = (asked: Asked) => Response | undefined;

export function jsonResponse(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

/** Stands in for the server; everything that was asked is kept. */
export function fakeServer(answer: Answer): Asked[] {
  const log: Asked[] = [];
  vi.stubGlobal("fetch", async (input: Request) => {
    const text = await input.clone().text();
    const asked: Asked = {
      method: input.method,
      path: new URL(input.url).pathname,
      headers: input.headers,
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
    };
    log.push(asked);
    const given = answer(asked);
    if (given) return given;
    if (asked.path === "/api/v1/status") return jsonResponse(aStatus());
    return jsonResponse({ code: "not_found", message: `nothing at ${asked.path}`, fix: null }, 404);
  });
  return log;
}

export function renderAt(element: ReactElement, { path = "/", tasks = [] as Task[] } = {}) {
  const location = memoryLocation({ path, record: true });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const store = new LiveStore();
  store.apply([{ type: "snapshot", tasks }]);
  const view = render(
    <QueryClientProvider client={queries}>
      <Router hook={location.hook} searchHook={location.searchHook}>
        <LiveProvider store={store}>{element}</LiveProvider>
      </Router>
      <Toasts />
    </QueryClientProvider>,
  );
  return { ...view, store, queries, history: location.history };
}
