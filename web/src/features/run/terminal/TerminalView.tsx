/** A session's terminal. For agents with a transcript it is to read; a shell and an agent's own interface get the keys. */
import "@xterm/xterm/css/xterm.css";
import { useQueryClient } from "@tanstack/react-query";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { keys } from "../../../api/queries";
import type { Run } from "../../../api/types";
import { bytes as inBytes } from "../../../ui/format";
import { useIsDark } from "../../../ui/theme";
import { DARK, LIGHT } from "./palette";
import { takesKeys } from "../takesKeys";
import { SessionSocket, type SessionStatus } from "./sessionSocket";
import styles from "./TerminalView.module.css";

const HIDE_CURSOR = "\x1b[?25l";
/** An answer that comes later than this is not about a key that was pressed. */
const ANSWER_MS = 3_000;

function sessionUrl(session: string, from: number | undefined): string {
  const url = new URL(`/ws/sessions/${encodeURIComponent(session)}`, window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (from !== undefined) url.searchParams.set("from", String(from));
  return url.href;
}

/** In these states somebody is there to type to, and to be told a size. */
function attended(run: Run): boolean {
  return run.state === "preparing" || run.state === "working" || run.state === "waiting";
}

export function TerminalView({ run }: { run: Run }) {
  const drawn = takesKeys(run);
  return <SessionTerminal id={run.id} drawn={drawn} typing={drawn && attended(run)} />;
}

interface SessionTerminalProps {
  /** The session's id. */
  id: string;
  /** Whether a program draws it by its size; else it is a transcript. */
  drawn: boolean;
  /** Whether keys go to it. */
  typing: boolean;
}

/** The terminal of any session, of a run or free of one. */
export function SessionTerminal({ id, drawn, typing }: SessionTerminalProps) {
  const host = useRef<HTMLDivElement>(null);
  const attached = useRef<{ term: Terminal; socket: SessionSocket } | null>(null);
  const dark = useIsDark();
  const [status, setStatus] = useState<SessionStatus>("connecting");
  const [quiet, setQuiet] = useState(true);
  const [refusal, setRefusal] = useState<string>();
  const queries = useQueryClient();

  const theme = useEffectEvent(() => (dark ? DARK : LIGHT));
  const sendSize = useEffectEvent(() => {
    // Only a program draws by the size; and when nobody is there it would only be refused.
    const now = attached.current;
    if (now && typing) now.socket.send({ type: "resize", cols: now.term.cols, rows: now.term.rows });
  });
  // The browser does not say why a WebSocket was refused; an ordinary request does, and 401 leads to signing in.
  const onRefused = useEffectEvent(() => void queries.invalidateQueries({ queryKey: keys.status }));

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const term = new Terminal({
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: 12.5,
      lineHeight: 1.25,
      scrollback: 20_000,
      cursorInactiveStyle: drawn ? "outline" : "none",
      disableStdin: true,
      // A transcript is no terminal program: it says line feed and means new line.
      convertEol: !drawn,
      minimumContrastRatio: 4.5,
      theme: theme(),
    });
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(element);
    if (!drawn) term.write(HIDE_CURSOR);

    let pending = 0;
    let typedAt = 0;
    const socket = new SessionSocket((from) => sessionUrl(id, from), {
      onBytes: (bytes) => {
        pending += bytes.length;
        term.write(bytes, () => {
          pending -= bytes.length;
          socket.drawn(bytes.length);
          element.dataset.drawn = String(socket.offset - pending);
        });
        setQuiet(false);
        setRefusal(undefined);
      },
      onSkipped: (missing) => {
        term.reset();
        if (!drawn) term.write(HIDE_CURSOR);
        term.write(`\x1b[2m… ${inBytes(missing)} of earlier output are not shown …\x1b[0m\r\n`);
      },
      onStatus: (next) => {
        setStatus(next);
        if (next === "live") sendSize();
      },
      onError: (message) => {
        if (Date.now() - typedAt < ANSWER_MS) setRefusal(message);
      },
      onRefused: () => onRefused(),
    });
    attached.current = { term, socket };

    const encoder = new TextEncoder();
    const type = (bytes: Uint8Array<ArrayBuffer>) => {
      typedAt = Date.now();
      socket.input(bytes);
    };
    term.onData((data) => type(encoder.encode(data)));
    term.onBinary((data) => type(Uint8Array.from(data, (char) => char.charCodeAt(0))));
    term.onResize(() => sendSize());

    let frame = 0;
    const observer = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        // Hidden behind another tab it has no size; it keeps the one it had.
        if (element.clientWidth > 0 && element.clientHeight > 0) fit.fit();
      });
    });
    observer.observe(element);

    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      attached.current = null;
      socket.close();
      term.dispose();
    };
  }, [id, drawn]);

  useEffect(() => {
    if (attached.current) attached.current.term.options.theme = dark ? DARK : LIGHT;
  }, [dark]);

  useEffect(() => {
    const now = attached.current;
    if (!now) return;
    now.term.options.disableStdin = !typing;
    now.term.options.cursorBlink = typing;
    if (typing) sendSize();
  }, [typing]);

  return (
    <div className={styles.frame} data-status={status}>
      <div className={styles.pad}>
        <div ref={host} className={styles.host} role="region" aria-label="Terminal" />
      </div>
      {quiet && status !== "lost" && (
        <p className={styles.quiet}>
          {status === "ended" ? "It printed nothing." : "Nothing was printed yet."}
        </p>
      )}
      <p className={styles.status} data-refused={refusal !== undefined || undefined} role="status">
        {refusal ?? line(status, typing)}
      </p>
    </div>
  );
}

function line(status: SessionStatus, typing: boolean): string | undefined {
  switch (status) {
    case "connecting":
      return "Connecting…";
    case "lost":
      return "Connection lost: what you see may be old. Reconnecting…";
    case "ended":
      return "The session is over; this is its recording.";
    case "live":
      return typing ? "Click into the terminal: your keys go to it." : undefined;
  }
}
