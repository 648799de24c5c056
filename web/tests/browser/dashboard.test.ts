import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hugePatch } from "../../dev/mock/patches.mjs";
import { TOKEN } from "../../dev/mock/server.mjs";
import { startLab, stopLab, until, visit, type Lab, type Visit } from "./harness";

let lab: Lab;
let open: Visit[] = [];

beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => stopLab(lab));
afterEach(async () => {
  const complaints = open.flatMap((one) => one.complaints);
  await Promise.all(open.map(({ context }) => context.close()));
  open = [];
  expect(complaints).toEqual([]);
});

async function look(...args: Parameters<typeof visit> extends [Lab, ...infer Rest] ? Rest : never) {
  const made = await visit(lab, ...args);
  open.push(made);
  return made.page;
}

const column = (name: string) => `[data-column="${name}"]`;

describe("signing in", () => {
  it("works by the first-start link, which leaves no secret behind", async () => {
    const page = await look("/");
    await page.getByRole("heading", { name: "Board" }).waitFor({ state: "attached" });
    await page.getByText("Live", { exact: true }).waitFor();
    expect(page.url()).not.toContain(TOKEN);
    expect(await page.evaluate(() => document.cookie)).toBe("");
    expect(
      await page.evaluate(() =>
        JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
      ),
    ).not.toContain(TOKEN);
  });

  it("asks for a token, says when it is wrong, and goes where one wanted to go", async () => {
    const page = await look("/reviews", { token: null });
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("not valid").waitFor();
    await page.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Reviews" }).waitFor();
  });

  it("ends by signing out", async () => {
    const page = await look("/");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    await page.reload();
    await page.getByLabel("Token").waitFor();
  });
});

describe("the board", () => {
  it("moves by itself", async () => {
    const page = await look("/");
    const { world } = lab.mock;
    const task = world.add({ project: "Docs site", action: "Watch me move", needs_gpu: false });
    const card = (state: string) => page.locator(column(state)).getByRole("link", { name: "Watch me move" });
    await card("queued").waitFor();
    world.touch(task, { state: "blocked", block: { code: "failed", message: "It broke.", fix: "Mend it." } });
    await card("blocked").waitFor();
    await page.getByText("Mend it.").waitFor();
    expect(await card("queued").count()).toBe(0);
    world.touch(task, { state: "done", block: null });
    await card("done").waitFor();
  });

  it("says that it is stale, and takes the snapshot when the server is back", async () => {
    const page = await look("/");
    const { world } = lab.mock;
    await page.getByText("Live", { exact: true }).waitFor();
    const gone = world.add({ project: "Docs site", action: "Gone meanwhile", needs_gpu: false });
    await page.getByRole("link", { name: "Gone meanwhile" }).waitFor();
    lab.mock.drop(true);
    await page.getByText(/^Stale: as of/).waitFor();
    world.tasks.delete(gone.id);
    const fresh = world.add({ project: "Docs site", action: "Came meanwhile", needs_gpu: false });
    lab.mock.admit();
    await page.getByRole("link", { name: "Came meanwhile" }).waitFor();
    expect(await page.getByRole("link", { name: "Gone meanwhile" }).count()).toBe(0);
    await page.getByText("Live", { exact: true }).waitFor();
    world.tasks.delete(fresh.id);
  });

  it("shows hostile text as text, wherever it comes from", async () => {
    const { world } = lab.mock;
    const evil = `<img src=x onerror="document.title='pwned'"> </script><script>document.title='pwned'</script>`;
    const task = world.add({ project: "Docs site", action: evil, needs_gpu: false });
    world.start(task);
    const id = task.run?.id ?? "";
    const detail = world.run(id);
    detail.summary = evil;
    detail.refusals = [{ target: evil, reason: evil, known_probe: false, count: 1, last_at: Date.now() }];
    world.report(id, { kind: "agent", event: { event: "message", text: evil }, raw: null });
    // A terminal sequence that names a link and a window title is no way out of the page either.
    world.print(id, `\x1b]0;pwned\x07\x1b]8;;javascript:alert(1)\x07${evil}\x1b]8;;\x07\r\n`);
    const page = await look("/");
    await page.locator("article", { hasText: "onerror" }).first().waitFor();
    await page.goto(`${lab.mock.url}/runs/${id}?tab=activity`);
    await page.getByText(evil).first().waitFor();
    await page.getByRole("tab", { name: "Terminal" }).click();
    await page.locator(".xterm-rows", { hasText: "onerror" }).waitFor();
    expect(await page.locator("main img").count()).toBe(0);
    expect(await page.title()).toContain("Strawboss");
    world.finish(detail, "stopped");
    world.touch(task, { state: "cancelled" });
  });
});

