// Makes src/api/schema.ts from the OpenAPI snapshot; with --check says when it is not what the snapshot gives.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const snapshot = new URL("../../openapi.json", import.meta.url);
const target = new URL("../src/api/schema.ts", import.meta.url);

const text =
  "// Generated from openapi.json by `npm run codegen`. Do not edit.\n\n" +
  astToString(await openapiTS(snapshot));

if (process.argv.includes("--check")) {
  const current = await readFile(target, "utf8").catch(() => "");
  if (current !== text) {
    console.error(
      "src/api/schema.ts is not what openapi.json gives. Run `npm run codegen` in web/ and commit the result.",
    );
    process.exit(1);
  }
} else {
  await writeFile(target, text);
}
