/** On the board: what keeps rows of the sources from becoming tasks. Nothing when all is well. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { statusQuery } from "../../api/queries";
import type { Source } from "../../api/types";
import { Button } from "../../ui/Button";
import { plural } from "../../ui/format";
import { ChevronIcon, WarningIcon } from "../../ui/icons";
import { ProblemTable } from "./ProblemTable";
import styles from "./SourcesBanner.module.css";

export function SourcesBanner() {
  const { data: status } = useQuery(statusQuery);
  const [open, setOpen] = useState(false);
  const troubled = (status?.sources ?? []).filter((source) => !source.readable || source.problems.length > 0);
  if (troubled.length === 0) return null;
  return (
    <section className={styles.banner} aria-label="Problems in sources">
      <Button
        tone="quiet"
        small
        className={styles.toggle ?? ""}
        icon={<WarningIcon size={14} />}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <span className={styles.summary}>{troubled.map(summary).join(" · ")}</span>
        <ChevronIcon size={12} className={open ? styles.open : undefined} />
      </Button>
      {open && troubled.map((source) => <ProblemTable key={source.name} source={source} />)}
    </section>
  );
}

function summary(source: Source): string {
  if (!source.readable) return `${source.name} cannot be read`;
  const skipped = source.problems.filter((problem) => problem.skipped).length;
  const rest = source.problems.length - skipped;
  const parts = [
    skipped > 0 ? `${plural(skipped, "row")} skipped` : "",
    rest > 0 ? plural(rest, "remark") : "",
  ].filter(Boolean);
  return `${source.name}: ${parts.join(", ")}`;
}
