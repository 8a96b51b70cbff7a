import type { Cell, Notebook, SnapshotFrame } from "../api/types.ts";

export function cell(fields: Partial<Cell> & { id: string }): Cell {
  return {
    kind: "python",
    source: "",
    disabled: false,
    connection: null,
    result: null,
    defines: [],
    references: [],
    status: "new",
    error: null,
    blocked_by: [],
    outputs: [],
    execution_count: 0,
    started_at: null,
    duration_ms: null,
    ...fields,
  };
}

export function notebook(cells: Cell[], fields: Partial<Notebook> = {}): Notebook {
  return {
    id: "n1",
    name: "Tides",
    mode: "auto",
    version: 1,
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
    kernel: { status: "idle", reason: null },
    cells,
    ...fields,
  };
}

export function snapshot(cells: Cell[], fields: Partial<SnapshotFrame> = {}): SnapshotFrame {
  return { type: "snapshot", epoch: "e1", seq: 10, notebook: notebook(cells), clients: 1, ...fields };
}

/** A WebSocket that a test opens, feeds and closes by hand. */
export class FakeSocket {
  static readonly opened: FakeSocket[] = [];

  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.opened.push(this);
  }

  static last(): FakeSocket {
    const socket = FakeSocket.opened.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  static create = (url: string): WebSocket => new FakeSocket(url) as unknown as WebSocket;

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.();
  }

  send(...frames: unknown[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  breakOff(code: number): void {
    this.onclose?.({ code });
  }
}

/** Answers requests by "METHOD path"; an unknown one is a 404 problem. */
export function fakeFetch(
  routes: Record<string, (body: unknown, request: Request) => Response | Promise<Response>>,
): typeof fetch {
  return async (input, init) => {
    const request = new Request(new URL(input as string, "http://notebook.test"), init);
    const { pathname, search } = new URL(request.url);
    const route = routes[`${request.method} ${pathname}${search}`] ?? routes[`${request.method} ${pathname}`];
    const body: unknown = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    return route ? route(body, request) : problem(404, "Not Found");
  };
}

export function json(body: unknown, init: ResponseInit = {}): Response {
  return new Response(JSON.stringify(body), {
    status: 200,
    ...init,
    headers: { "content-type": "application/json", ...(init.headers as Record<string, string> | undefined) },
  });
}

export function problem(status: number, title: string, detail = "", errors: unknown[] = []): Response {
  return new Response(JSON.stringify({ type: "about:blank", title, status, detail, errors }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
}
