/** One file of a diff. Parsed and drawn only when it is open, and a page of lines at a time. */
import { useMemo, useState } from "react";
import {
  Diff,
  Hunk,
  markEdits,
  parseDiff,
  tokenize,
  type ChangeData,
  type FileData,
  type HunkData,
  type HunkTokens,
} from "react-diff-view";
import { Button } from "../../../ui/Button";
import { ChevronIcon } from "../../../ui/icons";
import styles from "./FileDiff.module.css";
import type { FilePatch } from "./patch";

interface FileDiffProps {
  file: FilePatch;
  open: boolean;
  split: boolean;
  onToggle: () => void;
}

/** Lines that are drawn before somebody asks for more. */
const PAGE = 800;
/** Marking what changed within lines costs more than it gives in larger files. */
const MOST_MARKED = 1_500;

export function FileDiff({ file, open, split, onToggle }: FileDiffProps) {
  const id = `file-${file.index}`;
  return (
    <section className={styles.file} id={id} aria-label={file.path}>
      <h3 className={styles.head}>
        <button type="button" className={styles.toggle} aria-expanded={open} onClick={onToggle}>
          <ChevronIcon size={12} className={open ? styles.turned : undefined} />
          <span className={styles.path}>
            {file.from !== undefined && <span className={styles.from}>{file.from} → </span>}
            {file.path}
          </span>
          {file.kind !== "modified" && <span className={styles.kind}>{file.kind}</span>}
          <span className={styles.numbers}>
            <span className={styles.added}>+{file.added}</span>{" "}
            <span className={styles.removed}>−{file.removed}</span>
          </span>
        </button>
      </h3>
      {open && <Body file={file} split={split} />}
    </section>
  );
}

function parse(file: FilePatch, split: boolean): FileData | undefined {
  try {
    // Side by side, old and new stand in pairs; in one column what went comes before what came.
    return parseDiff(file.text, split ? { nearbySequences: "zip" } : {})[0];
  } catch {
    return undefined;
  }
}

/**
 * Marks what changed within lines. Only where as many lines came as went: there one is most likely the other's new
 * form, elsewhere the marks would be noise.
 */
function mark(hunks: HunkData[]): HunkTokens | null {
  try {
    return tokenize(hunks, { enhancers: [markEdits(hunks.map(pairs), { type: "line" })] });
  } catch {
    return null;
  }
}

/** The lines of a hunk that are another's new form, each right after the old one. */
export function pairs(hunk: HunkData): HunkData {
  const changes: ChangeData[] = [];
  let old: ChangeData[] = [];
  let fresh: ChangeData[] = [];
  const flush = () => {
    if (old.length === fresh.length) {
      for (const [index, before] of old.entries()) {
        const after = fresh[index];
        if (after && alike(before.content, after.content)) changes.push(before, after);
      }
    }
    old = [];
    fresh = [];
  };
  for (const change of hunk.changes) {
    if (change.type === "delete") old.push(change);
    else if (change.type === "insert") fresh.push(change);
    else {
      flush();
      changes.push(change);
    }
  }
  flush();
  return { ...hunk, changes };
}

/** Whether half of the longer line is in the other, from its ends inwards. */
function alike(a: string, b: string): boolean {
  const [x, y] = [a.trim(), b.trim()];
  const most = Math.min(x.length, y.length);
  let same = 0;
  while (same < most && x[same] === y[same]) same += 1;
  let end = 0;
  while (end < most - same && x[x.length - 1 - end] === y[y.length - 1 - end]) end += 1;
  return same + end >= Math.max(x.length, y.length) / 2;
}

/** The first `most` lines of the hunks, and how many there are in all. */
export function firstLines(hunks: readonly HunkData[], most: number): { hunks: HunkData[]; total: number } {
  const total = hunks.reduce((sum, hunk) => sum + hunk.changes.length, 0);
  const shown: HunkData[] = [];
  let left = most;
  for (const hunk of hunks) {
    if (left <= 0) break;
    shown.push(hunk.changes.length <= left ? hunk : { ...hunk, changes: hunk.changes.slice(0, left) });
    left -= hunk.changes.length;
  }
  return { hunks: shown, total };
}

function Body({ file, split }: { file: FilePatch; split: boolean }) {
  const [most, setMost] = useState(PAGE);
  const data = useMemo(() => parse(file, split), [file, split]);
  const tokens = useMemo(
    () => (data && file.added + file.removed <= MOST_MARKED ? mark(data.hunks) : null),
    [data, file],
  );
  if (file.binary) return <p className={styles.note}>A binary file: nothing to read.</p>;
  if (!data) return <pre className={styles.raw}>{file.text.slice(0, 200_000)}</pre>;
  if (data.hunks.length === 0) {
    return (
      <p className={styles.note}>
        {file.kind === "renamed" ? "Moved without a change." : "No change of lines."}
      </p>
    );
  }
  const { hunks, total } = firstLines(data.hunks, most);
  return (
    <div className={styles.scroll}>
      <Diff
        viewType={split ? "split" : "unified"}
        diffType={data.type}
        hunks={hunks}
        tokens={tokens}
        className={styles.diff ?? ""}
      >
        {(drawn) =>
          drawn.flatMap((hunk, index) => [
            <HunkHead key={`head-${index}`} hunk={hunk} split={split} />,
            <Hunk key={index} hunk={hunk} />,
          ])
        }
      </Diff>
      {total > most && (
        <p className={styles.note}>
          <Button small onClick={() => setMost(most + PAGE * 2)}>
            Show {Math.min(PAGE * 2, total - most)} more of {total} lines
          </Button>
        </p>
      )}
    </div>
  );
}

function HunkHead({ hunk, split }: { hunk: HunkData; split: boolean }) {
  return (
    <tbody>
      <tr className={styles.hunk}>
        <td colSpan={split ? 4 : 3}>{hunk.content}</td>
      </tr>
    </tbody>
  );
}
