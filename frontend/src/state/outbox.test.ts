import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../api/client.ts";
import type { Cell, NewCell } from "../api/types.ts";
import { cell, FakeSocket, json, notebook, problem, snapshot } from "../test/builders.ts";
import { type Edit, withEdits } from "./outbox.ts";
import { reduce } from "./reducer.ts";
import { NotebookStore, type StoreOptions } from "./store.ts";

const cells = [cell({ id: "a", source: "x = 1" }), cell({ id: "b", source: "y = 2" }), cell({ id: "c" })];

/** A service that can be away, and writes down what it is asked for. */
class Service {
  away = false;
  calls: string[] = [];
  version = 1;
  made = 0;
  /** Its answer to the next request that makes a cell is lost on the way. */
  losesAnswer = false;
  refuses: string | null = null;
  /** How many saves named a version that was no longer the notebook's. */
  outdated = 0;
  /** What it has when it is asked for the notebook. */
  cells: Cell[] = cells;

  readonly client = new ApiClient({
    // eslint-disable-next-line @typescript-eslint/require-await
    fetch: async (input, init) => {
      if (this.away) throw new TypeError("Failed to fetch");
      const { pathname } = new URL(input as string, "http://notebook.test");
      const call = `${init?.method ?? "GET"} ${pathname.replace("/api/notebooks/n1", "")} ${typeof init?.body === "string" ? init.body : ""}`.trim();
      this.calls.push(call);
      if (this.refuses !== null && call.startsWith(this.refuses)) return problem(422, "Unprocessable Content", "no room for it");
      const ifMatch = new Headers(init?.headers).get("if-match");
      if (ifMatch !== null && ifMatch !== `"${this.version}"`) {
        this.outdated += 1;
        return problem(412, "Precondition Failed");
      }
      if (call === "GET") return json(notebook(this.cells, { version: this.version }));
      return this.#answer(call, init?.body);
    },
  });

  #answer(call: string, body: BodyInit | null | undefined): Response {
    this.version += 1;
    const headers = { etag: `"${this.version}"` };
    if (call.startsWith("DELETE")) return new Response(null, { status: 204, headers });
    const { kind = "python", source = "" } = JSON.parse(body as string) as NewCell;
    const [, id = "a"] = /^PATCH \/cells\/(\S+)/.exec(call) ?? [];
    if (!call.startsWith("POST /cells")) return json(cell({ id, source }), { headers });
    this.made += 1;
    if (this.losesAnswer) throw new TypeError("Failed to fetch");
    return json(cell({ id: `made-${this.made}`, kind, source }), { status: 201, headers });
  }
}

