import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { NotebookSummary } from "../api/types.ts";
import { cell, fakeFetch, FakeSocket, json, notebook, problem, snapshot } from "../test/builders.ts";
import { App } from "./app.tsx";
import { SessionProvider, takeToken } from "./session.tsx";

// Monaco measures text, which jsdom can't; a plain field stands in for it. The
// editor itself is tried in a real browser.
vi.mock("../editor/code-editor.tsx", async () => {
  const { useStore } = await import("../state/hooks.ts");
  return {
    CodeEditor: ({ cell: id, text, label }: { cell: string; text: string; label: string }) => {
      const store = useStore();
      return (
        <textarea
          aria-label={label}
          value={text}
          onChange={(event) => {
            store.edit(id, event.target.value);
          }}
        />
      );
    },
  };
});

type Routes = Parameters<typeof fakeFetch>[0];

function open(path: string, routes: Routes, refusal: string | null = null) {
  window.history.replaceState(null, "", path);
  return render(
    <SessionProvider base="" fetch={fakeFetch(routes)} signedIn={refusal === null} refusal={refusal}>
      <App />
    </SessionProvider>,
  );
}

function summary(id: string, name: string): NotebookSummary {
  const time = new Date(Date.now() - 3.5 * 60_000).toISOString();
  return { id, name, version: 1, cell_count: 3, created_at: time, updated_at: time, kernel: { status: "idle" } };
}

beforeEach(() => {
  FakeSocket.opened.length = 0;
  vi.stubGlobal("WebSocket", FakeSocket);
  HTMLDialogElement.prototype.showModal = function showModal(this: HTMLDialogElement) {
    this.open = true;
  };
});

describe("the list of notebooks", () => {
  it("invites to create the first one, and opens it", async () => {
    const created = vi.fn(() => json(notebook([cell({ id: "a" })]), { status: 201 }));
    open("/", { "GET /api/notebooks": () => json({ notebooks: [], next_cursor: null }), "POST /api/notebooks": created });
    await userEvent.click(await screen.findByRole("button", { name: "New notebook" }));
    await waitFor(() => {
      expect(window.location.pathname).toBe("/notebooks/n1");
    });
    expect(created).toHaveBeenCalledWith({ name: "Untitled notebook", cells: [{ kind: "python", source: "" }] }, expect.anything());
  });

  it("shows each with its cells, change and kernel, and names as text", async () => {
    open("/", { "GET /api/notebooks": () => json({ notebooks: [summary("n1", "<b>Tides</b>")], next_cursor: null }) });
    const row = (await screen.findByRole("link", { name: "<b>Tides</b>" })).closest("li");
    expect(row).toHaveTextContent("3 cells");
    expect(row).toHaveTextContent("changed 3 minutes ago");
    expect(row).toHaveTextContent("ready");
  });

  it("searches as one types and keeps the search in the address", async () => {
    const searched: string[] = [];
    open("/", {
      "GET /api/notebooks": (_, request) => {
        const q = new URL(request.url).searchParams.get("q") ?? "";
        searched.push(q);
        return json({ notebooks: q === "" ? [summary("n1", "Tides")] : [], next_cursor: null });
      },
    });
    await screen.findByText("Tides");
    await userEvent.type(screen.getByRole("searchbox"), "sun");
    expect(await screen.findByText("No notebook has “sun” in its name.")).toBeVisible();
    expect(window.location.search).toBe("?q=sun");
    expect(searched).not.toContain("s");
  });

  it("renames in place", async () => {
    const renamed = vi.fn(() => json(notebook([])));
    open("/", {
      "GET /api/notebooks": () => json({ notebooks: [summary("n1", "Tides")], next_cursor: null }),
      "PATCH /api/notebooks/n1": renamed,
    });
    await userEvent.click(await screen.findByRole("button", { name: "Actions for Tides" }));
    await userEvent.click(screen.getByRole("menuitem", { name: "Rename" }));
    const field = await screen.findByRole("textbox", { name: "Name of the notebook" });
    await userEvent.clear(field);
    await userEvent.type(field, "Moon{Enter}");
    expect(renamed).toHaveBeenCalledWith({ name: "Moon" }, expect.anything());
  });

  it("asks before it deletes, and says what went wrong", async () => {
    const removed = vi.fn(() => problem(503, "Service Unavailable", "the service is stopping"));
    open("/", {
      "GET /api/notebooks": () => json({ notebooks: [summary("n1", "Tides")], next_cursor: null }),
      "DELETE /api/notebooks/n1": removed,
    });
    await userEvent.click(await screen.findByRole("button", { name: "Actions for Tides" }));
    await userEvent.click(screen.getByRole("menuitem", { name: "Delete…" }));
    const dialog = screen.getByRole("dialog", { name: "Delete “Tides”?" });
    expect(removed).not.toHaveBeenCalled();
    await userEvent.click(within(dialog).getByRole("button", { name: "Delete notebook" }));
    expect(await screen.findByText("Can't delete “Tides”: the service is stopping")).toBeVisible();
  });

  it("says so when the service can't be reached, and tries again", async () => {
    let reachable = false;
    open("/", {
      "GET /api/notebooks": () => {
        if (!reachable) throw new TypeError("fetch failed");
        return json({ notebooks: [summary("n1", "Tides")], next_cursor: null });
      },
    });
    expect(await screen.findByRole("alert")).toHaveTextContent("The service can't be reached.");
    reachable = true;
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("Tides")).toBeVisible();
    expect(screen.queryByRole("alert")).toBeNull();
  });
});

