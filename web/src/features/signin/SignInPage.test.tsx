import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { fakeServer, jsonResponse } from "../../test/app";
import { SignInPage } from "./SignInPage";

const ok = () => jsonResponse({ token: "admin", label: "admin", scope: "admin", via: "cookie" });

describe("SignInPage", () => {
  it("tries the link's token once, by itself", async () => {
    const log = fakeServer(ok);
    const done = vi.fn();
    render(<SignInPage token="secret" onDone={done} />);
    await waitFor(() => expect(done).toHaveBeenCalledTimes(1));
    expect(log.map(({ path, body }) => [path, body])).toEqual([["/api/v1/sign-in", { token: "secret" }]]);
  });

  it("asks again when the token is not taken", async () => {
    let good = false;
    const log = fakeServer(() =>
      good ? ok() : jsonResponse({ code: "unauthorized", message: "No.", fix: "Make one." }, 401),
    );
    const done = vi.fn();
    const user = userEvent.setup();
    render(<SignInPage token={undefined} onDone={done} />);
    const field = screen.getByLabelText("Token");
    await user.type(field, " wrong {Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent("not valid");
    expect(screen.getByRole("alert")).toHaveTextContent("Make one.");
    expect(done).not.toHaveBeenCalled();

    good = true;
    await user.clear(field);
    await user.type(field, "right");
    await user.click(screen.getByRole("button", { name: "Sign in" }));
    await waitFor(() => expect(done).toHaveBeenCalledTimes(1));
    expect(log.map(({ body }) => body)).toEqual([{ token: "wrong" }, { token: "right" }]);
  });
});
