import { describe, expect, it } from "vitest";
import { pythonOccurrences, sqlOccurrences, type Token } from "./occurrences.ts";

/** Each line as code, or as the kinds of its parts in turn: ["code", "# a comment"] with a type before the text. */
function python(name: string, ...lines: (string | [type: string, text: string][])[]) {
  const parts = lines.map((line) => (typeof line === "string" ? ([["", line]] as [string, string][]) : line));
  const source = parts.map((line) => line.map(([, text]) => text).join("")).join("\n");
  const tokens = parts.map((line) => {
    let offset = 0;
    return line.map(([type, text]): Token => {
      const token = { offset, type };
      offset += text.length;
      return token;
    });
  });
  return pythonOccurrences(source, name, tokens).map(({ line, column }) => `${line}:${column}`);
}

describe("where a Python source uses a name", () => {
  it("is at whole words only", () => {
    expect(python("rate", "rate = 1", "rates = rate * my_rate + größerrate")).toEqual(["1:1", "2:9"]);
  });

  it("is not in comments and strings, but in what an f-string computes", () => {
    expect(python("rate", [["", "x = rate "], ["comment.python", "# the rate"]], [["string.python", "'rate'"]])).toEqual(["1:5"]);
    expect(python("rate", [["string", "f'at rate {"], ["identifier", "rate"], ["string", "}'"]])).toEqual(["1:12"]);
  });

  it("is not at attributes and at the keywords of calls, but at their values", () => {
    expect(python("rate", "bank.rate(rate)")).toEqual(["1:11"]);
    expect(python("rate", "grow(rate=rate, by=2)", "grow(", "    rate=1)", "rate = 3")).toEqual(["1:11", "4:1"]);
    expect(python("rate", "f(rate == 1)", "[rate]")).toEqual(["1:3", "2:2"]);
  });
});

describe("where a SQL source takes in a variable", () => {
  it("is in its braces only", () => {
    expect(sqlOccurrences("SELECT rate FROM t\nWHERE a > {rate} AND b < { rate } AND c = {rates}", "rate")).toEqual([
      { line: 2, column: 12 },
      { line: 2, column: 28 },
    ]);
  });
});
