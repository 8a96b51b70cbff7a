import { useSyncExternalStore } from "react";
import type { ApiClient } from "../api/client.ts";
import type { SqlConnection } from "../api/types.ts";

const none: readonly SqlConnection[] = [];

/**
 * The databases that SQL cells may name, asked for once; as long as none are
 * known, the page offers no SQL. A failure is not told: nothing but the offer
 * depends on the answer, and it is asked for again with the next `load`.
 */
export class Connections {
  readonly #client: ApiClient;
  readonly #listeners = new Set<() => void>();
  #list = none;
  #known = false;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  get list(): readonly SqlConnection[] {
    return this.#list;
  }

  async load(signal?: AbortSignal): Promise<void> {
    if (this.#known) return;
    try {
      const list = await this.#client.connections(signal);
      this.#known = true;
      this.#list = list;
    } catch {
      return;
    }
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
}

export function useConnections(connections: Connections): readonly SqlConnection[] {
  return useSyncExternalStore(connections.subscribe, () => connections.list);
}
