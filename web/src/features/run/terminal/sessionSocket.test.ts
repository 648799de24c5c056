import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HIGH_WATER, parseSessionMessage, SessionSocket, type SessionStatus } from "./sessionSocket";

class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const last = FakeSocket.all.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }
  readyState = FakeSocket.OPEN;
  binaryType = "blob";
  sent: unknown[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(data: unknown) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  text(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  bytes(text: string) {
    this.onmessage?.({ data: new TextEncoder().encode(text).buffer });
  }
}

function attach() {
  const seen = {
    text: "",
    skipped: [] as number[],
    status: [] as SessionStatus[],
    errors: [] as string[],
    refused: 0,
  };
  const decoder = new TextDecoder();
  const socket = new SessionSocket((from) => `ws://x/s?from=${from ?? "none"}`, {
    onBytes: (bytes) => (seen.text += decoder.decode(bytes)),
    onSkipped: (missing) => seen.skipped.push(missing),
    onStatus: (status) => seen.status.push(status),
    onError: (message) => seen.errors.push(message),
    onRefused: () => (seen.refused += 1),
  });
  return { seen, socket };
}

describe("SessionSocket", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    vi.stubGlobal("WebSocket", FakeSocket);
  });
  let open: SessionSocket | undefined;
  afterEach(() => {
    open?.close();
  });
  const start = () => {
    const made = attach();
    open = made.socket;
    return made;
  };

  it("begins where the server says, and says how much is missing", () => {
    const { seen, socket } = start();
    expect(FakeSocket.last.url).toContain("from=none");
    FakeSocket.last.text({ type: "ready", session: "r", offset: 100, live: true });
    FakeSocket.last.bytes("hello");
    expect(seen).toMatchObject({ text: "hello", skipped: [100] });
    expect(socket.offset).toBe(105);
  });

  it("goes on from its offset after a break, without a byte twice", () => {
    const { seen, socket } = start();
    FakeSocket.last.text({ type: "ready", session: "r", offset: 0, live: true });
    FakeSocket.last.bytes("hello ");
    FakeSocket.last.close();
    expect(seen.status.at(-1)).toBe("lost");
    vi.advanceTimersByTime(600);
    expect(FakeSocket.last.url).toContain("from=6");
    // A server that begins earlier than it was asked.
    FakeSocket.last.text({ type: "ready", session: "r", offset: 2, live: true });
    FakeSocket.last.bytes("ll");
    FakeSocket.last.bytes("o world");
    expect(seen).toMatchObject({ text: "hello world", skipped: [] });
    expect(socket.offset).toBe(11);
  });

  it("tells of bytes that were passed over", () => {
    const { seen } = start();
    FakeSocket.last.text({ type: "ready", session: "r", offset: 0, live: true });
    FakeSocket.last.bytes("abc");
    FakeSocket.last.text({ type: "skipped", offset: 1_003 });
    FakeSocket.last.bytes("def");
    expect(seen).toMatchObject({ text: "abcdef", skipped: [1_000] });
  });

  it("stays away once the session has ended", () => {
    const { seen } = start();
    FakeSocket.last.text({ type: "ready", session: "r", offset: 0, live: false });
    FakeSocket.last.text({ type: "ended" });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(seen.status).toEqual(["connecting", "live", "ended"]);
  });

  it("says that it was refused, and keeps trying", () => {
    const { seen } = start();
    FakeSocket.last.close();
    vi.advanceTimersByTime(60_000);
    expect(seen.refused).toBeGreaterThanOrEqual(1);
    expect(FakeSocket.all.length).toBeGreaterThan(1);
  });

  it("lets go when the terminal cannot keep up, and comes back when it has", () => {
    const { seen, socket } = start();
    FakeSocket.last.text({ type: "ready", session: "r", offset: 0, live: true });
    const frame = "x".repeat(1024 * 1024);
    const frames = HIGH_WATER / frame.length + 1;
    for (let sent = 0; sent < frames; sent += 1) FakeSocket.last.bytes(frame);
    const [first] = FakeSocket.all;
    expect(first?.readyState).toBe(3);
    first?.bytes("late frames of the closed connection are not taken");
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    for (let drawn = 0; drawn < frames; drawn += 1) socket.drawn(frame.length);
    expect(FakeSocket.all).toHaveLength(2);
    expect(FakeSocket.last.url).toContain(`from=${frames * frame.length}`);
    expect(seen.text).toHaveLength(frames * frame.length);
  });

  it("sends nothing before it is ready: keys typed blindly must not arrive", () => {
    const { socket } = start();
    socket.input(new TextEncoder().encode("rm -rf"));
    expect(FakeSocket.last.sent).toEqual([]);
    FakeSocket.last.text({ type: "ready", session: "r", offset: 0, live: true });
    socket.send({ type: "resize", cols: 80, rows: 24 });
    expect(FakeSocket.last.sent).toEqual(['{"type":"resize","cols":80,"rows":24}']);
  });
});

describe("parseSessionMessage", () => {
  it.each([
    "",
    "{",
    "null",
    '{"type":"ready","offset":-1}',
    '{"type":"skipped","offset":"x"}',
    '{"type":"error"}',
    "[1]",
  ])("passes over %s", (data) => {
    expect(parseSessionMessage(data)).toBeUndefined();
  });
});
