import { Observed, useObserved } from "../lib/observed.ts";

/** What of a cell can be folded away. */
export type FoldPart = "source" | "output";

type Folded = ReadonlyMap<string, ReadonlySet<FoldPart>>;

/**
 * Which cells this browser shows folded. That is a matter of who reads, not of
 * the notebook: it stays in this browser's storage, and a browser that has none
 * forgets it with the page.
 */
export class Folds {
  readonly #key: string;
  readonly #storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  readonly folded: Observed<Folded>;

  constructor(notebook: string, storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null) {
    this.#key = `reactive-notebook:folds:${notebook}`;
    this.#storage = storage;
    this.folded = new Observed(read(storage, this.#key));
  }

  has(cell: string, part: FoldPart): boolean {
    return this.folded.value.get(cell)?.has(part) === true;
  }

  toggle(cell: string, part: FoldPart): void {
    this.set(cell, part, !this.has(cell, part));
  }

  set(cell: string, part: FoldPart, folded: boolean): void {
    this.setAll([cell], part, folded);
  }

  setAll(cells: readonly string[], part: FoldPart, folded: boolean): void {
    const changed = cells.filter((cell) => this.has(cell, part) !== folded);
    if (changed.length === 0) return;
    const next = new Map(this.folded.value);
    for (const cell of changed) {
      const parts = new Set(next.get(cell));
      if (folded) parts.add(part);
      else parts.delete(part);
      if (parts.size > 0) next.set(cell, parts);
      else next.delete(cell);
    }
    this.folded.set(next);
    this.#keep(next);
  }

  /** A cell has another id now. */
  rename(from: string, to: string): void {
    const { [from]: parts, ...others } = Object.fromEntries(this.folded.value);
    if (parts === undefined) return;
    const next = new Map(Object.entries({ ...others, [to]: parts }));
    this.folded.set(next);
    this.#keep(next);
  }

  #keep(folded: Folded): void {
    try {
      if (folded.size === 0) this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, JSON.stringify([...folded].map(([cell, parts]) => [cell, [...parts]])));
    } catch {
      // Storage is full or forbidden: what is folded lasts as long as the page.
    }
  }
}

function read(storage: Pick<Storage, "getItem"> | null, key: string): Folded {
  const folded = new Map<string, ReadonlySet<FoldPart>>();
  try {
    const kept: unknown = JSON.parse(storage?.getItem(key) ?? "[]");
    for (const entry of Array.isArray(kept) ? (kept as unknown[]) : []) {
      if (!Array.isArray(entry)) continue;
      const [cell, parts] = entry as unknown[];
      if (typeof cell !== "string" || !Array.isArray(parts)) continue;
      folded.set(cell, new Set(parts.filter((part): part is FoldPart => part === "source" || part === "output")));
    }
  } catch {
    // Written by something else: begin anew.
  }
  return folded;
}

export function useFolded(folds: Folds, cell: string, part: FoldPart): boolean {
  return useObserved(folds.folded, (folded) => folded.get(cell)?.has(part) === true);
}
