import { ApiError, problemOf } from "./error.ts";
import type {
  Cell,
  CellPatch,
  Completions,
  ExportFormat,
  Graph,
  ImportedNotebook,
  ImportType,
  NewCell,
  NewNotebook,
  Notebook,
  NotebookPage,
  NotebookPatch,
  RunRequest,
  SqlConnection,
  Variable,
} from "./types.ts";

export interface ClientOptions {
  /** Where the API is, without a slash at the end; "" for the page's own origin. */
  base?: string;
  fetch?: typeof fetch;
  /** Called when the service no longer knows this session. */
  onUnauthorized?: () => void;
}

interface RequestOptions {
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of a body. */
  file?: { bytes: ArrayBuffer; type: string };
  /** The media type asked for, if it isn't JSON. */
  accept?: string;
  /** The notebook's version that the change is based on. */
  ifMatch?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Lets the request outlive the page. */
  keepalive?: boolean;
}

/** An answer together with the notebook's version after it. */
export interface Versioned<T> {
  value: T;
  version: number | null;
}

/** A file to be saved on the person's disk. */
export interface Download {
  name: string;
  content: Blob;
}

/**
 * The HTTP side of the API: every command goes this way, and every failure is
 * an ApiError. The WebSocket only listens.
 */
export class ApiClient {
  readonly #base: string;
  readonly #fetch: typeof fetch;
  readonly #onUnauthorized: () => void;

  constructor(options: ClientOptions = {}) {
    this.#base = (options.base ?? "").replace(/\/+$/, "");
    this.#fetch = options.fetch ?? fetch.bind(globalThis);
    this.#onUnauthorized = options.onUnauthorized ?? (() => undefined);
  }

  /** Trades the token for the session cookie. A wrong token is an ApiError of status 401. */
  async signIn(token: string): Promise<void> {
    await this.#send("POST", "/api/session", { body: { token } }, false);
  }

  async signOut(): Promise<void> {
    await this.#send("DELETE", "/api/session");
  }

  listNotebooks(
    query: { q?: string; limit?: number; cursor?: string },
    signal?: AbortSignal,
  ): Promise<NotebookPage> {
    const search = new URLSearchParams();
    if (query.q) search.set("q", query.q);
    if (query.limit) search.set("limit", String(query.limit));
    if (query.cursor) search.set("cursor", query.cursor);
    const suffix = search.size > 0 ? `?${search}` : "";
    return this.#json("GET", `/api/notebooks${suffix}`, { signal });
  }

  createNotebook(notebook: NewNotebook): Promise<Notebook> {
    return this.#json("POST", "/api/notebooks", { body: notebook });
  }

  getNotebook(id: string, signal?: AbortSignal): Promise<Notebook> {
    return this.#json("GET", notebookPath(id), { signal });
  }

