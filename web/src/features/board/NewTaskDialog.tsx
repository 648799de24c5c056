import { useQuery } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";
import { projectsQuery, useAddTask } from "../../api/queries";
import type { NewTask } from "../../api/types";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import fields from "../../ui/fields.module.css";
import { ErrorNotice, Notice } from "../../ui/Notice";

const AGENTS = ["claude", "codex", "gemini", "qwen", "opencode", "shell"];

interface NewTaskProps {
  /** The project that the board is filtered to. */
  project: string;
  onClose: () => void;
}

/** A task by hand, beside those of the sources. */
export function NewTaskDialog({ project: given, onClose }: NewTaskProps) {
  const projects = useQuery(projectsQuery);
  const add = useAddTask();
  const [project, setProject] = useState(given);
  const [action, setAction] = useState("");
  const [priority, setPriority] = useState("");
  const [deadline, setDeadline] = useState("");
  const [agent, setAgent] = useState("");
  const [model, setModel] = useState("");
  const [gpu, setGpu] = useState(false);

  const known = projects.data ?? [];
  const chosen = project === "" && known.length === 1 ? (known[0]?.name ?? "") : project;
  const config = known.find((one) => one.name === chosen);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const task: NewTask = {
      project: chosen,
      action: action.trim(),
      priority: priority === "" ? null : Number(priority),
      deadline: deadline === "" ? null : deadline,
      needs_gpu: gpu,
      agent: agent === "" ? null : agent,
      model: model.trim() === "" ? null : model.trim(),
    };
    add.mutate(task, { onSuccess: onClose });
  };

  return (
    <Dialog title="Add a task" onClose={onClose} wide>
      <form className={fields.form} onSubmit={submit}>
        <label className={fields.field}>
          Project
          <select required value={chosen} onChange={(event) => setProject(event.target.value)}>
            <option value="" disabled>
              {projects.isPending ? "Loading…" : "Choose a project"}
            </option>
            {known.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        {projects.isSuccess && known.length === 0 && (
          <Notice tone="warn" fix="Name a repository under `projects:` in `strawboss.yaml` and restart.">
            <p>No project is configured.</p>
          </Notice>
        )}
        {config?.problem != null && (
          <Notice tone="warn">
            <p>This project cannot be worked on now: {config.problem}</p>
          </Notice>
        )}
        <label className={fields.field}>
          What shall be done
          <textarea
            required
            autoFocus
            rows={5}
            placeholder="Tell the agent what to do, and how it knows that it is done."
            value={action}
            onChange={(event) => setAction(event.target.value)}
          />
        </label>
        <div className={fields.row}>
          <label className={fields.field}>
            Priority
            <input
              type="number"
              min={1}
              max={999}
              placeholder="1 goes first"
              value={priority}
              onChange={(event) => setPriority(event.target.value)}
            />
          </label>
          <label className={fields.field}>
            Deadline
            <input type="date" value={deadline} onChange={(event) => setDeadline(event.target.value)} />
          </label>
        </div>
        <div className={fields.row}>
          <label className={fields.field}>
            Agent
            <select value={agent} onChange={(event) => setAgent(event.target.value)}>
              <option value="">{config ? `The project's: ${config.agent}` : "The project's"}</option>
              {AGENTS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <label className={fields.field}>
            Model
            <input
              placeholder="The agent's default"
              value={model}
              onChange={(event) => setModel(event.target.value)}
            />
          </label>
        </div>
        <label className={fields.check}>
          <input type="checkbox" checked={gpu} onChange={(event) => setGpu(event.target.checked)} />
          Needs a GPU
        </label>
        {add.isError && <ErrorNotice title="The task was not added" error={add.error} />}
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={add.isPending}>
            Add task
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
