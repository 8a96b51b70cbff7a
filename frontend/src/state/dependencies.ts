import type { Cell } from "../api/types.ts";

type Cells = Readonly<Record<string, Cell>>;

/** The answers for the last cells of each order: many views ask for the same ones. */
const answered = new WeakMap<readonly string[], { cells: Cells; definers: ReadonlyMap<string, string[]> }>();

/** The cells that define each name, in page order. */
export function definersOf(order: readonly string[], cells: Cells): ReadonlyMap<string, string[]> {
  const known = answered.get(order);
  if (known?.cells === cells) return known.definers;
  const definers = findDefiners(order, cells);
  answered.set(order, { cells, definers });
  return definers;
}

function findDefiners(order: readonly string[], cells: Cells): Map<string, string[]> {
  const definers = new Map<string, string[]>();
  for (const id of order) {
    for (const name of cells[id]?.defines ?? []) {
      const known = definers.get(name);
      if (known) known.push(id);
      else definers.set(name, [id]);
    }
  }
  return definers;
}

/** Where a name is at home in the notebook, in page order. */
export interface NameUse {
  definedIn: string[];
  readIn: string[];
}

export function usesOf(name: string, order: readonly string[], cells: Cells): NameUse {
  return {
    definedIn: order.filter((id) => cells[id]?.defines.includes(name)),
    readIn: order.filter((id) => cells[id]?.references.includes(name)),
  };
}

/** What made a cell stale: the cells it reads from, with the names; empty if its own source did. */
export interface Culprit {
  cell: string;
  /** The names read from it; none if it is further up. */
  names: string[];
}

/**
 * Why a cell is stale, as far as the cells tell: an input that ran after it, or
 * one that waits to run itself, for which its own culprit is named. Nothing is
 * found for a cell whose own source changed.
 */
export function culpritsOf(id: string, order: readonly string[], cells: Cells): Culprit[] {
  const definers = definersOf(order, cells);
  const found = new Map<string, Culprit>();
  const seen = new Set([id]);
  const look = (reader: string, direct: boolean): void => {
    const cell = cells[reader];
    if (cell === undefined) return;
    const inputs = new Map<string, string[]>();
    for (const name of cell.references) {
      for (const definer of definers.get(name) ?? []) {
        if (definer !== reader) inputs.set(definer, [...(inputs.get(definer) ?? []), name]);
      }
    }
    for (const [input, names] of inputs) {
      const above = cells[input];
      if (above === undefined || input === id) continue;
      const waits = above.status === "stale" || above.status === "new";
      if (!waits && !(startOf(above) > startOf(cell))) continue;
      if (waits && !seen.has(input)) {
        seen.add(input);
        const before = found.size;
        look(input, false);
        if (found.size > before) continue;
      }
      if (!found.has(input)) found.set(input, { cell: input, names: direct ? names : [] });
    }
  };
  look(id, true);
  return order.flatMap((cell) => found.get(cell) ?? []);
}

function startOf(cell: Cell): number {
  return cell.started_at === null ? NaN : Date.parse(cell.started_at);
}
