/** Every task by its state. Moves by itself as the event stream says. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { finishedTasksQuery, statusQuery } from "../../api/queries";
import type { Task } from "../../api/types";
import { useLive } from "../../live/LiveProvider";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { KeyboardIcon, Mark, PlusIcon, SearchIcon } from "../../ui/icons";
import { useKeys } from "../../ui/keyboard";
import { stateWord } from "../../ui/StateMark";
import { PHONE, useMedia } from "../../ui/useMedia";
import { SourcesBanner } from "../sources/SourcesBanner";
import styles from "./BoardPage.module.css";
import { BoardSkeleton, ColumnView } from "./ColumnView";
import { HelpDialog } from "./HelpDialog";
import { arrange, COLUMNS, DONE_CAP, firstColumn, moveSelection, projectsOf, type Column } from "./model";
import { NewTaskDialog } from "./NewTaskDialog";
import { StateTabs } from "./StateTabs";

export function BoardPage() {
  const live = useLive();
  const phone = useMedia(PHONE);
  const [search, setSearch] = useSearchParams();
  const [dialog, setDialog] = useState<"new" | "help" | null>(null);
  const [olderWanted, setOlderWanted] = useState(false);
  const older = useInfiniteQuery({ ...finishedTasksQuery, enabled: olderWanted });
  const { data: status } = useQuery(statusQuery);
  const filterField = useRef<HTMLInputElement>(null);
  const [, navigate] = useLocation();

  const filter = { text: search.get("q") ?? "", project: search.get("project") ?? "" };
  const set = (key: string, value: string) =>
    setSearch(
      (previous) => {
        const next = new URLSearchParams(previous);
        if (value === "") next.delete(key);
        else next.set(key, value);
        return next;
      },
      { replace: true },
    );

  const olderPages = older.data?.pages;
  const tasks = useMemo(() => {
    const all = new Map<string, Task>();
    for (const page of olderPages ?? []) for (const task of page.items) all.set(task.id, task);
    // What the stream says is newer than any page.
    for (const [id, task] of live.tasks) all.set(id, task);
    return all;
  }, [live.tasks, olderPages]);
  const columns = useMemo(
    () => arrange(tasks.values(), { text: filter.text, project: filter.project }),
    [tasks, filter.text, filter.project],
  );
  const projects = useMemo(() => projectsOf(tasks.values()), [tasks]);

  const filtering = filter.text !== "" || filter.project !== "";
  const overInAll = (status?.tasks ?? [])
    .filter(({ state }) => state === "done" || state === "cancelled")
    .reduce((sum, { count }) => sum + count, 0);
  const doneTotal = filtering ? columns.done.length : Math.max(overInAll, columns.done.length);
  const [doneShown, setDoneShown] = useState(DONE_CAP);
  const more = () => {
    setDoneShown((shown) => shown + 50);
    if (columns.done.length > doneShown + 50 || columns.done.length >= doneTotal) return;
    if (!olderWanted) setOlderWanted(true);
    else if (older.hasNextPage && !older.isFetching) void older.fetchNextPage();
  };

  const asked = search.get("state");
  const chosen: Column = COLUMNS.find((column) => column === asked) ?? firstColumn(columns);
  const shown: readonly Column[] = phone ? [chosen] : COLUMNS;
  const visible = (column: Column) =>
    column === "done" ? columns.done.slice(0, doneShown) : columns[column];

  const selected = useRef<string | null>(null);
  useEffect(() => {
    // A card that moved to another column was made anew; whoever stood on it stands on it still.
    if (selected.current !== null && document.activeElement === document.body) {
      document.querySelector<HTMLElement>(`[data-card="${CSS.escape(selected.current)}"]`)?.focus();
    }
  }, [columns]);

  useKeys((key) => {
    const step = ({ j: "down", k: "up", l: "right", h: "left" } as const)[key];
    if (step !== undefined) {
      const current = document.activeElement?.getAttribute("data-card") ?? null;
      const ids = shown.map((column) => visible(column).map((task) => task.id));
      const next = moveSelection(ids, current, step);
      if (next !== null) {
        const card = document.querySelector<HTMLElement>(`[data-card="${CSS.escape(next)}"]`);
        card?.focus();
        card?.closest("article")?.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
      return true;
    }
    switch (key) {
      case "/":
        filterField.current?.focus();
        filterField.current?.select();
        return true;
      case "?":
        setDialog("help");
        return true;
      case "n":
        setDialog("new");
        return true;
      case "r":
        navigate("/reviews");
        return true;
      default:
        return false;
    }
  });

  return (
    <div
      className={styles.page}
      onFocus={(event) => {
        selected.current = event.target.getAttribute("data-card");
      }}
    >
      <h1 className="visually-hidden">Board</h1>
      <SourcesBanner />
      <div className={styles.bar} role="search">
        <label className={styles.search}>
          <SearchIcon size={14} />
          <span className="visually-hidden">Filter tasks</span>
          <input
            ref={filterField}
            type="search"
            placeholder="Filter tasks"
            value={filter.text}
            onChange={(event) => set("q", event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") {
                set("q", "");
                event.currentTarget.blur();
              }
            }}
          />
          {!phone && filter.text === "" && <kbd>/</kbd>}
        </label>
        <label className={styles.select}>
          <span className="visually-hidden">Project</span>
          <select value={filter.project} onChange={(event) => set("project", event.target.value)}>
            <option value="">All projects</option>
            {[...new Set([...projects, ...(filter.project === "" ? [] : [filter.project])])].map(
              (project) => (
                <option key={project} value={project}>
                  {project}
                </option>
              ),
            )}
          </select>
        </label>
        {filtering && (
          <Button tone="quiet" onClick={() => setSearch({}, { replace: true })}>
            Clear
          </Button>
        )}
        <span className={styles.gap} />
        {!phone && (
          <Button tone="quiet" label="Keyboard" icon={<KeyboardIcon />} onClick={() => setDialog("help")} />
        )}
        <Button tone="primary" icon={<PlusIcon size={14} />} onClick={() => setDialog("new")}>
          {phone ? "Add" : "Add task"}
        </Button>
      </div>

      {!live.ready ? (
        <BoardSkeleton phone={phone} />
      ) : tasks.size === 0 ? (
        <FirstSteps onAdd={() => setDialog("new")} />
      ) : (
        <>
          {phone && (
            <StateTabs
              columns={columns}
              doneTotal={doneTotal}
              chosen={chosen}
              onChoose={(state) => set("state", state)}
            />
          )}
          <div className={phone ? styles.list : styles.board}>
            {shown.map((column) => (
              <ColumnView
                key={column}
                column={column}
                tasks={visible(column)}
                total={column === "done" ? doneTotal : columns[column].length}
                single={phone}
                filtering={filtering}
                onMore={column === "done" && visible(column).length < doneTotal ? more : undefined}
                loadingMore={older.isFetching}
              />
            ))}
          </div>
        </>
      )}

      {dialog === "new" && <NewTaskDialog project={filter.project} onClose={() => setDialog(null)} />}
      {dialog === "help" && <HelpDialog onClose={() => setDialog(null)} />}
    </div>
  );
}

function FirstSteps({ onAdd }: { onAdd: () => void }) {
  const { data: status } = useQuery(statusQuery);
  const source = status?.sources[0];
  return (
    <EmptyState title="The crew is ready, the backlog is empty" mark={<Mark size={52} />}>
      {source ? (
        <p>
          Strawboss watches <code>{source.name}</code>. Add a row to it, and it appears here within seconds:
        </p>
      ) : (
        <p>
          No source of work is configured. Name a file under <code>backlogs:</code> in{" "}
          <code>strawboss.yaml</code>, with rows such as:
        </p>
      )}
      <pre>
        Project,Priority,Status,Next Action{"\n"}my-project,1,Queued,Make the tests pass on Python 3.13
      </pre>
      <p>
        Or add one task by hand. {stateWord("pending")} ones wait for your approval before an agent starts.
      </p>
      <Button tone="primary" icon={<PlusIcon size={14} />} onClick={onAdd}>
        Add a task
      </Button>
    </EmptyState>
  );
}
