import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** Colours of the style sheet as [light, dark]. */
function colours(): Map<string, [string, string]> {
  const css = readFileSync("src/ui/tokens.css", "utf8");
  const found = new Map<string, [string, string]>();
  for (const [, name = "", light = "", dark = ""] of css.matchAll(
    /--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g,
  )) {
    found.set(name, [light, dark]);
  }
  return found;
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [bright = 0, dim = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dim + 0.05);
}

const STATES = ["pending", "queued", "running", "review", "done", "blocked", "paused", "cancelled"];
const TEXTS = ["text", "text-2", "text-3", "link", ...STATES];
const GROUNDS = ["bg", "surface", "raised", "sunken", "hover"];
const PAIRS = [
  ...TEXTS.flatMap((text) => GROUNDS.map((ground) => [text, ground] as const)),
  ...STATES.map((state) => [state, `${state}-soft`] as const),
  ...["blocked-soft", "paused-soft", "done-soft", "straw-soft"].map((ground) => ["text", ground] as const),
  ...["blocked-soft", "paused-soft"].map((ground) => ["text-2", ground] as const),
  ...["diff-add", "diff-del", "diff-add-edit", "diff-del-edit"].map((ground) => ["text", ground] as const),
  ...["diff-add-gutter", "diff-del-gutter"].map((ground) => ["text-2", ground] as const),
  ["on-primary", "primary"] as const,
  ["on-good", "good"] as const,
  ["term-fg", "term-bg"] as const,
];

describe("tokens", () => {
  const all = colours();
  it.each(PAIRS)("%s can be read on %s", (text, ground) => {
    const [light, dark] = all.get(text) ?? [];
    const [lightGround, darkGround] = all.get(ground) ?? [];
    if (!light || !dark || !lightGround || !darkGround) throw new Error(`${text} or ${ground} is no colour`);
    expect(contrast(light, lightGround)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(dark, darkGround)).toBeGreaterThanOrEqual(4.5);
  });
});
