import { setTimeout as pause } from "node:timers/promises";
import { patience } from "./service.mjs";

/**
 * Repeats an assertion until it holds, and fails with its last error.
 *
 * @template T
 * @param {() => T | Promise<T>} assertion
 * @param {number} [limit] in milliseconds
 * @returns {Promise<T>} what the assertion returned when it held
 */
export async function eventually(assertion, limit = patience) {
  const end = Date.now() + limit;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > end) throw error;
      await pause(100);
    }
  }
}
