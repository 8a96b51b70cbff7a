import { describe, expect, it, vi } from "vitest";
import { cell, fakeFetch, json, notebook, problem } from "../test/builders.ts";
import { ApiClient } from "./client.ts";
import { ApiError, describe as words } from "./error.ts";

describe("ApiClient", () => {
  it("makes an ApiError of a problem, with the faults of its fields", async () => {
    const client = new ApiClient({
      fetch: fakeFetch({
        "POST /api/notebooks": () =>
          problem(422, "Unprocessable Content", "the notebook can't be accepted", [
            { field: "name", message: "is too long" },
            "not a fault",
          ]),
      }),
    });
    const error: unknown = await client.createNotebook({ name: "x" }).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, fields: [{ field: "name", message: "is too long" }] });
    expect(words(error)).toBe("the notebook can't be accepted: is too long");
  });

  it("makes an ApiError of an answer that is no problem document", async () => {
    const html = () => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "content-type": "text/html" } });
    const client = new ApiClient({ fetch: fakeFetch({ "GET /api/notebooks": html }) });
    await expect(client.listNotebooks({})).rejects.toMatchObject({
      status: 502,
      message: "The service answered with status 502.",
    });
  });

  it("says that the service can't be reached when no answer comes", async () => {
    const client = new ApiClient({ fetch: () => Promise.reject(new TypeError("fetch failed")) });
    await expect(client.getNotebook("n1")).rejects.toMatchObject({ status: 0, unreachable: true });
  });

  it("reports a refused session, but not a refused token", async () => {
    const onUnauthorized = vi.fn();
    const refuse = () => problem(401, "Unauthorized");
    const client = new ApiClient({
      fetch: fakeFetch({ "POST /api/session": refuse, "GET /api/notebooks": refuse }),
      onUnauthorized,
    });
    await expect(client.signIn("wrong")).rejects.toMatchObject({ status: 401 });
    expect(onUnauthorized).not.toHaveBeenCalled();
    await expect(client.listNotebooks({})).rejects.toMatchObject({ status: 401 });
    expect(onUnauthorized).toHaveBeenCalledOnce();
  });

  it("saves on the condition of a version and returns the one after", async () => {
    const seen: (string | null)[] = [];
    const client = new ApiClient({
      fetch: fakeFetch({
        "PATCH /api/notebooks/n1/cells/a": (body, request) => {
          seen.push(request.headers.get("if-match"), request.headers.get("content-type"));
          expect(body).toEqual({ source: "x" });
          return json(cell({ id: "a", source: "x" }), { headers: { etag: '"18"' } });
        },
      }),
    });
    const { version, value } = await client.updateCell("n1", "a", { source: "x" }, { ifMatch: 17 });
    expect(seen).toEqual(['"17"', "application/json"]);
    expect(version).toBe(18);
    expect(value.source).toBe("x");
  });

  it("can't be led to another path by an id", async () => {
    const paths: string[] = [];
    const client = new ApiClient({
      fetch: (input) => {
        paths.push(input as string);
        return Promise.resolve(json(notebook([])));
      },
    });
    await client.getNotebook("../session?x=1#");
    expect(paths).toEqual(["/api/notebooks/..%2Fsession%3Fx%3D1%23"]);
  });

  it("asks a foreign API at its own address, with the session cookie", async () => {
    const asked: [unknown, RequestCredentials | undefined][] = [];
    const client = new ApiClient({
      base: "https://api.example.org/",
      fetch: (input, init) => {
        asked.push([input, init?.credentials]);
        return Promise.resolve(json({ notebooks: [], next_cursor: null }));
      },
    });
    await client.listNotebooks({ q: "a b", limit: 5 });
    expect(asked).toEqual([["https://api.example.org/api/notebooks?q=a+b&limit=5", "include"]]);
    expect(client.eventsUrl("n1", { epoch: "e 1", after: 7 })).toBe(
      "wss://api.example.org/api/ws/notebooks/n1?epoch=e+1&after=7",
    );
    expect(new ApiClient().eventsUrl("n1", null)).toBe("ws://localhost:3000/api/ws/notebooks/n1");
  });
});
