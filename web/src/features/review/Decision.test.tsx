import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { fakeServer, jsonResponse, renderAt } from "../../test/app";
import { aRun } from "../../test/fixtures";
import { Decision } from "./Decision";

const posted = (log: ReturnType<typeof fakeServer>) =>
  log.filter(({ method }) => method === "POST").map(({ path, body }) => [path, body]);

describe("Decision", () => {
  it("lands green work with one click", async () => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse({}) : undefined));
    renderAt(<Decision task="a-1" run={aRun({ green: true })} />);
    await userEvent.click(screen.getByRole("button", { name: "Approve" }));
    await waitFor(() => expect(posted(log)).toEqual([["/api/v1/reviews/a-1/approve", undefined]]));
  });

  it.each([false, null])("asks first when the checks say %s", async (green) => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse({}) : undefined));
    renderAt(<Decision task="a-1" run={aRun({ green })} />);
    await userEvent.click(screen.getByRole("button", { name: "Approve" }));
    expect(posted(log)).toEqual([]);
    await userEvent.click(screen.getByRole("button", { name: "Merge into main" }));
    await waitFor(() => expect(posted(log)).toHaveLength(1));
  });

  it("sends back with words only", async () => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse({}) : undefined));
    renderAt(<Decision task="a-1" run={aRun({ green: true })} />);
    await userEvent.click(screen.getByRole("button", { name: "Send back" }));
    const send = screen.getAllByRole("button", { name: "Send back" }).at(-1);
    if (!send) throw new Error("the dialog has no button");
    expect(send).toBeDisabled();
    await userEvent.type(screen.getByLabelText("What shall it do?"), "  Add a test. ");
    await userEvent.click(send);
    await waitFor(() =>
      expect(posted(log)).toEqual([["/api/v1/reviews/a-1/reject", { comment: "Add a test." }]]),
    );
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("keeps the words when sending back fails", async () => {
    fakeServer(({ method }) =>
      method === "POST"
        ? jsonResponse({ code: "unavailable", message: "Busy.", fix: "Wait." }, 503)
        : undefined,
    );
    renderAt(<Decision task="a-1" run={aRun({ green: true })} />);
    await userEvent.click(screen.getByRole("button", { name: "Send back" }));
    await userEvent.type(screen.getByLabelText("What shall it do?"), "Add a test.");
    await userEvent.keyboard("{Tab}{Tab}{Enter}");
    expect(await screen.findByText("Busy.")).toBeVisible();
    expect(screen.getByLabelText("What shall it do?")).toHaveValue("Add a test.");
  });

  it("discards only when that is confirmed", async () => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse({}) : undefined));
    renderAt(<Decision task="a-1" run={aRun({ green: true })} />);
    await userEvent.click(screen.getByRole("button", { name: "Discard" }));
    await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
    expect(posted(log)).toEqual([]);
    await userEvent.click(screen.getByRole("button", { name: "Discard" }));
    await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Discard" }));
    await waitFor(() => expect(posted(log)).toEqual([["/api/v1/reviews/a-1/reject", {}]]));
  });
});
