// A stand-in for Strawboss while the dashboard is worked on: `npm run mock`, then `npm run dev` or the built pages.
import { startMock, TOKEN } from "./mock/server.mjs";
import { World } from "./mock/world.mjs";

const port = Number(process.env.PORT ?? 7070);
const empty = process.argv.includes("--empty");
const still = process.argv.includes("--still");

const mock = await startMock({ port, moving: !still, world: new World({ empty }) });
console.log(`${mock.url}/#token=${TOKEN}`);