describe("files", () => {
  const list = { "GET /api/notebooks": () => json({ notebooks: [summary("n1", "Tides")], next_cursor: null }) };
  const script = (name: string, text = "x = 1") => new File([text], name, { type: "text/plain" });
  const imported = (lost: string[], id = "n9") =>
    vi.fn((_: unknown, request: Request) => {
      const name = new URL(request.url).searchParams.get("name") ?? "";
      return json({ ...notebook([], { id, name }), lost }, { status: 201 });
    });

  it("are imported and opened", async () => {
    const route = imported([]);
    open("/", { ...list, "POST /api/notebooks/import": route });
    expect(await screen.findByRole("button", { name: "Import" })).toBeVisible();
    await userEvent.upload(screen.getByTestId("import-file"), script("low water.py"));
    await waitFor(() => {
      expect(window.location.pathname).toBe("/notebooks/n9");
    });
    const request = route.mock.calls[0]?.[1];
    expect(request?.headers.get("content-type")).toBe("text/x-python");
    expect(new URL(request?.url ?? "").search).toBe("?name=low+water");
  });

  it("can be dropped on the page, which says what was lost before it opens the notebook", async () => {
    open("/", { ...list, "POST /api/notebooks/import": imported(["2 widgets", "1 attachment of cell 3"]) });
    await screen.findByText("Tides");
    const dataTransfer = { types: ["Files"], files: [script("old.ipynb", "{}")] };
    fireEvent.dragEnter(document.body, { dataTransfer });
    expect(screen.getByText("Drop .ipynb or .py files to import them")).toBeVisible();
    expect(fireEvent.drop(document.body, { dataTransfer })).toBe(false);
    expect(screen.queryByText("Drop .ipynb or .py files to import them")).toBeNull();
    const dialog = await screen.findByRole("dialog", { name: "Imported, but not all of it" });
    expect(within(dialog).getAllByRole("listitem").map((item) => item.textContent)).toEqual(["2 widgets", "1 attachment of cell 3"]);
    expect(window.location.pathname).toBe("/");
    await userEvent.click(within(dialog).getByRole("button", { name: "Open notebook" }));
    expect(window.location.pathname).toBe("/notebooks/n9");
  });

  it("that can't be imported are named with the reason, and keep no other from it", async () => {
    const route = vi.fn((_: unknown, request: Request) =>
      request.headers.get("content-type") === "text/x-python"
        ? json({ ...notebook([], { id: "n9" }), lost: [] }, { status: 201 })
        : problem(422, "Unprocessable Content", "nbformat 3 is too old"),
    );
    open("/", { ...list, "POST /api/notebooks/import": route });
    await screen.findByText("Tides");
    const files = [script("photo.png"), script("old.ipynb", "{}"), script("a.py")];
    fireEvent.drop(document.body, { dataTransfer: { types: ["Files"], files } });
    expect(await screen.findByText("Can't import “photo.png”: it must be an .ipynb or a .py file.")).toBeVisible();
    expect(await screen.findByText("Can't import “old.ipynb”: nbformat 3 is too old")).toBeVisible();
    await waitFor(() => {
      expect(window.location.pathname).toBe("/notebooks/n9");
    });
    expect(route).toHaveBeenCalledTimes(2);
  });

  it("are not what a dragged text is", async () => {
    open("/", list);
    await screen.findByText("Tides");
    const dataTransfer = { types: ["text/plain"], files: [] };
    fireEvent.dragEnter(document.body, { dataTransfer });
    expect(fireEvent.drop(document.body, { dataTransfer })).toBe(true);
    expect(screen.queryByText("Drop .ipynb or .py files to import them")).toBeNull();
  });
});

