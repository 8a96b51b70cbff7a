import { describe, expect, it } from "vitest";
import { fuzzyScore } from "./fuzzy.ts";

/** The texts that answer, the best first. */
function found(query: string, ...texts: string[]): string[] {
  return texts
    .flatMap((text) => {
      const score = fuzzyScore(query, text);
      return score === null ? [] : [{ text, score }];
    })
    .sort((a, b) => b.score - a.score)
    .map(({ text }) => text);
}

describe("searching by a few letters", () => {
  it("finds only what has them in this order", () => {
    expect(found("rsl", "Run stale", "Restart", "Lazy, see Run")).toEqual(["Run stale"]);
  });

  it("prefers the words as they stand, and the beginnings of words", () => {
    expect(found("run", "Interrupt a run", "A return of none", "Run all")).toEqual(["Run all", "Interrupt a run", "A return of none"]);
    expect(found("ra", "Extra", "Run all")).toEqual(["Run all", "Extra"]);
    expect(found("mku", "Markdown and up", "Make up")[0]).toBe("Make up");
  });

  it("minds neither case nor spaces, and an empty search finds everything alike", () => {
    expect(fuzzyScore("RUN  A", "run all")).not.toBeNull();
    expect(found("", "b", "a")).toEqual(["b", "a"]);
  });
});
