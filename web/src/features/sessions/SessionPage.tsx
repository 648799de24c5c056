/** One session's terminal. */
import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { sessionsQuery } from "../../api/queries";
import { EmptyState } from "../../ui/EmptyState";
import { linkStyle } from "../../ui/link";
import { ErrorNotice, Notice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { Skeleton } from "../../ui/Skeleton";
import { StateBadge } from "../../ui/StateMark";
import { SessionTerminal } from "../run/terminal/TerminalView";
import { placeOf, standing, takesTyping } from "./model";
import { SessionActions } from "./SessionActions";
import styles from "./sessions.module.css";

export default function SessionPage({ id }: { id: string }) {
  const sessions = useQuery(sessionsQuery);
  const [, navigate] = useLocation();
  const session = sessions.data?.find((one) => one.id === id && placeOf(one) !== "run");
  if (sessions.isPending) return <Skeleton lines={6} />;
  if (sessions.isError && !sessions.data) {
    return (
      <ErrorNotice
        title="Could not load the session"
        error={sessions.error}
        retry={() => void sessions.refetch()}
      />
    );
  }
  if (session === undefined) {
    return (
      <EmptyState title={`There is no session ${id}`}>
        <p>
          It was deleted, or you may not see it.{" "}
          <Link href="/sessions" className={linkStyle}>
            All sessions
          </Link>
        </p>
      </EmptyState>
    );
  }
  return (
    <div className={styles.one}>
      <header className={styles.bar}>
        <Link href="/sessions" className={linkStyle}>
          Sessions
        </Link>
        <h1>{session.id}</h1>
        <StateBadge state={standing(session)} />
        <span className={page.faint}>
          {[session.project, session.image, session.owner].filter((part) => part != null).join(" · ")}
        </span>
        <span className={page.end}>
          <SessionActions session={session} onDeleted={() => navigate("/sessions")} />
        </span>
      </header>
      {session.detail != null && (
        <Notice tone={session.state === "failed" ? "bad" : "warn"}>
          <p>{session.detail}</p>
        </Notice>
      )}
      {/* A session that was started again has a terminal of its own. */}
      {session.state === "failed" ? null : (
        <SessionTerminal key={String(session.live)} id={session.id} drawn typing={takesTyping(session)} />
      )}
    </div>
  );
}
