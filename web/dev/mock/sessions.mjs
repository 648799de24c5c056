// Sessions that stand free of runs: a few at first, and whatever is opened. Their shells answer with what was typed.
import { Refused } from "./world.mjs";

/** @typedef {import("../../src/api/schema").components["schemas"]} Schemas */
/** @typedef {Schemas["SessionView"]} Session */

const PROMPT = "\x1b[1;33magent@try\x1b[0m:\x1b[1;34m~/workspace\x1b[0m$ ";

/**
 * @param {Partial<Session>} given
 * @returns {Session}
 */
function session(given) {
  return {
    id: "try",
    run: null,
    source: "container",
    command: "",
    live: true,
    viewers: 0,
    bytes: 0,
    project: null,
    created_at: Date.now(),
    state: "running",
    detail: null,
    image: null,
    owner: "the admin token",
    private: false,
    saved_ref: null,
    ...given,
  };
}

export class Sessions {
  constructor() {
    const hour = 3_600_000;
    const begin = [
      session({ id: "try", project: "Antenna ML Pipeline", created_at: Date.now() - 2 * hour }),
      session({
        id: "bench",
        image: "rust:1-bookworm",
        live: false,
        state: "stopped",
        detail: "A person stopped it.",
        created_at: Date.now() - 30 * hour,
      }),
      session({ id: "ops", source: "discovered", command: "htop", state: null, owner: null, bytes: null }),
    ];
    /** @type {Map<string, Session>} */
    this.all = new Map(begin.map((one) => [one.id, one]));
    /** What each has printed. @type {Map<string, Buffer>} */
    this.printed = new Map();
  }

  list() {
    return [...this.all.values()];
  }

  find(/** @type {string} */ id) {
    const found = this.all.get(id);
    if (!found) throw new Refused(404, "not_found", `There is no session \`${id}\`.`);
    return found;
  }

  create(/** @type {Schemas["NewSession"]} */ wanted) {
    if (this.all.has(wanted.name)) {
      throw new Refused(
        409,
        "conflict",
        `There is a session \`${wanted.name}\` already.`,
        "Attach to it, or choose another name.",
      );
    }
    const made = session({
      id: wanted.name,
      source: wanted.kind === "host" ? "made" : "container",
      state: wanted.kind === "host" ? null : "running",
      project: wanted.project ?? null,
      image: wanted.image ?? null,
      command: wanted.command ?? "",
      private: wanted.private ?? false,
    });
    this.all.set(made.id, made);
    return made;
  }

  told(/** @type {string} */ id, /** @type {"start" | "stop"} */ what) {
    const one = this.find(id);
    const running = what === "start";
    return Object.assign(one, {
      live: running,
      state: running ? "running" : "stopped",
      detail: running ? null : "A person stopped it.",
    });
  }

  remove(/** @type {string} */ id) {
    const one = this.find(id);
    this.all.delete(id);
    this.printed.delete(id);
    const held = one.source === "container";
    return {
      id,
      gone: true,
      saved_ref: held ? "refs/strawboss/saved/session-1.1" : null,
      repository: held ? "/var/lib/strawboss/mirrors/antenna.git" : null,
    };
  }

  /**
   * @param {string} id
   * @param {import("ws").WebSocket} ws
   */
  attend(id, ws) {
    const one = this.find(id);
    const print = (/** @type {Buffer} */ bytes) => {
      this.printed.set(id, Buffer.concat([this.printed.get(id) ?? Buffer.alloc(0), bytes]));
      ws.send(bytes);
    };
    ws.send(JSON.stringify({ type: "ready", session: id, offset: 0, live: one.live }));
    const before = this.printed.get(id);
    if (before) ws.send(before);
    else print(Buffer.from(PROMPT));
    if (!one.live) {
      ws.send(JSON.stringify({ type: "ended" }));
      ws.close();
      return;
    }
    ws.on("message", (/** @type {Buffer} */ data, /** @type {boolean} */ binary) => {
      if (!binary) return;
      print(data.includes(0x0d) ? Buffer.from(`\r\n${PROMPT}`) : data);
    });
  }
}
