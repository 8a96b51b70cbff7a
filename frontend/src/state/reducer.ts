import type {
  Cell,
  CellStatus,
  Frame,
  Kernel,
  Mode,
  Notebook,
  NotebookEvent,
  Output,
  RunReason,
  RunStatus,
} from "../api/types.ts";

/** A run as the event stream tells it. Times are the page's own clock, in ms. */
export interface Run {
  id: string;
  /** Every cell planned, in order; a run that others join grows. */
  cells: string[];
  /** The planned cells that have come to an end. */
  finished: ReadonlySet<string>;
  startedAt: number;
}

/** Why a cell last ran. */
export interface LastReason {
  reason: RunReason;
  runId: string;
}

export interface NotebookState {
  epoch: string;
  seq: number;
  id: string;
  name: string;
  mode: Mode;
  version: number;
  createdAt: string;
  updatedAt: string;
  kernel: Kernel;
  /** Cell ids in page order. */
  order: readonly string[];
  cells: Readonly<Record<string, Cell>>;
  reasons: Readonly<Record<string, LastReason>>;
  /** When a running cell was seen to start, in ms on the page's clock. */
  runningSince: Readonly<Record<string, number>>;
  run: Run | null;
  lastRun: { id: string; status: RunStatus; durationMs: number; cells: number } | null;
  clients: number;
  /** An event is missing: only a snapshot can put this state right. */
  lost: boolean;
}

const ended: ReadonlySet<CellStatus> = new Set<CellStatus>(["ok", "error", "blocked", "disabled"]);

/**
 * Applies one message of the event stream. Pure: the same messages at the same
 * times give the same state, and what a message does not touch keeps its
 * identity, so that only the views of what changed are drawn again.
 *
 * A message that was applied before is ignored; one that comes too early sets
 * `lost`, after which only a snapshot changes anything. `now` is the page's
 * clock in ms.
 */
export function reduce(
  state: NotebookState | null,
  frame: Frame,
  now: number,
): NotebookState | null {
  if (frame.type === "snapshot") return fromSnapshot(state, frame, now);
  if (state === null) return null;
  if (frame.type === "presence") return { ...state, clients: frame.clients };
  if (frame.type === "resumed") {
    return frame.epoch === state.epoch && frame.seq === state.seq ? state : { ...state, lost: true };
  }
  if (state.lost || !Number.isInteger(frame.seq) || frame.seq <= state.seq) return state;
  if (frame.seq !== state.seq + 1) return { ...state, lost: true };
  return { ...apply(state, frame, now), seq: frame.seq };
}

function fromSnapshot(
  previous: NotebookState | null,
  frame: { epoch: string; seq: number; notebook: Notebook; clients: number },
  now: number,
): NotebookState {
  const { notebook } = frame;
  const same = previous?.epoch === frame.epoch;
  const cells: Record<string, Cell> = {};
  const runningSince: Record<string, number> = {};
  for (const cell of notebook.cells) {
    cells[cell.id] = cell;
    if (cell.status === "running") {
      const started = cell.started_at === null ? NaN : Date.parse(cell.started_at);
      runningSince[cell.id] =
        previous?.runningSince[cell.id] ?? (Number.isNaN(started) ? now : Math.min(started, now));
    }
  }
  return {
    epoch: frame.epoch,
    seq: frame.seq,
    id: notebook.id,
    name: notebook.name,
    mode: notebook.mode,
    version: notebook.version,
    createdAt: notebook.created_at,
    updatedAt: notebook.updated_at,
    kernel: notebook.kernel,
    order: notebook.cells.map((cell) => cell.id),
    cells,
    reasons: same ? previous.reasons : {},
    runningSince,
    run: runIn(notebook, same ? previous.run : null, now),
    lastRun: same ? previous.lastRun : null,
    clients: frame.clients,
    lost: false,
  };
}

/** A snapshot doesn't tell of the run under way; its cells' states do. */
function runIn(notebook: Notebook, known: Run | null, now: number): Run | null {
  const active = notebook.cells.filter(
    (cell) => cell.status === "running" || cell.status === "queued",
  );
  if (active.length === 0) return null;
  if (known) {
    const open = new Set(active.map((cell) => cell.id));
    return { ...known, finished: new Set(known.cells.filter((id) => !open.has(id))) };
  }
  return { id: "", cells: active.map((cell) => cell.id), finished: new Set(), startedAt: now };
}

