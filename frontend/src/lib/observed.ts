import { useSyncExternalStore } from "react";

/** A value that components follow. Nothing is told when it is set to what it is. */
export class Observed<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
}

/** A part of an observed value; draws again only when that part changed. */
export function useObserved<T, P>(observed: Observed<T>, part: (value: T) => P): P {
  return useSyncExternalStore(observed.subscribe, () => part(observed.value));
}