describe("a copy", () => {
  it("has the cells as they are written, and nothing of their runs", async () => {
    const created = vi.fn(() => json(notebook([], { id: "n2", name: "Tides copy" }), { status: 201 }));
    open("/", {
      "GET /api/notebooks": () => json({ notebooks: [summary("n1", "Tides")], next_cursor: null }),
      "GET /api/notebooks/n1": () =>
        json(
          notebook(
            [
              cell({ id: "a", source: "x = 1", status: "ok", outputs: [{ kind: "stream", stream: "stdout", text: "1" }], defines: ["x"] }),
              cell({ id: "b", kind: "sql", source: "SELECT 1", disabled: true, connection: "sample", result: "rows" }),
            ],
            { mode: "lazy" },
          ),
        ),
      "POST /api/notebooks": created,
    });
    await userEvent.click(await screen.findByRole("button", { name: "Actions for Tides" }));
    await userEvent.click(screen.getByRole("menuitem", { name: "Duplicate" }));
    await userEvent.click(await screen.findByRole("button", { name: "Open" }));
    expect(created).toHaveBeenCalledWith(
      {
        name: "Tides copy",
        mode: "lazy",
        cells: [
          { kind: "python", source: "x = 1", disabled: false, connection: null, result: null },
          { kind: "sql", source: "SELECT 1", disabled: true, connection: "sample", result: "rows" },
        ],
      },
      expect.anything(),
    );
    expect(window.location.pathname).toBe("/notebooks/n2");
  });
});

describe("the samples", () => {
  const nothing = { "GET /api/notebooks": () => json({ notebooks: [], next_cursor: null }) };
  const connections = (...names: string[]) => ({
    "GET /api/connections": () => json({ connections: names.map((name) => ({ name, dialect: "sqlite" })) }),
  });

  it("teach SQL where there is a database to try it on", async () => {
    const created = vi.fn((body: unknown) => json(notebook([], { name: (body as { name: string }).name }), { status: 201 }));
    open("/", { ...nothing, ...connections("warehouse", "sample"), "POST /api/notebooks": created });
    await userEvent.click(await screen.findByRole("button", { name: /SQL and Python, side by side/ }));
    await waitFor(() => {
      expect(window.location.pathname).toBe("/notebooks/n1");
    });
    const { cells } = created.mock.calls[0]?.[0] as { cells: { kind: string; connection?: string; result?: string }[] };
    const sql = cells.filter(({ kind }) => kind === "sql");
    expect(sql.map(({ connection }) => connection)).toEqual(sql.map(() => "sample"));
    expect(new Set(sql.map(({ result }) => result)).size).toBe(3);
  });

  it("are without SQL where there is none", async () => {
    open("/", { ...nothing, ...connections("warehouse") });
    expect(await screen.findByRole("button", { name: /How cells feed each other/ })).toBeVisible();
    expect(screen.queryByRole("button", { name: /SQL and Python, side by side/ })).toBeNull();
  });
});

