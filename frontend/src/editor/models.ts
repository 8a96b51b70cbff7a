import type { ApiClient } from "../api/client.ts";
import type { NotebookStore } from "../state/store.ts";
import type * as Monaco from "./monaco.ts";

type Editing = typeof Monaco;
type Model = Monaco.monaco.editor.ITextModel;

/**
 * The editors' documents of one open notebook, by the keys of their cells. They outlive the editors, which
 * exist only near what is on the screen, so that undo reaches back past them.
 *
 * What is typed goes to the store at once; what the store learns from others
 * goes into the document as the smallest edit, which leaves the cursor alone.
 */
export class CellModels {
  readonly #store: NotebookStore;
  readonly #client: ApiClient;
  readonly #models = new Map<string, Model>();
  #unsubscribe: (() => void) | null = null;
  #applying = false;

  constructor(store: NotebookStore, client: ApiClient) {
    this.#store = store;
    this.#client = client;
  }

  start(): void {
    this.#unsubscribe ??= this.#store.subscribe(() => {
      this.#follow();
    });
  }

  get(editing: Editing, cell: string): Model {
    const known = this.#models.get(cell);
    if (known) return known;
    const language = editing.languageOf(this.#store.cell(cell)?.kind ?? "python");
    const model = editing.monaco.editor.createModel(normal(this.#store.text(cell)), language);
    model.updateOptions({
      tabSize: 4,
      insertSpaces: true,
      bracketColorizationOptions: { enabled: false, independentColorPoolPerBracketType: false },
    });
    model.onDidChangeContent(() => {
      if (!this.#applying) this.#store.edit(cell, model.getValue());
    });
    model.onWillDispose(() => {
      this.#models.delete(cell);
    });
    editing.setCompletionSource(model, (source, cursor, signal) =>
      this.#client.complete(this.#store.id, { cell_id: this.#store.idOf(cell), source, cursor }, signal),
    );
    this.#models.set(cell, model);
    return model;
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    for (const model of [...this.#models.values()]) model.dispose();
  }

  #follow(): void {
    for (const [cell, model] of [...this.#models]) {
      if (this.#store.state !== null && this.#store.cell(cell) === undefined) {
        model.dispose();
        continue;
      }
      const text = normal(this.#store.text(cell));
      const current = model.getValue();
      if (text === current) continue;
      this.#applying = true;
      try {
        const { start, end, insert } = difference(current, text);
        const [from, to] = [model.getPositionAt(start), model.getPositionAt(end)];
        const range = {
          startLineNumber: from.lineNumber,
          startColumn: from.column,
          endLineNumber: to.lineNumber,
          endColumn: to.column,
        };
        model.pushEditOperations([], [{ range, text: insert }], () => null);
      } finally {
        this.#applying = false;
      }
    }
  }
}

/** Documents have one kind of line end; a source from elsewhere may have others. */
function normal(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** The one replacement that turns a into b, between what they begin and end with in common. */
export function difference(a: string, b: string): { start: number; end: number; insert: string } {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let same = 0;
  while (same < shorter - start && a[a.length - 1 - same] === b[b.length - 1 - same]) same++;
  return { start, end: a.length - same, insert: b.slice(start, b.length - same) };
}
