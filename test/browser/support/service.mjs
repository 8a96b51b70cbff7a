/**
 * The service as seen from outside: where it is, and its HTTP API for what a
 * test needs to be there before a person comes along.
 */

const given = process.env.NOTEBOOK_URL;
if (!given) {
  throw new Error(
    "NOTEBOOK_URL is not set: give the address that `make up` printed, with its #token=…, or run `go test ./test/browser`, which raises a stack of its own",
  );
}
const parsed = new URL(given);

/** Scheme, host and port, without a slash at the end. */
export const origin = parsed.origin;

/** The token that opens the API; "" when the service asks for none. */
export const token = new URLSearchParams(parsed.hash.slice(1)).get("token") ?? "";

/** The address of a page path with the token in its fragment, as `stack up` prints it. */
export function withToken(path = "/", base = origin) {
  return `${base}${path}#token=${encodeURIComponent(token)}`;
}

/** How long anything may take on a busy machine, in milliseconds. */
export const patience = 60_000;

/**
 * Calls the API as a program would, with the bearer token.
 *
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @returns {Promise<{status: number, body: any}>} body is null when there is none
 */
export async function call(method, path, body) {
  const response = await fetch(origin + path, {
    method,
    headers: {
      ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(patience),
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json") === true;
  return { status: response.status, body: json && text !== "" ? JSON.parse(text) : null };
}
