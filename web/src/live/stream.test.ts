import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerEvent } from "../api/types";
import { backoff, openStream, parseEvent, SILENCE_MS, type StreamHandlers } from "./stream";

describe("backoff", () => {
  it("grows, is capped, and is spread", () => {
    expect(backoff(0, () => 0)).toBe(250);
    expect(backoff(0, () => 1)).toBe(500);
    expect(backoff(3, () => 1)).toBe(4_000);
    for (const attempt of [6, 20, 5_000]) expect(backoff(attempt, () => 1)).toBe(15_000);
  });
});

describe("parseEvent", () => {
  it.each([
    "",
    "{",
    "null",
    "[]",
    '"x"',
    '{"type":"task"}',
    '{"type":"snapshot","tasks":1}',
    '{"type":"new"}',
  ])("passes over %s", (data) => {
    expect(parseEvent(data)).toBeUndefined();
  });
});

/** A body whose pieces the test sends. */
function pipe() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  return {
    response: new Response(body, { status: 200 }),
    send: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    end: () => controller?.close(),
    fail: () => controller?.error(new Error("reset")),
  };
}

function watch() {
  const seen: ServerEvent[] = [];
  const calls = { heard: 0, lost: 0, unauthorized: 0 };
  const handlers: StreamHandlers = {
    onEvents: (events) => seen.push(...events),
    onHeard: () => (calls.heard += 1),
    onLost: () => (calls.lost += 1),
    onUnauthorized: () => (calls.unauthorized += 1),
  };
  return { seen, calls, handlers };
}

const SNAPSHOT = 'event: snapshot\nid: 1\ndata: {"type":"snapshot","tasks":[]}\n\n';

describe("openStream", () => {
  let stop: (() => void) | undefined;
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    stop?.();
  });
  const settle = () => vi.advanceTimersByTimeAsync(1);

  it("reads events however they are cut into pieces", async () => {
    const wire = pipe();
    vi.stubGlobal("fetch", vi.fn().mockResolvedValue(wire.response));
    const { seen, handlers } = watch();
    stop = openStream("/api/v1/events", handlers);
    await settle();
    for (const piece of [SNAPSHOT.slice(0, 9), SNAPSHOT.slice(9, 40), SNAPSHOT.slice(40)]) {
      wire.send(piece);
      await settle();
    }
    expect(seen).toEqual([{ type: "snapshot", tasks: [] }]);
  });

  it("comes back after the stream ended, and after an error", async () => {
    const wires = [pipe(), pipe(), pipe()];
    const fetch = vi.fn();
    for (const wire of wires) fetch.mockResolvedValueOnce(wire.response);
    vi.stubGlobal("fetch", fetch);
    const { seen, calls, handlers } = watch();
    stop = openStream("/api/v1/events", handlers);
    await settle();
    wires[0]?.send(SNAPSHOT);
    await settle();
    wires[0]?.end();
    await vi.advanceTimersByTimeAsync(600);
    wires[1]?.send(SNAPSHOT);
    await settle();
    wires[1]?.fail();
    await vi.advanceTimersByTimeAsync(600);
    wires[2]?.send(SNAPSHOT);
    await settle();
    expect(fetch).toHaveBeenCalledTimes(3);
    expect(calls.lost).toBe(2);
    expect(seen).toHaveLength(3);
  });

  it("keeps trying while nobody answers, ever more slowly", async () => {
    const fetch = vi.fn().mockRejectedValue(new TypeError("refused"));
    vi.stubGlobal("fetch", fetch);
    const { calls, handlers } = watch();
    stop = openStream("/api/v1/events", handlers);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls.lost).toBeGreaterThan(5);
    expect(calls.lost).toBeLessThan(20);
  });

  it("gives a silent connection up", async () => {
    const wire = pipe();
    const fetch = vi.fn().mockReturnValue(new Promise(() => undefined));
    fetch.mockImplementationOnce((_url: string, init: RequestInit) => {
      init.signal?.addEventListener("abort", () => wire.fail());
      return Promise.resolve(wire.response);
    });
    vi.stubGlobal("fetch", fetch);
    const { calls, handlers } = watch();
    stop = openStream("/api/v1/events", handlers);
    await settle();
    wire.send(SNAPSHOT);
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1_000);
    wire.send(": still here\n\n");
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1_000);
    expect(calls.lost).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(calls.lost).toBe(1);
  });

  it("stops when nobody is signed in", async () => {
    const fetch = vi.fn().mockResolvedValue(new Response(null, { status: 401 }));
    vi.stubGlobal("fetch", fetch);
    const { calls, handlers } = watch();
    stop = openStream("/api/v1/events", handlers);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(calls).toMatchObject({ unauthorized: 1, lost: 0 });
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});
