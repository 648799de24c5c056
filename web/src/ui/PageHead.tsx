/** The head of a page about one thing: where it is, what it is, what can be done with it, and its facts in a line. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { linkStyle } from "./link";
import styles from "./PageHead.module.css";
import { RichText } from "./RichText";

/** A place above this page. */
export interface Crumb {
  text: string;
  href: string;
}

interface PageHeadProps {
  /** From the board downwards, without the page itself. */
  above: Crumb[];
  /** The page's own name. */
  here: string;
  title: string;
  actions: ReactNode;
  /** The facts. */
  children: ReactNode;
  className?: string | undefined;
}

export function PageHead({ above, here, title, actions, children, className }: PageHeadProps) {
  return (
    <header className={`${styles.head ?? ""} ${className ?? ""}`}>
      <nav className={styles.crumbs} aria-label="Where this is">
        {above.map((crumb) => (
          <Step key={crumb.href} {...crumb} />
        ))}
        <span>{here}</span>
      </nav>
      <div className={styles.title}>
        <h1>
          <RichText text={title} />
        </h1>
        <div className={styles.actions}>{actions}</div>
      </div>
      <div className={styles.facts}>{children}</div>
    </header>
  );
}

function Step({ text, href }: Crumb) {
  return (
    <>
      <Link href={href} className={linkStyle}>
        {text}
      </Link>
      <span aria-hidden="true">/</span>
    </>
  );
}

/** The way to a project's tasks, under which its tasks and runs stand. */
export function projectCrumbs(project: string): Crumb[] {
  return [
    { text: "Board", href: "/" },
    { text: project, href: `/?project=${encodeURIComponent(project)}` },
  ];
}
