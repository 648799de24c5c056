import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { fakeServer, jsonResponse, renderAt } from "../../test/app";
import { aDetail, aRun, aTask, NOW } from "../../test/fixtures";
import { ChecksPanel } from "./ChecksPanel";
import { DiffPanel } from "./diff/DiffPanel";
import { Facts } from "./Facts";
import { Removed } from "./Removed";
import { SayLine } from "./SayLine";
import { Standing } from "./Standing";

describe("SayLine", () => {
  it("sends with Enter, breaks with Shift+Enter, and clears", async () => {
    const log = fakeServer(({ method }) =>
      method === "POST" ? new Response(null, { status: 204 }) : undefined,
    );
    renderAt(<SayLine run={aRun()} />);
    const field = screen.getByLabelText("Tell the agent");
    await userEvent.type(field, "Use jitter{Shift>}{Enter}{/Shift}please{Enter}");
    await waitFor(() => expect(field).toHaveValue(""));
    expect(log.find(({ method }) => method === "POST")).toMatchObject({
      path: "/api/v1/runs/antenna-1.1/say",
      body: { text: "Use jitter\nplease" },
    });
  });

  it("keeps what was not taken", async () => {
    fakeServer(({ method }) =>
      method === "POST"
        ? jsonResponse({ code: "conflict", message: "It is over.", fix: null }, 409)
        : undefined,
    );
    renderAt(<SayLine run={aRun()} />);
    const field = screen.getByLabelText("Tell the agent");
    await userEvent.type(field, "hello{Enter}");
    expect(await screen.findByText("It is over.")).toBeVisible();
    expect(field).toHaveValue("hello");
  });

  it("says why nothing can be said", () => {
    fakeServer(() => undefined);
    renderAt(<SayLine run={aRun({ state: "finished" })} />);
    expect(screen.getByLabelText("Tell the agent")).toBeDisabled();
    expect(screen.getByPlaceholderText(/The run is over/)).toBeInTheDocument();
  });
});

describe("Question", () => {
  const asked = {
    number: 2,
    text: "Keep <b>both</b>?",
    choices: ["Yes", "<i>No</i>"],
    at: NOW,
    answer: null,
  };
  const run = aRun({ state: "waiting", waiting_for: "an answer to its question", question: asked });

  it("is shown as text, and answered by what it offers", async () => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse(aRun()) : undefined));
    const { container } = renderAt(
      <Standing detail={aDetail(run, { questions: [asked] })} task={undefined} />,
    );
    expect(screen.getByText("Keep <b>both</b>?")).toBeVisible();
    expect(container.querySelector("section b, button i")).toBeNull();
    expect(screen.queryByText("It waits")).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "<i>No</i>" }));
    await waitFor(() =>
      expect(log.find(({ method }) => method === "POST")).toMatchObject({
        path: "/api/v1/runs/antenna-1.1/answer",
        body: { question: 2, text: "<i>No</i>" },
      }),
    );
  });

  it("is answered in other words, and says why that was refused", async () => {
    const log = fakeServer(({ method }) =>
      method === "POST"
        ? jsonResponse({ code: "conflict", message: "Ada has answered it already.", fix: null }, 409)
        : undefined,
    );
    renderAt(<Standing detail={aDetail(run)} task={undefined} />);
    const button = screen.getByRole("button", { name: "Answer" });
    expect(button).toBeDisabled();
    await userEvent.type(screen.getByLabelText("Or answer something else"), " Only the new ones ");
    await userEvent.click(button);
    expect(await screen.findByText("Ada has answered it already.")).toBeVisible();
    expect(log.find(({ method }) => method === "POST")?.body).toEqual({
      question: 2,
      text: "Only the new ones",
    });
  });

  it("stays to be read with who answered it", () => {
    fakeServer(() => undefined);
    const answer = { text: "Both", by: "Ada", at: NOW, told_at: null };
    renderAt(<Standing detail={aDetail(aRun(), { questions: [{ ...asked, answer }] })} task={undefined} />);
    const before = screen.getByText("Questions that were answered (1)").closest("details");
    expect(before).toHaveTextContent("Both");
    expect(before).toHaveTextContent("Ada");
    expect(before).toHaveTextContent("not seen to have reached the agent yet");
  });
});

describe("Progress", () => {
  const progress = { text: "Half of <b>it</b>", percent: 50, at: NOW };

  it("says how far the agent says that it is, while it is at work", () => {
    fakeServer(() => undefined);
    const { container } = renderAt(<Standing detail={aDetail(aRun({ progress }))} task={undefined} />);
    expect(screen.getByRole("progressbar", { name: "The agent's own estimate" })).toHaveAttribute(
      "aria-valuenow",
      "50",
    );
    expect(screen.getByText("Half of <b>it</b>")).toBeVisible();
    expect(container.querySelector("p b")).toBeNull();
  });

  it("has no bar where no share was said", () => {
    fakeServer(() => undefined);
    renderAt(
      <Standing detail={aDetail(aRun({ progress: { ...progress, percent: null } }))} task={undefined} />,
    );
    expect(screen.queryByRole("progressbar")).toBeNull();
    expect(screen.getByText("Half of <b>it</b>")).toBeVisible();
  });
});

