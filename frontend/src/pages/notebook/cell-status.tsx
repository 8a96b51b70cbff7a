import { useCallback, useEffect, useMemo, useState } from "react";
import type { Cell, CellError } from "../../api/types.ts";
import { formatDuration } from "../../lib/format.ts";
import { useObserved } from "../../lib/observed.ts";
import { type Culprit, culpritsOf, type NameUse, usesOf } from "../../state/dependencies.ts";
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
      <ChangedElsewhere cell={cell.id} />
      <NameUnderCursor cell={cell.id} />
      {cell.defines.length > 0 && (
        <p className="note-names">
          <span className="visually-hidden">Defines </span>
          <Names names={cell.defines} />
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
      return <Stale cell={cell.id} />;
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

const culpritsIn = (id: string) => (store: NotebookStore) =>
  store.state === null ? "[]" : JSON.stringify(culpritsOf(id, store.state.order, store.state.cells));

/** What made a cell stale, with a way to go there. */
function Stale({ cell }: { cell: string }) {
  const found = useSelect(useMemo(() => culpritsIn(cell), [cell]));
  const culprits = useMemo(() => JSON.parse(found) as Culprit[], [found]);
  if (culprits.length === 0) return <>stale: edited since it ran</>;
  return (
    <>
      stale:{" "}
      {culprits.map(({ cell: from, names }, index) => (
        <span key={from}>
          {index > 0 && ", "}
          <Names names={names} /> {names.length > 0 && "of "}
          <CellLinks cells={[from]} />
        </span>
      ))}{" "}
      changed
    </>
  );
}

function Names({ names }: { names: readonly string[] }) {
  const { name } = usePage();
  const lit = useObserved(name, (at) => at?.name ?? null);
  return (
    <>
      {names.slice(0, namesShown).map((each) => (
        <code key={each} data-lit={each === lit}>
          {each}
        </code>
      ))}
      {names.length > namesShown && <span>+{names.length - namesShown}</span>}
    </>
  );
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
          <Names names={reason.names} />
        </>
      )}
    </p>
  );
}

/** So long it is told that a cell was changed by someone else, in ms. */
const toldFor = 6_000;

function ChangedElsewhere({ cell }: { cell: string }) {
  const at = useSelect(useCallback((store: NotebookStore) => store.touchedAt(cell), [cell]));
  const [over, setOver] = useState<number | undefined>();
  useEffect(() => {
    if (at === undefined) return;
    const timer = setTimeout(() => {
      setOver(at);
    }, toldFor);
    return () => {
      clearTimeout(timer);
    };
  }, [at]);
  if (at === undefined || at === over) return null;
  return (
    <p className="note-elsewhere" data-testid="changed-elsewhere">
      changed in another tab
    </p>
  );
}

/** Where the name under the cursor of this cell's editor comes from and goes to. */
function NameUnderCursor({ cell }: { cell: string }) {
  const { name } = usePage();
  const word = useObserved(name, (at) => (at?.cell === cell ? at.name : null));
  const found = useSelect(
    useCallback(
      (store: NotebookStore) =>
        word === null || store.state === null ? "" : JSON.stringify(usesOf(word, store.state.order, store.state.cells)),
      [word],
    ),
  );
  if (word === null || found === "") return null;
  const { definedIn, readIn } = JSON.parse(found) as NameUse;
  const elsewhere = definedIn.filter((id) => id !== cell);
  const readers = readIn.filter((id) => id !== cell);
  return (
    <p className="note-name" data-testid="name-note">
      <code data-lit="true">{word}</code>{" "}
      {elsewhere.length > 0 && (
        <>
          from <CellLinks cells={elsewhere} />
          {readers.length > 0 && ", "}
        </>
      )}
      {readers.length > 0 ? (
        <>
          read in <CellLinks cells={readers} />
        </>
      ) : (
        elsewhere.length === 0 && "read in no other cell"
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
