/** The typed HTTP client. Knows the guard header and what 401 means; knows no page. */
import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, asApiError, errorFromBody } from "./errors";
import type { paths } from "./schema";
import { setSignInState } from "./session";

const guard: Middleware = {
  onRequest({ request }) {
    // A form or an image of another site cannot set a header of its own.
    if (request.method !== "GET") request.headers.set("X-Strawboss", "1");
    return request;
  },
  onResponse({ response, schemaPath }) {
    if (response.status === 401) setSignInState("signed-out");
    else if (response.ok && schemaPath !== "/api/v1/sign-out") setSignInState("signed-in");
  },
};

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  // Looked up at each call, so that a test's stand-in is seen.
  fetch: (request) => globalThis.fetch(request),
});
api.use(guard);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body, or an [`ApiError`]. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>;
  try {
    got = await answer;
  } catch (error) {
    // A proxy's page of HTML is no JSON.
    if (error instanceof SyntaxError) {
      throw new ApiError(
        0,
        "unexpected",
        "The server's answer could not be read.",
        "Check that nothing between this browser and Strawboss rewrites answers.",
      );
    }
    throw asApiError(error);
  }
  if (!got.response.ok) throw errorFromBody(got.response.status, got.error);
  return got.data as T;
}
