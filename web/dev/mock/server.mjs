// The HTTP, event and WebSocket side of the stand-in.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { Sessions } from "./sessions.mjs";
import { Refused, World } from "./world.mjs";

export const TOKEN = "mock-token";
const COOKIE = "strawboss_session=mock";
const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
});
// The server's own policy, so that what breaks it breaks here.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MAX_BODY = 1024 * 1024;

/** @typedef {import("node:http").IncomingMessage} Request */
/** @typedef {import("node:http").ServerResponse} Response */

async function readBody(/** @type {Request} */ request) {
  let text = "";
  for await (const piece of request) {
    text += String(piece);
    if (text.length > MAX_BODY) throw new Refused(413, "invalid", "The body is too long.");
  }
  try {
    /** @type {unknown} */
    const value = JSON.parse(text || "{}");
    return /** @type {Record<string, unknown>} */ (value);
  } catch {
    throw new Refused(400, "invalid", "The body is no JSON.", "Send JSON.");
  }
}

/**
 * Starts the stand-in.
 *
 * @param {{ port?: number, moving?: boolean, world?: World, signedIn?: boolean }} [options]
 */
export async function startMock(options = {}) {
  const world = options.world ?? new World();
  const free = new Sessions();
  /** @type {Set<Response>} */
  const streams = new Set();
  /** @type {Set<import("ws").WebSocket>} */
  const sockets = new Set();
  let refusing = false;

  const signedIn = (/** @type {Request} */ request) =>
    options.signedIn === true || (request.headers.cookie ?? "").includes(COOKIE);

  const events = (/** @type {Request} */ request, /** @type {Response} */ response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    let id = 0;
    const send = (/** @type {import("./world.mjs").ServerEvent} */ event) => {
      response.write(`id: ${(id += 1)}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    };
    send(world.snapshot());
    world.listeners.add(send);
    streams.add(response);
    const beat = setInterval(() => response.write(": still here\n\n"), 15_000);
    request.on("close", () => {
      clearInterval(beat);
      world.listeners.delete(send);
      streams.delete(response);
    });
  };

  /** @type {[string, RegExp, (match: string[], body: Record<string, unknown>, query: URLSearchParams) => unknown][]} */
  const routes = [
    ["GET", /^\/api\/v1\/status$/, () => world.status()],
    [
      "GET",
      /^\/api\/v1\/me$/,
      () => ({ token: "admin", label: "admin", scope: "admin", via: "cookie", expires_at: null }),
    ],
    ["GET", /^\/api\/v1\/tasks$/, (_match, _body, query) => page(filterTasks(world, query), query)],
    ["POST", /^\/api\/v1\/tasks$/, (_match, body) => world.add(/** @type {never} */ (body))],
    ["GET", /^\/api\/v1\/tasks\/([^/]+)$/, ([id = ""]) => world.task(id)],
    ["POST", /^\/api\/v1\/tasks\/([^/]+)\/(approve|start|retry)$/, ([id = ""]) => queue(world, id)],
    ["POST", /^\/api\/v1\/tasks\/([^/]+)\/stop$/, ([id = ""]) => stop(world, id)],
    [
      "POST",
      /^\/api\/v1\/tasks\/([^/]+)\/block$/,
      ([id = ""], body) => block(world, id, String(body.reason)),
    ],
    ["GET", /^\/api\/v1\/runs$/, (_match, _body, query) => runsOf(world, query.get("task"))],
    ["GET", /^\/api\/v1\/runs\/([^/]+)$/, ([id = ""]) => world.heard(id)],
    ["GET", /^\/api\/v1\/runs\/([^/]+)\/events$/, ([id = ""], _body, query) => eventsOf(world, id, query)],
    ["GET", /^\/api\/v1\/runs\/([^/]+)\/diff$/, ([id = ""]) => world.diff(id)],
    ["POST", /^\/api\/v1\/runs\/([^/]+)\/stop$/, ([id = ""]) => stop(world, world.run(id).run.task)],
    [
      "POST",
      /^\/api\/v1\/runs\/([^/]+)\/answer$/,
      ([id = ""], body) => answerQuestion(world, id, Number(body.question), String(body.text)),
    ],
    ["POST", /^\/api\/v1\/runs\/([^/]+)\/say$/, ([id = ""], body) => say(world, id, String(body.text))],
    ["GET", /^\/api\/v1\/reviews$/, () => inReview(world).map((task) => world.review(task))],
    ["GET", /^\/api\/v1\/reviews\/([^/]+)$/, ([id = ""]) => world.review(world.task(id))],
    ["POST", /^\/api\/v1\/reviews\/([^/]+)\/approve$/, ([id = ""]) => approve(world, id)],
    ["POST", /^\/api\/v1\/reviews\/([^/]+)\/reject$/, ([id = ""], body) => reject(world, id, body.comment)],
    ["GET", /^\/api\/v1\/projects$/, () => world.projects],
    ["GET", /^\/api\/v1\/sessions$/, () => free.list()],
    ["POST", /^\/api\/v1\/sessions$/, (_match, body) => free.create(/** @type {any} */ (body))],
    ["GET", /^\/api\/v1\/sessions\/([^/]+)$/, ([id = ""]) => free.find(id)],
    [
      "POST",
      /^\/api\/v1\/sessions\/([^/]+)\/(start|stop)$/,
      ([id = "", what]) => free.told(id, what === "start" ? "start" : "stop"),
    ],
    ["DELETE", /^\/api\/v1\/sessions\/([^/]+)$/, ([id = ""]) => free.remove(id)],
    ["GET", /^\/api\/v1\/tokens$/, () => []],
  ];

  const answer = async (/** @type {Request} */ request, /** @type {Response} */ response) => {
    const url = new URL(request.url ?? "/", "http://mock");
    const method = request.method ?? "GET";
    if (url.pathname === "/api/v1/sign-in" && method === "POST") {
      const body = await readBody(request);
      if (body.token !== TOKEN)
        throw new Refused(
          401,
          "unauthorized",
          "No such token, or it is over.",
          "Make one with `strawboss token create`.",
        );
      response.setHeader("set-cookie", `${COOKIE}; HttpOnly; SameSite=Strict; Path=/`);
      return json(response, 200, {
        token: "admin",
        label: "admin",
        scope: "admin",
        via: "cookie",
        expires_at: null,
      });
    }
    if (!url.pathname.startsWith("/api/")) return serveFile(url.pathname, response);
    if (refusing)
      throw new Refused(503, "unavailable", "Strawboss is shutting down.", "Try again in a moment.");
    if (!signedIn(request))
      throw new Refused(401, "unauthorized", "Nobody is signed in.", "Sign in with a token.");
    if (method !== "GET" && request.headers["x-strawboss"] !== "1") {
      throw new Refused(403, "forbidden", "The header `X-Strawboss: 1` is missing.", "Send it.");
    }
    if (url.pathname === "/api/v1/sign-out") {
      response.setHeader("set-cookie", "strawboss_session=; Max-Age=0; Path=/");
      response.writeHead(204).end();
      return undefined;
    }
    if (url.pathname === "/api/v1/events") return events(request, response);
    for (const [verb, path, handler] of routes) {
      const match = path.exec(url.pathname);
      if (match && verb === method) {
        const body = method === "GET" ? {} : await readBody(request);
        const result = handler(match.slice(1).map(decodeURIComponent), body, url.searchParams);
        return result === undefined ? void response.writeHead(204).end() : json(response, 200, result);
      }
    }
    throw new Refused(404, "not_found", `There is nothing at \`${url.pathname}\`.`);
  };

  const server = createServer((request, response) => {
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("x-content-type-options", "nosniff");
    answer(request, response).catch((/** @type {unknown} */ error) => {
      if (error instanceof Refused) json(response, error.status, error.body);
      else json(response, 500, { code: "internal", message: String(error), fix: null });
    });
  });

  const isThere = (/** @type {string} */ id) => world.runs.has(id) || free.all.has(id);
  const sessions = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url ?? "/", "http://mock");
    const id = /^\/ws\/sessions\/([^/]+)$/.exec(url.pathname)?.[1];
    if (refusing || !signedIn(request) || id === undefined || !isThere(decodeURIComponent(id))) {
      socket.end(`HTTP/1.1 ${refusing ? "503 Service Unavailable" : "401 Unauthorized"}\r\n\r\n`);
      return;
    }
    sessions.handleUpgrade(request, socket, head, (ws) => {
      sockets.add(ws);
      ws.on("close", () => sockets.delete(ws));
      const name = decodeURIComponent(id);
      if (free.all.has(name)) free.attend(name, ws);
      else attend(world, name, url.searchParams.get("from"), ws);
    });
  });

  await new Promise((resolve) => {
    server.listen(options.port ?? 0, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const timer = options.moving === true ? setInterval(() => world.beat(), 1_300) : undefined;

  const drop = () => {
    for (const stream of streams) stream.destroy();
    for (const socket of sockets) socket.terminate();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    world,
    /** Breaks every stream; while `refuse` holds nothing new is let in. */
    drop(/** @type {boolean} */ refuse = false) {
      refusing = refuse;
      drop();
    },
    /** Lets new requests in again. */
    admit() {
      refusing = false;
    },
    async close() {
      clearInterval(timer);
      drop();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(() => resolve(undefined));
      });
    },
  };
}

