/** Where work comes from, as observed. */
import { useQuery } from "@tanstack/react-query";
import { statusQuery } from "../../api/queries";
import { EmptyState } from "../../ui/EmptyState";
import { plural } from "../../ui/format";
import { FileIcon } from "../../ui/icons";
import { ErrorNotice, Notice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { Skeleton } from "../../ui/Skeleton";
import { Ago } from "../../ui/time";
import { ProblemTable } from "./ProblemTable";

export default function SourcesPage() {
  const status = useQuery(statusQuery);
  return (
    <div className={page.page}>
      <header className={page.head}>
        <h1>Sources</h1>
        <p>Where tasks come from. Strawboss reads them and writes each task&apos;s status back.</p>
      </header>
      {status.isPending && <Skeleton lines={5} />}
      {status.isError && !status.data && (
        <ErrorNotice
          title="Could not load the sources"
          error={status.error}
          retry={() => void status.refetch()}
        />
      )}
      {status.data?.sources.length === 0 && (
        <EmptyState title="No source of work yet">
          <p>
            Name a file under <code>backlogs:</code> in <code>strawboss.yaml</code>:
          </p>
          <pre>
            backlogs:{"\n"}
            {"  "}- {"{ type: csv, file: ./priorities.csv }"}
          </pre>
        </EmptyState>
      )}
      {status.data?.sources.map((source) => (
        <section key={source.name} className={page.panel} aria-label={source.name}>
          <header className={page.panelHead}>
            <FileIcon />
            <h2>{source.name}</h2>
            <span className={page.faint}>
              {plural(source.items, "row")}
              {source.looked_at != null && (
                <>
                  {" "}
                  · read <Ago at={source.looked_at} />
                </>
              )}
              {source.since != null && (
                <>
                  {" "}
                  · down since <Ago at={source.since} />
                </>
              )}
            </span>
          </header>
          {!source.readable && (
            <div className={page.pad}>
              <Notice
                tone="bad"
                title="It cannot be read"
                fix="Do what is said below. Its tasks stay as they are until then."
              />
            </div>
          )}
          {source.problems.length > 0 ? (
            <ProblemTable source={source} />
          ) : (
            source.readable && (
              <p className={`${page.pad ?? ""} ${page.faint ?? ""}`}>Every row was understood.</p>
            )
          )}
        </section>
      ))}
    </div>
  );
}