describe("the run page", () => {
  it("shows the terminal's bytes as they come, also after a break", async () => {
    const page = await look("/runs/antenna-7.1");
    const rows = page.locator(".xterm-rows");
    await rows.getByText("cargo test -p antenna-upload").waitFor();
    lab.mock.world.print("antenna-7.1", "\nfirst after\n");
    await rows.getByText("first after").waitFor();
    lab.mock.drop();
    lab.mock.world.print("antenna-7.1", "printed meanwhile\n");
    await rows.getByText("printed meanwhile").waitFor();
    const text = await rows.innerText();
    expect(text.split("first after")).toHaveLength(2);
    expect(text.split("printed meanwhile")).toHaveLength(2);
  });

  it("passes a line on to the agent", async () => {
    const page = await look("/runs/antenna-7.1");
    const field = page.getByLabel("Tell the agent");
    await field.fill("Please use jitter too");
    await field.press("Enter");
    await page.locator(".xterm-rows").getByText("Please use jitter too").waitFor();
    expect(lab.mock.world.said.at(-1)).toEqual({ run: "antenna-7.1", text: "Please use jitter too" });
    await until("the field is empty", async () => (await field.inputValue()) === "");
    await page.getByRole("tab", { name: "Activity" }).click();
    await page.getByRole("tabpanel").getByText("Please use jitter too").waitFor();
  });

  it("gives a shell the keys", async () => {
    const page = await look("/runs/edge-3.1");
    await page.locator(".xterm-rows").getByText("Bisecting").waitFor();
    await page.getByText("your keys go to it").waitFor();
    await page.locator(".xterm").click();
    await page.keyboard.type("git bisect bad");
    await page.locator(".xterm-rows").getByText("git bisect bad").waitFor();
    expect(await page.getByLabel("Tell the agent").count()).toBe(0);
  });

  it("opens a diff of 2 MiB, folded, and draws what one asks for", async () => {
    const { world } = lab.mock;
    world.patches.set("docs-1.1", hugePatch());
    const page = await look("/runs/docs-1.1?tab=changes");
    await page.getByText("longer than what is shown").waitFor();
    expect(await page.locator(".diff-line").count()).toBeLessThan(4_000);
    await page.getByRole("button", { name: /data\/one\.csv/ }).click();
    await page.getByText("0,antenna-0,0", { exact: true }).waitFor();
    await page.getByRole("button", { name: /^Show 1600 more of 12000/ }).click();
    await page.getByText("2000,antenna-60,", { exact: false }).first().waitFor();
  });

  it("is approved into Done", async () => {
    const page = await look("/");
    await page.locator(column("review")).getByRole("link", { name: "Back off exponentially" }).click();
    await page.getByRole("tab", { name: "2/2 checks" }).waitFor();
    await page.getByText("src/upload/retry.rs").first().waitFor();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Landed on main").waitFor();
    await page.getByRole("link", { name: "Board", exact: true }).first().click();
    await page.locator(column("done")).getByRole("link", { name: "Back off exponentially" }).waitFor();
    expect(lab.mock.world.task("antenna-5").state).toBe("done");
  });

  it("asks before red work is merged, and sends it back with words", async () => {
    const page = await look("/runs/antenna-6.2");
    await page.getByText("could not compile").waitFor();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect(lab.mock.world.task("antenna-6").state).toBe("review");
    await page.getByRole("button", { name: "Send back" }).click();
    await page.getByLabel("What shall it do?").fill("Mind the lint.");
    await page.getByRole("dialog").getByRole("button", { name: "Send back" }).click();
    await until("the task is queued again", () => lab.mock.world.task("antenna-6").state === "queued");
  });
});

describe("the looks", () => {
  const PAGES = [
    "/",
    "/runs/antenna-7.1",
    "/runs/billing-9.2",
    "/reviews",
    "/projects",
    "/sources",
    "/tasks/billing-14",
    "/nowhere",
  ];

  it.each(PAGES)("%s fits a phone without scrolling sideways", async (path) => {
    const page = await look(path, { viewport: { width: 390, height: 844 } });
    await page.locator("main h1, main h2").first().waitFor({ state: "attached" });
    await page.locator("[data-loading]").first().waitFor({ state: "detached" });
    const [inner, wide] = await page.evaluate(() => [
      window.innerWidth,
      document.documentElement.scrollWidth,
    ]);
    expect(wide).toBeLessThanOrEqual(inner);
  });

  it("follows the system's scheme, and a choice by hand before that", async () => {
    const page = await look("/", { colorScheme: "dark" });
    const brightness = () =>
      page.evaluate(() => {
        const [red = 0, green = 0, blue = 0] = (
          getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []
        ).map(Number);
        return (red + green + blue) / 3;
      });
    expect(await brightness()).toBeLessThan(60);
    await page.emulateMedia({ colorScheme: "light" });
    expect(await brightness()).toBeGreaterThan(200);
    await page.getByRole("button", { name: /^Theme/ }).click();
    await page.getByRole("button", { name: /^Theme: light/ }).click();
    expect(await brightness()).toBeLessThan(60);
    await page.reload();
    await page.getByText("Live", { exact: true }).waitFor();
    expect(await brightness()).toBeLessThan(60);
  });
});
