import { createContext, use, useCallback, useSyncExternalStore } from "react";
import type { Cell, CellKind, CellPatch, ExportFormat } from "../../api/types.ts";
import { freeResultName } from "../../lib/result-name.ts";
import { saveFile } from "../../lib/save-file.ts";
import type { Connections } from "../../state/connections.ts";
import type { CellModels } from "../../editor/models.ts";
import type { FocusRequest } from "../../editor/code-editor.tsx";
import type { Observed } from "../../lib/observed.ts";
import { usesOf } from "../../state/dependencies.ts";
import type { Folds } from "../../state/folds.ts";
import type { NotebookStore } from "../../state/store.ts";
import { UnsavedError } from "../../state/drafts.ts";

/** Where the cursor is asked to go; the cell may not be on the page yet. */
export class EditorFocus {
  readonly #listeners = new Set<() => void>();
  #cell: string | null = null;
  #request: FocusRequest | null = null;
  #token = 0;

  request(cell: string, at: FocusRequest["at"]): void {
    this.#token += 1;
    this.#cell = cell;
    this.#request = { at, token: this.#token };
    this.#notify();
  }

  /** The cell is no longer being edited. */
  release(cell: string): void {
    if (this.#cell !== cell) return;
    this.#cell = null;
    this.#request = null;
    this.#notify();
  }

  /** The cell has another id now. */
  rename(from: string, to: string): void {
    if (this.#cell !== from) return;
    this.#cell = to;
    this.#notify();
  }

  of(cell: string): FocusRequest | null {
    return this.#cell === cell ? this.#request : null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The name under the cursor that cells of the notebook share, and the cell the cursor is in. */
export interface NameAt {
  name: string;
  cell: string;
}

interface Reports {
  show: (toast: {
    tone: "info" | "error";
    text: string;
    action?: { label: string; run: () => void };
  }) => void;
  fail: (what: string, error: unknown) => void;
}

/** What a person can do to the notebook; failures are told, never thrown. */
export class NotebookCommands {
  readonly #store: NotebookStore;
  readonly #connections: Connections;
  readonly #focus: EditorFocus;
  readonly #folds: Folds;
  readonly #reports: Reports;
  /** What brings back the deleted cells, the last one at the end. */
  readonly #deleted: (() => Promise<Cell>)[] = [];

  constructor(store: NotebookStore, connections: Connections, focus: EditorFocus, folds: Folds, reports: Reports) {
    this.#store = store;
    this.#connections = connections;
    this.#focus = focus;
    this.#folds = folds;
    this.#reports = reports;
  }

  edit(cell: string, at: FocusRequest["at"] = "keep"): void {
    this.#folds.set(cell, "source", false);
    this.#focus.request(cell, at);
  }

  /** Leaves a cell's editor; the cell around it takes the focus. */
  leave(cell: string): void {
    this.#focus.release(cell);
    focusCell(cell);
  }

  run(cell: string): Promise<void> {
    if (this.#store.cell(cell)?.kind === "markdown") return this.#closeText(cell);
    return this.#attempt("Can't run the cell", () => this.#store.run({ cells: [cell] }));
  }

  async runAndAdvance(cell: string): Promise<void> {
    const next = this.neighbour(cell, 1);
    const running = this.run(cell);
    if (next === null) await this.insert("python", cell);
    else if (this.#store.cell(next)?.kind === "markdown") this.goTo(next);
    else this.#focus.request(next, "start");
    await running;
  }

  async runAndInsert(cell: string): Promise<void> {
    await Promise.all([this.run(cell), this.insert("python", cell)]);
  }

  runAll(): Promise<void> {
    return this.#attempt("Can't run the notebook", () => this.#store.run({}));
  }

  runStale(): Promise<void> {
    return this.#attempt("Can't run the stale cells", () => this.#store.run({ stale: true }));
  }

  interrupt(): Promise<void> {
    return this.#attempt("Can't interrupt the run", () => this.#store.interrupt());
  }

  restart(run: boolean): Promise<void> {
    return this.#attempt("Can't restart the kernel", () => this.#store.restart(run));
  }

  rename(name: string): Promise<void> {
    return this.#attempt("Can't rename the notebook", () => this.#store.rename(name));
  }

  setMode(mode: "auto" | "lazy"): Promise<void> {
    return this.#attempt("Can't change the mode", () => this.#store.setMode(mode));
  }

  /** Downloads the notebook as it is on the page: what is unsaved is saved first. */
  export(format: ExportFormat): Promise<void> {
    return this.#attempt("Can't export the notebook", async () => {
      const { name, content } = await this.#store.export(format);
      saveFile(name, content);
    });
  }

  /** Adds a cell; `after` is null for the top of the page. */
  insert(kind: CellKind, after: string | null): Promise<void> {
    return this.#attempt("Can't add a cell", async () => {
      const cell = await this.#store.createCell({ kind, source: "", after, ...this.#sqlFields(kind) });
      this.#focus.request(cell.id, "start");
    });
  }

  remove(cell: string): Promise<void> {
    return this.#attempt("Can't delete the cell", async () => {
      const next = this.neighbour(cell, 1) ?? this.neighbour(cell, -1);
      const restore = await this.#store.deleteCell(cell);
      this.#deleted.push(restore);
      if (next !== null) focusCell(next);
      this.#reports.show({
        tone: "info",
        text: "Cell deleted.",
        action: {
          label: "Undo",
          run: () => void this.#bringBack(restore),
        },
      });
    });
  }

  /** Brings back the cell that was deleted last, as often as there is one. */
  undoRemove(): Promise<void> {
    const last = this.#deleted.at(-1);
    if (last !== undefined) return this.#bringBack(last);
    this.#reports.show({ tone: "info", text: "No cell was deleted here." });
    return Promise.resolve();
  }

  #bringBack(restore: () => Promise<Cell>): Promise<void> {
    const index = this.#deleted.indexOf(restore);
    if (index < 0) return Promise.resolve(); // it is back already
    this.#deleted.splice(index, 1);
    return this.#attempt("Can't bring the cell back", async () => {
      try {
        this.#focus.request((await restore()).id, "end");
      } catch (error) {
        this.#deleted.splice(index, 0, restore);
        throw error;
      }
    });
  }

  move(cell: string, by: -1 | 1): Promise<void> {
    return this.#attempt("Can't move the cell", async () => {
      const inEditor = document.activeElement?.closest(".code-editor") !== null;
      if (!(await this.#store.moveCell(cell, by)) || inEditor) return;
      requestAnimationFrame(() => {
        focusCell(cell);
      });
    });
  }

  place(cell: string, after: string | null): Promise<void> {
    return this.#attempt("Can't move the cell", () => this.#store.placeCell(cell, after));
  }

  setKind(cell: string, kind: CellKind): Promise<void> {
    if (this.#store.cell(cell)?.kind === kind) return Promise.resolve();
    return this.#attempt("Can't change the cell's kind", () =>
      this.#store.patchCell(cell, { kind, ...this.#sqlFields(kind, cell) }),
    );
  }

  /** What a SQL cell needs beside its source, as far as the cell doesn't have it from before. */
  #sqlFields(kind: CellKind, id?: string): Pick<CellPatch, "connection" | "result"> {
    if (kind !== "sql") return {};
    const cell = id === undefined ? undefined : this.#store.cell(id);
    const others = Object.values(this.#store.state?.cells ?? {}).filter((other) => other.id !== id);
    return {
      connection: cell?.connection ?? this.#connections.list[0]?.name ?? null,
      result: cell?.result ?? freeResultName(others),
    };
  }

  setDisabled(cell: string, disabled: boolean): Promise<void> {
    return this.#attempt(disabled ? "Can't disable the cell" : "Can't enable the cell", () =>
      this.#store.patchCell(cell, { disabled }),
    );
  }

  /** Shows a cell, and a line of it if one is given. */
  goTo(cell: string, line?: number): void {
    if (line === undefined) focusCell(cell);
    else this.edit(cell, { line });
  }

  /** Goes to the line that defines a name, if a cell does. */
  goToDefinition(name: string): void {
    const { order = [], cells = {} } = this.#store.state ?? {};
    const [cell] = usesOf(name, order, cells).definedIn;
    if (cell === undefined) return;
    const isWord = new RegExp(`(?<![\\p{L}\\p{N}_.])${name}(?![\\p{L}\\p{N}_])`, "u");
    const line = this.#store.text(cell).split("\n").findIndex((text) => isWord.test(text));
    this.edit(cell, { line: Math.max(0, line) + 1 });
  }

  neighbour(cell: string, by: -1 | 1): string | null {
    const order = this.#store.state?.order ?? [];
    const index = order.indexOf(cell);
    return index < 0 ? null : (order[index + by] ?? null);
  }

  async #closeText(cell: string): Promise<void> {
    this.#focus.release(cell);
    focusCell(cell);
    await this.#attempt("Can't save the text", () => this.#store.save([cell]));
  }

  async #attempt(failure: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#reports.fail(failure, error);
      if (error instanceof UnsavedError) focusCell(error.cell);
    }
  }
}

/** Brings a cell into view and gives it the focus. */
export function focusCell(cell: string): void {
  const element = document.querySelector<HTMLElement>(`article[data-cell-id="${CSS.escape(cell)}"]`);
  element?.focus({ preventScroll: true });
  element?.scrollIntoView({ block: "nearest" });
}

export interface PageParts {
  focus: EditorFocus;
  folds: Folds;
  /** The cell that had the focus last; commands for "this cell" mean it. */
  current: Observed<string | null>;
  name: Observed<NameAt | null>;
  commands: NotebookCommands;
  connections: Connections;
  models: CellModels;
}

export const PageContext = createContext<PageParts | null>(null);

export function usePage(): PageParts {
  const page = use(PageContext);
  if (page === null) throw new Error("usePage needs a PageContext above it");
  return page;
}

export function useFocusRequest(cell: string): FocusRequest | null {
  const { focus } = usePage();
  return useSyncExternalStore(
    focus.subscribe,
    useCallback(() => focus.of(cell), [focus, cell]),
  );
}
