/** The built pages in a real Chromium, against the stand-in for the server. */
import { existsSync } from "node:fs";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { startMock, TOKEN } from "../../dev/mock/server.mjs";
import { launch } from "../../scripts/browser.mjs";

export type Mock = Awaited<ReturnType<typeof startMock>>;

export interface Lab {
  mock: Mock;
  browser: Browser;
}

export async function startLab(): Promise<Lab> {
  if (!existsSync(new URL("../../dist/index.html", import.meta.url))) {
    throw new Error("The pages are not built: run `npm run build` first.");
  }
  const [mock, browser] = await Promise.all([startMock(), launch()]);
  return { mock, browser };
}

export async function stopLab({ mock, browser }: Lab): Promise<void> {
  await browser.close();
  await mock.close();
}

export interface Visit {
  context: BrowserContext;
  page: Page;
  /** What went wrong that the test does not look at: errors of scripts, broken policy, requests to others. */
  complaints: string[];
}

/** Opens a page as a signed-in person, and listens to what the browser complains about. */
export async function visit(
  { mock, browser }: Lab,
  path = "/",
  options: BrowserContextOptions & { token?: string | null } = {},
): Promise<Visit> {
  const { token = TOKEN, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...rest });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // That a request was refused is part of some tests; what scripts or the policy say is not.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      if (!/WebSocket|ERR_/.test(message.text())) complaints.push(message.text());
    }
  });
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(mock.url).host) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(token === null ? mock.url + path : `${mock.url}${path}#token=${token}`);
  return { context, page, complaints };
}

/** Waits until something holds: for what no locator can say. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`waited 20 s in vain: ${what}`);
}
