import { ApiError } from "../api/error.ts";
import type { Cell, CellPatch, NewCell, NotebookPatch } from "../api/types.ts";
import { type NotebookState, place } from "./reducer.ts";

/** A change to a notebook's form, which waits for the service. Texts of cells are drafts, and not in here. */
export type Edit =
  /** The id is this page's own until the service gives the cell another. */
  | { type: "create"; id: string; after: string | null; cell: Omit<NewCell, "after"> }
  /** `sources` are what the person knew of it: as the service had it, and as it was on the page. */
  | { type: "delete"; id: string; sources: string[] }
  | { type: "move"; id: string; after: string | null }
  | { type: "change"; id: string; patch: Omit<CellPatch, "source" | "after"> }
  | { type: "notebook"; patch: NotebookPatch };

/** What the service answered to an edit: the notebook's version after it, if it says so. */
export interface Sent {
  version: number | null;
}

export interface OutboxOptions {
  /** Sends one edit. It may rename the cell of a "create" meanwhile. */
  send: (edit: Edit) => Promise<Sent>;
  onChange: () => void;
  /** The service will never take the edit. */
  onRefused: (edit: Edit, error: unknown) => void;
  /** The key in the storage; what waits in other tabs is under it, too. */
  key: string;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  locks: Pick<LockManager, "request"> | null;
}

interface Entry {
  edit: Edit;
  /** Set once the service has it: it is shown here until the event stream has come so far. */
  sent: Sent | null;
}

const retryDelay = 2_000;

/**
 * The changes that were made without the service, in their order. They are
 * shown at once, outlive the tab, and are sent one after the other when the
 * service is back.
 *
 * In the storage each tab has a list of its own. A tab holds a lock as long as
 * its list is not empty, so that another takes over only what a tab left
 * behind that is gone, and no edit is sent twice.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #tab = localId();
  readonly #stopped = new AbortController();
  #entries: Entry[] = [];
  #sending: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unlock: (() => void) | null = null;
  #stuck = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** What is shown over the state of the service. A new list after each change. */
  get edits(): readonly Edit[] {
    return this.#edits;
  }
  #edits: readonly Edit[] = [];

  /** How many the service doesn't have yet. */
  get waiting(): number {
    return this.#entries.filter(({ sent }) => sent === null).length;
  }

  /** Whether what waits can't be sent, as the service refuses it. */
  get stuck(): boolean {
    return this.#stuck;
  }

  /** Whether a cell is on this page alone. */
  isLocal(cell: string): boolean {
    return this.#entries.some(({ edit, sent }) => sent === null && edit.type === "create" && edit.id === cell);
  }

  add(edit: Edit): void {
    this.#entries.push({ edit, sent: null });
    this.#changed();
    this.#later();
  }

  /** Takes back an edit, if it was not sent yet; whether that was so. */
  cancel(edit: Edit): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.sent !== null || entry.edit !== edit);
    if (this.#entries.length === before) return false;
    this.#changed();
    return true;
  }

  /** Takes back a cell that is on this page alone; what was put below it goes below `above`. */
  withdraw(cell: string, above: string | null): void {
    this.#entries = this.#entries.filter(({ edit }) => !("id" in edit) || edit.id !== cell);
    this.#replace(cell, above);
  }

  /** A cell that was on this page alone has an id of the service's. */
  rename(from: string, to: string): void {
    for (const entry of this.#entries) {
      if ("id" in entry.edit && entry.edit.id === from) entry.edit = { ...entry.edit, id: to };
    }
    this.#replace(from, to);
  }

  #replace(after: string, by: string | null): void {
    for (const entry of this.#entries) {
      if ("after" in entry.edit && entry.edit.after === after) entry.edit = { ...entry.edit, after: by };
    }
    this.#changed();
  }

  /** The event stream has come to this version of the notebook. */
  seen(version: number): void {
    const kept = this.#entries.filter(({ sent }) => sent === null || (sent.version !== null && sent.version > version));
    if (kept.length === this.#entries.length) return;
    this.#entries = kept;
    this.#changed();
  }

  /** Sends what waits, until all is sent or something can't be now; then it throws why, and tries again later. */
  send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    await this.#sending?.catch(() => undefined); // who sends it hears of that
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      const entry = this.#entries.find(({ sent }) => sent === null);
      this.#stuck = false;
      if (entry === undefined || this.#stopped.signal.aborted) return;
      try {
        const sent = await this.#options.send(entry.edit);
        if (sent.version === null) this.#entries = this.#entries.filter((other) => other !== entry);
        else entry.sent = sent;
        this.#changed();
      } catch (error) {
        if (isPassing(error)) {
          this.#later();
          throw error;
        }
        this.#options.onRefused(entry.edit, error);
        // A cell that can't be made stays on the page with its text, until the person deletes it.
        if (entry.edit.type === "create") {
          this.#stuck = true;
          this.#options.onChange();
          throw error;
        }
        this.#entries = this.#entries.filter((other) => other !== entry);
        this.#changed();
      }
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    if (this.#stopped.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.send().catch(() => undefined); // it tries again by itself, or has told
    }, retryDelay);
  }

  /** Takes over what tabs left behind that are gone by now; `onTaken` is called with each list. */
  takeOver(onTaken: (edits: readonly Edit[]) => void): void {
    for (const tab of Object.keys(this.#read())) {
      if (tab === this.#tab) continue;
      const take = () => {
        const kept = this.#read();
        const edits = kept[tab];
        if (edits === undefined || this.#stopped.signal.aborted) return;
        this.#entries.push(...edits.map((edit) => ({ edit, sent: null })));
        this.#write(tab, []);
        onTaken(edits);
        this.#changed();
      };
      const { locks } = this.#options;
      if (locks === null) take();
      else {
        // Granted when the other tab has sent its own, or is gone.
        locks.request(this.#lockOf(tab), { signal: this.#stopped.signal }, take).catch(() => undefined);
      }
    }
  }

  /** What is not sent stays in the storage, for the next visit. */
  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#unlock?.();
    this.#unlock = null;
  }

  #changed(): void {
    this.#edits = this.#entries.map(({ edit }) => edit);
    const waiting = this.#entries.filter(({ sent }) => sent === null).map(({ edit }) => edit);
    if (waiting.length > 0) this.#lock();
    this.#write(this.#tab, waiting);
    if (waiting.length === 0) {
      this.#unlock?.();
      this.#unlock = null;
    }
    this.#options.onChange();
  }

  #lockOf(tab: string): string {
    return `${this.#options.key}:${tab}`;
  }

  #lock(): void {
    const { locks } = this.#options;
    if (locks === null || this.#unlock !== null || this.#stopped.signal.aborted) return;
    const held = new Promise<void>((resolve) => {
      this.#unlock = resolve;
    });
    locks.request(this.#lockOf(this.#tab), () => held).catch(() => undefined);
  }

  #read(): Record<string, Edit[]> {
    try {
      const kept: unknown = JSON.parse(this.#options.storage?.getItem(this.#options.key) ?? "{}");
      if (typeof kept !== "object" || kept === null) return {};
      return Object.fromEntries(Object.entries(kept).filter(([, edits]) => Array.isArray(edits) && edits.every(isEdit)));
    } catch {
      return {};
    }
  }

  #write(tab: string, edits: readonly Edit[]): void {
    const { storage, key } = this.#options;
    const { [tab]: before, ...others } = this.#read();
    if (edits.length === 0 && before === undefined) return;
    const all = edits.length === 0 ? others : { ...others, [tab]: edits };
    try {
      if (Object.keys(all).length === 0) storage?.removeItem(key);
      else storage?.setItem(key, JSON.stringify(all));
    } catch {
      // Storage is full or forbidden: what waits lasts as long as the page.
    }
  }
}

