/** One shape for everything that can go wrong between the page and the server, always with what to do next. */

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string | undefined;

  constructor(status: number, code: string, message: string, fix?: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.fix = fix;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Reads an error's body, which may come from a proxy and be anything. */
export function errorFromBody(status: number, body: unknown): ApiError {
  if (typeof body === "object" && body !== null) {
    const record = body as Record<string, unknown>;
    const message = text(record.message);
    if (message !== undefined) {
      return new ApiError(status, text(record.code) ?? "error", message, text(record.fix));
    }
  }
  return new ApiError(
    status,
    "unexpected",
    `The server answered ${status} without saying why.`,
    status >= 500
      ? "Look at the log of `strawboss serve`, then try again."
      : "Reload the page; the server may be of another version than this page.",
  );
}

/** The request never got an answer. */
export function networkError(): ApiError {
  return new ApiError(
    0,
    "network",
    "Strawboss did not answer.",
    "Check that `strawboss serve` is running and that this machine reaches it; the page reconnects by itself.",
  );
}

/** Whatever was thrown, as something to show. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof TypeError) return networkError();
  return new ApiError(0, "unexpected", error instanceof Error ? error.message : "Something went wrong.");
}
