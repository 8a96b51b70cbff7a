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

  it("says a fault once if the problem's detail says it already", () => {
    const fields = [{ field: "result", message: "is a keyword" }, { field: "source", message: "is too long" }];
    expect(words(new ApiError(422, "Unprocessable Content", "result: is a keyword", fields))).toBe(
      "result: is a keyword: is too long",
    );
    expect(words(new ApiError(422, "Unprocessable Content", "result: is a keyword", fields.slice(0, 1)))).toBe(
      "result: is a keyword",
    );
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

  it("names a download as the service does, or by what the person sees", async () => {
    const file = (disposition?: string) => () =>
      new Response("x = 1", { headers: disposition === undefined ? {} : { "content-disposition": disposition } });
    const name = async (disposition?: string) => {
      const client = new ApiClient({ fetch: fakeFetch({ "GET /api/notebooks/n1/export?format=py": file(disposition) }) });
      const download = await client.exportNotebook("n1", "py", "Tides/2026");
      expect(await download.content.text()).toBe("x = 1");
      return download.name;
    };
    expect(await name(`attachment; filename="Gezeiten.py"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.py`)).toBe("Grüße.py");
    expect(await name(`attachment; filename="tides.py"; filename*=UTF-8''%E4%B`)).toBe("tides.py");
    expect(await name()).toBe("Tides-2026.py");
  });

  it("sends a file as it is", async () => {
    const sent: unknown[] = [];
    const client = new ApiClient({
      fetch: fakeFetch({
        "POST /api/notebooks/import": async (_, request) => {
          const bytes = new Uint8Array(await request.arrayBuffer());
          sent.push(new URL(request.url).search, request.headers.get("content-type"), [...bytes]);
          return json({ ...notebook([]), lost: ["a widget"] }, { status: 201 });
        },
      }),
    });
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x78, 0xff]).buffer;
    expect(await client.importNotebook(bytes, "text/x-python", "a & b")).toMatchObject({ id: "n1", lost: ["a widget"] });
    await client.importNotebook(bytes, "application/x-ipynb+json");
    expect(sent).toEqual([
      "?name=a+%26+b", "text/x-python", [0xef, 0xbb, 0xbf, 0x78, 0xff],
      "", "application/x-ipynb+json", [0xef, 0xbb, 0xbf, 0x78, 0xff],
    ]);
  });

  it("knows of no connections where the service doesn't, but tells other failures", async () => {
    const older = new ApiClient({ fetch: fakeFetch({}) });
    expect(await older.connections()).toEqual([]);
    const list = [{ name: "sample", dialect: "sqlite" }];
    const newer = new ApiClient({ fetch: fakeFetch({ "GET /api/connections": () => json({ connections: list }) }) });
    expect(await newer.connections()).toEqual(list);
    const broken = new ApiClient({ fetch: fakeFetch({ "GET /api/connections": () => problem(503, "Service Unavailable") }) });
    await expect(broken.connections()).rejects.toMatchObject({ status: 503 });
  });
});
