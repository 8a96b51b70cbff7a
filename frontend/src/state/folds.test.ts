import { describe, expect, it, vi } from "vitest";
import { Folds } from "./folds.ts";

describe("folded cells", () => {
  it("are folded again in the next visit, and only in this notebook", () => {
    const folds = new Folds("n1", localStorage);
    folds.toggle("a", "source");
    folds.toggle("a", "output");
    folds.toggle("b", "source");
    folds.toggle("b", "source");
    const again = new Folds("n1", localStorage);
    expect([again.has("a", "source"), again.has("a", "output"), again.has("b", "source")]).toEqual([true, true, false]);
    expect(new Folds("n2", localStorage).has("a", "source")).toBe(false);
    again.setAll(["a", "b"], "source", false);
    again.set("a", "output", false);
    expect(localStorage).toHaveLength(0);
  });

  it("tell who follows them once for a change, and not for none", () => {
    const folds = new Folds("n1", null);
    const told = vi.fn();
    folds.folded.subscribe(told);
    folds.setAll(["a", "b"], "source", true);
    folds.set("a", "source", true);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it("take storage that holds something else, is full or forbidden", () => {
    localStorage.setItem("reactive-notebook:folds:n1", '[["a"], 3, ["b", ["source", "roof"]]]');
    const folds = new Folds("n1", {
      getItem: (key) => localStorage.getItem(key),
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
      removeItem: () => undefined,
    });
    expect(folds.has("b", "source")).toBe(true);
    folds.set("c", "source", true);
    expect(folds.has("c", "source")).toBe(true);
    localStorage.setItem("reactive-notebook:folds:n1", "no JSON");
    expect(new Folds("n1", localStorage).folded.value.size).toBe(0);
  });
});
