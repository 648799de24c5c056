/**
 * The bytes of one session, in order and without gaps that are not told: reconnects from where it was, drops what it
 * has already, and closes for a while when the terminal cannot keep up (a browser's WebSocket has no other brake).
 */
import type { SessionClientMessage, SessionServerMessage } from "../../../api/types";
import { backoff } from "../../../live/stream";

/** So much may wait to be drawn before the connection is closed, and so little before it is opened again. */
export const HIGH_WATER = 8 * 1024 * 1024;
export const LOW_WATER = 512 * 1024;

/** What the server knows this page by: without it, it speaks as the service did that it replaces. */
const SESSION_PROTOCOL = "strawboss.v1";

export type SessionStatus = "connecting" | "live" | "lost" | "ended";

export interface SessionHandlers {
  /** Bytes to draw; call [`SessionSocket.drawn`] when they are. */
  onBytes: (bytes: Uint8Array) => void;
  /** What was drawn is not what comes before the next bytes: clear the screen. */
  onSkipped: (missing: number) => void;
  onStatus: (status: SessionStatus) => void;
  /** Something that was asked for was not done. */
  onError: (message: string) => void;
  /** The connection broke before it was ready: the reason may be that nobody is signed in. */
  onRefused: () => void;
}

/** Reads a text frame; undefined for what this page does not know. */
export function parseSessionMessage(data: string): SessionServerMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  const message = value as SessionServerMessage;
  switch (message.type) {
    case "ready":
    case "skipped":
      return Number.isSafeInteger(message.offset) && message.offset >= 0 ? message : undefined;
    case "ended":
      return message;
    case "error":
      return typeof message.message === "string" ? message : undefined;
    default:
      return undefined;
  }
}

export class SessionSocket {
  readonly #url: (from: number | undefined) => string;
  readonly #handlers: SessionHandlers;
  #socket: WebSocket | undefined;
  /** The offset of the next byte to draw; undefined until the server said where a newcomer starts. */
  #offset: number | undefined;
  /** How many bytes of the next frames are known already. */
  #known = 0;
  #ready = false;
  #outstanding = 0;
  #braked = false;
  #ended = false;
  #closed = false;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: (from: number | undefined) => string, handlers: SessionHandlers) {
    this.#url = url;
    this.#handlers = handlers;
    this.#connect();
  }

  get offset(): number {
    return this.#offset ?? 0;
  }

  /** Terminal input. Lost when nobody is connected: keys typed blindly must not arrive later. */
  input(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ready && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  send(message: SessionClientMessage): void {
    if (this.#ready && this.#socket?.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify(message));
  }

  /** The terminal has drawn so many bytes. */
  drawn(bytes: number): void {
    this.#outstanding -= bytes;
    if (this.#braked && this.#outstanding <= LOW_WATER && !this.#closed) {
      this.#braked = false;
      this.#connect();
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect(): void {
    this.#ready = false;
    const socket = new WebSocket(this.#url(this.#offset), SESSION_PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    if (this.#attempt === 0) this.#handlers.onStatus("connecting");
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (this.#closed || socket !== this.#socket) return;
      if (typeof event.data === "string") this.#onText(event.data);
      else this.#onBytes(new Uint8Array(event.data));
    };
    socket.onclose = () => {
      if (this.#closed || socket !== this.#socket || this.#braked || this.#ended) return;
      if (!this.#ready) this.#handlers.onRefused();
      this.#handlers.onStatus("lost");
      this.#timer = setTimeout(() => this.#connect(), backoff(this.#attempt));
      this.#attempt += 1;
    };
  }

  #onText(data: string): void {
    const message = parseSessionMessage(data);
    switch (message?.type) {
      case "ready":
        this.#ready = true;
        this.#attempt = 0;
        this.#moveTo(message.offset);
        this.#handlers.onStatus("live");
        break;
      case "skipped":
        this.#moveTo(message.offset);
        break;
      case "ended":
        this.#ended = true;
        this.#handlers.onStatus("ended");
        this.#socket?.close();
        break;
      case "error":
        this.#handlers.onError(message.message);
        break;
      case undefined:
        break;
    }
  }

  #moveTo(offset: number): void {
    this.#known = Math.max(0, this.offset - offset);
    if (offset > this.offset) this.#handlers.onSkipped(offset - this.offset);
    this.#offset = Math.max(offset, this.offset);
  }

  #onBytes(frame: Uint8Array): void {
    if (!this.#ready) return;
    const dropped = Math.min(this.#known, frame.length);
    this.#known -= dropped;
    const bytes = frame.subarray(dropped);
    if (bytes.length === 0) return;
    this.#offset = this.offset + bytes.length;
    this.#outstanding += bytes.length;
    this.#handlers.onBytes(bytes);
    if (this.#outstanding > HIGH_WATER) {
      this.#braked = true;
      this.#socket?.close();
      // Frames that are on their way belong to the closed connection and are asked for again.
      this.#socket = undefined;
    }
  }
}