  async updateNotebook(id: string, patch: NotebookPatch): Promise<Versioned<Notebook>> {
    return versioned(await this.#send("PATCH", notebookPath(id), { body: patch }));
  }

  async deleteNotebook(id: string): Promise<void> {
    await this.#send("DELETE", notebookPath(id));
  }

  /** The notebook as a file. The name is the service's, or else made of `fallback`. */
  async exportNotebook(id: string, format: ExportFormat, fallback: string): Promise<Download> {
    const response = await this.#send("GET", `${notebookPath(id)}/export?format=${format}`, { accept: "*/*" });
    const name = fileNameOf(response) ?? `${fallback.replace(/[/\\]/g, "-")}.${format}`;
    try {
      return { name, content: await response.blob() };
    } catch {
      throw new ApiError(0, "The connection broke before all of the file was there.");
    }
  }

  /** Makes a notebook of a file. Without a name it gets the one in the file. */
  importNotebook(bytes: ArrayBuffer, type: ImportType, name?: string): Promise<ImportedNotebook> {
    const suffix = name === undefined ? "" : `?${new URLSearchParams({ name })}`;
    return this.#json("POST", `/api/notebooks/import${suffix}`, { file: { bytes, type } });
  }

  /** The databases of SQL cells; none if the service is too old to know of any. */
  async connections(signal?: AbortSignal): Promise<SqlConnection[]> {
    try {
      const { connections } = await this.#json<{ connections: SqlConnection[] }>(
        "GET",
        "/api/connections",
        { signal },
      );
      return connections;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  async createCell(id: string, cell: NewCell): Promise<Versioned<Cell>> {
    return versioned(await this.#send("POST", `${notebookPath(id)}/cells`, { body: cell }));
  }

  async updateCell(
    id: string,
    cell: string,
    patch: CellPatch,
    options: { ifMatch?: number | undefined; keepalive?: boolean } = {},
  ): Promise<Versioned<Cell>> {
    return versioned(await this.#send("PATCH", cellPath(id, cell), { body: patch, ...options }));
  }

  /** Returns the notebook's version after it. */
  async deleteCell(id: string, cell: string): Promise<number | null> {
    return versionOf(await this.#send("DELETE", cellPath(id, cell)));
  }

  async run(id: string, request: RunRequest): Promise<void> {
    await this.#send("POST", `${notebookPath(id)}/run`, { body: request });
  }

  async interrupt(id: string): Promise<void> {
    await this.#send("POST", `${notebookPath(id)}/interrupt`);
  }

  async restart(id: string, run: boolean): Promise<void> {
    await this.#send("POST", `${notebookPath(id)}/restart`, { body: { run } });
  }

  graph(id: string, signal?: AbortSignal): Promise<Graph> {
    return this.#json("GET", `${notebookPath(id)}/graph`, { signal });
  }

  async variables(id: string, signal?: AbortSignal): Promise<Variable[]> {
    const { variables } = await this.#json<{ variables: Variable[] }>(
      "GET",
      `${notebookPath(id)}/variables`,
      { signal },
    );
    return variables;
  }

  complete(
    id: string,
    request: { cell_id: string; source: string; cursor: number },
    signal?: AbortSignal,
  ): Promise<Completions> {
    return this.#json("POST", `${notebookPath(id)}/complete`, { body: request, signal });
  }

  /** The address of a notebook's event stream; `place` is where to resume. */
  eventsUrl(id: string, place: { epoch: string; after: number } | null): string {
    const url = new URL(
      `${this.#base}/api/ws/notebooks/${encodeURIComponent(id)}`,
      globalThis.location.href,
    );
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    if (place) {
      url.searchParams.set("epoch", place.epoch);
      url.searchParams.set("after", String(place.after));
    }
    return url.href;
  }

  async #json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    return read(await this.#send(method, path, options));
  }

  async #send(
    method: string,
    path: string,
    options: RequestOptions = {},
    reportUnauthorized = true,
  ): Promise<Response> {
    const headers = new Headers({ Accept: options.accept ?? "application/json" });
    if (options.body !== undefined) headers.set("Content-Type", "application/json");
    if (options.file !== undefined) headers.set("Content-Type", options.file.type);
    if (options.ifMatch !== undefined) headers.set("If-Match", `"${options.ifMatch}"`);
    let response: Response;
    try {
      response = await this.#fetch(this.#base + path, {
        method,
        headers,
        body: options.body === undefined ? (options.file?.bytes ?? null) : JSON.stringify(options.body),
        credentials: this.#base === "" ? "same-origin" : "include",
        signal: options.signal ?? null,
        keepalive: options.keepalive ?? false,
      });
    } catch (cause) {
      if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
      throw new ApiError(0, "The service can't be reached.");
    }
    if (response.ok) return response;
    if (response.status === 401 && reportUnauthorized) this.#onUnauthorized();
    throw await problemOf(response);
  }
}

async function read<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(response.status, "The service's answer could not be read.");
  }
}

async function versioned<T>(response: Response): Promise<Versioned<T>> {
  return { value: await read<T>(response), version: versionOf(response) };
}

function notebookPath(id: string): string {
  return `/api/notebooks/${encodeURIComponent(id)}`;
}

function cellPath(id: string, cell: string): string {
  return `${notebookPath(id)}/cells/${encodeURIComponent(cell)}`;
}

/** The version that an ETag like `"17"` (or its weak form) carries. */
function versionOf(response: Response): number | null {
  const match = /^(?:W\/)?"(\d+)"$/.exec(response.headers.get("etag") ?? "");
  return match ? Number(match[1]) : null;
}

/** The name that a Content-Disposition gives its file; another origin's may not be seen. */
function fileNameOf(response: Response): string | null {
  const disposition = response.headers.get("content-disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;\s]+)/i.exec(disposition)?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      // Broken escapes: the plain name beside them will do.
    }
  }
  return /filename="([^"]+)"/i.exec(disposition)?.[1] ?? null;
}
