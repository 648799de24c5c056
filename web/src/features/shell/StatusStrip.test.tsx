import { act, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { fakeServer, jsonResponse, renderAt } from "../../test/app";
import { aPart, aStatus, aTask } from "../../test/fixtures";
import { StatusStrip } from "./StatusStrip";

describe("StatusStrip", () => {
  it("says since when what is shown is stale, and that it is live again", async () => {
    fakeServer(() => undefined);
    const { store } = renderAt(<StatusStrip />, { tasks: [aTask()] });
    expect(screen.getByText("Live")).toBeVisible();
    act(() => store.lost(Date.now() + 9_000));
    expect(await screen.findByText(/^Stale: as of \d\d:\d\d:\d\d/)).toBeVisible();
    expect(screen.getByText(/next try in \d+s/)).toBeVisible();
    act(() => store.apply([{ type: "snapshot", tasks: [] }]));
    expect(screen.getByText("Live")).toBeVisible();
  });

  it("shows what does not answer, what waits, and why nothing starts", async () => {
    fakeServer(({ path }) =>
      path === "/api/v1/status"
        ? jsonResponse(
            aStatus({
              runner: aPart({
                name: "docker",
                state: "failing",
                ok: false,
                detail: "No engine at /var/run/docker.sock.",
              }),
              outbox_waiting: 3,
              paused: "The disk is full.",
              live_runs: 1,
            }),
          )
        : undefined,
    );
    renderAt(<StatusStrip />);
    expect(await screen.findByRole("alert")).toHaveTextContent("No engine at /var/run/docker.sock.");
    expect(screen.getByText("3 write-backs waiting")).toBeVisible();
    expect(screen.getByText("The disk is full.")).toBeVisible();
  });
});
