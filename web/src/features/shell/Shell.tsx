/** What stands around every page: where one can go, and how the whole is doing. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link, useRoute } from "wouter";
import { signOut, statusQuery } from "../../api/queries";
import { asApiError } from "../../api/errors";
import { setSignInState } from "../../api/session";
import { useLive } from "../../live/LiveProvider";
import { Button } from "../../ui/Button";
import {
  AutoThemeIcon,
  BoardIcon,
  ExitIcon,
  FileIcon,
  Mark,
  MoonIcon,
  ProjectIcon,
  ReviewIcon,
  SunIcon,
  TerminalIcon,
} from "../../ui/icons";
import { setTheme, useTheme, type Theme } from "../../ui/theme";
import { toast } from "../../ui/toast";
import styles from "./Shell.module.css";
import { StatusStrip } from "./StatusStrip";

export function Shell({ children }: { children: ReactNode }) {
  const { data: status } = useQuery(statusQuery);
  const { tasks } = useLive();
  const reviews = [...tasks.values()].filter((task) => task.state === "review").length;

  useEffect(() => {
    // A look at the tab says whether somebody is waited for.
    document.title = reviews > 0 ? `(${reviews}) Strawboss` : "Strawboss";
  }, [reviews]);

  const leave = async () => {
    try {
      await signOut();
      setSignInState("signed-out");
    } catch (error) {
      const known = asApiError(error);
      toast.error("Could not sign out", known.message, known.fix);
    }
  };

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to content
      </a>
      <header className={styles.header}>
        <Link href="/" className={styles.brand} aria-label="Strawboss, board">
          <Mark />
          <span>Strawboss</span>
        </Link>
        <nav className={styles.nav} aria-label="Pages">
          <Tab href="/" icon={<BoardIcon size={18} />} exact>
            Board
          </Tab>
          <Tab href="/reviews" icon={<ReviewIcon size={18} />} count={reviews}>
            Reviews
          </Tab>
          <Tab href="/projects" icon={<ProjectIcon size={18} />}>
            Projects
          </Tab>
          <Tab href="/sessions" icon={<TerminalIcon size={18} />}>
            Sessions
          </Tab>
          <Tab
            href="/sources"
            icon={<FileIcon size={18} />}
            count={status?.sources.reduce((sum, source) => sum + source.problems.length, 0)}
            warn
          >
            Sources
          </Tab>
        </nav>
        <div className={styles.tools}>
          <ThemeButton />
          <Button tone="quiet" small label="Sign out" icon={<ExitIcon />} onClick={() => void leave()} />
        </div>
      </header>
      <StatusStrip />
      <main id="main" className={styles.main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

interface TabProps {
  href: string;
  /** Shown where the tabs stand at the foot of a phone. */
  icon: ReactNode;
  exact?: boolean;
  count?: number | undefined;
  warn?: boolean;
  children: string;
}

function Tab({ href, icon, exact, count = 0, warn, children }: TabProps) {
  const [here] = useRoute(exact === true ? href : `${href}/*?`);
  return (
    <Link href={href} className={styles.tab} aria-current={here ? "page" : undefined}>
      <span className={styles.icon}>{icon}</span>
      {children}
      {count > 0 && (
        <span className={`${styles.count ?? ""} ${warn === true ? (styles.warn ?? "") : ""}`}>{count}</span>
      )}
    </Link>
  );
}

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const NAMES: Record<Theme, string> = { auto: "as the system", light: "light", dark: "dark" };

function ThemeButton() {
  const theme = useTheme();
  const icon = theme === "light" ? <SunIcon /> : theme === "dark" ? <MoonIcon /> : <AutoThemeIcon />;
  return (
    <Button
      tone="quiet"
      small
      label={`Theme: ${NAMES[theme]}. Change to ${NAMES[NEXT[theme]]}`}
      icon={icon}
      onClick={() => setTheme(NEXT[theme])}
    />
  );
}
