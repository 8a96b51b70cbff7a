import { cleanup, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Output } from "../api/types.ts";
import { type CellLines, isIn, placesOf } from "./error-view.tsx";
import { OutputView } from "./output-view.tsx";

function show(output: Output, lines?: CellLines) {
  return render(<OutputView output={output} label="cell 3" lines={lines} />);
}

const result = (data: Record<string, unknown>): Output => ({
  kind: "result",
  data: { "text/plain": "plain text", ...data },
  metadata: {},
});

describe("OutputView", () => {
  it("shows SVG as a picture, in which no script runs", () => {
    const { container } = show(result({ "image/svg+xml": "<svg onload='alert(1)'/>" }));
    expect(container.querySelector("svg")).toBeNull();
    expect(screen.getByAltText("Made by cell 3").getAttribute("src")).toBe(
      "data:image/svg+xml;charset=utf-8,%3Csvg%20onload%3D'alert(1)'%2F%3E",
    );
  });

  it("shows nothing but base64 as a PNG", () => {
    const { container } = show(result({ "image/png": "javascript:alert(1)" }));
    expect(container.querySelector("img")).toBeNull();
    expect(container).toHaveTextContent("plain text");
  });

  it("shows plain text of a type that it does not know", () => {
    const { container } = show(result({ "application/x-unknown": "<b>?</b>" }));
    expect(container.firstElementChild).toHaveAttribute("data-output-type", "text/plain");
    expect(container).toHaveTextContent("plain text");
  });

  it("shows a value as plain text when the richer one is malformed", () => {
    const { container } = show(result({ "application/vnd.notebook.table+json": { columns: "no", rows: [] } }));
    expect(container).toHaveTextContent("plain text");
  });

  it("takes names of columns for text", () => {
    const table = { columns: [{ name: "<img src=x onerror=alert(1)>", type: "int64" }], rows: [[1]], total_rows: 1 };
    const { container } = show(result({ "application/vnd.notebook.table+json": table }));
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeInTheDocument();
  });

  it("sorts a table by a column, missing values last, and back", async () => {
    const table = {
      columns: [{ name: "n", type: "float64" }, { name: "s", type: "object" }],
      rows: [[10, "b"], [null, "c"], [9, "a"]],
      total_rows: 3,
    };
    show(result({ "application/vnd.notebook.table+json": table }));
    const order = () => screen.getAllByRole("row").slice(1).map((row) => within(row).getAllByRole("cell")[1]?.textContent);
    const head = screen.getByRole("button", { name: /^n/ });
    await userEvent.click(head);
    expect(order()).toEqual(["a", "b", "c"]);
    expect(screen.getAllByRole("columnheader")[0]).toHaveAttribute("aria-sort", "ascending");
    await userEvent.click(head);
    expect(order()).toEqual(["b", "a", "c"]);
    await userEvent.click(head);
    expect(order()).toEqual(["b", "c", "a"]);
  });

  it("pages a long table and says how much of it is here", async () => {
    const rows = Array.from({ length: 120 }, (_, index) => [index]);
    show(result({ "application/vnd.notebook.table+json": { columns: [{ name: "n", type: "int64" }], rows, total_rows: 5000 } }));
    expect(screen.getByText(/5,000 rows × 1 column, the first 120 shown/)).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Next" }));
    expect(screen.getAllByRole("cell")[0]).toHaveTextContent("50");
  });

  it("counts a frame's index apart from its columns, and heads the rows with it", () => {
    const table = {
      columns: [{ name: "city", type: "object" }, { name: "n", type: "int64" }],
      rows: [["Oslo", 1], ["Bergen", 2]],
      total_rows: 2,
      index_columns: 1,
    };
    show(result({ "application/vnd.notebook.table+json": table }));
    expect(screen.getByText("2 rows × 1 column")).toBeInTheDocument();
    expect(screen.getByRole("rowheader", { name: "Oslo" })).toBeInTheDocument();
    expect(screen.getAllByRole("cell")).toHaveLength(2);
  });

  it("shows fewer rows of a very wide table at once", () => {
    const columns = Array.from({ length: 200 }, (_, index) => ({ name: `c${index}`, type: "int64" }));
    const rows = Array.from({ length: 60 }, () => columns.map(() => 1));
    show(result({ "application/vnd.notebook.table+json": { columns, rows, total_rows: 60 } }));
    expect(screen.getAllByRole("row")).toHaveLength(1 + 12);
    expect(screen.getByText("1–12")).toBeInTheDocument();
  });

  it("draws LaTeX as a formula, with or without its dollar signs", async () => {
    const { container } = show(result({ "text/latex": "$\\displaystyle x^2$" }));
    await waitFor(() => {
      expect(container.querySelector("math msup")).not.toBeNull();
    });
    cleanup();
    const bare = show(result({ "text/latex": "\\sqrt{x}" }));
    await waitFor(() => {
      expect(bare.container.querySelector(".katex-display msqrt")).not.toBeNull();
    });
  });

  it("folds a traceback under what went wrong and leads to its lines, in whichever cell they are", async () => {
    const go = vi.fn();
    const lines: CellLines = {
      go,
      name: ({ cell, line }) => (cell === "0a1b" ? `line ${line}` : cell === "2c3d" ? `cell 1, line ${line}` : null),
    };
    const traceback = [
      "Traceback (most recent call last):",
      '  File "<cell 0a1b>", line 4, in <module>',
      "    \u001b[31mboom\u001b[0m()",
      '  File "<cell ffff>", line 9, in gone',
      '  File "<cell 2c3d>", line 2, in boom',
      '  File "/usr/lib/x.py", line 7, in deep',
      "ValueError: no",
    ];
    show({ kind: "error", name: "ValueError", message: "no", traceback }, lines);
    expect(screen.getByText("ValueError")).toBeVisible();
    expect(screen.getByText("Traceback").closest("details")).not.toHaveAttribute("open");
    // Where it happened is named beside the message.
    await userEvent.click(screen.getAllByRole("button", { name: "cell 1, line 2" })[0] ?? document.body);
    expect(go).toHaveBeenLastCalledWith({ cell: "2c3d", line: 2 });
    await userEvent.click(screen.getByText("Traceback"));
    await userEvent.click(screen.getByRole("button", { name: "line 4" }));
    expect(go).toHaveBeenLastCalledWith({ cell: "0a1b", line: 4 });
    expect(screen.getByLabelText("Traceback")).toHaveTextContent('File "<cell ffff>", line 9, in gone');
    expect(screen.getByText("boom")).toHaveStyle({ color: "var(--ansi-1)" });
  });

  it("shows the end of a stream of very many lines, and more of it when asked", async () => {
    const text = Array.from({ length: 1900 }, (_, index) => `line ${index}`).join("\n");
    const { container, rerender } = show({ kind: "stream", stream: "stdout", text });
    expect(container).toHaveTextContent("line 1899");
    expect(container).not.toHaveTextContent("line 899 ");
    rerender(<OutputView output={{ kind: "stream", stream: "stdout", text: `${text}\nmore` }} label="cell 3" />);
    expect(container).toHaveTextContent("more");
    await userEvent.click(screen.getByRole("button", { name: "Show 900 earlier lines" }));
    expect(container).toHaveTextContent("line 0 line 1 ");
    cleanup();
    show({ kind: "stream", stream: "stdout", text: "x\n".repeat(200_000) });
    expect(screen.getByRole("button", { name: "Show 5,000 of 199,000 earlier lines" })).toBeInTheDocument();
  });

  it("shows the start of a very long value, and of an endless line", () => {
    const { container } = show(result({ "text/plain": `first\n${"x".repeat(30_000)}\n${"last\n".repeat(3000)}` }));
    expect(container).toHaveTextContent(/^first x+… last/);
    expect(container.textContent.length).toBeLessThan(30_000);
    expect(screen.getByRole("button", { name: "Show 2,002 more lines" })).toBeInTheDocument();
  });

  it("keeps a huge text in JSON short", () => {
    const { container } = show(result({ "application/json": { text: "y".repeat(50_000) } }));
    expect(container).toHaveTextContent("40,000 more characters");
    expect(container.textContent.length).toBeLessThan(11_000);
  });

  it("draws a stream anew when its text is another one", () => {
    const { container, rerender } = show({ kind: "stream", stream: "stdout", text: "first run" });
    rerender(<OutputView output={{ kind: "stream", stream: "stdout", text: "second" }} label="cell 3" />);
    expect(container.textContent.trim()).toBe("second");
  });
});

describe("placesOf", () => {
  it("finds the lines that are in cells, not those in libraries", () => {
    const traceback = ['  File "<cell 0a1b>", line 2, in <module>', '  File "/usr/lib/python3/json/decoder.py", line 355, in decode\n  File "<cell>", line 3'];
    expect(placesOf(traceback)).toEqual([{ cell: "0a1b", line: 2 }, { cell: null, line: 3 }]);
    expect(placesOf(['File "/usr/lib/x.py", line 9'])).toEqual([]);
  });

  it("knows the cell that a place is in by the end of its id", () => {
    expect(isIn({ cell: "0123456789ab", line: 1 }, "0198c0de-0000-7000-8000-0123456789ab")).toBe(true);
    expect(isIn({ cell: "0123456789ac", line: 1 }, "0198c0de-0000-7000-8000-0123456789ab")).toBe(false);
    expect(isIn({ cell: null, line: 1 }, "0198c0de-0000-7000-8000-0123456789ab")).toBe(true);
  });
});