describe("signing in", () => {
  it("takes the token out of the address before it is used", () => {
    window.history.replaceState(null, "", "/notebooks/n1?a=1#token=s%2Bcret&x=2");
    expect(takeToken()).toBe("s+cret");
    expect(window.location.href).toMatch(/\/notebooks\/n1\?a=1#x=2$/);
    expect(takeToken()).toBeNull();
  });

  it("is asked for when the service refuses, and leads back to where one was", async () => {
    let known = false;
    open("/?q=ti", {
      "GET /api/notebooks": () =>
        known ? json({ notebooks: [summary("n1", "Tides")], next_cursor: null }) : problem(401, "Unauthorized"),
      "POST /api/session": (body) => {
        known = (body as { token: string }).token === "right";
        return known ? new Response(null, { status: 204 }) : problem(401, "Unauthorized");
      },
    });
    const field = await screen.findByLabelText("Token");
    await userEvent.type(field, "wrong{Enter}");
    expect(await screen.findByText("That token is not the one this service was started with.")).toBeVisible();
    await userEvent.clear(field);
    await userEvent.type(field, "right{Enter}");
    expect(await screen.findByText("Tides")).toBeVisible();
    expect(screen.queryByTestId("sign-in")).toBeNull();
    expect(window.location.search).toBe("?q=ti");
  });

  it("says why the token of the address was refused", () => {
    open("/", {}, "That token is not the one this service was started with.");
    expect(screen.getByRole("alert")).toHaveTextContent("not the one");
  });
});

describe("a notebook", () => {
  const send = async (...frames: unknown[]) => {
    await waitFor(() => {
      expect(FakeSocket.opened.length).toBeGreaterThan(0);
    });
    FakeSocket.last().open();
    FakeSocket.last().send(...frames);
  };

  it("shows how each cell stands, and leads to what blocks it", async () => {
    open("/notebooks/n1", {});
    await send(
      snapshot([
        cell({ id: "a", status: "error", error: { kind: "exception", name: "ValueError", message: "no", traceback: [], names: [], cells: [] } }),
        cell({ id: "b", status: "blocked", blocked_by: ["a"] }),
        cell({ id: "c", status: "ok", duration_ms: 12 }),
      ]),
    );
    const first = await screen.findByRole("article", { name: "Cell 1, Python" });
    expect(first).toHaveAttribute("data-status", "error");
    expect(within(first).getByText("ValueError")).toBeVisible();
    const second = screen.getByRole("article", { name: "Cell 2, Python" });
    expect(second).toHaveTextContent("blocked by cell 1");
    expect(screen.getByRole("article", { name: "Cell 3, Python" })).toHaveTextContent("ran in 12 ms");
    HTMLElement.prototype.scrollIntoView = () => undefined;
    await userEvent.click(within(second).getByRole("button", { name: "cell 1" }));
    expect(first).toHaveFocus();
  });

  it("says why a cell ran, and announces how the run ended", async () => {
    open("/notebooks/n1", {});
    const status = (seq: number, id: string, to: string) => ({ type: "cell.status", seq, cell_id: id, run_id: "r", status: to, error: null, blocked_by: [], execution_count: 1, duration_ms: 3 });
    await send(
      snapshot([cell({ id: "a" }), cell({ id: "b" })]),
      { type: "run.started", seq: 11, run_id: "r", cells: ["a", "b"], reasons: { a: { because: "requested" }, b: { because: "input", cell_id: "a", names: ["x"] } } },
      status(12, "a", "ok"),
      status(13, "b", "ok"),
      { type: "run.finished", seq: 14, run_id: "r", status: "ok", duration_ms: 8 },
    );
    expect(await screen.findByText(/because/)).toHaveTextContent("because cell 1 ran and defines x");
    FakeSocket.last().send({ type: "run.finished", seq: 15, run_id: "r2", status: "error", duration_ms: 8 });
    await waitFor(() => {
      expect(screen.getByTestId("run-announcement")).toHaveTextContent("Run ended with an error after 8 ms");
    });
  });

  it("shows the same change made elsewhere as a conflict, and takes the choice", async () => {
    open("/notebooks/n1", {});
    await send(snapshot([cell({ id: "a", source: "x = 1" })]));
    await userEvent.type(await screen.findByLabelText("Source of cell 1"), "0");
    FakeSocket.last().send({ type: "cell.updated", seq: 11, cell: cell({ id: "a", source: "x = 2" }), version: 2 });
    const conflict = await screen.findByTestId("conflict");
    expect(conflict).toHaveTextContent("x = 2");
    expect(screen.getByTestId("save-state")).toHaveTextContent("Conflict");
    await userEvent.click(within(conflict).getByRole("button", { name: "Take the other" }));
    await waitFor(() => {
      expect(screen.getByLabelText("Source of cell 1")).toHaveValue("x = 2");
    });
    expect(screen.getByTestId("save-state")).toHaveTextContent("Saved");
  });

  it("acts on the focused cell by key", async () => {
    HTMLElement.prototype.scrollIntoView = () => undefined;
    const calls: string[] = [];
    const note = (what: string) => (body: unknown) => {
      calls.push(`${what} ${JSON.stringify(body)}`);
      return what.startsWith("delete") ? new Response(null, { status: 204 }) : json(cell({ id: "z" }));
    };
    open("/notebooks/n1", {
      "POST /api/notebooks/n1/run": note("run"),
      "POST /api/notebooks/n1/cells": note("add"),
      "PATCH /api/notebooks/n1/cells/b": note("change"),
      "DELETE /api/notebooks/n1/cells/b": note("delete"),
    });
    await send(snapshot([cell({ id: "a" }), cell({ id: "b" })]));
    (await screen.findByRole("article", { name: "Cell 1, Python" })).focus();
    await userEvent.keyboard("{ArrowDown}");
    expect(screen.getByRole("article", { name: "Cell 2, Python" })).toHaveFocus();
    await userEvent.keyboard("{Control>}{Enter}{/Control}ab");
    await userEvent.keyboard("m");
    await userEvent.keyboard("{Alt>}{ArrowUp}{/Alt}");
    await userEvent.keyboard("d");
    expect(calls.some((call) => call.startsWith("delete"))).toBe(false);
    await userEvent.keyboard("dd");
    await waitFor(() => {
      expect(calls).toEqual([
        'run {"cells":["b"]}',
        'add {"kind":"python","source":"","after":"a"}',
        'add {"kind":"python","source":"","after":"b"}',
        'change {"kind":"markdown"}',
        'change {"after":null}',
        "delete undefined",
      ]);
    });
    expect(await screen.findByRole("button", { name: "Undo" })).toBeVisible();
  });

  it("says when it was deleted, when it never was, and when there is no such page", async () => {
    const first = open("/notebooks/n1", {});
    await send(snapshot([cell({ id: "a" })]));
    await screen.findByRole("article");
    FakeSocket.last().breakOff(4410);
    expect(await screen.findByTestId("notebook-deleted")).toHaveTextContent("Someone deleted “Tides”");
    first.unmount();

    FakeSocket.opened.length = 0;
    const second = open("/notebooks/n2", {});
    await waitFor(() => {
      expect(FakeSocket.opened).toHaveLength(1);
    });
    FakeSocket.last().breakOff(1006);
    expect(await screen.findByTestId("notebook-missing")).toBeVisible();
    second.unmount();

    open("/nowhere", {});
    expect(screen.getByTestId("not-found")).toBeVisible();
  });

  describe("with SQL", () => {
    const connections = () =>
      json({ connections: [{ name: "sample", dialect: "sqlite" }, { name: "warehouse", dialect: "postgresql" }] });
    const rows = cell({ id: "b", kind: "sql", source: "SELECT 1", connection: "sample", result: "rows", defines: ["rows"] });

    it("adds cells that have a connection and a name of their own for the rows", async () => {
      const added: unknown[] = [];
      open("/notebooks/n1", {
        "GET /api/connections": connections,
        "POST /api/notebooks/n1/cells": (body) => {
          added.push(body);
          return json(cell({ id: "z", kind: "sql" }), { status: 201 });
        },
        "PATCH /api/notebooks/n1/cells/a": (body) => {
          added.push(body);
          return json(cell({ id: "a", kind: "sql" }));
        },
      });
      await send(snapshot([cell({ id: "a", defines: ["result"] }), rows]));
      await userEvent.click(await screen.findByRole("button", { name: "Add SQL cell below cell 1" }));
      await userEvent.click(screen.getByRole("button", { name: "More for cell 1" }));
      await userEvent.click(screen.getByRole("menuitem", { name: "Change to SQL" }));
      await waitFor(() => {
        expect(added).toEqual([
          { kind: "sql", source: "", after: "a", connection: "sample", result: "result_2" },
          { kind: "sql", connection: "sample", result: "result" },
        ]);
      });
    });

    it("saves where a cell asks and what gets the rows, and says why not", async () => {
      const patches: unknown[] = [];
      open("/notebooks/n1", {
        "GET /api/connections": connections,
        "PATCH /api/notebooks/n1/cells/b": (body) => {
          patches.push(body);
          return (body as { result?: string }).result === "1st"
            ? problem(422, "Unprocessable Content", "the cell can't be accepted", [{ field: "result", message: "is no name of Python's" }])
            : json({ ...rows, ...(body as object) });
        },
      });
      await send(snapshot([cell({ id: "a" }), rows]));
      const sql = await screen.findByRole("article", { name: "Cell 2, SQL" });
      const picker = within(sql).getByRole("combobox", { name: "Connection of cell 2" });
      await within(sql).findByRole("option", { name: "warehouse" });
      await userEvent.selectOptions(picker, "warehouse");
      expect(picker).toHaveValue("warehouse");

      const field = within(sql).getByRole("textbox", { name: "Result variable of cell 2" });
      await userEvent.clear(field);
      await userEvent.type(field, "1st{Enter}");
      expect(await within(sql).findByRole("alert")).toHaveTextContent("the cell can't be accepted: is no name of Python's");
      expect(field).toHaveValue("1st");
      expect(field).toBeInvalid();
      await userEvent.clear(field);
      await userEvent.type(field, "first");
      await userEvent.tab();
      await waitFor(() => {
        expect(within(sql).queryByRole("alert")).toBeNull();
      });
      expect(field).toBeValid();
      expect(patches).toEqual([{ connection: "warehouse" }, { result: "1st" }, { result: "first" }]);

      FakeSocket.last().send({ type: "cell.updated", seq: 11, cell: { ...rows, connection: "warehouse", result: "others" }, version: 2 });
      await waitFor(() => {
        expect(field).toHaveValue("others");
      });
      expect(picker).toHaveValue("warehouse");
    });

    it("keeps a connection that is no longer configured in sight", async () => {
      open("/notebooks/n1", { "GET /api/connections": connections });
      await send(snapshot([{ ...rows, connection: "gone" }]));
      expect(await screen.findByRole("option", { name: "gone (not configured)", selected: true })).toBeInTheDocument();
    });

    it("doesn't offer it where the service has none", async () => {
      open("/notebooks/n1", {});
      await send(snapshot([cell({ id: "a" })]));
      await userEvent.click(await screen.findByRole("button", { name: "More for cell 1" }));
      expect(screen.getByRole("menuitem", { name: "Change to Markdown" })).toBeVisible();
      expect(screen.queryByRole("menuitem", { name: /SQL/ })).toBeNull();
      expect(screen.queryByRole("button", { name: /SQL/ })).toBeNull();
    });
  });

  it("is exported with what was typed last, and says when that fails", async () => {
    const steps: string[] = [];
    const saved: { name: string; content: Blob }[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function click(this: HTMLAnchorElement) {
      steps.push(`download ${this.download} ${this.href}`);
    });
    URL.createObjectURL = (content) => {
      saved.push({ name: "", content: content as Blob });
      return "blob:made";
    };
    open("/notebooks/n1", {
      "PATCH /api/notebooks/n1/cells/a": (body) => {
        steps.push(`save ${JSON.stringify(body)}`);
        return json(cell({ id: "a", source: "x = 12" }), { headers: { etag: '"2"' } });
      },
      "GET /api/notebooks/n1/export?format=ipynb": () => {
        steps.push("export");
        return new Response("{}", { headers: { "content-disposition": 'attachment; filename="Tides.ipynb"' } });
      },
      "GET /api/notebooks/n1/export?format=html": () => problem(503, "Service Unavailable", "the service is stopping"),
    });
    await send(snapshot([cell({ id: "a", source: "x = 1" })]));
    await userEvent.type(await screen.findByLabelText("Source of cell 1"), "2");
    await userEvent.click(screen.getByRole("button", { name: "Export" }));
    await userEvent.click(screen.getByRole("menuitem", { name: "Jupyter notebook (.ipynb)" }));
    await waitFor(() => {
      expect(steps).toEqual(['save {"source":"x = 12"}', "export", "download Tides.ipynb blob:made"]);
    });
    expect(saved).toHaveLength(1);
    await userEvent.click(screen.getByRole("button", { name: "Export" }));
    await userEvent.click(screen.getByRole("menuitem", { name: "Web page (.html)" }));
    expect(await screen.findByText("Can't export the notebook: the service is stopping")).toBeVisible();
    expect(saved).toHaveLength(1);
  });

  it("has an outline of headings and names that leads to the cells", async () => {
    HTMLElement.prototype.scrollIntoView = () => undefined;
    open("/notebooks/n1", {});
    await send(
      snapshot([
        cell({ id: "a", kind: "markdown", source: "# Tides\n\nHow high?\n\n## Data" }),
        cell({ id: "b", defines: ["height", "when"] }),
        cell({ id: "c", source: "print(height)", references: ["height", "print"] }),
        cell({ id: "d", defines: ["mean"], references: ["height"] }),
      ]),
    );
    await userEvent.click(await screen.findByRole("button", { name: "Outline" }));
    const panel = screen.getByRole("complementary", { name: "Outline" });
    expect(within(panel).getAllByRole("listitem").map((item) => item.textContent)).toEqual([
      "TidesData",
      "Cell 2 defines heightwhen",
      "Cell 4 defines meanreads cell 2",
    ]);
    await userEvent.click(within(panel).getByRole("button", { name: "Data" }));
    expect(screen.getByRole("article", { name: "Cell 1, Markdown" })).toHaveFocus();
    await userEvent.click(within(panel).getByRole("button", { name: /mean/ }));
    expect(screen.getByRole("article", { name: "Cell 4, Python" })).toHaveFocus();
    await userEvent.click(within(panel).getByRole("button", { name: "Close outline" }));
    expect(screen.queryByRole("complementary")).toBeNull();
  });
});
