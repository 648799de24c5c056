/**
 * Cuts a unified diff into files without understanding more of it than that: 2 MiB of it must open at once, and a
 * file that a parser chokes on must not take the others with it. Pure.
 */

export interface FilePatch {
  /** Its place in the patch: unique, where paths need not be. */
  index: number;
  path: string;
  /** The path that it had before, when it was renamed or copied. */
  from: string | undefined;
  kind: "added" | "deleted" | "renamed" | "modified";
  binary: boolean;
  added: number;
  removed: number;
  /** Its part of the patch, long lines cut. */
  text: string;
}

/** Nobody reads a longer line, and drawing one takes the page's breath. */
const LONGEST_LINE = 1_000;

export function cutPatch(patch: string): FilePatch[] {
  const files: FilePatch[] = [];
  let lines: string[] = [];
  const flush = () => {
    if (lines.length > 0) files.push(readFile(lines, files.length));
    lines = [];
  };
  for (const line of patch.split("\n")) {
    // Lines of content begin with a blank, + or -, so this can only be a header.
    if (line.startsWith("diff --git ")) {
      flush();
      lines.push(line);
    } else if (lines.length > 0) {
      lines.push(line);
    }
  }
  flush();
  return files;
}

function readFile(lines: string[], index: number): FilePatch {
  const file: FilePatch = {
    index,
    path: "",
    from: undefined,
    kind: "modified",
    binary: false,
    added: 0,
    removed: 0,
    text: "",
  };
  let before: string | undefined;
  let after: string | undefined;
  let inHunk = false;
  for (const [at, line] of lines.entries()) {
    if (line.startsWith("@@ ")) inHunk = true;
    else if (inHunk) {
      if (line.startsWith("+")) file.added += 1;
      else if (line.startsWith("-")) file.removed += 1;
    } else if (line.startsWith("new file mode")) file.kind = "added";
    else if (line.startsWith("deleted file mode")) file.kind = "deleted";
    else if (line.startsWith("rename from ") || line.startsWith("copy from ")) {
      file.kind = "renamed";
      before = unquote(line.slice(line.indexOf(" from ") + 6));
    } else if (line.startsWith("rename to ") || line.startsWith("copy to ")) {
      after = unquote(line.slice(line.indexOf(" to ") + 4));
    } else if (line.startsWith("Binary files ") || line.startsWith("GIT binary patch")) file.binary = true;
    else if (line.startsWith("--- ")) before ??= side(line.slice(4));
    else if (line.startsWith("+++ ")) after ??= side(line.slice(4));
    if (line.length > LONGEST_LINE) {
      lines[at] = `${line.slice(0, LONGEST_LINE)} … ${line.length - LONGEST_LINE} more characters`;
    }
  }
  file.path = after ?? before ?? pathOfHeader(lines[0] ?? "");
  if (file.kind === "renamed") file.from = before;
  file.text = lines.join("\n");
  return file;
}

/** `a/src/x.rs` without its side; nothing for `/dev/null`. */
function side(text: string): string | undefined {
  const path = unquote(text.replace(/\t.*$/, ""));
  return path === "/dev/null" ? undefined : path.replace(/^[ab]\//, "");
}

/** Files without content name themselves in the header alone: `diff --git a/x b/x`. */
function pathOfHeader(header: string): string {
  const names = header.slice("diff --git ".length);
  if (names.startsWith('"')) {
    const match = /^"((?:[^"\\]|\\.)*)"/.exec(names);
    return match ? unquote(match[0]).replace(/^a\//, "") : names;
  }
  // Both halves are the same path but for their first letter.
  const half = names.slice(0, (names.length - 1) / 2);
  return names.endsWith(` b/${half.slice(2)}`) ? half.slice(2) : names;
}

const ESCAPES: Record<string, number> = { n: 10, t: 9, r: 13, a: 7, b: 8, f: 12, v: 11, '"': 34, "\\": 92 };

/** A path as git quotes it: `"a\303\244.txt"`. */
function unquote(text: string): string {
  if (!text.startsWith('"') || !text.endsWith('"') || text.length < 2) return text;
  const inner = text.slice(1, -1);
  const bytes: number[] = [];
  for (let at = 0; at < inner.length; at += 1) {
    const char = inner[at] ?? "";
    if (char !== "\\") {
      bytes.push(...new TextEncoder().encode(char));
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(inner.slice(at + 1));
    if (octal) {
      bytes.push(parseInt(octal[0], 8));
      at += 3;
    } else {
      at += 1;
      bytes.push(ESCAPES[inner[at] ?? ""] ?? 63);
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Changed lines that are drawn without being asked for, over all files and in one. */
const OPEN_IN_ALL = 1_500;
const OPEN_IN_ONE = 500;

const DULL =
  /(^|\/)(package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|poetry\.lock|uv\.lock|go\.sum|.*\.min\.(js|css)|.*\.svg)$/;

/** Which files stand open at first: the small ones that people wrote, until it is enough. */
export function openAtFirst(files: readonly FilePatch[]): Set<number> {
  const open = new Set<number>();
  let drawn = 0;
  for (const file of files) {
    const size = file.added + file.removed;
    if (file.binary || size > OPEN_IN_ONE || DULL.test(file.path) || drawn + size > OPEN_IN_ALL) continue;
    drawn += size;
    open.add(file.index);
  }
  return open;
}