function apply(state: NotebookState, event: NotebookEvent, now: number): NotebookState {
  switch (event.type) {
    case "notebook.updated":
      return { ...state, name: event.name, mode: event.mode, version: event.version };

    case "cell.created": {
      const cell: Cell = { ...event.cell, outputs: event.cell.outputs };
      return {
        ...state,
        version: event.version,
        order: place(state.order, cell.id, event.after),
        cells: { ...state.cells, [cell.id]: cell },
      };
    }

    case "cell.updated": {
      const next = { ...state, version: event.version };
      return withCell(next, event.cell.id, (cell) => ({
        ...cell,
        ...event.cell,
        outputs: cell.outputs,
      }));
    }

    case "cell.moved":
      if (!(event.cell_id in state.cells)) return { ...state, version: event.version };
      return {
        ...state,
        version: event.version,
        order: place(state.order, event.cell_id, event.after),
      };

    case "cell.deleted":
      return {
        ...state,
        version: event.version,
        order: state.order.filter((id) => id !== event.cell_id),
        cells: without(state.cells, event.cell_id),
        reasons: without(state.reasons, event.cell_id),
        runningSince: without(state.runningSince, event.cell_id),
        run: state.run && {
          ...state.run,
          cells: state.run.cells.filter((id) => id !== event.cell_id),
        },
      };

    case "run.started": {
      const reasons = { ...state.reasons };
      for (const [id, reason] of Object.entries(event.reasons)) {
        reasons[id] = { reason, runId: event.run_id };
      }
      return {
        ...state,
        reasons,
        run: { id: event.run_id, cells: event.cells, finished: new Set(), startedAt: now },
      };
    }

    case "cell.status": {
      const next = withCell(state, event.cell_id, (cell) => ({
        ...cell,
        status: event.status,
        error: event.error,
        blocked_by: event.blocked_by,
        execution_count: event.execution_count,
        duration_ms: event.duration_ms,
        started_at:
          event.status === "running" && cell.status !== "running"
            ? new Date(now).toISOString()
            : cell.started_at,
      }));
      const runningSince =
        event.status === "running"
          ? { ...state.runningSince, [event.cell_id]: state.runningSince[event.cell_id] ?? now }
          : without(state.runningSince, event.cell_id);
      return { ...next, runningSince, run: progress(state.run, event.cell_id, event.status) };
    }

    case "cell.output":
      return withCell(state, event.cell_id, (cell) => ({
        ...cell,
        outputs: append(cell.outputs, event.output),
      }));

    case "cell.cleared":
      return withCell(state, event.cell_id, (cell) =>
        cell.outputs.length === 0 ? cell : { ...cell, outputs: [] },
      );

    case "run.finished": {
      const mine = state.run !== null && (state.run.id === event.run_id || state.run.id === "");
      const cells = mine ? (state.run?.cells.length ?? 0) : 0;
      const active = Object.values(state.cells).some(
        (cell) => cell.status === "queued" || cell.status === "running",
      );
      return {
        ...state,
        run: mine || !active ? null : state.run,
        lastRun: { id: event.run_id, status: event.status, durationMs: event.duration_ms, cells },
      };
    }

    case "kernel.status":
      return { ...state, kernel: { status: event.status, reason: event.reason } };

    default:
      // An event of a newer service: its number counts, its meaning is unknown.
      return state;
  }
}

function progress(run: Run | null, cell: string, status: CellStatus): Run | null {
  if (run === null) return null;
  const planned = run.cells.includes(cell);
  if (!planned) {
    // A run grows when another request joins it.
    if (status !== "queued" && status !== "running") return run;
    return { ...run, cells: [...run.cells, cell] };
  }
  if (run.finished.has(cell) === ended.has(status)) return run;
  const finished = new Set(run.finished);
  if (ended.has(status)) finished.add(cell);
  else finished.delete(cell);
  return { ...run, finished };
}

function withCell(
  state: NotebookState,
  id: string,
  change: (cell: Cell) => Cell,
): NotebookState {
  const cell = state.cells[id];
  if (cell === undefined) return state;
  const changed = change(cell);
  return changed === cell ? state : { ...state, cells: { ...state.cells, [id]: changed } };
}

/** Puts the id behind `after`: null is the top, an unknown id the end. */
export function place(order: readonly string[], id: string, after: string | null): readonly string[] {
  const rest = order.filter((other) => other !== id);
  const index = after === null ? 0 : rest.indexOf(after) + 1;
  if (after !== null && index === 0) return [...rest, id];
  return [...rest.slice(0, index), id, ...rest.slice(index)];
}

function append(outputs: Output[], output: Output): Output[] {
  const last = outputs.at(-1);
  if (output.kind === "stream" && last?.kind === "stream" && last.stream === output.stream) {
    return [...outputs.slice(0, -1), { ...last, text: last.text + output.text }];
  }
  return [...outputs, output];
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  if (!(key in record)) return record;
  const rest: Record<string, T> = {};
  for (const id of Object.keys(record)) {
    if (id !== key) rest[id] = record[id] as T;
  }
  return rest;
}

/** Whether the message has what every numbered or unnumbered message must have. */
export function isFrame(value: unknown): value is Frame {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    typeof value.type === "string" &&
    (value.type === "presence" || ("seq" in value && typeof value.seq === "number"))
  );
}
