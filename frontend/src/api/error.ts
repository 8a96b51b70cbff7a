/** One fault of a request's fields, as a problem's `errors` lists them. */
export interface FieldFault {
  field: string;
  message: string;
}

/**
 * A request that failed. `status` is the HTTP status, or 0 if no answer came:
 * the service can't be reached, or the connection broke.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly fields: readonly FieldFault[];

  constructor(status: number, title: string, detail = "", fields: readonly FieldFault[] = []) {
    super(detail || title);
    this.name = "ApiError";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.fields = fields;
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

/**
 * Reads the problem in an answer. An answer that is no problem document (of a
 * proxy, say) still becomes an ApiError that names its status.
 */
export async function problemOf(response: Response): Promise<ApiError> {
  const fallback = `The service answered with status ${response.status}.`;
  if (!(response.headers.get("content-type") ?? "").includes("application/problem+json")) {
    return new ApiError(response.status, fallback);
  }
  try {
    const body: unknown = await response.json();
    if (typeof body !== "object" || body === null) {
      return new ApiError(response.status, fallback);
    }
    const { title, detail, errors } = body as Record<string, unknown>;
    return new ApiError(
      response.status,
      typeof title === "string" && title !== "" ? title : fallback,
      typeof detail === "string" ? detail : "",
      Array.isArray(errors) ? errors.filter(isFieldFault) : [],
    );
  } catch {
    return new ApiError(response.status, fallback);
  }
}

function isFieldFault(value: unknown): value is FieldFault {
  return (
    typeof value === "object" &&
    value !== null &&
    "field" in value &&
    typeof value.field === "string" &&
    "message" in value &&
    typeof value.message === "string"
  );
}

/** Whether the service no longer knows this session. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** A sentence for the person at the page. */
export function describe(error: unknown): string {
  if (isSignedOut(error)) return "The session has ended: sign in again.";
  if (error instanceof ApiError) {
    // A detail may say what the faults of the fields say.
    const faults = error.fields
      .map((fault) => fault.message)
      .filter((message) => !error.message.includes(message))
      .join("; ");
    return [error.message, faults].filter((part) => part !== "").join(": ");
  }
  return error instanceof Error ? error.message : String(error);
}
