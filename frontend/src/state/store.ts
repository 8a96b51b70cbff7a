import type { ApiClient, Download } from "../api/client.ts";
import { ApiError } from "../api/error.ts";
import type { Cell, CellPatch, ExportFormat, Frame, NewCell, NotebookPatch, RunRequest } from "../api/types.ts";
import { type Draft, Drafts } from "./drafts.ts";
import { type Edit, isLocalId, isPassing, localId, Outbox, type Sent, withEdits } from "./outbox.ts";
import { type NotebookState, reduce } from "./reducer.ts";
import { type Connection, NotebookSocket } from "./socket.ts";

export interface StoreOptions {
  client: ApiClient;
  id: string;
  createSocket?: (url: string) => WebSocket;
  /** Keeps what could not be saved before the page went away. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  /** Tells tabs that live from those that are gone; null where there are no locks. */
  locks?: Pick<LockManager, "request"> | null;
  /** An edit that was kept is refused by the service. */
  onRefused?: (edit: Edit, error: unknown) => void;
  now?: () => number;
  /** Calls back before the next paint; returns how to cancel that. */
  schedule?: (callback: () => void) => () => void;
  saveDelay?: number;
}

/**
 * One open notebook: its state as the event stream tells it, the drafts over
 * it, and the commands that change it. Components subscribe to the parts they
 * show; listeners are called at most once a frame, however many events come.
 *
 * The state is changed by events alone. Commands go over HTTP and their effect
 * comes back as events, so there is one way in which anything gets on the page.
 * What is changed while the service can't be reached waits in an outbox, and
 * is shown over the state until the events tell of it.
 */
export class NotebookStore {
  readonly id: string;
  readonly #client: ApiClient;
  readonly #socket: NotebookSocket;
  readonly #drafts: Drafts;
  readonly #outbox: Outbox;
  readonly #storage: StoreOptions["storage"];
  readonly #now: () => number;
  readonly #schedule: (callback: () => void) => () => void;
  readonly #listeners = new Set<() => void>();
  #state: NotebookState | null = null;
  #connection: Connection = { kind: "connecting" };
  #unschedule: (() => void) | null = null;
  #restored = false;
  /** The cells whose drafts this page has put into storage. */
  #kept: ReadonlySet<string> = new Set();
  #keepTimer: ReturnType<typeof setTimeout> | null = null;
  /** When cells were last changed elsewhere, in ms on the page's clock. */
  readonly #touched = new Map<string, number>();
  readonly #renameListeners = new Set<(from: string, to: string) => void>();
  /** The service's ids of cells that were made on this page while it could not be reached, and the other way round. */
  readonly #idOf = new Map<string, string>();
  readonly #localOf = new Map<string, string>();
  /** The cells that there were before the one that is being made; null: none is. */
  #beforeCreate: ReadonlySet<string> | null = null;
  readonly #tried = new Map<string, Attempt>();
  #shown: { state: NotebookState; edits: readonly Edit[]; hiding: unknown; result: NotebookState } | null = null;
  /** The page may be gone before an answer comes. */
  #leaving = false;

