import type { ApiClient, Download } from "../api/client.ts";
import type { Cell, CellPatch, ExportFormat, Frame, NewCell, RunRequest } from "../api/types.ts";
import { type Draft, Drafts } from "./drafts.ts";
import { type NotebookState, reduce } from "./reducer.ts";
import { type Connection, NotebookSocket } from "./socket.ts";

export interface StoreOptions {
  client: ApiClient;
  id: string;
  createSocket?: (url: string) => WebSocket;
  /** Keeps drafts that could not be saved before the page went away. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
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
 */
export class NotebookStore {
  readonly id: string;
  readonly #client: ApiClient;
  readonly #socket: NotebookSocket;
  readonly #drafts: Drafts;
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

  constructor(options: StoreOptions) {
    this.id = options.id;
    this.#client = options.client;
    this.#storage = options.storage ?? null;
    this.#now = options.now ?? Date.now;
    this.#schedule = options.schedule ?? beforePaint;
    this.#drafts = new Drafts({
      save: (cell, text, ifMatch) =>
        this.#client.updateCell(this.id, cell, { source: text }, { ifMatch }),
      latest: () => this.#client.getNotebook(this.id),
      onChange: () => {
        this.#keepStranded();
        this.#notify();
      },
      ...(options.saveDelay === undefined ? {} : { delay: options.saveDelay }),
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

  get state(): NotebookState | null {
    return this.#state;
  }

  get connection(): Connection {
    return this.#connection;
  }

  cell(id: string): Cell | undefined {
    return this.#state?.cells[id];
  }

  draft(id: string): Draft | undefined {
    return this.#drafts.get(id);
  }

  /** What the editor of a cell shows: the draft, or else the saved source. */
  text(id: string): string {
    return this.#drafts.text(id) ?? this.cell(id)?.source ?? "";
  }

  /** When a cell's source was last changed by someone else while this page was open. */
  touchedAt(id: string): number | undefined {
    return this.#touched.get(id);
  }

  /** The one thing that the toolbar says of all drafts. */
  saveState(): "saved" | "saving" | "failed" | "conflict" {
    let state: "saved" | "saving" | "failed" = "saved";
    for (const draft of this.#drafts.all().values()) {
      if (draft.state === "conflict") return "conflict";
      if (draft.state === "failed") state = "failed";
      else if (state === "saved") state = "saving";
    }
    return state;
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
    this.#socket.setPlace(state.epoch, state.seq);
    if (state.lost && before?.lost !== true) this.#socket.resync();
    this.#notify();
  }

  edit(cell: string, text: string): void {
    this.#drafts.edit(cell, text);
  }

  resolve(cell: string, choice: "mine" | "theirs"): void {
    this.#drafts.resolve(cell, choice);
  }

  /** The network may be back, or the person signed in again. */
  wake(): void {
    this.#socket.wake();
    this.#drafts.retry();
  }

  /** Runs what is asked for on what is on the page: unsaved text is saved first. */
  async run(request: RunRequest): Promise<void> {
    await this.#drafts.flush();
    await this.#client.run(this.id, request);
  }

  /** Saves unsaved text at once, without running anything. */
  save(cells?: readonly string[]): Promise<void> {
    return this.#drafts.flush(cells);
  }

  /** The notebook as a file, with what was unsaved. */
  async export(format: ExportFormat): Promise<Download> {
    await this.#drafts.flush();
    return this.#client.exportNotebook(this.id, format, this.#state?.name ?? "notebook");
  }

  interrupt(): Promise<void> {
    return this.#client.interrupt(this.id);
  }

  async restart(run: boolean): Promise<void> {
    await this.#drafts.flush();
    await this.#client.restart(this.id, run);
  }

  async rename(name: string): Promise<void> {
    await this.#client.updateNotebook(this.id, { name });
  }

  async setMode(mode: "auto" | "lazy"): Promise<void> {
    await this.#client.updateNotebook(this.id, { mode });
  }

  async createCell(cell: NewCell): Promise<Cell> {
    // A new cell makes a new version; a save under way is conditional on the one before it.
    await this.#drafts.settled();
    return this.#client.createCell(this.id, cell);
  }

  async patchCell(cell: string, patch: Omit<CellPatch, "source">): Promise<void> {
    await this.#drafts.flush([cell]);
    await this.#client.updateCell(this.id, cell, patch);
  }

  /** Deletes a cell and returns what brings it back. */
  async deleteCell(id: string): Promise<() => Promise<Cell>> {
    const cell = this.cell(id);
    const order = this.#state?.order ?? [];
    const index = order.indexOf(id);
    const after = index > 0 ? (order[index - 1] ?? null) : null;
    const again: NewCell = {
      kind: cell?.kind ?? "python",
      source: this.text(id),
      ...(cell?.disabled ? { disabled: true } : {}),
      ...(cell?.kind === "sql" ? { connection: cell.connection, result: cell.result } : {}),
    };
    await this.#client.deleteCell(this.id, id);
    return () => {
      // The cell above may be gone by now; then the end of the page must do.
      const known = after === null || this.cell(after) !== undefined;
      return this.createCell(known ? { ...again, after } : again);
    };
  }

  /** Moves a cell by one place. Returns whether there was one. */
  async moveCell(id: string, by: -1 | 1): Promise<boolean> {
    const order = this.#state?.order ?? [];
    const index = order.indexOf(id);
    const target = index + by;
    if (index < 0 || target < 0 || target >= order.length) return false;
    const behind = by === 1 ? target : target - 1;
    await this.placeCell(id, behind < 0 ? null : (order[behind] ?? null));
    return true;
  }

  async placeCell(id: string, after: string | null): Promise<void> {
    await this.#client.updateCell(this.id, id, { after });
  }

  /** Sends what is unsaved, and keeps it here in case that fails. */
  beforeUnload(): boolean {
    const unsaved = this.saveState() !== "saved";
    if (unsaved) {
      this.#keepDrafts();
      this.#drafts.flush().catch(() => undefined); // what fails is kept above
    }
    return unsaved;
  }

  #connect(connection: Connection): void {
    this.#connection = connection;
    if (connection.kind === "open") this.#drafts.retry();
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

  /** Puts the drafts into storage, beside those that other tabs keep of other cells. */
  #keepDrafts(): void {
    const drafts = [...this.#drafts.all()].map(([cell, { base, text }]) => ({ cell, base, text }));
    if (drafts.length === 0 && this.#kept.size === 0) return;
    const mine = new Set([...this.#kept, ...drafts.map(({ cell }) => cell)]);
    const all = [...this.#readKept().filter(({ cell }) => !mine.has(cell)), ...drafts];
    this.#kept = new Set(drafts.map(({ cell }) => cell));
    try {
      if (all.length === 0) this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, JSON.stringify(all));
    } catch {
      // Storage is full or forbidden; the browser's own question before leaving remains.
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
    this.#kept = new Set(kept.map(({ cell }) => cell));
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
