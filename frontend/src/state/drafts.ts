import { ApiError, describe } from "../api/error.ts";
import type { Cell, Notebook } from "../api/types.ts";
import type { Versioned } from "../api/client.ts";

/**
 * What a person typed into a cell and the service has not confirmed yet.
 *
 * dirty     waits for the pause in typing after which it is saved
 * saving    is on its way
 * failed    could not be saved; saved again when the service is back, or at the next key
 * conflict  the source was changed elsewhere meanwhile: `theirs`
 */
export interface Draft {
  readonly text: string;
  readonly base: string;
  readonly state: "dirty" | "saving" | "failed" | "conflict";
  readonly theirs: string | null;
  readonly problem: string | null;
}

export interface DraftOptions {
  save: (cell: string, text: string, ifMatch: number | undefined) => Promise<Versioned<Cell>>;
  latest: () => Promise<Notebook>;
  /** Resolves when no other change is on its way, after which the version would be another. */
  turn?: () => Promise<unknown>;
  /** Called after any draft changed, and after a source became known otherwise. */
  onChange: () => void;
  /** The pause in typing, in ms, after which a draft is saved. */
  delay?: number;
}

interface Known {
  source: string;
  version: number;
}

/** So many other changes may come between a read and a save before it counts as failed. */
const savesTried = 6;
const retryDelay = 2_000;

/** Raised by flush when something is not saved. */
export class UnsavedError extends Error {
  readonly cell: string;

  constructor(cell: string, reason: string) {
    super(reason);
    this.name = "UnsavedError";
    this.cell = cell;
  }
}

/**
 * The sources of one notebook's cells as this page knows them: the confirmed
 * one of each, and the draft over it where someone is typing.
 *
 * Invariant: text that was typed leaves only by being confirmed by the
 * service, by the person's choice in a conflict, or with its cell. Every save
 * is conditional on the notebook's version, so that it can't overwrite a
 * change that this page hasn't seen.
 */
export class Drafts {
  readonly #options: Required<DraftOptions>;
  readonly #known = new Map<string, Known>();
  readonly #drafts = new Map<string, Draft>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #inflight = new Map<string, string>();
  /** The newest version that is known to hold nothing this page hasn't seen. */
  #version = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #sending: Promise<unknown> | null = null;
  #stopped = false;

  constructor(options: DraftOptions) {
    this.#options = { delay: 400, turn: () => Promise.resolve(), ...options };
  }

  get(cell: string): Draft | undefined {
    return this.#drafts.get(cell);
  }

  /** What the cell's editor shows. */
  text(cell: string): string | undefined {
    return this.#drafts.get(cell)?.text ?? this.#known.get(cell)?.source;
  }

  all(): ReadonlyMap<string, Draft> {
    return this.#drafts;
  }

