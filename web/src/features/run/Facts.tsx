/** The side of the run page: what is known about the run, and when it was known. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Refusal, RunDetail, Task } from "../../api/types";
import { bytes, cost, count, shortDuration } from "../../ui/format";
import { linkStyle } from "../../ui/link";
import { Ago, Clock } from "../../ui/time";
import { RunList } from "../task/RunList";
import styles from "./Facts.module.css";
import { Timeline } from "./Timeline";
import type { RunEvents } from "./activity/useRunEvents";

interface FactsProps {
  detail: RunDetail;
  task: Task | undefined;
  events: RunEvents["events"];
}

export function Facts({ detail, task, events }: FactsProps) {
  const { run } = detail;
  return (
    <aside className={styles.side} aria-label="Facts">
      <Section title="Timeline">
        <Timeline run={run} events={events} />
      </Section>
      <Section title="Run">
        <dl className={styles.facts}>
          <Fact name="Agent">{run.agent}</Fact>
          {run.agent !== "shell" && <Fact name="Model">{run.model ?? "the agent's default"}</Fact>}
          <Fact name="Branch" code>
            {run.branch}
          </Fact>
          <Fact name="Into" code>
            {run.target}
          </Fact>
          {detail.base_commit != null && (
            <Fact name="From" code>
              {detail.base_commit.slice(0, 10)}
            </Fact>
          )}
          {detail.head_commit != null && (
            <Fact name="Pushed" code>
              {detail.head_commit.slice(0, 10)}
            </Fact>
          )}
          {detail.merged_commit != null && (
            <Fact name="Landed as" code>
              {detail.merged_commit.slice(0, 10)}
            </Fact>
          )}
          {detail.saved_ref != null && (
            <Fact name="Saved work" code>
              {detail.saved_ref}
            </Fact>
          )}
          {detail.resumes != null && (
            <Fact name="Goes on from">
              <Link href={`/runs/${encodeURIComponent(detail.resumes)}`} className={linkStyle}>
                {detail.resumes}
              </Link>
            </Fact>
          )}
          <Fact name="Made">
            <Clock at={run.created_at} />
          </Fact>
        </dl>
      </Section>
      {(run.agent !== "shell" || run.usage.requests > 0) && <UsageSection detail={detail} />}
      {detail.load && run.state !== "finished" && <LoadSection detail={detail} />}
      <Refusals refusals={detail.refusals} />
      {task && task.attempts > 1 && (
        <Section title={`Runs of this task (${task.attempts})`}>
          <RunList task={task} current={run.id} />
        </Section>
      )}
    </aside>
  );
}

function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className={styles.section}>
      <h2>
        {title}
        {aside !== undefined && <span className={styles.aside}>{aside}</span>}
      </h2>
      {children}
    </section>
  );
}

function Fact({ name, code, children }: { name: string; code?: boolean; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={code === true ? styles.code : undefined}>{children}</dd>
    </div>
  );
}

function UsageSection({ detail }: { detail: RunDetail }) {
  const { usage } = detail.run;
  const price = cost(usage);
  if (usage.requests === 0) {
    return (
      <Section title="Usage">
        <p className={styles.note}>No model was asked yet.</p>
      </Section>
    );
  }
  return (
    <Section title="Usage" aside={price ?? "no price known"}>
      <dl className={styles.facts}>
        <Fact name="Requests">{count(usage.requests)}</Fact>
        <Fact name="Read">{count(usage.input_tokens)} tokens</Fact>
        <Fact name="From cache">{count(usage.cache_read_tokens)} tokens</Fact>
        <Fact name="To cache">{count(usage.cache_write_tokens)} tokens</Fact>
        <Fact name="Written">{count(usage.output_tokens)} tokens</Fact>
      </dl>
    </Section>
  );
}

function LoadSection({ detail }: { detail: RunDetail }) {
  const load = detail.load;
  if (!load) return null;
  return (
    <Section title="Sandbox" aside={<Ago at={load.at} />}>
      <dl className={styles.facts}>
        <Fact name="CPU time">{load.cpu_ms == null ? "unknown" : shortDuration(load.cpu_ms)}</Fact>
        <Fact name="Memory">{load.memory_bytes == null ? "unknown" : bytes(load.memory_bytes)}</Fact>
        <Fact name="Disk">{load.disk_bytes == null ? "unknown" : bytes(load.disk_bytes)}</Fact>
        <Fact name="Processes">{load.processes ?? "unknown"}</Fact>
      </dl>
    </Section>
  );
}

/** What the door refused. The agents' own probes are no cause for thought and stand apart. */
function Refusals({ refusals }: { refusals: readonly Refusal[] }) {
  const probes = refusals.filter((refusal) => refusal.known_probe);
  const others = refusals.filter((refusal) => !refusal.known_probe);
  return (
    <Section title="Refused by the door" aside={others.length > 0 ? others.length : undefined}>
      {others.length === 0 && <p className={styles.note}>Nothing that it should have reached.</p>}
      {others.length > 0 && (
        <>
          <RefusalList refusals={others} />
          <p className={styles.note}>
            To let this project reach a host, name it under <code>network: allow:</code> in{" "}
            <code>strawboss.yaml</code>.
          </p>
        </>
      )}
      {probes.length > 0 && (
        <details className={styles.probes}>
          <summary>Known probes of the agent ({probes.length})</summary>
          <RefusalList refusals={probes} />
        </details>
      )}
    </Section>
  );
}

function RefusalList({ refusals }: { refusals: readonly Refusal[] }) {
  return (
    <ul className={styles.refusals}>
      {refusals.map((refusal) => (
        <li key={refusal.target + refusal.reason}>
          <p>
            <code>{refusal.target}</code>
            {refusal.count > 1 && <span className={styles.times}>×{count(refusal.count)}</span>}
          </p>
          <p className={styles.note}>
            {refusal.reason}, <Ago at={refusal.last_at} />
          </p>
        </li>
      ))}
    </ul>
  );
}
