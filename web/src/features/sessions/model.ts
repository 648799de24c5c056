/** What a session is to people. */
import type { Session } from "../../api/types";

/** The kinds, in the order of the page. */
export const PLACES = ["container", "host", "run"] as const;
export type Place = (typeof PLACES)[number];

export function placeOf(session: Session): Place {
  switch (session.source) {
    case "container":
      return "container";
    case "run":
      return "run";
    default:
      return "host";
  }
}

/** How it stands, in a word of the state marks. */
export function standing(session: Session): string {
  return session.state ?? (session.live ? "running" : "finished");
}

/** Where its terminal is looked at: a run's on the run's own page. */
export function address(session: Session): string {
  return session.run == null
    ? `/sessions/${encodeURIComponent(session.id)}`
    : `/runs/${encodeURIComponent(session.run)}`;
}

/** Whether somebody can type in it now. */
export function takesTyping(session: Session): boolean {
  return session.live && (session.state == null || session.state === "running");
}
