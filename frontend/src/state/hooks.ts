import { createContext, use, useCallback, useSyncExternalStore } from "react";
import type { Cell } from "../api/types.ts";
import type { Draft } from "./drafts.ts";
import type { NotebookStore } from "./store.ts";

export const StoreContext = createContext<NotebookStore | null>(null);

export function useStore(): NotebookStore {
  const store = use(StoreContext);
  if (store === null) throw new Error("useStore needs a StoreContext above it");
  return store;
}

/**
 * A part of the open notebook; draws again only when that part changed. The
 * selector must give the same value for the same state: a field of it, or a
 * string or number made of it.
 */
export function useSelect<T>(selector: (store: NotebookStore) => T): T {
  const store = useStore();
  return useSyncExternalStore(
    store.subscribe,
    useCallback(() => selector(store), [store, selector]),
  );
}

export function useCell(id: string): Cell | undefined {
  return useSelect(useCallback((store: NotebookStore) => store.cell(id), [id]));
}

export function useDraft(id: string): Draft | undefined {
  return useSelect(useCallback((store: NotebookStore) => store.draft(id), [id]));
}

export function useText(id: string): string {
  return useSelect(useCallback((store: NotebookStore) => store.text(id), [id]));
}
