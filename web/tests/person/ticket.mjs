// A person with a browser takes a ticket the whole way: reads it, approves it, says `/complete` in its terminal, accepts
// its work. The link that signs in comes by the environment, since it is a secret.
import { launch } from "../../scripts/browser.mjs";

const link = process.env.STRAWBOSS_LINK ?? "";
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(90_000);
/** @type {string[]} */
const wrong = [];
page.on("pageerror", (error) => wrong.push(error.message));
try {
  await page.goto(link);
  await page.getByRole("link", { name: "Write the greeting" }).click();
  await page.getByText("It waits for your approval").waitFor();
  await page.getByRole("link", { name: "WEB-1" }).waitFor();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("link", { name: "Board", exact: true }).first().click();
  const running = page.locator('[data-column="running"]');
  await running.getByRole("link", { name: "Write the greeting" }).click();
  const rows = page.locator(".xterm-rows");
  await rows.getByText("The greeting says hello.").waitFor();
  // What is typed before its turn has ended is no command to it.
  await page.getByText("Waiting", { exact: true }).first().waitFor();
  await page.locator(".xterm").click();
  await page.keyboard.type('/complete It greets "everybody".');
  // Enter in one breath with what it ends is a pasted line to it.
  await rows.getByText('It greets "everybody".').waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByText("Landed on main").waitFor();
  if (wrong.length > 0) throw new Error(`the page's scripts failed: ${wrong.join("; ")}`);
} catch (error) {
  console.error(`at ${page.url().replace(/#.*/, "")}:\n${await page.locator("body").innerText()}`);
  throw error;
} finally {
  await browser.close();
}