describe("Phases that are completed along", () => {
  it("are shown to whoever decides", () => {
    fakeServer(() => undefined);
    const phases_done = [{ phase: 3, title: "Clean <b>up</b>" }];
    renderAt(<Standing detail={aDetail(aRun({ state: "finished" }), { phases_done })} task={undefined} />);
    expect(screen.getByText(/accepting it completes them/)).toBeVisible();
    expect(screen.getByText("3: Clean <b>up</b>")).toBeVisible();
  });
});

describe("ChecksPanel", () => {
  it("folds the green output and opens the red", () => {
    const detail = aDetail(aRun({ state: "finished", green: false }), {
      checks: [
        { command: "make lint", exit_code: 0, duration_ms: 900, output_tail: "fine" },
        { command: "make test", exit_code: 2, duration_ms: 61_000, output_tail: "1 failed" },
        { command: "make slow", exit_code: null, duration_ms: 1, output_tail: "" },
      ],
    });
    renderAt(<ChecksPanel detail={detail} />);
    const [green, red, cut] = screen.getAllByRole<HTMLDetailsElement>("group");
    expect(green?.open).toBe(false);
    expect(red?.open).toBe(true);
    expect(red).toHaveTextContent("exit 2");
    expect(cut).toHaveTextContent("ended by a signal or the time limit");
  });
});

describe("Facts", () => {
  it("shows the agent's own probes apart from what was refused", () => {
    fakeServer(() => undefined);
    const refusal = { reason: "not allowed", count: 1, last_at: NOW };
    const detail = aDetail(aRun(), {
      refusals: [
        { ...refusal, target: "telemetry.example:443", known_probe: true },
        { ...refusal, target: "169.254.169.254:80", known_probe: false },
      ],
    });
    renderAt(<Facts detail={detail} task={aTask()} events={[]} />);
    const probes = screen.getByText("Known probes of the agent (1)").closest("details");
    if (!probes) throw new Error("the probes are not folded");
    expect(within(probes).getByText("telemetry.example:443")).toBeInTheDocument();
    expect(within(probes).queryByText("169.254.169.254:80")).toBeNull();
    expect(screen.getByText("169.254.169.254:80")).toBeVisible();
  });
});

describe("Standing", () => {
  it("says that a supervisor is silent", () => {
    renderAt(<Standing detail={aDetail(aRun({ heard_at: Date.now() - 60_000 }))} task={undefined} />);
    expect(screen.getByText("Its supervisor is silent")).toBeVisible();
  });

  it("leads from an older run to the newer", () => {
    const old = aRun({ state: "finished", outcome: "failed" });
    renderAt(<Standing detail={aDetail(old)} task={aTask({ run: aRun({ id: "antenna-1.2" }) })} />);
    expect(screen.getByRole("link", { name: "antenna-1.2" })).toHaveAttribute("href", "/runs/antenna-1.2");
  });

  it("says why a merge did not land", () => {
    const run = aRun({ state: "finished", outcome: "succeeded" });
    renderAt(<Standing detail={aDetail(run, { merge_problem: "Conflict in `a.rs`." })} task={undefined} />);
    expect(screen.getByRole("alert")).toHaveTextContent("It did not land on main");
    expect(screen.getByRole("alert")).toHaveTextContent("Conflict in a.rs.");
  });
});

describe("Removed", () => {
  it("says what went, why, and when", () => {
    renderAt(<Removed what="The recording of this terminal was" at={Date.UTC(2026, 1, 3, 12)} />);
    const text = screen.getByText(/^The recording of this terminal was removed by retention on/);
    expect(text).toHaveTextContent("2026");
  });
});

describe("DiffPanel", () => {
  const detail = aDetail(aRun({ state: "finished" }), { head_commit: "abc" });
  const diff = (patch: string) => ({
    base: "a".repeat(40),
    head: "b".repeat(40),
    stat: { files: 1, added: 1, removed: 1 },
    patch,
    truncated: true,
  });

  it("draws hostile lines as text, and says that it was cut", async () => {
    const patch =
      "diff --git a/x.html b/x.html\n--- a/x.html\n+++ b/x.html\n@@ -1 +1 @@\n-<p>\n+<img src=x onerror=alert(1)>\n";
    fakeServer(({ path }) => (path.endsWith("/diff") ? jsonResponse(diff(patch)) : undefined));
    const { container } = renderAt(<DiffPanel detail={detail} />);
    expect(await screen.findByText("<img src=x onerror=alert(1)>")).toBeInTheDocument();
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByText(/longer than what is shown/)).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: /x\.html/ }));
    expect(screen.queryByText("<img src=x onerror=alert(1)>")).toBeNull();
  });

  it("draws a long file page by page", async () => {
    const lines = Array.from({ length: 3_000 }, (_, line) => `+line ${line}`).join("\n");
    const patch = `diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1,3000 @@\n${lines}\n`;
    fakeServer(({ path }) => (path.endsWith("/diff") ? jsonResponse(diff(patch)) : undefined));
    const { container } = renderAt(<DiffPanel detail={detail} />);
    await userEvent.click(await screen.findByRole("button", { name: "Open all" }));
    expect(container.querySelectorAll(".diff-line")).toHaveLength(800);
    await userEvent.click(screen.getByText("Show 1600 more of 3000 lines"));
    expect(container.querySelectorAll(".diff-line")).toHaveLength(2_400);
  });

  it("says that nothing is pushed yet", () => {
    fakeServer(() => undefined);
    renderAt(<DiffPanel detail={aDetail(aRun())} />);
    expect(screen.getByText(/Nothing is pushed yet/)).toBeVisible();
  });
});
