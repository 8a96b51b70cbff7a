import { describe, expect, it } from "vitest";
import { copyName, importName, importTypeOf } from "./notebook-file.ts";

const bytes = (text: string) => new TextEncoder().encode(text).buffer;
const ipynb = (metadata: unknown) => bytes(JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells: [] }));

describe("a file to import", () => {
  it("is told by the end of its name", () => {
    expect(importTypeOf("Tides.ipynb")).toBe("application/x-ipynb+json");
    expect(importTypeOf("TIDES.PY")).toBe("text/x-python");
    expect(importTypeOf("tides.py.txt")).toBeNull();
    expect(importTypeOf("ipynb")).toBeNull();
  });

  it("keeps the name it holds, and is else called as the file", () => {
    const jupyter = "application/x-ipynb+json";
    expect(importName("tides (1).ipynb", jupyter, ipynb({ title: "Tides" }))).toBeUndefined();
    expect(importName("x.ipynb", jupyter, ipynb({ colab: { name: "Tides.ipynb" } }))).toBeUndefined();
    expect(importName("tides v1.2.ipynb", jupyter, ipynb({ title: "  " }))).toBe("tides v1.2");
    expect(importName("tides.ipynb", jupyter, bytes("{broken"))).toBe("tides");
    expect(importName(".ipynb", jupyter, ipynb({}))).toBeUndefined();
    expect(importName("tides.py", "text/x-python", bytes("x = 1\n"))).toBe("tides");
    expect(importName("tides.py", "text/x-python", bytes('# one\n# name: "Tides"\n'))).toBeUndefined();
  });

  it("gets no longer name than a notebook may have", () => {
    const name = importName(`${"🌊".repeat(300)}.py`, "text/x-python", bytes(""));
    expect(Array.from(name ?? "")).toHaveLength(200);
    expect(Array.from(copyName("é".repeat(200)))).toHaveLength(200);
    expect(copyName("Tides")).toBe("Tides copy");
  });
});
