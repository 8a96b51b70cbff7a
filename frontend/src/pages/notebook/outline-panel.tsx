import { useMemo } from "react";
import type { Cell } from "../../api/types.ts";
import { type Heading, headingsOf } from "../../outputs/markdown.ts";
import { definersOf } from "../../state/dependencies.ts";
import { useSelect } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { CellLinks } from "./cell-status.tsx";
import { PanelHead } from "./panel.tsx";

interface Entry {
  cell: Cell;
  number: number;
  headings: Heading[];
  /** The cells that define what this one reads, in page order. */
  reads: string[];
}

const noOrder: readonly string[] = [];
const noCells: Readonly<Record<string, Cell>> = {};
const orderOf = (store: NotebookStore) => store.state?.order ?? noOrder;
const markdownOf = (store: NotebookStore) =>
  JSON.stringify(
    orderOf(store)
      .filter((id) => store.cell(id)?.kind === "markdown")
      .map((id) => [id, store.text(id)]),
  );
const cellsOf = (store: NotebookStore) => store.state?.cells ?? noCells;

/** The notebook's headings, and below each the names its cells define and from where they read. */
export function OutlinePanel({ onClose, onGo }: { onClose: () => void; onGo: (cell: string) => void }) {
  const order = useSelect(orderOf);
  const cells = useSelect(cellsOf);
  const markdown = useSelect(markdownOf);
  // Cells change with each output; their headings only with their text.
  const headings = useMemo(
    () => new Map((JSON.parse(markdown) as [string, string][]).map(([id, source]) => [id, headingsOf(source)])),
    [markdown],
  );
  const entries = useMemo(() => outline(order, cells, headings), [order, cells, headings]);

  return (
    <aside className="panel" aria-label="Outline">
      <PanelHead title="Outline" onClose={onClose} />
      {entries.length === 0 && (
        <p className="panel-hint">Headings in Markdown cells and the names that cells define appear here.</p>
      )}
      <ul className="outline">
        {entries.map(({ cell, number, headings, reads }) => (
          <li key={cell.id}>
            {headings.map((heading, index) => (
              <button
                key={index}
                type="button"
                className="outline-heading"
                data-depth={heading.depth}
                onClick={() => {
                  onGo(cell.id);
                }}
              >
                {heading.text}
              </button>
            ))}
            {cell.defines.length > 0 && (
              <button
                type="button"
                className="outline-names"
                data-status={cell.status}
                title={`Cell ${number}`}
                onClick={() => {
                  onGo(cell.id);
                }}
              >
                <span className="visually-hidden">Cell {number} defines </span>
                {cell.defines.map((name) => (
                  <code key={name}>{name}</code>
                ))}
              </button>
            )}
            {reads.length > 0 && (
              <p className="outline-reads">
                reads <CellLinks cells={reads} />
              </p>
            )}
          </li>
        ))}
      </ul>
    </aside>
  );
}

function outline(
  order: readonly string[],
  cells: Readonly<Record<string, Cell>>,
  headingsIn: ReadonlyMap<string, Heading[]>,
): Entry[] {
  const definedIn = definersOf(order, cells);
  const entries: Entry[] = [];
  order.forEach((id, index) => {
    const cell = cells[id];
    if (cell === undefined) return;
    const headings = headingsIn.get(id) ?? [];
    if (headings.length === 0 && cell.defines.length === 0) return;
    const sources = new Set(cell.references.flatMap((name) => definedIn.get(name) ?? []));
    sources.delete(id);
    entries.push({ cell, number: index + 1, headings, reads: order.filter((other) => sources.has(other)) });
  });
  return entries;
}
