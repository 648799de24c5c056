/** The repositories that the crew may work on, and under which rules. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { projectsQuery } from "../../api/queries";
import type { Project } from "../../api/types";
import { useLive } from "../../live/LiveProvider";
import { EmptyState } from "../../ui/EmptyState";
import { linkStyle } from "../../ui/link";
import { ErrorNotice, Notice } from "../../ui/Notice";
import page from "../../ui/page.module.css";
import { Skeleton } from "../../ui/Skeleton";
import { StateMark, stateWord, toneClass } from "../../ui/StateMark";
import { COLUMNS, columnOf } from "../board/model";
import styles from "./ProjectsPage.module.css";

export default function ProjectsPage() {
  const projects = useQuery(projectsQuery);
  return (
    <div className={page.page}>
      <header className={page.head}>
        <h1>Projects</h1>
        <p>
          The repositories that the crew may work on, as <code>strawboss.yaml</code> names them.
        </p>
      </header>
      {projects.isPending && <Skeleton lines={6} />}
      {projects.isError && (
        <ErrorNotice
          title="Could not load the projects"
          error={projects.error}
          retry={() => void projects.refetch()}
        />
      )}
      {projects.data?.length === 0 && (
        <EmptyState title="No project yet">
          <p>
            Name a git repository in <code>strawboss.yaml</code>, under the name that the Project column of
            your backlog uses:
          </p>
          <pre>
            projects:{"\n"}
            {"  "}my-project: ~/src/my-project
          </pre>
        </EmptyState>
      )}
      {projects.data?.map((project) => (
        <ProjectPanel key={project.name} project={project} />
      ))}
    </div>
  );
}

function ProjectPanel({ project }: { project: Project }) {
  return (
    <section className={page.panel} aria-label={project.name}>
      <header className={page.panelHead}>
        <h2>
          <Link href={`/?project=${encodeURIComponent(project.name)}`} className={linkStyle}>
            {project.name}
          </Link>
        </h2>
        <TaskCounts project={project.name} />
      </header>
      <div className={`${page.pad ?? ""} ${styles.body ?? ""}`}>
        {project.problem != null && (
          <Notice tone="bad" title="It cannot be worked on">
            <p>{project.problem}</p>
          </Notice>
        )}
        <dl className={styles.facts}>
          <Fact name="Repository" code>
            {project.repository}
          </Fact>
          <Fact name="Branch" code>
            {project.branch ?? "the repository's default"}
          </Fact>
          <Fact name="Agent">{project.agent}</Fact>
          <Fact name="Image" code>
            {project.image ?? "the default image"}
          </Fact>
          <Fact name="Before a start">
            {project.approval === "auto" ? "starts by itself" : "a person approves each task"}
          </Fact>
          <Fact name="After the checks">
            {project.review === "auto" ? "merged when all are green" : "a person reviews"}
          </Fact>
          <Fact name="Checks">
            {project.checks.length === 0 ? (
              <span className={styles.none}>none: nothing proves the work but your review</span>
            ) : (
              <Codes items={project.checks} />
            )}
          </Fact>
          <Fact name="May reach">
            {project.allow.length === 0 ? (
              "only its model and its repository"
            ) : (
              <Codes items={project.allow} />
            )}
          </Fact>
        </dl>
      </div>
    </section>
  );
}

function Codes({ items }: { items: readonly string[] }) {
  return (
    <span className={styles.codes}>
      {items.map((item) => (
        <code key={item}>{item}</code>
      ))}
    </span>
  );
}

function Fact({ name, code, children }: { name: string; code?: boolean; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={code === true ? styles.code : undefined}>{children}</dd>
    </div>
  );
}

function TaskCounts({ project }: { project: string }) {
  const { tasks } = useLive();
  const counts = new Map<string, number>();
  for (const task of tasks.values()) {
    if (task.project !== project) continue;
    const column = columnOf(task.state);
    counts.set(column, (counts.get(column) ?? 0) + 1);
  }
  return (
    <ul className={styles.counts}>
      {COLUMNS.filter((column) => counts.has(column)).map((column) => (
        <li key={column} className={toneClass(column)} title={stateWord(column)}>
          <StateMark state={column} size={13} />
          <span className="visually-hidden">{stateWord(column)}: </span>
          {counts.get(column)}
        </li>
      ))}
    </ul>
  );
}
