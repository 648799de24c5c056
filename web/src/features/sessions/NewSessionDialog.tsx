import { useQuery } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";
import { useLocation } from "wouter";
import { projectsQuery, useOpenSession } from "../../api/queries";
import type { NewSession } from "../../api/types";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import fields from "../../ui/fields.module.css";
import { ErrorNotice, Notice } from "../../ui/Notice";

function said(text: string): string | null {
  return text.trim() === "" ? null : text.trim();
}

/** Opens a session, and goes to its terminal. */
export function NewSessionDialog({ onClose }: { onClose: () => void }) {
  const projects = useQuery(projectsQuery);
  const open = useOpenSession();
  const [, navigate] = useLocation();
  const [kind, setKind] = useState<"container" | "host">("container");
  const [name, setName] = useState("");
  const [project, setProject] = useState("");
  const [image, setImage] = useState("");
  const [folder, setFolder] = useState("");
  const [command, setCommand] = useState("");
  const [own, setOwn] = useState(false);
  const contained = kind === "container";

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const session: NewSession = {
      name: name.trim(),
      kind,
      project: said(project),
      image: contained ? said(image) : null,
      folder: contained ? null : said(folder),
      command: said(command),
      private: contained && own,
    };
    open.mutate(session, { onSuccess: () => navigate(`/sessions/${encodeURIComponent(session.name)}`) });
  };

  return (
    <Dialog title="New session" onClose={onClose} wide>
      <form className={fields.form} onSubmit={submit}>
        <div className={fields.row}>
          <label className={fields.field}>
            Name
            <input
              required
              autoFocus
              maxLength={64}
              pattern="[A-Za-z0-9_\-]+"
              title="Letters, digits, dashes and underscores"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </label>
          <label className={fields.field}>
            Where
            <select
              value={kind}
              onChange={(event) => setKind(event.target.value === "host" ? "host" : "container")}
            >
              <option value="container">In a container of its own</option>
              <option value="host">On the host (tmux)</option>
            </select>
          </label>
        </div>
        <div className={fields.row}>
          <label className={fields.field}>
            Project
            <select
              required={contained && image.trim() === ""}
              value={project}
              onChange={(event) => setProject(event.target.value)}
            >
              <option value="">{contained ? "None: an empty folder" : "None"}</option>
              {(projects.data ?? []).map((one) => (
                <option key={one.name}>{one.name}</option>
              ))}
            </select>
          </label>
          {contained ? (
            <label className={fields.field}>
              Image
              <input
                required={project === ""}
                placeholder={project === "" ? "debian:12" : "The project's"}
                value={image}
                onChange={(event) => setImage(event.target.value)}
              />
            </label>
          ) : (
            <label className={fields.field}>
              Folder
              <input
                placeholder="The project's, or home"
                value={folder}
                onChange={(event) => setFolder(event.target.value)}
              />
            </label>
          )}
        </div>
        <label className={fields.field}>
          Command
          <input placeholder="A shell" value={command} onChange={(event) => setCommand(event.target.value)} />
        </label>
        {contained ? (
          <label className={fields.check}>
            <input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} />
            Only I and admins may attach
          </label>
        ) : (
          <Notice tone="warn">
            <p>
              This is a shell of the user that the service runs as: whoever types in it may do whatever that
              user may.
            </p>
          </Notice>
        )}
        {open.isError && <ErrorNotice title="The session was not opened" error={open.error} />}
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={open.isPending}>
            Open session
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
