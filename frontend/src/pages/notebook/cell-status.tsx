import { useCallback } from "react";
import type { Cell, CellError } from "../../api/types.ts";
import { formatDuration } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { useSelect } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { usePage } from "./page-context.ts";

/** What the page says of a cell in its margin: how it stands, and why. */
export function CellStatusNote({ cell }: { cell: Cell }) {
  if (cell.kind === "markdown") return null;
  return (
    <div className="cell-notes">
      <p className="note-status" data-testid="cell-status">
        <StatusWords cell={cell} />
      </p>
      <Why cell={cell} />
      {cell.defines.length > 0 && (
        <p className="note-names">
          <span className="visually-hidden">Defines </span>
          {cell.defines.slice(0, namesShown).map((name) => (
            <code key={name}>{name}</code>
          ))}
          {cell.defines.length > namesShown && <span>+{cell.defines.length - namesShown}</span>}
        </p>
      )}
    </div>
  );
}

const namesShown = 6;

function StatusWords({ cell }: { cell: Cell }) {
  switch (cell.status) {
    case "new":
      return <>not run yet</>;
    case "queued":
      return <>queued</>;
    case "running":
      return <Elapsed cell={cell.id} />;
    case "ok":
      return <>ran in {formatDuration(cell.duration_ms ?? 0)}</>;
    case "error":
      return <>{errorWords(cell.error)}</>;
    case "blocked":
      return cell.blocked_by.length === 0 ? (
        <>blocked</>
      ) : (
        <>
          blocked by <CellLinks cells={cell.blocked_by} />
        </>
      );
    case "stale":
      return <>stale: its source or an input changed</>;
    case "disabled":
      return cell.disabled || cell.blocked_by.length === 0 ? (
        <>disabled</>
      ) : (
        <>
          disabled with <CellLinks cells={cell.blocked_by} />
        </>
      );
  }
}

function errorWords(error: CellError | null): string {
  switch (error?.kind) {
    case "syntax":
      return "syntax error";
    case "multiple-definition":
      return "name defined twice";
    case "cycle":
      return "in a cycle";
    case "import-star":
      return "import * is not possible";
    case "interrupted":
      return "interrupted";
    case "kernel-died":
      return "the kernel died";
    case "timeout":
      return "took too long";
    default:
      return "failed";
  }
}

function Elapsed({ cell }: { cell: string }) {
  const since = useSelect(useCallback((store: NotebookStore) => store.state?.runningSince[cell], [cell]));
  const now = useNow(100, since !== undefined);
  return <>running {since === undefined ? "" : formatDuration(Math.max(0, now - since))}</>;
}

/** Why the cell ran last, if that was not by hand. */
function Why({ cell }: { cell: Cell }) {
  const last = useSelect(useCallback((store: NotebookStore) => store.state?.reasons[cell.id], [cell.id]));
  if (!last || (cell.status !== "ok" && cell.status !== "error" && cell.status !== "running" && cell.status !== "queued")) {
    return null;
  }
  const { reason } = last;
  if (reason.because === "requested") return null;
  if (reason.because === "healed") return <p className="note-why">because what was missing is there</p>;
  return (
    <p className="note-why">
      because <CellLinks cells={[reason.cell_id]} /> ran
      {reason.names.length > 0 && (
        <>
          {" "}
          and defines{" "}
          {reason.names.slice(0, namesShown).map((name) => (
            <code key={name}>{name}</code>
          ))}
        </>
      )}
    </p>
  );
}

/** Cells by their number on the page, each a way to go there. */
export function CellLinks({ cells }: { cells: readonly string[] }) {
  const { commands } = usePage();
  const numbers = useSelect(
    useCallback(
      (store: NotebookStore) =>
        cells.map((id) => (store.state?.order.indexOf(id) ?? -1) + 1).join(","),
      [cells],
    ),
  ).split(",");
  return (
    <>
      {cells.map((id, index) => (
        <span key={id}>
          {index > 0 && ", "}
          {numbers[index] === "0" ? (
            "a deleted cell"
          ) : (
            <button
              type="button"
              className="link-button"
              onClick={() => {
                commands.goTo(id);
              }}
            >
              cell {numbers[index]}
            </button>
          )}
        </span>
      ))}
    </>
  );
}
