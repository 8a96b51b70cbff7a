import { ApiError } from "../api/error.ts";
import type { Frame } from "../api/types.ts";
import { isFrame } from "./reducer.ts";

/** How the page is joined to the notebook's event stream. */
export type Connection =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; attempt: number; retryAt: number }
  | { kind: "signed-out" }
  | { kind: "deleted" }
  | { kind: "missing" };

export interface SocketOptions {
  /** The address to open, resuming at `place` if that is given. */
  url: (place: { epoch: string; after: number } | null) => string;
  onFrames: (frames: Frame[]) => void;
  onConnection: (connection: Connection) => void;
  /**
   * Asks over HTTP why a handshake failed, which a browser doesn't tell.
   * Rejects with the ApiError; resolves if all is well.
   */
  probe: () => Promise<unknown>;
  createSocket?: (url: string) => WebSocket;
  now?: () => number;
  random?: () => number;
}

/** Close codes of the API. */
const closed = { draining: 1001, revoked: 4401, tooSlow: 4408, deleted: 4410 } as const;

const firstDelay = 400;
const longestDelay = 15_000;
/** A handshake that hangs (a proxy that swallows it) is given up after so long. */
const handshakeTimeout = 10_000;

/**
 * Holds the notebook's event stream open: reconnects with growing, jittered
 * pauses, resumes where the stream broke, and knows the closes after which
 * there is nothing to reconnect to. It does not know what an event means.
 */
export class NotebookSocket {
  readonly #options: Required<SocketOptions>;
  #socket: WebSocket | null = null;
  #place: { epoch: string; after: number } | null = null;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #handshakeTimer: ReturnType<typeof setTimeout> | undefined;
  #stopped = true;

  constructor(options: SocketOptions) {
    this.#options = {
      createSocket: (url) => new WebSocket(url),
      now: Date.now,
      random: Math.random,
      ...options,
    };
  }

  start(): void {
    this.#stopped = false;
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#drop();
  }

  /** Where to resume if the stream breaks now. */
  setPlace(epoch: string, after: number): void {
    this.#place = { epoch, after };
  }

  /** Events are missing: begin again with a snapshot. */
  resync(): void {
    this.#place = null;
    this.reconnect();
  }

  /** Reconnects at once: the network is back, or the person asked for it. */
  reconnect(): void {
    if (this.#stopped) return;
    this.#attempt = 0;
    this.#drop();
    this.#open();
  }

  /** Reconnects at once if the stream is not open. */
  wake(): void {
    if (!this.#stopped && this.#socket === null) this.reconnect();
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#options.onConnection({ kind: "connecting" });
    const socket = this.#options.createSocket(this.#options.url(this.#place));
    this.#socket = socket;
    let opened = false;
    this.#handshakeTimer = setTimeout(() => {
      socket.close();
      this.#lost(socket, 1006, false);
    }, handshakeTimeout);
    socket.onopen = () => {
      opened = true;
      clearTimeout(this.#handshakeTimer);
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      const frame = parse(message.data);
      if (frame === null) return;
      if (frame.type === "snapshot" || frame.type === "resumed") {
        this.#attempt = 0;
        this.#options.onConnection({ kind: "open" });
      }
      this.#options.onFrames([frame]);
    };
    socket.onclose = (event) => {
      this.#lost(socket, event.code, opened);
    };
  }

  #lost(socket: WebSocket, code: number, opened: boolean): void {
    if (this.#socket !== socket) return;
    this.#drop();
    if (this.#stopped) return;
    if (code === closed.revoked) {
      this.#end({ kind: "signed-out" });
      void this.#options.probe().catch(() => undefined); // reports the 401 to whoever shows the sign-in
      return;
    }
    if (code === closed.deleted) {
      this.#end({ kind: "deleted" });
      return;
    }
    if ((code === closed.draining || code === closed.tooSlow) && this.#attempt === 0) {
      this.#attempt = 1;
      this.#open();
      return;
    }
    if (opened) {
      this.#wait();
      return;
    }
    this.#options.probe().then(
      () => {
        this.#wait();
      },
      (error: unknown) => {
        if (this.#stopped || this.#socket !== null) return;
        if (error instanceof ApiError && error.status === 401) this.#end({ kind: "signed-out" });
        else if (error instanceof ApiError && error.status === 404) this.#end({ kind: "missing" });
        else this.#wait();
      },
    );
  }

  #wait(): void {
    if (this.#stopped || this.#socket !== null) return;
    const longest = Math.min(longestDelay, firstDelay * 2 ** this.#attempt);
    const delay = longest * (0.5 + this.#options.random() / 2);
    this.#attempt += 1;
    this.#options.onConnection({
      kind: "waiting",
      attempt: this.#attempt,
      retryAt: this.#options.now() + delay,
    });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#open();
    }, delay);
  }

  #end(connection: Connection): void {
    this.#options.onConnection(connection);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#handshakeTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}

function parse(data: unknown): Frame | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    return isFrame(value) ? value : null;
  } catch {
    return null;
  }
}
