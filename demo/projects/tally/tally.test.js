import assert from "node:assert/strict";
import { test } from "node:test";
import { tally } from "./tally.js";

test("words are counted", () => {
  assert.equal(tally("a b a").get("a"), 2);
});
