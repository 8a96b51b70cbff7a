import { memo, useMemo } from "react";
import type { Cell, Output } from "../../api/types.ts";
import { type CellLines, ErrorView, isIn } from "../../outputs/error-view.tsx";
import { OutputView } from "../../outputs/output-view.tsx";
import { useFolded } from "../../state/folds.ts";
import { useCell, useStore } from "../../state/hooks.ts";
import { CellActions } from "./cell-actions.tsx";
import { CellSource } from "./cell-source.tsx";
import { CellLinks, CellStatusNote } from "./cell-status.tsx";
import { kindNames } from "./kind-names.ts";
import { usePage } from "./page-context.ts";
import { useView } from "./view.ts";
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
  const view = useView();
  if (cell === undefined) return null;
  const readOnly = view !== "edit";
  const outputs = cell.kind !== "markdown" && <CellOutputs cell={cell} number={number} />;
  return (
    // Command keys act on the cell that has the focus; all of them are in its menu too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <article className="cell" data-cell-id={id} data-kind={cell.kind} data-status={cell.status} data-disabled={cell.disabled} aria-label={`Cell ${number}, ${kindNames[cell.kind]}`} tabIndex={0}>
      <span className="cell-rail" aria-hidden="true" />
      <span className={readOnly ? "cell-number" : "cell-number cell-grip"} title={readOnly ? undefined : "Drag to move (Alt ↑ ↓)"} aria-hidden="true">
        {number}
      </span>
      {!readOnly && <CellActions cell={cell} number={number} last={last} />}
      <div className="cell-body">
        {view === "app" && cell.kind !== "markdown" ? null : (
          <>
            {cell.kind === "sql" && <SqlHead cell={cell} number={number} readOnly={readOnly} />}
            <CellSource cell={cell} number={number} readOnly={readOnly} />
            <CellStatusNote cell={cell} />
          </>
        )}
        {outputs}
      </div>
    </article>
  );
});

function CellOutputs({ cell, number }: { cell: Cell; number: number }) {
  const { commands, folds } = usePage();
  const { id } = cell;
  const view = useView();
  const store = useStore();
  const lines = useMemo<CellLines>(() => {
    const order = () => store.state?.order ?? [];
    return {
      name: (place) => {
        if (isIn(place, id)) return `line ${place.line}`;
        const index = order().findIndex((other) => isIn(place, other));
        return index < 0 ? null : `cell ${index + 1}, line ${place.line}`;
      },
      go: (place) => {
        const cell = isIn(place, id) ? id : order().find((other) => isIn(place, other));
        if (cell !== undefined) commands.goTo(cell, place.line);
      },
    };
  }, [commands, store, id]);
  const told = cell.outputs.some((output) => output.kind === "error");
  const error = cell.status === "error" && !told ? cell.error : null;
  const folded = useFolded(folds, id, "output");
  if (cell.outputs.length === 0 && error === null) return null;
  if (folded) {
    return (
      <div className="cell-outputs cell-folded">
        <button
          type="button"
          className="link-button"
          aria-label={`Unfold the output of cell ${number}`}
          onClick={() => {
            folds.set(id, "output", false);
          }}
        >
          Output folded
        </button>
      </div>
    );
  }
  // What stands below a cell that is not up to date is of an earlier run.
  const old = cell.status === "stale" || cell.status === "blocked" || cell.status === "disabled";
  return (
    <section className="cell-outputs" data-old={old} aria-label={`Output of cell ${number}`}>
      {error && (
        <div className="output" data-output-kind="error">
          <ErrorView error={error} lines={view === "app" ? undefined : lines} />
          {error.cells.length > 0 && (
            <p className="error-cells">
              See <CellLinks cells={error.cells} />
            </p>
          )}
        </div>
      )}
      {cell.outputs.map((output, index) => (
        <OutputView key={outputKey(cell, output, index)} output={output} label={`cell ${number}`} lines={view === "app" ? undefined : lines} />
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
