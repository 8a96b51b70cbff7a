import { memo, useCallback } from "react";
import type { Cell, Output } from "../../api/types.ts";
import { ErrorView, OutputView } from "../../outputs/output-view.tsx";
import { useCell } from "../../state/hooks.ts";
import { CellActions } from "./cell-actions.tsx";
import { CellSource } from "./cell-source.tsx";
import { CellLinks, CellStatusNote } from "./cell-status.tsx";
import { kindNames } from "./kind-names.ts";
import { usePage } from "./page-context.ts";
import { SqlHead } from "./sql-head.tsx";

interface Props {
  id: string;
  /** The cell's place on the page, from 1. */
  number: number;
  last: boolean;
}

/** One cell: its source, what it says of itself, and its outputs, as one unit. */
export const CellView = memo(function CellView({ id, number, last }: Props) {
  const cell = useCell(id);
  if (cell === undefined) return null;
  return (
    // Command keys act on the cell that has the focus; all of them are in its menu too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <article className="cell" data-cell-id={id} data-kind={cell.kind} data-status={cell.status} data-disabled={cell.disabled} aria-label={`Cell ${number}, ${kindNames[cell.kind]}`} tabIndex={0}>
      <span className="cell-rail" aria-hidden="true" />
      <span className="cell-number" aria-hidden="true">
        {number}
      </span>
      <CellActions cell={cell} number={number} last={last} />
      <div className="cell-body">
        {cell.kind === "sql" && <SqlHead cell={cell} number={number} />}
        <CellSource cell={cell} number={number} />
        <CellStatusNote cell={cell} />
        {cell.kind !== "markdown" && <CellOutputs cell={cell} number={number} />}
      </div>
    </article>
  );
});

function CellOutputs({ cell, number }: { cell: Cell; number: number }) {
  const { commands } = usePage();
  const { id } = cell;
  const onLine = useCallback(
    (line: number) => {
      commands.goTo(id, line);
    },
    [commands, id],
  );
  const told = cell.outputs.some((output) => output.kind === "error");
  const error = cell.status === "error" && !told ? cell.error : null;
  if (cell.outputs.length === 0 && error === null) return null;
  // What stands below a cell that is not up to date is of an earlier run.
  const old = cell.status === "stale" || cell.status === "blocked" || cell.status === "disabled";
  return (
    <section className="cell-outputs" data-old={old} aria-label={`Output of cell ${number}`}>
      {error && (
        <div className="output" data-output-kind="error">
          <ErrorView error={error} onLine={onLine} />
          {error.cells.length > 0 && (
            <p className="error-cells">
              See <CellLinks cells={error.cells} />
            </p>
          )}
        </div>
      )}
      {cell.outputs.map((output, index) => (
        <OutputView key={outputKey(cell, output, index)} output={output} label={`cell ${number}`} onLine={onLine} />
      ))}
    </section>
  );
}

/**
 * A plot or a table keeps its place in the page when its cell runs again, and
 * with it what the person zoomed or sorted is drawn over, not built anew.
 */
function outputKey(cell: Cell, output: Output, index: number): string {
  return `${cell.id}:${index}:${output.kind}`;
}
