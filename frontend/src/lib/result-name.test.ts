import { expect, it } from "vitest";
import { cell } from "../test/builders.ts";
import { freeResultName } from "./result-name.ts";

it("finds a name that no cell defines or is to get", () => {
  expect(freeResultName([])).toBe("result");
  expect(
    freeResultName([
      cell({ id: "a", defines: ["result", "x"] }),
      cell({ id: "b", kind: "sql", result: "result_2" }),
      cell({ id: "c", defines: ["result_4"] }),
    ]),
  ).toBe("result_3");
});
