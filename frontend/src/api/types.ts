/** The shapes of the API, field for field. Ids are UUIDv7 strings, times RFC 3339 in UTC. */

export type Mode = "auto" | "lazy";
export type CellKind = "python" | "markdown" | "sql";
export type KernelStatus = "none" | "starting" | "idle" | "busy" | "dead";
export type CellStatus =
  | "new"
  | "queued"
  | "running"
  | "ok"
  | "error"
  | "blocked"
  | "stale"
  | "disabled";
export type RunStatus = "ok" | "error" | "interrupted" | "running";

export interface Kernel {
  status: KernelStatus;
  reason: string | null;
}

export interface CellError {
  kind:
    | "exception"
    | "syntax"
    | "multiple-definition"
    | "cycle"
    | "import-star"
    | "interrupted"
    | "kernel-died"
    | "timeout"
    | "sql";
  name: string;
  message: string;
  traceback: string[];
  /** The names involved in a graph error. */
  names: string[];
  /** The other cells involved in a graph error. */
  cells: string[];
}

export interface StreamOutput {
  kind: "stream";
  stream: "stdout" | "stderr";
  text: string;
}

export interface DataOutput {
  kind: "display" | "result";
  /** MIME type to value; `text/plain` is always there. */
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

export interface ErrorOutput {
  kind: "error";
  name: string;
  message: string;
  traceback: string[];
}

export type Output = StreamOutput | DataOutput | ErrorOutput;

export interface Cell {
  id: string;
  kind: CellKind;
  source: string;
  disabled: boolean;
  connection: string | null;
  result: string | null;
  defines: string[];
  references: string[];
  status: CellStatus;
  error: CellError | null;
  blocked_by: string[];
  outputs: Output[];
  execution_count: number;
  started_at: string | null;
  duration_ms: number | null;
}

export interface Notebook {
  id: string;
  name: string;
  mode: Mode;
  /** Rises by one with each change to the document; the ETag. */
  version: number;
  created_at: string;
  updated_at: string;
  kernel: Kernel;
  /** In page order. */
  cells: Cell[];
}

export interface NotebookSummary {
  id: string;
  name: string;
  version: number;
  cell_count: number;
  created_at: string;
  updated_at: string;
  kernel: { status: KernelStatus };
}

export interface NotebookPage {
  notebooks: NotebookSummary[];
  next_cursor: string | null;
}

export interface NewCell {
  kind?: CellKind;
  source?: string;
  disabled?: boolean;
  connection?: string | null;
  result?: string | null;
  /** A cell id; null for the top; absent for the end. */
  after?: string | null;
}

export interface CellPatch {
  source?: string;
  kind?: CellKind;
  disabled?: boolean;
  connection?: string | null;
  result?: string | null;
  after?: string | null;
}

export interface NewNotebook {
  name: string;
  mode?: Mode;
  cells?: NewCell[];
}

/** A notebook made from a file, with what of the file could not be kept, as sentences. */
export interface ImportedNotebook extends Notebook {
  lost: string[];
}

/** What a notebook can be downloaded as. */
export type ExportFormat = "ipynb" | "py" | "html" | "md";

/** What an imported file holds. */
export type ImportType = "application/x-ipynb+json" | "text/x-python";

/** A database that SQL cells may name; its credentials stay with the service. */
export interface SqlConnection {
  name: string;
  dialect: string;
}

export interface NotebookPatch {
  name?: string;
  mode?: Mode;
}

export type RunRequest = { cells: string[] } | { stale: true } | Record<string, never>;

/** Positions in the source, in UTF-16 units. */
export interface Completions {
  start: number;
  end: number;
  matches: { text: string; type: string; detail: string }[];
}

export interface Variable {
  name: string;
  type: string;
  cell_id: string | null;
  summary: string;
}

/** Which cells depend on which. */
export interface Graph {
  cells: { id: string; defines: string[]; references: string[] }[];
  edges: GraphEdge[];
}

/** `to` reads names that `from` defines. */
export interface GraphEdge {
  from: string;
  to: string;
  names: string[];
}

/** Why a cell is part of a run. */
export type RunReason =
  | { because: "requested" }
  | { because: "input"; cell_id: string; names: string[] }
  | { because: "healed" };

/** A data frame, as `application/vnd.notebook.table+json`. */
export interface Table {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  total_rows: number;
}

/* What the server sends over the WebSocket. */

export interface SnapshotFrame {
  type: "snapshot";
  epoch: string;
  seq: number;
  notebook: Notebook;
  clients: number;
}

export interface ResumedFrame {
  type: "resumed";
  epoch: string;
  seq: number;
}

export interface PresenceFrame {
  type: "presence";
  clients: number;
}

type Event<Type extends string, Fields> = { type: Type; seq: number } & Fields;

export type NotebookEvent =
  | Event<"notebook.updated", { name: string; mode: Mode; version: number }>
  | Event<"cell.created", { cell: Cell; after: string | null; version: number }>
  | Event<"cell.updated", { cell: Omit<Cell, "outputs">; version: number }>
  | Event<"cell.moved", { cell_id: string; after: string | null; version: number }>
  | Event<"cell.deleted", { cell_id: string; version: number }>
  | Event<"run.started", { run_id: string; cells: string[]; reasons: Record<string, RunReason> }>
  | Event<
      "cell.status",
      {
        cell_id: string;
        run_id: string | null;
        status: CellStatus;
        error: CellError | null;
        blocked_by: string[];
        execution_count: number;
        duration_ms: number | null;
      }
    >
  | Event<"cell.output", { cell_id: string; run_id: string; output: Output }>
  | Event<"cell.cleared", { cell_id: string }>
  | Event<"run.finished", { run_id: string; status: RunStatus; duration_ms: number }>
  | Event<"kernel.status", { status: KernelStatus; reason: string | null }>;

export type Frame = SnapshotFrame | ResumedFrame | PresenceFrame | NotebookEvent;