function json(/** @type {Response} */ response, /** @type {number} */ status, /** @type {unknown} */ body) {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

async function serveFile(/** @type {string} */ pathname, /** @type {Response} */ response) {
  const wanted = join(DIST, normalize(pathname));
  // Runs have dots in their names: only what looks like a file of ours is one.
  const inside = wanted.startsWith(DIST) && extname(wanted) in TYPES;
  const found = inside && (await stat(wanted).catch(() => undefined))?.isFile() === true;
  const file = found ? wanted : join(DIST, "index.html");
  if (inside && !found) {
    json(response, 404, { code: "not_found", message: "there is no such file", fix: null });
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "cache-control": "no-cache",
  });
  createReadStream(file)
    .on("error", () => response.end("Run `npm run build` first."))
    .pipe(response);
}

/**
 * @param {World} world
 * @param {URLSearchParams} query
 */
function filterTasks(world, query) {
  const state = query.get("state");
  const project = query.get("project");
  return [...world.tasks.values()]
    .filter(
      (task) => (state === null || task.state === state) && (project === null || task.project === project),
    )
    .sort((a, b) => b.updated_at - a.updated_at);
}

/**
 * @template T
 * @param {T[]} items
 * @param {URLSearchParams} query
 */
function page(items, query) {
  const limit = Number(query.get("limit") ?? 100);
  const after = Number(query.get("after") ?? 0);
  const end = after + limit;
  return { items: items.slice(after, end), next: end < items.length ? String(end) : null };
}

