/** Terminals that people attach to: shells in containers, the host's, and those of runs. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { sessionsQuery } from "../../api/queries";
import type { Session } from "../../api/types";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { plural } from "../../ui/format";
import { PlusIcon } from "../../ui/icons";
import { useKeys } from "../../ui/keyboard";
import { linkStyle } from "../../ui/link";
import { ErrorNotice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { Skeleton } from "../../ui/Skeleton";
import { StateBadge } from "../../ui/StateMark";
import { Ago } from "../../ui/time";
import { address, PLACES, placeOf, standing, type Place } from "./model";
import { NewSessionDialog } from "./NewSessionDialog";
import { SessionActions } from "./SessionActions";
import styles from "./sessions.module.css";

const TITLES: Record<Place, string> = {
  container: "In containers",
  host: "On the host",
  run: "Of runs",
};

export default function SessionsPage() {
  const sessions = useQuery(sessionsQuery);
  const [opening, setOpening] = useState(false);
  useKeys((key) => {
    if (key !== "n") return false;
    setOpening(true);
    return true;
  });
  const all = sessions.data ?? [];
  return (
    <div className={page.page}>
      <header className={`${page.head ?? ""} ${styles.head ?? ""}`}>
        <div>
          <h1>Sessions</h1>
          <p>Terminals that people attach to, many at once.</p>
        </div>
        <Button tone="primary" icon={<PlusIcon />} onClick={() => setOpening(true)} aria-keyshortcuts="n">
          New session
        </Button>
      </header>
      {sessions.isPending && <Skeleton lines={6} />}
      {sessions.isError && !sessions.data && (
        <ErrorNotice
          title="Could not load the sessions"
          error={sessions.error}
          retry={() => void sessions.refetch()}
        />
      )}
      {sessions.isSuccess && all.length === 0 && (
        <EmptyState title="No session yet">
          <p>Each run has one. Open another for a shell in a container of your own.</p>
        </EmptyState>
      )}
      {PLACES.map((place) => {
        const here = all.filter((session) => placeOf(session) === place);
        return here.length === 0 ? null : <Group key={place} title={TITLES[place]} sessions={here} />;
      })}
      {opening && <NewSessionDialog onClose={() => setOpening(false)} />}
    </div>
  );
}

function Group({ title, sessions }: { title: string; sessions: Session[] }) {
  return (
    <section className={page.panel} aria-label={title}>
      <header className={page.panelHead}>
        <h2>{title}</h2>
      </header>
      <ul className={styles.list}>
        {sessions.map((session) => (
          <li key={session.id} className={styles.row}>
            <Link href={address(session)} className={`${linkStyle} ${styles.name ?? ""}`}>
              {session.id}
            </Link>
            <StateBadge state={standing(session)} />
            <span className={page.faint}>
              {[
                session.project,
                session.image,
                session.command === "" ? "shell" : session.command,
                session.private ? `private to ${session.owner ?? "its owner"}` : session.owner,
                session.viewers > 0 ? plural(session.viewers, "viewer") : null,
              ]
                .filter((part) => part != null)
                .join(" · ")}{" "}
              · made <Ago at={session.created_at} />
            </span>
            <span className={page.end}>
              <SessionActions session={session} />
            </span>
            {session.detail != null && <p className={styles.detail}>{session.detail}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
