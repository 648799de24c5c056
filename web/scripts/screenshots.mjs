// Pictures of the pages, light and dark, at a desktop's and a phone's width, into docs/screenshots.
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { startMock } from "../dev/mock/server.mjs";
import { World } from "../dev/mock/world.mjs";
import { launch } from "./browser.mjs";

const target = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const all = process.argv.includes("--all");
const out = all ? (process.argv.at(-1) ?? target) : target;

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

/** @type {Record<string, string>} */
const PAGES = {
  board: "/",
  run: "/runs/antenna-7.1",
  review: "/runs/antenna-5.1",
  ...(all
    ? {
        red: "/runs/antenna-6.2?tab=checks",
        activity: "/runs/antenna-7.1?tab=activity",
        shell: "/runs/edge-3.1",
        waiting: "/runs/billing-12.1",
        reviews: "/reviews",
        projects: "/projects",
        sources: "/sources",
        task: "/tasks/billing-14",
        failed: "/runs/billing-9.2",
        missing: "/nowhere",
      }
    : {}),
};

await mkdir(out, { recursive: true });
const mock = await startMock({ signedIn: true });
const empty = await startMock({ signedIn: true, world: new World({ empty: true }) });
const signedOut = await startMock();
const browser = await launch();
try {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      const context = await browser.newContext({
        viewport,
        colorScheme,
        deviceScaleFactor: size === "phone" ? 2 : 1,
      });
      const shoot = async (/** @type {string} */ name, /** @type {string} */ url) => {
        const page = await context.newPage();
        await page.goto(url);
        await page.waitForLoadState("load");
        await page.locator("main, form").first().waitFor();
        await page.locator("[data-loading]").first().waitFor({ state: "detached" });
        const terminal = page.getByRole("region", { name: "Terminal" });
        if (await terminal.isVisible()) await page.locator("[data-drawn]").waitFor();
        // Animations and lazy parts come to rest.
        await page.waitForTimeout(900);
        await page.screenshot({ path: `${out}/${name}-${size}-${colorScheme}.png` });
        await page.close();
      };
      for (const [name, path] of Object.entries(PAGES)) await shoot(name, mock.url + path);
      if (all) {
        await shoot("empty", empty.url);
        await shoot("signin", signedOut.url);
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await Promise.all([mock.close(), empty.close(), signedOut.close()]);
}
