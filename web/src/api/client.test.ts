import { beforeEach, describe, expect, it } from "vitest";
import { fakeServer, jsonResponse } from "../test/app";
import { api, unwrap } from "./client";
import { ApiError } from "./errors";
import { setSignInState, signInState, takeTokenFromFragment } from "./session";

const status = () => unwrap(api.GET("/api/v1/status"));

describe("client", () => {
  beforeEach(() => setSignInState("unknown"));

  it("sends the guard header with what changes something, and only with that", async () => {
    const log = fakeServer(({ method }) => (method === "POST" ? jsonResponse({}) : undefined));
    await status();
    await unwrap<unknown>(api.POST("/api/v1/tasks/{id}/approve", { params: { path: { id: "a/../b" } } }));
    expect(log.map(({ method, headers }) => [method, headers.get("x-strawboss")])).toEqual([
      ["GET", null],
      ["POST", "1"],
    ]);
    // An id is one piece of a path, whatever is in it.
    expect(log[1]?.path).toBe("/api/v1/tasks/a%2F..%2Fb/approve");
  });

  it("takes 401 anywhere for being signed out", async () => {
    fakeServer(() => jsonResponse({ code: "unauthorized", message: "No.", fix: "Sign in." }, 401));
    await expect(status()).rejects.toMatchObject({ status: 401, message: "No.", fix: "Sign in." });
    expect(signInState()).toBe("signed-out");
  });

  it("makes something of a proxy's page", async () => {
    fakeServer(
      () => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "content-type": "text/html" } }),
    );
    const error: unknown = await status().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 502, fix: expect.stringContaining("log") as string });
  });

  it("says what to do when nobody answers", async () => {
    fakeServer(() => {
      throw new TypeError("Failed to fetch");
    });
    await expect(status()).rejects.toMatchObject({
      code: "network",
      fix: expect.stringContaining("serve") as string,
    });
  });
});

describe("takeTokenFromFragment", () => {
  it("takes the token out of the address", () => {
    window.history.replaceState(null, "", "/runs/a-1.1?tab=checks#token=s%2Bcret");
    expect(takeTokenFromFragment()).toBe("s+cret");
    expect(window.location.href).toMatch(/\/runs\/a-1\.1\?tab=checks$/);
    expect(takeTokenFromFragment()).toBeUndefined();
  });

  it.each(["#", "#token=", "#other=1", "#token=%20"])("finds none in %s", (hash) => {
    window.history.replaceState(null, "", `/${hash}`);
    expect(takeTokenFromFragment()).toBeUndefined();
  });
});