const localPrefix = "local-";

/** An id that no cell of the service has. */
export function localId(): string {
  return `${localPrefix}${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 12)}`;
}

export function isLocalId(id: string): boolean {
  return id.startsWith(localPrefix);
}

/** Whether the same request may be taken later: nobody answered, or nobody who could decide. */
export function isPassing(error: unknown): boolean {
  return error instanceof ApiError && [0, 401, 429, 502, 503, 504].includes(error.status);
}

function isEdit(value: unknown): value is Edit {
  return typeof value === "object" && value !== null && "type" in value && ("id" in value || "patch" in value);
}

/**
 * The notebook as it will be with the edits. `hidden` are cells that are not
 * shown: what the event stream already tells of a cell that is being made, and
 * that is shown under this page's own id.
 */
export function withEdits(state: NotebookState, edits: readonly Edit[], hidden: (cell: string) => boolean): NotebookState {
  let { order, cells, name, mode } = state;
  if (order.some(hidden)) order = order.filter((id) => !hidden(id));
  for (const edit of edits) {
    switch (edit.type) {
      case "create":
        if (edit.id in cells) break; // the event stream has come so far
        cells = { ...cells, [edit.id]: newCell(edit.id, edit.cell) };
        order = place(order, edit.id, edit.after);
        break;
      case "delete":
        order = order.filter((id) => id !== edit.id);
        cells = Object.fromEntries(Object.entries(cells).filter(([id]) => id !== edit.id));
        break;
      case "move":
        if (edit.id in cells) order = place(order, edit.id, edit.after);
        break;
      case "change": {
        const cell = cells[edit.id];
        if (cell !== undefined) cells = { ...cells, [edit.id]: { ...cell, ...edit.patch } };
        break;
      }
      case "notebook":
        ({ name = name, mode = mode } = edit.patch);
    }
  }
  return { ...state, order, cells, name, mode };
}

function newCell(id: string, fields: Omit<NewCell, "after">): Cell {
  return {
    id,
    kind: fields.kind ?? "python",
    source: fields.source ?? "",
    disabled: fields.disabled ?? false,
    connection: fields.connection ?? null,
    result: fields.result ?? null,
    defines: [],
    references: [],
    status: "new",
    error: null,
    blocked_by: [],
    outputs: [],
    execution_count: 0,
    started_at: null,
    duration_ms: null,
  };
}