function eventsOf(
  /** @type {World} */ world,
  /** @type {string} */ id,
  /** @type {URLSearchParams} */ query,
) {
  const after = Number(query.get("after") ?? 0);
  const limit = Number(query.get("limit") ?? 100);
  const rest = (world.events.get(world.run(id).run.id) ?? []).filter((event) => event.row > after);
  const items = rest.slice(0, limit);
  return { items, next: rest.length > limit ? String(items.at(-1)?.row ?? after) : null };
}

function runsOf(/** @type {World} */ world, /** @type {string | null} */ task) {
  return [...world.runs.values()]
    .map((detail) => detail.run)
    .filter((run) => task === null || run.task === task)
    .sort((a, b) => b.created_at - a.created_at);
}

function inReview(/** @type {World} */ world) {
  return [...world.tasks.values()].filter((task) => task.state === "review");
}

function queue(/** @type {World} */ world, /** @type {string} */ id) {
  const task = world.task(id);
  if (!["pending", "paused", "blocked", "cancelled"].includes(task.state)) {
    throw new Refused(
      409,
      "conflict",
      `The task ${id} is ${task.state}: it cannot be queued.`,
      "Wait until it is over.",
    );
  }
  return world.touch(task, { state: "queued", block: null, waits_for: "Every slot is taken." });
}