function setup(options: Partial<StoreOptions> = {}) {
  const service = new Service();
  const store = new NotebookStore({
    client: service.client,
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
  FakeSocket.last().send(snapshot(cells));
  const goAway = async () => {
    service.away = true;
    FakeSocket.last().breakOff(1006);
    await vi.waitFor(() => {
      expect(store.connection.kind).toBe("waiting");
    });
  };
  const comeBack = () => {
    service.away = false;
    store.wake();
    FakeSocket.last().open();
    FakeSocket.last().send({ type: "resumed", epoch: "e1", seq: 10 });
  };
  return { service, store, goAway, comeBack };
}

beforeEach(() => {
  FakeSocket.opened.length = 0;
  localStorage.clear();
});

const sources = (store: NotebookStore) => store.state?.order.map((id) => store.text(id));

describe("changes while the service is away", () => {
  it("are shown at once, and sent in their order when it is back", async () => {
    const { service, store, goAway, comeBack } = setup();
    await goAway();
    const made = await store.createCell({ kind: "python", source: "", after: "a" });
    store.edit(made.id, "z = 3");
    await store.moveCell("c", -1);
    await store.deleteCell("b");
    await store.rename("Ebb");
    await store.patchCell("c", { kind: "markdown" });
    expect(sources(store)).toEqual(["x = 1", "z = 3", ""]);
    expect(store.state?.name).toBe("Ebb");
    expect(store.cell("c")?.kind).toBe("markdown");
    expect(store.saveState()).toBe("failed");
    expect(store.waitingEdits()).toBe(5);

    comeBack();
    await vi.waitFor(() => {
      expect(store.waitingEdits()).toBe(0);
    });
    expect(service.calls.filter((call) => !call.startsWith("GET"))).toEqual([
      'POST /cells {"kind":"python","source":"z = 3","after":"a"}',
      'PATCH /cells/c {"after":"made-1"}',
      "DELETE /cells/b",
      'PATCH  {"name":"Ebb"}',
      'PATCH /cells/c {"kind":"markdown"}',
    ]);
    // Until the events tell of them they stay as they are.
    expect(sources(store)).toEqual(["x = 1", "z = 3", ""]);
    expect(store.saveState()).toBe("saved");
  });

  it("keep a new cell what it was on the page when the service gives it an id, with what is typed meanwhile", async () => {
    const { service, store, goAway, comeBack } = setup();
    await goAway();
    const { id } = await store.createCell({ kind: "python", source: "", after: null });
    store.edit(id, "z = 3");
    const renamed = vi.fn();
    store.onRename(renamed);
    comeBack();
    store.edit(id, "z = 34");
    store.edit("b", "y = 22");
    await vi.waitFor(() => {
      expect(renamed).toHaveBeenCalledWith(id, "made-1");
    });
    await vi.waitFor(() => {
      expect(service.calls).toContain('PATCH /cells/b {"source":"y = 22"}');
    });
    store.edit(id, "z = 345");
    expect(store.idOf(id)).toBe("made-1");
    expect(store.keyOf("made-1")).toBe(id);
    expect(store.text("made-1")).toBe("z = 345");
    await vi.waitFor(() => {
      expect(service.calls.at(-1)).toBe('PATCH /cells/made-1 {"source":"z = 345"}');
    });
    expect(service.outdated).toBe(0);
    expect(store.state?.order).toEqual(["made-1", "a", "b", "c"]);
    FakeSocket.last().send({ type: "cell.created", seq: 11, version: 2, after: null, cell: cell({ id: "made-1", source: "z = 3" }) });
    expect(store.state?.order).toEqual(["made-1", "a", "b", "c"]);
    expect(store.text(id)).toBe("z = 345");
  });

  it("make no cell twice when the answer that it was made is lost", async () => {
    const { service, store, goAway, comeBack } = setup();
    service.losesAnswer = true;
    const { id } = await store.createCell({ kind: "python", source: "", after: "c" });
    expect(service.made).toBe(1);
    await goAway();
    store.edit(id, "typed meanwhile");
    service.losesAnswer = false;
    service.cells = [...cells, cell({ id: "made-1" })];
    comeBack();
    FakeSocket.last().send({ type: "cell.created", seq: 11, version: 2, after: "c", cell: cell({ id: "made-1" }) });
    await vi.waitFor(() => {
      expect(service.calls.at(-1)).toBe('PATCH /cells/made-1 {"source":"typed meanwhile"}');
    });
    expect(service.made).toBe(1);
    expect(store.state?.order).toEqual(["a", "b", "c", "made-1"]);
  });

  it("delete no cell that was changed elsewhere meanwhile", async () => {
    const onRefused = vi.fn();
    const { service, store, goAway, comeBack } = setup({ onRefused });
    await goAway();
    await store.deleteCell("b");
    const theirs = cell({ id: "b", source: "y = 'theirs'" });
    service.cells = cells.map((each) => (each.id === "b" ? theirs : each));
    comeBack();
    FakeSocket.last().send({ type: "cell.updated", seq: 11, version: 2, cell: theirs });
    await vi.waitFor(() => {
      expect(onRefused).toHaveBeenCalledOnce();
    });
    expect(sources(store)).toEqual(["x = 1", "y = 'theirs'", ""]);
    expect(service.calls.filter((call) => call.startsWith("DELETE"))).toEqual([]);
  });

  it("can be taken back before they are sent", async () => {
    const { service, store, goAway, comeBack } = setup();
    await goAway();
    const restore = await store.deleteCell("b");
    const first = await store.createCell({ kind: "python", source: "", after: "a" });
    await store.createCell({ kind: "python", source: "below", after: first.id });
    await store.deleteCell(first.id);
    await restore();
    expect(sources(store)).toEqual(["x = 1", "below", "y = 2", ""]);
    comeBack();
    await vi.waitFor(() => {
      expect(store.waitingEdits()).toBe(0);
    });
    expect(service.calls.filter((call) => !call.startsWith("GET"))).toEqual(['POST /cells {"kind":"python","source":"below","after":"a"}']);
  });

  it("leave a cell on the page that the service refuses, and say so", async () => {
    const onRefused = vi.fn();
    const { service, store, goAway, comeBack } = setup({ onRefused });
    await goAway();
    const { id } = await store.createCell({ kind: "python", source: "", after: "a" });
    store.edit(id, "z = 3");
    service.refuses = "POST /cells";
    comeBack();
    await vi.waitFor(() => {
      expect(onRefused).toHaveBeenCalledOnce();
    });
    expect(store.text(id)).toBe("z = 3");
    expect(store.saveState()).toBe("failed");
    await store.deleteCell(id);
    expect(store.saveState()).toBe("saved");
  });

  it("outlive the tab, and are sent at the next visit", async () => {
    const first = setup({ storage: localStorage });
    await first.goAway();
    const { id } = await first.store.createCell({ kind: "markdown", source: "", after: "c" });
    first.store.edit(id, "# Later");
    first.store.stop();
    const { service, store } = setup({ storage: localStorage });
    expect(sources(store)).toEqual(["x = 1", "y = 2", "", "# Later"]);
    await vi.waitFor(() => {
      expect(service.calls).toContain('POST /cells {"kind":"markdown","source":"# Later","after":"c"}');
    });
    await vi.waitFor(() => {
      expect(localStorage.getItem("reactive-notebook:edits:n1")).toBeNull();
    });
    store.stop();
  });

  it("are not taken over from a tab that lives", async () => {
    const waiting: (() => void)[] = [];
    const held = new Set<string>();
    const request = (name: string, ...rest: unknown[]): Promise<unknown> => {
      const granted = rest.at(-1) as () => unknown;
      if (held.has(name)) {
        waiting.push(granted);
        return Promise.resolve();
      }
      held.add(name);
      return Promise.resolve(granted());
    };
    const locks = { request };
    const first = setup({ storage: localStorage, locks });
    await first.goAway();
    await first.store.createCell({ kind: "python", source: "mine", after: "c" });
    const other = setup({ storage: localStorage, locks });
    expect(sources(other.store)).toEqual(["x = 1", "y = 2", ""]);
    expect(waiting).toHaveLength(1);
    // The first tab dies: its lock is free.
    waiting.forEach((grant) => { grant(); });
    await vi.waitFor(() => {
      expect(other.service.calls).toContain('POST /cells {"kind":"python","source":"mine","after":"c"}');
    });
    first.store.stop();
    other.store.stop();
  });

  it("run nothing until they are sent", async () => {
    const { service, store, goAway } = setup();
    await goAway();
    await store.createCell({ kind: "python", source: "1", after: "c" });
    await expect(store.run({})).rejects.toThrow("can't be reached");
    expect(service.calls.filter((call) => call.includes("/run"))).toEqual([]);
  });
});

describe("withEdits", () => {
  const state = reduce(null, snapshot(cells), 0);
  const shown = (edits: Edit[], hidden: string[] = []) => state && withEdits(state, edits, (id) => hidden.includes(id));

  it("leaves out what is not there any more", () => {
    expect(shown([{ type: "move", id: "gone", after: "a" }, { type: "change", id: "gone", patch: { kind: "sql" } }])?.order).toEqual(["a", "b", "c"]);
    expect(shown([{ type: "create", id: "n", after: "gone", cell: {} }])?.order).toEqual(["a", "b", "c", "n"]);
  });

  it("shows a cell that is being made once", () => {
    expect(shown([{ type: "create", id: "n", after: "a", cell: {} }], ["c"])?.order).toEqual(["a", "n", "b"]);
  });

  it("leaves alone what the events tell already", () => {
    const next = shown([{ type: "create", id: "b", after: null, cell: { source: "old" } }]);
    expect(next?.order).toEqual(["a", "b", "c"]);
    expect(next?.cells.b).toBe(state?.cells.b);
  });
});
