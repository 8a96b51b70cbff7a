import type { Cell } from "../api/types.ts";

/** A name for a new SQL cell's rows that no other cell defines: result, result_2, … */
export function freeResultName(cells: readonly Cell[]): string {
  const taken = new Set(cells.flatMap((cell) => [...cell.defines, ...(cell.result === null ? [] : [cell.result])]));
  for (let number = 1; ; number++) {
    const name = number === 1 ? "result" : `result_${number}`;
    if (!taken.has(name)) return name;
  }
}
