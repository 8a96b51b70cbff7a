import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../api/client.ts";
import { cell, fakeFetch, FakeSocket, json, notebook, problem, snapshot } from "../test/builders.ts";
import { NotebookStore, type StoreOptions } from "./store.ts";

type Routes = Parameters<typeof fakeFetch>[0];

function setup(routes: Routes = {}, options: Partial<StoreOptions> = {}) {
  const client = new ApiClient({ fetch: fakeFetch(routes) });
  const store = new NotebookStore({
    client,
    id: "n1",
    createSocket: FakeSocket.create,
    schedule: (callback) => {
      callback();
      return () => undefined;
    },
    saveDelay: 0,
    ...options,
  });
  store.start();
  FakeSocket.last().open();
  FakeSocket.last().send(snapshot([cell({ id: "a", source: "x = 1" }), cell({ id: "b" }), cell({ id: "c" })]));
  return store;
}

beforeEach(() => {
  FakeSocket.opened.length = 0;
  localStorage.clear();
});

const draftsKey = "reactive-notebook:drafts:n1";

describe("NotebookStore", () => {
  it("saves what is typed before it runs", async () => {
    const calls: string[] = [];
    const store = setup(
      {
        "PATCH /api/notebooks/n1/cells/a": (body) => {
          calls.push(`save ${JSON.stringify(body)}`);
          return json(cell({ id: "a", source: "x = 2" }), { headers: { etag: '"2"' } });
        },
        "POST /api/notebooks/n1/run": (body) => {
          calls.push(`run ${JSON.stringify(body)}`);
          return json({ run_id: "r" }, { status: 202 });
        },
      },
      { saveDelay: 60_000 },
    );
    store.edit("a", "x = 2");
    expect(store.saveState()).toBe("saving");
    await store.run({ cells: ["a"] });
    expect(calls).toEqual(['save {"source":"x = 2"}', 'run {"cells":["a"]}']);
    expect(store.saveState()).toBe("saved");
  });

  it("runs nothing when what is typed can't be saved", async () => {
    const run = vi.fn(() => json({ run_id: "r" }));
    const store = setup({
      "PATCH /api/notebooks/n1/cells/a": () => problem(413, "Content Too Large", "the source is too large"),
      "POST /api/notebooks/n1/run": run,
    });
    store.edit("a", "x = 2");
    await expect(store.run({})).rejects.toThrow("the source is too large");
    expect(run).not.toHaveBeenCalled();
    expect(store.text("a")).toBe("x = 2");
  });

  it("asks for a snapshot when an event is missing, and shows it", () => {
    const store = setup();
    FakeSocket.last().send({ type: "cell.cleared", seq: 13, cell_id: "a" });
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last().url).not.toContain("after=");
    FakeSocket.last().send(snapshot([cell({ id: "z" })], { seq: 13 }));
    expect(store.state?.order).toEqual(["z"]);
    expect(store.connection.kind).toBe("open");
  });

  it("resumes after the last event it has seen", () => {
    const store = setup();
    FakeSocket.last().send({ type: "cell.cleared", seq: 11, cell_id: "a" });
    FakeSocket.last().breakOff(1001);
    expect(FakeSocket.last().url).toContain("epoch=e1&after=11");
    FakeSocket.last().send({ type: "resumed", epoch: "e1", seq: 11 }, { type: "cell.deleted", seq: 12, cell_id: "b", version: 2 });
    expect(store.state?.order).toEqual(["a", "c"]);
  });

  it("deletes a cell in such a way that it can be brought back to its place", async () => {
    const created = vi.fn(() => json(cell({ id: "d" }), { status: 201 }));
    const store = setup({
      "DELETE /api/notebooks/n1/cells/b": () => new Response(null, { status: 204 }),
      "POST /api/notebooks/n1/cells": created,
    });
    const restore = await store.deleteCell("b");
    await restore();
    expect(created).toHaveBeenCalledWith({ kind: "python", source: "", after: "a" }, expect.anything());
  });

  it.each([
    ["a", 1, "b"],
    ["c", -1, "a"],
    ["b", -1, null],
  ] as const)("moves %s by %i to behind %s", async (id, by, after) => {
    const moved = vi.fn(() => json(cell({ id })));
    const store = setup({ [`PATCH /api/notebooks/n1/cells/${id}`]: moved });
    expect(await store.moveCell(id, by)).toBe(true);
    expect(moved).toHaveBeenCalledWith({ after }, expect.anything());
  });

  it("moves no cell past the ends", async () => {
    const store = setup();
    expect(await store.moveCell("a", -1)).toBe(false);
    expect(await store.moveCell("c", 1)).toBe(false);
  });

  it("keeps a draft that could not be saved for the next visit", async () => {
    const storage = new Map<string, string>();
    const kept = {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => void storage.set(key, value),
      removeItem: (key: string) => void storage.delete(key),
    };
    const unavailable = { "PATCH /api/notebooks/n1/cells/a": () => problem(503, "Service Unavailable") };
    const first = setup(unavailable, { storage: kept, saveDelay: 60_000 });
    first.edit("a", "x = 3  # unsaved");
    await expect(first.save()).rejects.toThrow("Service Unavailable");
    expect(first.leave()).toBe(true);
    first.stop();
    const saved = vi.fn(() => json(cell({ id: "a", source: "x = 3  # unsaved" }), { headers: { etag: '"2"' } }));
    const second = setup({ "PATCH /api/notebooks/n1/cells/a": saved }, { storage: kept });
    expect(second.text("a")).toBe("x = 3  # unsaved");
    await vi.waitFor(() => {
      expect(saved).toHaveBeenCalled();
    });
    await vi.waitFor(() => {
      expect(second.saveState()).toBe("saved");
    });
    expect(second.leave()).toBe(false);
  });

  it("sends what was typed a moment ago when the page is left, and asks nobody to stay", async () => {
    const requests: Request[] = [];
    const routes = {
      "PATCH /api/notebooks/n1/cells/a": (_body: unknown, request: Request) => {
        requests.push(request);
        return json(cell({ id: "a", source: "x = 3" }), { headers: { etag: '"2"' } });
      },
    };
    const left = setup(routes, { storage: localStorage, saveDelay: 60_000 });
    left.edit("a", "x = 3");
    expect(left.leave()).toBe(false);
    await vi.waitFor(() => {
      expect(requests.map(({ keepalive }) => keepalive)).toEqual([true]);
    });
    left.stop();
    await vi.waitFor(() => {
      expect(localStorage.getItem(draftsKey)).toBeNull();
    });

    const closed = setup(routes, { storage: null, saveDelay: 60_000 });
    closed.edit("a", "x = 4");
    closed.stop();
    await vi.waitFor(() => {
      expect(requests).toHaveLength(2);
    });
  });

  it("asks to stay where nothing can be kept", () => {
    const store = setup({}, { storage: null, saveDelay: 60_000 });
    store.edit("a", "x = 3");
    expect(store.leave()).toBe(true);
  });

  it("puts what is typed without a connection into storage at once, beside what other tabs keep", async () => {
    const store = setup({}, { storage: localStorage, saveDelay: 60_000 });
    localStorage.setItem(draftsKey, JSON.stringify([{ cell: "c", base: "", text: "another tab's" }]));
    FakeSocket.last().breakOff(1006);
    await vi.waitFor(() => {
      expect(store.connection.kind).toBe("waiting");
    });
    store.edit("a", "x = 4");
    await vi.waitFor(() => {
      const kept = JSON.parse(localStorage.getItem(draftsKey) ?? "[]") as { cell: string; text: string }[];
      expect(kept.map(({ cell: id, text }) => [id, text]).sort()).toEqual([
        ["a", "x = 4"],
        ["c", "another tab's"],
      ]);
    });
    store.stop();
  });

  it("writes nothing into storage for what is saved in time", async () => {
    const storage = { getItem: vi.fn(() => null), setItem: vi.fn(), removeItem: vi.fn() };
    const store = setup(
      { "PATCH /api/notebooks/n1/cells/a": () => json(cell({ id: "a", source: "x = 5" }), { headers: { etag: '"2"' } }) },
      { storage },
    );
    store.edit("a", "x = 5");
    await vi.waitFor(() => {
      expect(store.saveState()).toBe("saved");
    });
    store.stop();
    expect(storage.setItem).not.toHaveBeenCalled();
    expect(storage.removeItem).not.toHaveBeenCalled();
  });

  it("tells a change made elsewhere from its own", async () => {
    const store = setup({
      "PATCH /api/notebooks/n1/cells/a": () => json(cell({ id: "a", source: "x = 6" }), { headers: { etag: '"2"' } }),
    });
    store.edit("a", "x = 6");
    await store.save();
    const updated = (seq: number, id: string, source: string, version: number) => ({
      type: "cell.updated",
      seq,
      version,
      cell: cell({ id, source }),
    });
    FakeSocket.last().send(updated(11, "a", "x = 6", 2), updated(12, "b", "y = 1", 3));
    expect(store.touchedAt("a")).toBeUndefined();
    expect(store.touchedAt("b")).toBeDefined();
    expect(store.text("b")).toBe("y = 1");
  });

  it("tells listeners once for many events that come in one frame", () => {
    const callbacks: (() => void)[] = [];
    const store = setup({}, {
      schedule: (callback) => {
        callbacks.push(callback);
        return () => undefined;
      },
    });
    callbacks.splice(0).forEach((callback) => { callback(); });
    const listener = vi.fn();
    store.subscribe(listener);
    for (let seq = 11; seq < 100; seq++) {
      FakeSocket.last().send({ type: "cell.output", seq, cell_id: "a", run_id: "r", output: { kind: "stream", stream: "stdout", text: "." } });
    }
    callbacks.splice(0).forEach((callback) => { callback(); });
    expect(listener).toHaveBeenCalledOnce();
    expect(store.cell("a")?.outputs).toEqual([{ kind: "stream", stream: "stdout", text: ".".repeat(89) }]);
  });

  it("knows a missing notebook from one that can't be reached", async () => {
    const store = new NotebookStore({
      client: new ApiClient({ fetch: fakeFetch({ "GET /api/notebooks/n1": () => json(notebook([])) }) }),
      id: "n2",
      createSocket: FakeSocket.create,
    });
    store.start();
    FakeSocket.last().breakOff(1006);
    await vi.waitFor(() => {
      expect(store.connection.kind).toBe("missing");
    });
  });
});
