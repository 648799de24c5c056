import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import type { Session } from "../../api/types";
import { fakeServer, jsonResponse, renderAt, type Asked } from "../../test/app";
import { aProject, aSession } from "../../test/fixtures";
import SessionsPage from "./SessionsPage";

function served(sessions: Session[], more: (asked: Asked) => Response | undefined = () => undefined) {
  return fakeServer((asked) => {
    const given = more(asked);
    if (given) return given;
    if (asked.path === "/api/v1/projects") return jsonResponse([aProject({ name: "Antenna" })]);
    return asked.path === "/api/v1/sessions" ? jsonResponse(sessions) : undefined;
  });
}

describe("SessionsPage", () => {
  it("lists sessions by where they run, each with its terminal's address", async () => {
    served([
      aSession({ id: "try", project: "Antenna", owner: "ann", viewers: 2 }),
      aSession({ id: "ops", source: "discovered", state: null, command: "htop" }),
      aSession({ id: "antenna-1.1", source: "run", run: "antenna-1.1", state: null, live: false }),
    ]);
    renderAt(<SessionsPage />);
    const containers = within(await screen.findByRole("region", { name: "In containers" }));
    expect(containers.getByRole("link", { name: "try" })).toHaveAttribute("href", "/sessions/try");
    expect(containers.getByText(/Antenna · shell · ann · 2 viewers/)).toBeVisible();
    const host = within(screen.getByRole("region", { name: "On the host" }));
    expect(host.getByText(/htop/)).toBeVisible();
    expect(host.queryByRole("button", { name: /Stop/ })).toBeNull();
    const runs = within(screen.getByRole("region", { name: "Of runs" }));
    expect(runs.getByRole("link", { name: "antenna-1.1" })).toHaveAttribute("href", "/runs/antenna-1.1");
    expect(runs.queryByRole("button")).toBeNull();
  });

  it("opens a session by keyboard alone, and goes to it", async () => {
    const user = userEvent.setup();
    const log = served([], ({ method, path }) =>
      method === "POST" && path === "/api/v1/sessions"
        ? jsonResponse(aSession({ id: "try" }), 201)
        : undefined,
    );
    const { history } = renderAt(<SessionsPage />);
    await screen.findByText("No session yet");
    await user.keyboard("n");
    await screen.findByRole("option", { name: "Antenna" });
    expect(screen.getByLabelText("Name")).toHaveFocus();
    await user.keyboard("try");
    await user.selectOptions(screen.getByLabelText("Project"), "Antenna");
    await user.type(screen.getByLabelText("Name"), "{Enter}");
    await waitFor(() => expect(history.at(-1)).toBe("/sessions/try"));
    expect(log.find((asked) => asked.method === "POST")?.body).toEqual({
      name: "try",
      kind: "container",
      project: "Antenna",
      image: null,
      folder: null,
      command: null,
      private: false,
    });
  });

  it("says why a session was not opened, and what to do", async () => {
    const user = userEvent.setup();
    served([], ({ method }) =>
      method === "POST"
        ? jsonResponse({ code: "conflict", message: "8 are open.", fix: "Stop one." }, 409)
        : undefined,
    );
    renderAt(<SessionsPage />);
    await user.click(await screen.findByRole("button", { name: "New session" }));
    await user.type(screen.getByLabelText("Name"), "try");
    await user.type(screen.getByLabelText("Image"), "debian:12{Enter}");
    expect((await screen.findAllByText("Stop one.")).length).toBeGreaterThan(0);
  });

  it("deletes a session after asking, and says where its work is", async () => {
    const user = userEvent.setup();
    const removed = { id: "try", gone: true, saved_ref: "refs/strawboss/saved/s-1.1", repository: "/m.git" };
    const log = served([aSession({ id: "try" })], ({ method }) =>
      method === "DELETE" ? jsonResponse(removed) : undefined,
    );
    renderAt(<SessionsPage />);
    await user.click(await screen.findByRole("button", { name: "Delete try" }));
    expect(log.some((asked) => asked.method === "DELETE")).toBe(false);
    await user.click(screen.getByRole("button", { name: "Delete the session" }));
    expect(await screen.findByText(/git fetch \/m\.git refs\/strawboss\/saved\/s-1\.1/)).toBeVisible();
    expect(log.find((asked) => asked.method === "DELETE")?.path).toBe("/api/v1/sessions/try");
  });

  it("starts what was stopped", async () => {
    const user = userEvent.setup();
    const stopped = aSession({ id: "try", state: "stopped", live: false, detail: "A person stopped it." });
    const log = served([stopped], ({ method }) => (method === "POST" ? jsonResponse(stopped) : undefined));
    renderAt(<SessionsPage />);
    expect(await screen.findByText("A person stopped it.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Start try" }));
    await waitFor(() => expect(log.some((asked) => asked.path === "/api/v1/sessions/try/start")).toBe(true));
  });
});
