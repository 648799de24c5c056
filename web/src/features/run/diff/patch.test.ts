import { describe, expect, it } from "vitest";
import { hugePatch, RETRY_PATCH } from "../../../../dev/mock/patches.mjs";
import { cutPatch, openAtFirst } from "./patch";

describe("cutPatch", () => {
  it("counts files and lines", () => {
    const files = cutPatch(RETRY_PATCH);
    expect(files.map(({ path, kind, added, removed }) => [path, kind, added, removed])).toEqual([
      ["src/upload/retry.rs", "modified", 19, 5],
      ["src/upload/mod.rs", "modified", 1, 1],
      ["tests/upload_retry.rs", "added", 14, 0],
      ["Cargo.lock", "modified", 1, 1],
    ]);
  });

  it("is not fooled by content that looks like headers", () => {
    const [file, ...rest] = cutPatch(
      [
        "diff --git a/x b/x",
        "--- a/x",
        "+++ b/x",
        "@@ -1,2 +1,3 @@",
        "--- a/evil",
        "+++ b/evil",
        "+diff --git a/evil b/evil",
        " rename to evil",
      ].join("\n"),
    );
    expect(rest).toEqual([]);
    expect(file).toMatchObject({ path: "x", kind: "modified", added: 2, removed: 1 });
  });

  it("reads renames, deletions, binaries and files without content", () => {
    const files = cutPatch(
      [
        "diff --git a/old name.txt b/new name.txt",
        "similarity index 100%",
        "rename from old name.txt",
        "rename to new name.txt",
        "diff --git a/gone.txt b/gone.txt",
        "deleted file mode 100644",
        "--- a/gone.txt",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-bye",
        "diff --git a/p.png b/p.png",
        "new file mode 100644",
        "Binary files /dev/null and b/p.png differ",
        "diff --git a/some dir/run b/some dir/run",
        "old mode 100644",
        "new mode 100755",
      ].join("\n"),
    );
    expect(files.map(({ path, from, kind, binary }) => ({ path, from, kind, binary }))).toEqual([
      { path: "new name.txt", from: "old name.txt", kind: "renamed", binary: false },
      { path: "gone.txt", from: undefined, kind: "deleted", binary: false },
      { path: "p.png", from: undefined, kind: "added", binary: true },
      { path: "some dir/run", from: undefined, kind: "modified", binary: false },
    ]);
  });

  it("reads paths as git quotes them", () => {
    const [file] = cutPatch(
      'diff --git "a/\\303\\244 \\"x\\".txt" "b/\\303\\244 \\"x\\".txt"\nnew file mode 100644\n',
    );
    expect(file?.path).toBe('ä "x".txt');
  });

  it("cuts lines that nobody reads", () => {
    const [file] = cutPatch(`diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+${"x".repeat(500_000)}\n`);
    expect(file?.text.length).toBeLessThan(2_000);
    expect(file?.text).toContain("499001 more characters");
  });

  it("stands anything", () => {
    for (const text of ["", "\n", "not a diff", "diff --git ", 'diff --git "', "diff --git a/x b/x\n@@ -1"]) {
      expect(() => cutPatch(text)).not.toThrow();
    }
  });
});

describe("openAtFirst", () => {
  it("leaves lock files and long ones folded", () => {
    const files = cutPatch(RETRY_PATCH);
    expect([...openAtFirst(files)]).toEqual([0, 1, 2]);
  });

  it("opens no more of 2 MiB than a page can bear", () => {
    const files = cutPatch(hugePatch());
    const open = openAtFirst(files);
    const drawn = files
      .filter((file) => open.has(file.index))
      .reduce((sum, file) => sum + file.added + file.removed, 0);
    expect(files.length).toBeGreaterThan(100);
    expect(open.has(0)).toBe(false);
    expect(drawn).toBeLessThanOrEqual(1_500);
  });
});