  /** The person changed the text of a cell. */
  edit(cell: string, text: string): void {
    const known = this.#known.get(cell);
    if (known === undefined) return;
    const draft = this.#drafts.get(cell);
    if ((draft?.text ?? known.source) === text) return;
    if (draft?.state === "conflict") {
      this.#set(cell, { ...draft, text });
      return;
    }
    if (text === known.source && !this.#inflight.has(cell)) {
      this.#remove(cell);
      return;
    }
    this.#set(cell, {
      text,
      base: draft?.base ?? known.source,
      state: "dirty",
      theirs: null,
      problem: null,
    });
    this.#schedule(cell, this.#options.delay);
  }

  /**
   * The service says what a cell's source is at a version of the notebook.
   * `fresh` is set when versions before it mean nothing any more. Returns
   * whether that is a change which was not made here.
   */
  observe(cell: string, source: string, version: number, fresh = false): boolean {
    const known = this.#known.get(cell);
    if (known !== undefined && version < known.version && !fresh) return false;
    this.#known.set(cell, { source, version });
    const draft = this.#drafts.get(cell);
    const inflight = this.#inflight.get(cell);
    const foreign = known !== undefined && ![known.source, inflight, draft?.text].includes(source);
    if (draft === undefined) {
      if (known?.source !== source) this.#options.onChange();
      return foreign;
    }
    if (source === draft.text && inflight === undefined) {
      this.#remove(cell);
    } else if (source === draft.base || source === inflight || source === draft.text) {
      if (draft.state === "conflict") {
        // The other change was taken back.
        this.#set(cell, { ...draft, base: source, state: "dirty", theirs: null });
        this.#schedule(cell, this.#options.delay);
      } else {
        this.#set(cell, { ...draft, base: source });
      }
    } else if (source !== draft.theirs) {
      this.#cancel(cell);
      this.#set(cell, { ...draft, state: "conflict", theirs: source, problem: null });
    }
    return foreign;
  }

  /** The notebook, as far as this page has seen it, is at this version. */
  observeVersion(version: number, fresh = false): void {
    this.#version = fresh ? version : Math.max(this.#version, version);
  }

  /** A change that was made here led to this version: if nothing came between, this page has seen all of it. */
  follow(version: number): void {
    if (version === this.#version + 1) this.#version = version;
  }

  /** Resolves when the save that is on its way, if one is, has been answered. */
  async answered(): Promise<void> {
    await this.#sending;
  }

  /** The cell is gone. */
  forget(cell: string): void {
    this.#known.delete(cell);
    this.#remove(cell);
  }

  /** The text typed into a cell is given up. */
  discard(cell: string): void {
    if (!this.#inflight.has(cell)) this.#remove(cell);
  }

  /** A cell that was on this page alone was made on the service, under another id and with this text. */
  adopt(from: string, to: string, text: string, version: number): void {
    const draft = this.#drafts.get(from);
    this.#cancel(from);
    this.#known.delete(from);
    this.#drafts.delete(from);
    if ((this.#known.get(to)?.version ?? 0) <= version) this.#known.set(to, { source: text, version });
    if (draft === undefined || draft.text === text) {
      this.#options.onChange();
      return;
    }
    this.#set(to, { text: draft.text, base: text, state: "dirty", theirs: null, problem: null });
    this.#schedule(to, this.#options.delay);
  }

  /** Ends a conflict with one of the two texts. */
  resolve(cell: string, choice: "mine" | "theirs"): void {
    const draft = this.#drafts.get(cell);
    if (draft?.state !== "conflict" || draft.theirs === null) return;
    if (choice === "theirs") {
      this.#remove(cell);
      return;
    }
    this.#set(cell, { ...draft, base: draft.theirs, theirs: null, state: "dirty" });
    this.#schedule(cell, 0);
  }

  /** Takes back a draft that a former visit left behind. */
  restore(cell: string, base: string, text: string): void {
    const known = this.#known.get(cell);
    if (known === undefined || known.source === text || this.#drafts.has(cell)) return;
    if (known.source === base) {
      this.#set(cell, { text, base, state: "dirty", theirs: null, problem: null });
      this.#schedule(cell, 0);
    } else {
      const theirs = known.source;
      this.#set(cell, { text, base, state: "conflict", theirs, problem: null });
    }
  }

  /** Saves what is unsaved, at once; of all cells unless some are given. */
  async flush(cells?: readonly string[]): Promise<void> {
    for (const cell of cells ?? [...this.#drafts.keys()]) {
      // A save that is under way may be of an older text: go on until none is left.
      for (let round = 0; this.#drafts.has(cell) && round < savesTried; round++) {
        await this.#save(cell);
        const draft = this.#drafts.get(cell);
        if (draft?.state === "conflict") {
          throw new UnsavedError(cell, "This cell was changed elsewhere too: choose a version first.");
        }
        if (draft?.state === "failed") {
          throw new UnsavedError(cell, draft.problem ?? "The cell could not be saved.");
        }
      }
    }
  }

  /** Resolves when no save is under way any more, whether they succeeded or not. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  /** The service may be reachable again: tries anew what failed. */
  retry(): void {
    for (const [cell, draft] of this.#drafts) {
      if (draft.state === "failed" || draft.state === "dirty") this.#schedule(cell, 0);
    }
  }

  /** Nothing is saved by itself any more. */
  stop(): void {
    this.#stopped = true;
    for (const cell of [...this.#timers.keys()]) this.#cancel(cell);
  }

  #schedule(cell: string, delay: number): void {
    this.#cancel(cell);
    if (this.#stopped) return;
    this.#timers.set(
      cell,
      setTimeout(() => {
        this.#timers.delete(cell);
        void this.#save(cell);
      }, delay),
    );
  }

  #cancel(cell: string): void {
    clearTimeout(this.#timers.get(cell));
    this.#timers.delete(cell);
  }

  /** One save at a time: each needs the version that the one before made. */
  #save(cell: string): Promise<void> {
    this.#cancel(cell);
    const saved = this.#queue.then(() => this.#saveNow(cell));
    this.#queue = saved;
    return saved;
  }

  async #saveNow(cell: string): Promise<void> {
    await this.#options.turn();
    const draft = this.#drafts.get(cell);
    if (draft === undefined || draft.state === "conflict") return;
    const text = draft.text;
    this.#inflight.set(cell, text);
    this.#set(cell, { ...draft, state: "saving", problem: null });
    const sending = this.#send(cell, text).catch((error: unknown) => {
      this.#inflight.delete(cell);
      this.#fail(cell, error);
    });
    this.#sending = sending;
    await sending;
    this.#sending = null;
  }

  async #send(cell: string, text: string): Promise<void> {
    let base = this.#drafts.get(cell)?.base;
    for (let tried = 1; ; tried++) {
      try {
        const ifMatch = this.#version > 0 ? this.#version : undefined;
        const { value, version } = await this.#options.save(cell, text, ifMatch);
        this.#confirm(cell, text, value.source, version);
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 412 || tried >= savesTried) throw error;
      }
      // Something in the notebook changed that this page hasn't seen. Unless
      // it was this cell's source, the save goes ahead on the new version.
      const notebook = await this.#options.latest();
      const theirs = notebook.cells.find((other) => other.id === cell)?.source;
      if (theirs === undefined) throw new ApiError(404, "The cell was deleted.");
      if (theirs !== base && theirs !== text) {
        this.#inflight.delete(cell);
        this.observe(cell, theirs, notebook.version);
        return;
      }
      base = theirs;
      this.observeVersion(notebook.version);
    }
  }

  #confirm(cell: string, text: string, source: string, version: number | null): void {
    this.#inflight.delete(cell);
    const known = this.#known.get(cell);
    if (version !== null) this.observeVersion(version);
    if (known === undefined || version === null || version >= known.version) {
      this.#known.set(cell, { source, version: version ?? known?.version ?? 0 });
    }
    const draft = this.#drafts.get(cell);
    if (draft === undefined) return;
    if (draft.text === text) {
      this.#remove(cell);
    } else if (draft.state === "conflict") {
      // Their change came after this save and is newer than it.
    } else {
      this.#set(cell, { ...draft, base: text, state: "dirty" });
      if (!this.#timers.has(cell)) this.#schedule(cell, this.#options.delay);
    }
  }

  #fail(cell: string, error: unknown): void {
    const draft = this.#drafts.get(cell);
    if (draft === undefined || draft.state === "conflict") return;
    if (error instanceof ApiError && error.status === 404) {
      this.forget(cell);
      return;
    }
    this.#set(cell, { ...draft, state: "failed", problem: describe(error) });
    const passing =
      error instanceof ApiError &&
      (error.unreachable || error.status >= 500 || error.status === 412 || error.status === 429);
    if (passing && !this.#timers.has(cell)) this.#schedule(cell, retryDelay);
  }

  #set(cell: string, draft: Draft): void {
    this.#drafts.set(cell, draft);
    this.#options.onChange();
  }

  #remove(cell: string): void {
    this.#cancel(cell);
    if (this.#drafts.delete(cell)) this.#options.onChange();
  }
}
