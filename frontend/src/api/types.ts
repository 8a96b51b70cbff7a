/**
 * The shapes of the API under the names that the page uses. What the OpenAPI
 * document describes is generated from it (`npm run api`), so that neither can
 * change without the other; the messages of the event stream are written here.
 * Ids are UUIDv7 strings, times RFC 3339 in UTC.
 */
import type { components, operations } from "./schema.ts";

type Schemas = components["schemas"];

export type Mode = Schemas["Mode"];
export type CellKind = Schemas["Kind"];
export type KernelStatus = Schemas["KernelStatus"];
export type CellStatus = Schemas["Status"];
export type RunStatus = Schemas["RunResult"]["status"];

export type Kernel = Schemas["Kernel"];
export type CellError = Schemas["CellError"];

export type Output = Schemas["Output"];
export type StreamOutput = Extract<Output, { kind: "stream" }>;
/** MIME type to value; `text/plain` is always there. */
export type DataOutput = Extract<Output, { kind: "display" | "result" }>;
export type ErrorOutput = Extract<Output, { kind: "error" }>;

export type Cell = Schemas["Cell"];
/** Its cells are in page order; its version rises by one with each change to the document, and is the ETag. */
export type Notebook = Schemas["Notebook"];
export type NotebookSummary = Schemas["Summary"];
export type NotebookPage = Schemas["Page"];

/** `after` is a cell id; null for the top; absent for the end. */
export type NewCell = Schemas["NewCell"];
export type CellPatch = Schemas["CellPatch"];
export type NewNotebook = Schemas["NewNotebook"];
export type NotebookPatch = Schemas["NotebookPatch"];

/** A notebook made from a file, with what of the file could not be kept, as sentences. */
export type ImportedNotebook = Schemas["Imported"];

/** What a notebook can be downloaded as. */
export type ExportFormat = operations["exportNotebook"]["parameters"]["query"]["format"];

/** What an imported file holds. */
export type ImportType = "application/x-ipynb+json" | "text/x-python";

/** A database that SQL cells may name; its credentials stay with the service. */
export type SqlConnection = Schemas["Connections"]["connections"][number];

export type RunRequest = { cells: string[] } | { stale: true } | Record<string, never>;

/** Positions in the source, in UTF-16 units. */
export type Completions = Schemas["Completion"];

export type Variable = Schemas["Variables"]["variables"][number];

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
  /** So many of the first columns are the frame's index, and not its own. */
  index_columns?: number;
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
