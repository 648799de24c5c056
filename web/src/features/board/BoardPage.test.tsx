import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { fakeServer, jsonResponse, renderAt } from "../../test/app";
import { aRun, aStatus, aTask } from "../../test/fixtures";
import { BoardPage } from "./BoardPage";

function column(name: string): HTMLElement {
  return screen.getByRole("region", { name: new RegExp(`^${name}`) });
}

const queued = aTask({ id: "a-1", action: "Speed up the FFT", state: "queued", project: "Antenna" });
const running = aTask({
  id: "b-1",
  action: "Round totals",
  state: "running",
  project: "Billing",
  run: aRun({ id: "b-1.1" }),
});

describe("BoardPage", () => {
  beforeEach(() => {
    fakeServer(() => undefined);
  });

  it("moves a card when the server says so", async () => {
    const { store } = renderAt(<BoardPage />, { tasks: [queued] });
    expect(within(column("Queued")).getByRole("link", { name: "Speed up the FFT" })).toHaveAttribute(
      "href",
      "/tasks/a-1",
    );
    act(() =>
      store.apply([{ type: "task", task: { ...queued, state: "running", run: aRun({ id: "a-1.1" }) } }]),
    );
    expect(within(column("Running")).getByRole("link", { name: "Speed up the FFT" })).toHaveAttribute(
      "href",
      "/runs/a-1.1",
    );
    expect(within(column("Queued")).queryByText("Speed up the FFT")).toBeNull();
    act(() => store.apply([{ type: "snapshot", tasks: [] }]));
    await waitFor(() => expect(screen.getByText(/the backlog is empty/)).toBeVisible());
  });

  it("shows why something is blocked and how to mend it, and overdue work", () => {
    renderAt(<BoardPage />, {
      tasks: [
        aTask({
          state: "blocked",
          deadline: "2001-01-01",
          block: { code: "failed", message: "`make` failed.", fix: "Mend it." },
        }),
      ],
    });
    const blocked = within(column("Blocked"));
    expect(blocked.getByText("Mend it.")).toBeVisible();
    expect(blocked.getByText("make")).toBeVisible();
    expect(blocked.getByText(/days overdue/)).toBeVisible();
    expect(blocked.getByRole("button", { name: "Retry" })).toBeEnabled();
  });

  it("offers no retry where it would change nothing", () => {
    renderAt(<BoardPage />, {
      tasks: [aTask({ state: "blocked", block: { code: "no_gpu", message: "No GPU.", fix: "Add one." } })],
    });
    expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
  });

  it("shows hostile text as text", () => {
    const evil = '<img src=x onerror="alert(1)"> `<b>`';
    const { container } = renderAt(<BoardPage />, { tasks: [aTask({ action: evil, project: "<i>p</i>" })] });
    expect(container.querySelector("article img, article b, article i")).toBeNull();
    expect(screen.getByText("<i>p</i>", { selector: "article *" })).toBeVisible();
    expect(screen.getByRole("link", { name: /onerror/ })).toBeVisible();
  });

  it("shows what an agent asks, as text, and how far it says that it is", () => {
    const question = { number: 1, text: "Keep <b>both</b>?", choices: [], at: 0, answer: null };
    const progress = { text: "Half of it", percent: 50, at: 0 };
    const run = aRun({ state: "waiting", waiting_for: "an answer to its question", question, progress });
    const { container } = renderAt(<BoardPage />, { tasks: [{ ...running, run }] });
    const card = within(column("Running"));
    expect(card.getByText("Keep <b>both</b>?")).toBeVisible();
    expect(container.querySelector("article b")).toBeNull();
    expect(card.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "50");
    expect(card.queryByText(/Waits for an answer/)).toBeNull();
  });

  it("filters by words and project, and keeps that in the address", async () => {
    const user = userEvent.setup();
    const { history } = renderAt(<BoardPage />, { tasks: [queued, running] });
    await user.type(screen.getByRole("searchbox"), "fft");
    expect(screen.queryByText("Round totals")).toBeNull();
    expect(history.at(-1)).toContain("q=fft");
    await user.selectOptions(screen.getByLabelText("Project"), "Billing");
    expect(screen.queryByText("Speed up the FFT")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Clear" }));
    expect(screen.getByText("Speed up the FFT")).toBeVisible();
    expect(screen.getByText("Round totals")).toBeVisible();
  });

  it("is worked by the keyboard", async () => {
    const user = userEvent.setup();
    renderAt(<BoardPage />, {
      tasks: [queued, { ...queued, id: "a-2", action: "Second", priority: 4 }, running],
    });
    await user.keyboard("j");
    expect(screen.getByRole("link", { name: "Speed up the FFT" })).toHaveFocus();
    await user.keyboard("j");
    expect(screen.getByRole("link", { name: "Second" })).toHaveFocus();
    await user.keyboard("l");
    expect(screen.getByRole("link", { name: "Round totals" })).toHaveFocus();
    await user.keyboard("hk");
    expect(screen.getByRole("link", { name: "Speed up the FFT" })).toHaveFocus();
    await user.keyboard("/");
    expect(screen.getByRole("searchbox")).toHaveFocus();
    // In a field keys are letters.
    await user.keyboard("j?n");
    expect(screen.getByRole("searchbox")).toHaveValue("j?n");
    expect(screen.queryByRole("dialog")).toBeNull();
    await user.keyboard("{Escape}");
    await user.keyboard("?");
    expect(screen.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  });

  it("keeps the selection on a card that moves", async () => {
    const user = userEvent.setup();
    const { store } = renderAt(<BoardPage />, { tasks: [queued, running] });
    await user.keyboard("j");
    act(() => store.apply([{ type: "task", task: { ...queued, state: "review" } }]));
    await waitFor(() => expect(within(column("In review")).getByRole("link")).toHaveFocus());
  });

  it("shows an action's failure with its fix", async () => {
    const log = fakeServer(({ path }) =>
      path.endsWith("/approve")
        ? jsonResponse({ code: "conflict", message: "It runs already.", fix: "Reload." }, 409)
        : undefined,
    );
    const user = userEvent.setup();
    renderAt(<BoardPage />, { tasks: [aTask({ id: "a-1", state: "pending" })] });
    await user.click(screen.getByRole("button", { name: "Approve" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("Could not approve the task");
    expect(alert).toHaveTextContent("It runs already.");
    expect(alert).toHaveTextContent("Reload.");
    expect(log.some(({ method, path }) => method === "POST" && path === "/api/v1/tasks/a-1/approve")).toBe(
      true,
    );
  });

  it("stops a run only when that is confirmed", async () => {
    const log = fakeServer(({ path }) => (path.endsWith("/stop") ? jsonResponse({}) : undefined));
    const stopped = () => log.filter(({ path }) => path.endsWith("/stop")).length;
    const user = userEvent.setup();
    renderAt(<BoardPage />, { tasks: [running] });
    await user.click(screen.getByRole("button", { name: "Stop" }));
    await user.click(screen.getByRole("button", { name: "Cancel" }));
    expect(stopped()).toBe(0);
    await user.click(screen.getByRole("button", { name: "Stop" }));
    await user.click(screen.getByRole("button", { name: "Stop the run" }));
    await waitFor(() => expect(stopped()).toBe(1));
  });

  it("caps what is done, counts all of it, and fetches the older", async () => {
    const done = (n: number) =>
      aTask({ id: `d-${n}`, action: `Done ${n}`, state: "done", updated_at: 1_000 - n });
    fakeServer(({ path }) => {
      if (path === "/api/v1/status") return jsonResponse(aStatus({ tasks: [{ state: "done", count: 40 }] }));
      if (path === "/api/v1/tasks") {
        return jsonResponse({ items: Array.from({ length: 40 }, (_, n) => done(n)), next: null });
      }
      return undefined;
    });
    const user = userEvent.setup();
    renderAt(<BoardPage />, { tasks: Array.from({ length: 15 }, (_, n) => done(n)) });
    await user.click(await screen.findByRole("button", { name: "Show more (28)" }));
    await waitFor(() => expect(within(column("Done")).getAllByRole("article")).toHaveLength(40));
    expect(within(column("Done")).queryByRole("button", { name: /Show more/ })).toBeNull();
  });

  it("adds a task", async () => {
    const log = fakeServer(({ path, method }) => {
      if (path === "/api/v1/projects") {
        return jsonResponse([
          {
            name: "Antenna",
            repository: "~/a",
            branch: "main",
            agent: "claude",
            image: null,
            checks: [],
            approval: "auto",
            review: "manual",
            allow: [],
            problem: null,
          },
        ]);
      }
      if (path === "/api/v1/tasks" && method === "POST") return jsonResponse(aTask(), 201);
      return undefined;
    });
    const user = userEvent.setup();
    renderAt(<BoardPage />, { tasks: [queued] });
    await user.keyboard("n");
    const dialog = within(screen.getByRole("dialog", { name: "Add a task" }));
    await waitFor(() => expect(dialog.getByLabelText("Project")).toHaveValue("Antenna"));
    await user.type(dialog.getByLabelText("What shall be done"), "Make it so");
    await user.type(dialog.getByLabelText("Priority"), "1");
    await user.click(dialog.getByRole("button", { name: "Add task" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(log.find(({ method }) => method === "POST")?.body).toEqual({
      project: "Antenna",
      action: "Make it so",
      priority: 1,
      deadline: null,
      needs_gpu: false,
      agent: null,
      model: null,
    });
  });

  it("shows one column at a time on a phone", async () => {
    vi.stubGlobal("matchMedia", (query: string) => ({
      matches: query.includes("760px"),
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    }));
    const user = userEvent.setup();
    renderAt(<BoardPage />, { tasks: [queued, running] });
    expect(screen.getByText("Round totals")).toBeVisible();
    expect(screen.queryByText("Speed up the FFT")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Queued 1" }));
    expect(screen.getByText("Speed up the FFT")).toBeVisible();
    expect(screen.queryByText("Round totals")).toBeNull();
  });
});