  constructor(options: StoreOptions) {
    this.id = options.id;
    this.#client = options.client;
    this.#storage = options.storage ?? null;
    this.#now = options.now ?? Date.now;
    this.#schedule = options.schedule ?? beforePaint;
    this.#drafts = new Drafts({
      save: (cell, text, ifMatch) => {
        // Its text goes with it when the cell itself is made.
        if (this.#outbox.isLocal(cell)) return Promise.reject(new ApiError(0, "The service can't be reached."));
        const keepalive = this.#leaving && text.length < keptAliveBelow;
        return this.#client.updateCell(this.id, cell, { source: text }, { ifMatch, keepalive });
      },
      latest: () => this.#client.getNotebook(this.id),
      turn: () => this.#outbox.settled(),
      onChange: () => {
        this.#keepStranded();
        this.#notify();
      },
      ...(options.saveDelay === undefined ? {} : { delay: options.saveDelay }),
    });
    this.#outbox = new Outbox({
      send: async (edit) => {
        await this.#drafts.answered();
        const { version } = await this.#sendKept(edit);
        return { version: version !== null && version > (this.#state?.version ?? 0) ? version : null };
      },
      onChange: () => {
        this.#notify();
      },
      onRefused: (edit, error) => options.onRefused?.(edit, error),
      key: `reactive-notebook:edits:${this.id}`,
      storage: this.#storage,
      locks: options.locks ?? null,
    });
    this.#socket = new NotebookSocket({
      url: (place) => this.#client.eventsUrl(this.id, place),
      onFrames: (frames) => {
        this.receive(frames);
      },
      onConnection: (connection) => {
        this.#connect(connection);
      },
      probe: () => this.#client.getNotebook(this.id),
      ...(options.createSocket ? { createSocket: options.createSocket } : {}),
    });
  }

  start(): void {
    this.#socket.start();
  }

  stop(): void {
    if (this.#keepTimer !== null) clearTimeout(this.#keepTimer);
    this.#keepTimer = null;
    this.#keepDrafts();
    this.#drafts.stop();
    // What was typed a moment ago is not left to the next visit.
    void this.#drafts.flush().then(() => { this.#keepDrafts(); }, () => undefined);
    this.#outbox.stop();
    this.#socket.stop();
    this.#unschedule?.();
    this.#unschedule = null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** The notebook as it is shown: as the service has it, with the edits that wait. */
  get state(): NotebookState | null {
    const [state, edits, before] = [this.#state, this.#outbox.edits, this.#beforeCreate];
    if (state === null || (edits.length === 0 && before === null)) return state;
    const known = this.#shown;
    if (known?.state === state && known.edits === edits && known.hiding === before) return known.result;
    const result = withEdits(state, edits, (cell) => before !== null && !before.has(cell) && !this.#localOf.has(cell));
    this.#shown = { state, edits, hiding: before, result };
    return result;
  }

  /** Calls back when a cell made on this page gets its id from the service. */
  onRename(listener: (from: string, to: string) => void): () => void {
    this.#renameListeners.add(listener);
    return () => {
      this.#renameListeners.delete(listener);
    };
  }

  /** The id that a cell has now. */
  idOf(cell: string): string {
    return this.#idOf.get(cell) ?? cell;
  }

  /** What stays the same as long as a cell is on this page. */
  keyOf(cell: string): string {
    return this.#localOf.get(cell) ?? cell;
  }

  /** How many changes, beside texts, the service doesn't have yet. */
  waitingEdits(): number {
    return this.#outbox.waiting;
  }

  get connection(): Connection {
    return this.#connection;
  }

  cell(id: string): Cell | undefined {
    return this.state?.cells[this.idOf(id)];
  }

  draft(id: string): Draft | undefined {
    return this.#drafts.get(this.idOf(id));
  }

  /** What the editor of a cell shows: the draft, or else the saved source. */
  text(id: string): string {
    return this.#drafts.text(this.idOf(id)) ?? this.cell(id)?.source ?? "";
  }

  /** When a cell's source was last changed by someone else while this page was open. */
  touchedAt(id: string): number | undefined {
    return this.#touched.get(id);
  }

  /** The one thing that the toolbar says of all that was changed. */
  saveState(): "saved" | "saving" | "failed" | "conflict" {
    let state: "saved" | "saving" | "failed" = "saved";
    for (const draft of this.#drafts.all().values()) {
      if (draft.state === "conflict") return "conflict";
      if (draft.state === "failed") state = "failed";
      else if (state === "saved") state = "saving";
    }
    if (state === "failed" || this.#outbox.waiting === 0) return state;
    return this.#connection.kind === "open" && !this.#outbox.stuck ? "saving" : "failed";
  }

  /** A cell whose text can't be saved as things stand; null if there is none. */
  troubled(): string | null {
    let failed: string | null = null;
    for (const [cell, draft] of this.#drafts.all()) {
      if (draft.state === "conflict") return cell;
      if (draft.state === "failed") failed ??= cell;
    }
    return failed;
  }

  /** Applies messages of the event stream. */
  receive(frames: readonly Frame[]): void {
    const before = this.#state;
    for (const frame of frames) {
      const previous = this.#state;
      this.#state = reduce(previous, frame, this.#now());
      this.#observe(previous, this.#state, frame.type === "snapshot");
    }
    const state = this.#state;
    if (state === null || state === before) return;
    this.#outbox.seen(state.epoch === before?.epoch ? state.version : Infinity);
    this.#socket.setPlace(state.epoch, state.seq);
    if (state.lost && before?.lost !== true) this.#socket.resync();
    this.#notify();
  }

  edit(cell: string, text: string): void {
    this.#leaving = false;
    this.#drafts.edit(this.idOf(cell), text);
  }

  resolve(cell: string, choice: "mine" | "theirs"): void {
    this.#drafts.resolve(cell, choice);
  }

  /** The network may be back, or the person signed in again. */
  wake(): void {
    this.#socket.wake();
    this.#retry();
  }

  /** Runs what is asked for on what is on the page: unsaved text is saved first. */
  async run(request: RunRequest): Promise<void> {
    await this.#flush();
    const cells = "cells" in request ? { cells: request.cells.map((cell) => this.idOf(cell)) } : request;
    await this.#client.run(this.id, cells);
  }

  /** Saves what is unsaved at once, without running anything. */
  save(cells?: readonly string[]): Promise<void> {
    return this.#flush(cells);
  }

  /** The notebook as a file, with what was unsaved. */
  async export(format: ExportFormat): Promise<Download> {
    await this.#flush();
    return this.#client.exportNotebook(this.id, format, this.state?.name ?? "notebook");
  }

  interrupt(): Promise<void> {
    return this.#client.interrupt(this.id);
  }

  async restart(run: boolean): Promise<void> {
    await this.#flush();
    await this.#client.restart(this.id, run);
  }

  rename(name: string): Promise<void> {
    return this.#change({ type: "notebook", patch: { name } });
  }

  setMode(mode: "auto" | "lazy"): Promise<void> {
    return this.#change({ type: "notebook", patch: { mode } });
  }

  async createCell(cell: NewCell): Promise<Cell> {
    const { after, ...fields } = cell;
    const above = after === undefined ? (this.state?.order.at(-1) ?? null) : after === null ? null : this.idOf(after);
    const id = localId();
    if (!this.#queues) {
      // A new cell makes a new version; a save under way is conditional on the one before it.
      await this.#drafts.settled();
      this.#tried.set(id, { order: new Set(this.#state?.order), source: fields.source ?? "" });
      try {
        const { value, version } = await this.#client.createCell(this.id, { ...fields, after: above });
        if (version !== null) this.#drafts.follow(version);
        this.#tried.delete(id);
        return value;
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
    }
    this.#drafts.observe(id, fields.source ?? "", 0);
    this.#outbox.add({ type: "create", id, after: above, cell: fields });
    const created = this.cell(id);
    if (created === undefined) throw new ApiError(0, "The service can't be reached.");
    return created;
  }

  async patchCell(cell: string, patch: Omit<CellPatch, "source" | "after">): Promise<void> {
    if (!this.#queues) await this.#drafts.flush([this.idOf(cell)]);
    await this.#change({ type: "change", id: this.idOf(cell), patch });
  }

  /** Deletes a cell and returns what brings it back. */
  async deleteCell(cell: string): Promise<() => Promise<Cell>> {
    const id = this.idOf(cell);
    const { kind = "python", source = "", disabled = false, connection = null, result = null } = this.cell(id) ?? {};
    const order = this.state?.order ?? [];
    const index = order.indexOf(id);
    const after = index > 0 ? (order[index - 1] ?? null) : null;
    const text = this.text(id);
    const again: NewCell = { kind, source: text, ...(disabled ? { disabled } : {}), ...(kind === "sql" ? { connection, result } : {}) };
    if (this.#outbox.isLocal(id)) {
      this.#outbox.withdraw(id, after);
      this.#drafts.forget(id);
      return () => this.#createAgain(again, after);
    }
    const edit: Edit = { type: "delete", id, sources: [source, text] };
    await this.#change(edit);
    if (!this.#outbox.edits.includes(edit)) return () => this.#createAgain(again, after);
    this.#drafts.discard(id);
    return () => {
      const kept = this.#state?.cells[id];
      if (!this.#outbox.cancel(edit) || kept === undefined) return this.#createAgain(again, after);
      this.#drafts.edit(id, text);
      return Promise.resolve(kept);
    };
  }

  /** The cell above may be gone by now; then the end of the page must do. */
  #createAgain(cell: NewCell, after: string | null): Promise<Cell> {
    const known = after === null || this.cell(after) !== undefined;
    return this.createCell(known ? { ...cell, after } : cell);
  }

  /** Moves a cell by one place. Returns whether there was one. */
  async moveCell(id: string, by: -1 | 1): Promise<boolean> {
    const order = this.state?.order ?? [];
    const index = order.indexOf(this.idOf(id));
    const target = index + by;
    if (index < 0 || target < 0 || target >= order.length) return false;
    const behind = by === 1 ? target : target - 1;
    await this.placeCell(id, behind < 0 ? null : (order[behind] ?? null));
    return true;
  }

  placeCell(id: string, after: string | null): Promise<void> {
    return this.#change({ type: "move", id: this.idOf(id), after: after === null ? null : this.idOf(after) });
  }

  /**
   * The page may be gone in a moment: sends what is unsaved, and keeps it here
   * in case that fails. Returns whether the person should be asked to stay, as
   * some of it can't be sent now.
   */
  leave(): boolean {
    const state = this.saveState();
    if (state === "saved") return false;
    this.#leaving = true;
    const kept = this.#keepDrafts();
    this.#drafts.flush().catch(() => undefined); // what fails is kept above
    return state !== "saving" || !kept;
  }

  /** Whether an edit has to wait: behind others, or for the service. */
  get #queues(): boolean {
    return this.#outbox.waiting > 0 || this.#connection.kind === "waiting";
  }

  /** Makes a change now, or as soon as the service is back. */
  async #change(edit: Edit): Promise<void> {
    if (!this.#queues) {
      try {
        await this.#send(edit);
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
    }
    this.#outbox.add(edit);
  }

  async #send(edit: Edit): Promise<Sent> {
    const { version } = await this.#request(edit);
    if (version !== null) this.#drafts.follow(version);
    return { version };
  }

  async #request(edit: Edit): Promise<Sent> {
    switch (edit.type) {
      case "create":
        return this.#sendNew(edit);
      case "delete":
        return { version: await this.#client.deleteCell(this.id, edit.id) };
      case "move": {
        const after = this.#known(edit.after);
        return after === undefined ? { version: null } : await this.#client.updateCell(this.id, edit.id, { after });
      }
      case "change":
        return this.#client.updateCell(this.id, edit.id, edit.patch);
      case "notebook":
        return this.#client.updateNotebook(this.id, edit.patch satisfies NotebookPatch);
    }
  }

  /** Sends an edit that waited: things may have changed meanwhile. */
  async #sendKept(edit: Edit): Promise<Sent> {
    if (this.#connection.kind === "waiting") throw new ApiError(0, "The service can't be reached.");
    if (edit.type === "create") {
      const tried = this.#tried.get(edit.id);
      const made = tried && (await this.#client.getNotebook(this.id)).cells.find((cell) => isMade(cell, edit, tried) && !this.#localOf.has(cell.id));
      if (made === undefined) return this.#send(edit);
      this.#adopt(edit.id, made.id, made.source, 0);
      return { version: null };
    }
    if (edit.type === "delete") {
      const { cells } = await this.#client.getNotebook(this.id);
      const now = cells.find(({ id }) => id === edit.id);
      if (now === undefined) return { version: null };
      if (!edit.sources.includes(now.source)) {
        throw new ApiError(412, "It was changed elsewhere meanwhile, so it stays.");
      }
    }
    return this.#send(edit);
  }

  /** Makes a cell that is on this page alone; its id here and the service's become one. */
  async #sendNew({ id, after, cell }: Extract<Edit, { type: "create" }>): Promise<Sent> {
    const source = this.text(id);
    const above = this.#known(after);
    const order = new Set(this.#state?.order);
    this.#beforeCreate = order;
    this.#tried.set(id, { order, source });
    try {
      const fields = { ...cell, source, ...(above === undefined ? {} : { after: above }) };
      const { value, version } = await this.#client.createCell(this.id, fields);
      this.#adopt(id, value.id, source, version ?? 0);
      return { version };
    } finally {
      this.#beforeCreate = null;
      this.#notify();
    }
  }

  /** From now on a cell of this page has the id that the service gave it. */
  #adopt(local: string, id: string, source: string, version: number): void {
    this.#idOf.set(local, id);
    this.#localOf.set(id, local);
    this.#tried.delete(local);
    this.#outbox.rename(local, id);
    this.#drafts.adopt(local, id, source, version);
    for (const listener of [...this.#renameListeners]) listener(local, id);
  }

  /** The cell if the service knows it, null for the top; undefined for one that is gone. */
  #known(after: string | null): string | null | undefined {
    if (after === null) return null;
    const id = this.idOf(after);
    return id in (this.#state?.cells ?? {}) || this.#localOf.has(id) ? id : undefined;
  }

  /** Sends what waits, in the order in which it was made, and saves texts. */
  async #flush(cells?: readonly string[]): Promise<void> {
    if (this.#outbox.waiting > 0) await this.#outbox.send();
    await this.#drafts.flush(cells?.map((cell) => this.idOf(cell)));
  }

  #retry(): void {
    const drafts = () => {
      this.#drafts.retry();
    };
    if (this.#outbox.waiting === 0) drafts();
    else void this.#outbox.send().then(drafts, drafts);
  }

  #connect(connection: Connection): void {
    this.#connection = connection;
    if (connection.kind === "open") queueMicrotask(() => { this.#retry(); }); // once the message that opened it is applied
    this.#notify();
  }

  #observe(previous: NotebookState | null, next: NotebookState | null, snapshot: boolean): void {
    if (next === null || next === previous) return;
    const fresh = snapshot && previous?.epoch !== next.epoch;
    if (snapshot) {
      for (const id of next.order) {
        this.#drafts.observe(id, next.cells[id]?.source ?? "", next.version, fresh);
      }
    } else if (previous !== null && next.cells !== previous.cells) {
      for (const id of next.order) {
        const cell = next.cells[id];
        if (cell && cell.source !== previous.cells[id]?.source) {
          if (this.#drafts.observe(id, cell.source, next.version)) this.#touched.set(id, this.#now());
        }
      }
    }
    if (previous !== null && next.cells !== previous.cells) {
      for (const id of previous.order) {
        if (!(id in next.cells)) this.#drafts.forget(id);
      }
    }
    this.#drafts.observeVersion(next.version, fresh);
    if (snapshot && !this.#restored) {
      this.#restored = true;
      this.#outbox.takeOver((edits) => {
        for (const edit of edits) {
          if (edit.type === "create") this.#drafts.observe(edit.id, edit.cell.source ?? "", 0);
        }
        this.#restoreDrafts();
        queueMicrotask(() => { this.#retry(); });
      });
      this.#restoreDrafts();
    }
  }

  get #key(): string {
    return `reactive-notebook:drafts:${this.id}`;
  }

  /** What can't be saved now may have to wait for longer than the page lives. */
  #keepStranded(): void {
    const stranded = this.#connection.kind === "waiting" || this.troubled() !== null;
    if ((!stranded && this.#kept.size === 0) || this.#keepTimer !== null) return;
    this.#keepTimer = setTimeout(() => {
      this.#keepTimer = null;
      this.#keepDrafts();
    }, keepDelay);
  }

  /** Puts the drafts into storage, beside those that other tabs keep of other cells; whether that could be done. */
  #keepDrafts(): boolean {
    const drafts = [...this.#drafts.all()].map(([cell, { base, text }]) => ({ cell, base, text }));
    if (drafts.length === 0 && this.#kept.size === 0) return true;
    const mine = new Set([...this.#kept, ...drafts.map(({ cell }) => cell)]);
    const all = [...this.#readKept().filter(({ cell }) => !mine.has(cell)), ...drafts];
    this.#kept = new Set(drafts.map(({ cell }) => cell));
    try {
      if (all.length === 0) this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, JSON.stringify(all));
      return this.#storage !== null && this.#storage !== undefined;
    } catch {
      // Storage is full or forbidden; the browser's own question before leaving remains.
      return false;
    }
  }

  #readKept(): KeptDraft[] {
    try {
      const kept: unknown = JSON.parse(this.#storage?.getItem(this.#key) ?? "[]");
      return Array.isArray(kept) ? kept.filter(isKeptDraft) : [];
    } catch {
      return [];
    }
  }

  #restoreDrafts(): void {
    const kept = this.#readKept();
    // A cell that only another page has is that page's, unless it was taken over.
    const mine = kept.filter(({ cell }) => !isLocalId(cell) || this.#drafts.text(cell) !== undefined);
    this.#kept = new Set(mine.map(({ cell }) => cell));
    for (const { cell, base, text } of kept) this.#drafts.restore(cell, base, text);
    this.#keepStranded(); // what was restored and saved meanwhile leaves the storage
  }

  #notify(): void {
    this.#unschedule ??= this.#schedule(() => {
      this.#unschedule = null;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}

/** An attempt to make a cell of which it is not known whether it did: what there was before, and the text that was sent. */
interface Attempt {
  order: ReadonlySet<string>;
  source: string;
}

/** Whether a cell is what such an attempt made. */
function isMade({ id, kind, source }: Cell, { cell }: Extract<Edit, { type: "create" }>, tried: Attempt): boolean {
  return !tried.order.has(id) && kind === (cell.kind ?? "python") && source === tried.source;
}

/** Browsers let a request of at most 64 KiB outlive its page; so many characters are less in any script. */
const keptAliveBelow = 15_000;

/** So long after a change what can't be saved goes into storage, in ms. */
const keepDelay = 300;

interface KeptDraft {
  cell: string;
  base: string;
  text: string;
}

function isKeptDraft(value: unknown): value is KeptDraft {
  if (typeof value !== "object" || value === null) return false;
  const { cell, base, text } = value as Record<string, unknown>;
  return typeof cell === "string" && typeof base === "string" && typeof text === "string";
}

/** The next frame, or a short while in a hidden tab, where no frames are drawn. */
function beforePaint(callback: () => void): () => void {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    callback();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, 200);
  return () => {
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