function stop(/** @type {World} */ world, /** @type {string} */ id) {
  const task = world.task(id);
  if (task.run && task.state === "running") {
    const detail = world.run(task.run.id);
    detail.saved_ref = `refs/strawboss/saved/${task.run.id}`;
    world.finish(detail, "stopped", "A person stopped it.");
  }
  return world.touch(task, { state: "paused", waits_for: "Paused; it goes on when somebody starts it." });
}

function block(/** @type {World} */ world, /** @type {string} */ id, /** @type {string} */ reason) {
  return world.touch(world.task(id), {
    state: "blocked",
    waits_for: null,
    block: { code: "by_person", message: reason, fix: "Unblock it when that is settled." },
  });
}

function say(/** @type {World} */ world, /** @type {string} */ id, /** @type {string} */ text) {
  const { run } = world.run(id);
  if (run.state === "finished")
    throw new Refused(409, "conflict", `The run ${id} is over.`, "Send its work back to go on.");
  world.said.push({ run: id, text });
  world.print(id, `\n\x1b[33m› ${text}\x1b[0m\n`);
  world.report(id, { kind: "agent", event: { event: "told", text }, raw: null });
  return undefined;
}

function answerQuestion(
  /** @type {World} */ world,
  /** @type {string} */ id,
  /** @type {number} */ question,
  /** @type {string} */ text,
) {
  const detail = world.run(id);
  const asked = detail.questions.find((one) => one.number === question);
  if (!asked || asked.answer)
    throw new Refused(409, "conflict", `Question ${question} of ${id} is open no more.`, "Reload the page.");
  asked.answer = { text, by: "you", at: Date.now(), told_at: Date.now() };
  Object.assign(detail.run, { state: "working", waiting_for: null, question: null });
  world.report(id, { kind: "agent", event: { event: "told", text }, raw: null });
  world.touch(world.task(detail.run.task), {});
  return detail.run;
}

function approve(/** @type {World} */ world, /** @type {string} */ id) {
  const task = world.task(id);
  if (task.state !== "review" || !task.run) {
    throw new Refused(
      409,
      "conflict",
      `The task ${id} is ${task.state}: there is nothing to approve.`,
      "Reload the page.",
    );
  }
  world.run(task.run.id).merged_commit = "fe98dc76ba54fe98dc76ba54fe98dc76ba54fe98";
  return world.touch(task, { state: "done", waits_for: null });
}

function reject(/** @type {World} */ world, /** @type {string} */ id, /** @type {unknown} */ comment) {
  const task = world.task(id);
  if (typeof comment === "string")
    return world.touch(task, { state: "queued", waits_for: "Every slot is taken." });
  return world.touch(task, { state: "cancelled", waits_for: null });
}

/** Frames of at most this many bytes. */
const FRAME = 16 * 1024;

/**
 * One viewer of a session.
 *
 * @param {World} world
 * @param {string} id
 * @param {string | null} from
 * @param {import("ws").WebSocket} ws
 */
function attend(world, id, from, ws) {
  const live = () => world.run(id).run.state !== "finished";
  const bytes = Buffer.concat(world.terminals.get(id) ?? []);
  const offset = Math.min(from === null ? Math.max(0, bytes.length - 262_144) : Number(from), bytes.length);
  const send = (/** @type {unknown} */ message) => ws.send(JSON.stringify(message));
  send({ type: "ready", session: id, offset, live: live() });
  for (let at = offset; at < bytes.length; at += FRAME) ws.send(bytes.subarray(at, at + FRAME));
  if (!live()) {
    send({ type: "ended" });
    ws.close(1000);
    return;
  }
  const printer = (/** @type {string} */ run, /** @type {Buffer} */ more) => {
    if (run === id) ws.send(more);
  };
  world.printers.add(printer);
  const watch = (/** @type {import("./world.mjs").ServerEvent} */ event) => {
    if (event.type === "task" && event.task.run?.id === id && !live()) {
      send({ type: "ended" });
      ws.close(1000);
    }
  };
  world.listeners.add(watch);
  ws.on("message", (data, binary) => {
    if (binary && Buffer.isBuffer(data)) world.print(id, data.toString("utf8").replaceAll("\r", "\r\n"));
  });
  ws.on("close", () => {
    world.printers.delete(printer);
    world.listeners.delete(watch);
  });
}
