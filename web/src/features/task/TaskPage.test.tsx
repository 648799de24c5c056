import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { fakeServer, jsonResponse, renderAt } from "../../test/app";
import { aTask } from "../../test/fixtures";
import TaskPage from "./TaskPage";

describe("TaskPage", () => {
  it("leads to what a task depends on, and names what is not there", async () => {
    const depends_on = [
      { name: "id:7", task: "antenna-7" },
      { name: "id:gone", task: null },
    ];
    const task = aTask({ depends_on, waits_for: "Waits for what it depends on." });
    fakeServer(({ path }) => {
      if (path === "/api/v1/tasks/antenna-1") return jsonResponse(task);
      return path.endsWith("/runs") ? jsonResponse({ items: [] }) : undefined;
    });
    renderAt(<TaskPage id="antenna-1" />);
    expect(await screen.findByRole("link", { name: "antenna-7" })).toHaveAttribute(
      "href",
      "/tasks/antenna-7",
    );
    expect(screen.getByText("id:gone").closest("a")).toBeNull();
    expect(screen.getByText("Waits for what it depends on.")).toBeVisible();
  });
});
