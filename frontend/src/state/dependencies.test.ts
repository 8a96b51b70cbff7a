import { describe, expect, it } from "vitest";
import { cell } from "../test/builders.ts";
import { culpritsOf, usesOf } from "./dependencies.ts";

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

function notebook(...list: Parameters<typeof cell>[0][]) {
  const cells = Object.fromEntries(list.map((fields) => [fields.id, cell(fields)]));
  return [list.map(({ id }) => id), cells] as const;
}

describe("where a name is used", () => {
  it("is in page order, and apart by who defines it and who reads it", () => {
    const [order, cells] = notebook(
      { id: "late", references: ["rate"] },
      { id: "here", defines: ["rate"] },
      { id: "both", defines: ["rate"], references: ["rate"] },
      { id: "other", references: ["rates"] },
    );
    expect(usesOf("rate", order, cells)).toEqual({ definedIn: ["here", "both"], readIn: ["late", "both"] });
  });
});

describe("why a cell is stale", () => {
  it("names the input that ran after it, and what is read from it", () => {
    const [order, cells] = notebook(
      { id: "a", defines: ["rate", "unread"], status: "ok", started_at: at(9) },
      { id: "old", defines: ["base"], status: "ok", started_at: at(1) },
      { id: "c", references: ["rate", "base"], status: "stale", started_at: at(2) },
    );
    expect(culpritsOf("c", order, cells)).toEqual([{ cell: "a", names: ["rate"] }]);
  });

  it("names the cell at the top of a chain that waits to run", () => {
    const [order, cells] = notebook(
      { id: "a", defines: ["a"], status: "ok", started_at: at(9) },
      { id: "b", defines: ["b"], references: ["a"], status: "stale", started_at: at(2) },
      { id: "c", references: ["b"], status: "stale", started_at: at(3) },
    );
    expect(culpritsOf("c", order, cells)).toEqual([{ cell: "a", names: [] }]);
    const edited = { ...cells, a: cell({ id: "a", defines: ["a"], status: "ok", started_at: at(1) }) };
    expect(culpritsOf("c", order, edited)).toEqual([{ cell: "b", names: ["b"] }]);
  });

  it("finds nobody else for a cell whose own source changed", () => {
    const [order, cells] = notebook(
      { id: "a", defines: ["a"], status: "ok", started_at: at(1) },
      { id: "b", references: ["a", "gone"], status: "stale", started_at: at(2) },
    );
    expect(culpritsOf("b", order, cells)).toEqual([]);
  });

  it("ends on cells that wait for each other", () => {
    const [order, cells] = notebook(
      { id: "a", defines: ["a"], references: ["b"], status: "stale" },
      { id: "b", defines: ["b"], references: ["a"], status: "stale" },
    );
    expect(culpritsOf("a", order, cells)).toEqual([{ cell: "b", names: ["b"] }]);
  });
});
