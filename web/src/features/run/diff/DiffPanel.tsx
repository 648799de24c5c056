/** What a run changed. */
import "react-diff-view/style/index.css";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { diffQuery } from "../../../api/queries";
import type { Diff, RunDetail } from "../../../api/types";
import { Button } from "../../../ui/Button";
import { plural } from "../../../ui/format";
import { ErrorNotice, Notice } from "../../../ui/Notice";
import { Skeleton } from "../../../ui/Skeleton";
import { useMedia } from "../../../ui/useMedia";
import { DiffNumbers } from "../../review/DiffNumbers";
import styles from "./DiffPanel.module.css";
import { FileDiff } from "./FileDiff";
import { cutPatch, openAtFirst, type FilePatch } from "./patch";

export function DiffPanel({ detail }: { detail: RunDetail }) {
  const pushed = detail.head_commit != null || detail.saved_ref != null;
  const diff = useQuery({
    ...diffQuery(detail.run.id, detail.head_commit ?? detail.saved_ref),
    enabled: pushed,
  });
  if (!pushed) {
    return (
      <p className={styles.none}>
        {detail.run.state === "finished"
          ? detail.saved_ref == null
            ? "This run pushed nothing."
            : `This run pushed nothing to its branch. What it had is saved as ${detail.saved_ref}.`
          : "Nothing is pushed yet. The changes are shown as soon as the agent is done or stopped."}
      </p>
    );
  }
  if (diff.isPending) return <Skeleton lines={8} label="Loading the diff" />;
  if (diff.isError) {
    return (
      <ErrorNotice title="Could not load the diff" error={diff.error} retry={() => void diff.refetch()} />
    );
  }
  return <Files diff={diff.data} branch={detail.run.branch} />;
}

function Files({ diff, branch }: { diff: Diff; branch: string }) {
  const files = useMemo(() => cutPatch(diff.patch), [diff.patch]);
  const wide = useMedia("(min-width: 1180px)");
  const [split, setSplit] = useState(false);
  const [open, setOpen] = useState(() => openAtFirst(files));
  const all = open.size === files.length;

  if (files.length === 0) return <p className={styles.none}>The branch holds no change.</p>;
  const toggle = (file: FilePatch) =>
    setOpen((now) => {
      const next = new Set(now);
      if (!next.delete(file.index)) next.add(file.index);
      return next;
    });

  return (
    <div className={styles.panel}>
      <div className={styles.bar}>
        <DiffNumbers stat={diff.stat} />
        <span className={styles.range}>
          <code>{diff.base.slice(0, 10)}</code> … <code>{diff.head.slice(0, 10)}</code>
        </span>
        <span className={styles.gap} />
        <Button
          small
          tone="quiet"
          onClick={() => setOpen(all ? new Set() : new Set(files.map((file) => file.index)))}
        >
          {all ? "Fold all" : "Open all"}
        </Button>
        {wide && (
          <Button small tone="quiet" aria-pressed={split} onClick={() => setSplit(!split)}>
            {split ? "Unified" : "Side by side"}
          </Button>
        )}
      </div>
      {diff.truncated && (
        <Notice tone="warn" title="The diff is longer than what is shown here">
          <p>
            {plural(files.length, "file")} of {diff.stat.files} are shown, the last one perhaps in part. The
            whole is on the branch <code>{branch}</code>.
          </p>
        </Notice>
      )}
      {files.map((file) => (
        <FileDiff
          key={file.index}
          file={file}
          open={open.has(file.index)}
          split={split && wide}
          onToggle={() => toggle(file)}
        />
      ))}
    </div>
  );
}
