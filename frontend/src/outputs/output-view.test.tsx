import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Output } from "../api/types.ts";
import { lineOf, OutputView } from "./output-view.tsx";

function show(output: Output, onLine?: (line: number) => void) {
  return render(<OutputView output={output} label="cell 3" onLine={onLine} />);
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

  it("folds a traceback under what went wrong and leads to its line", async () => {
    const onLine = vi.fn();
    const traceback = ["Traceback (most recent call last):", '  File "<cell 0a1b>", line 4, in <module>', "    \u001b[31mboom\u001b[0m()", "ValueError: no"];
    show({ kind: "error", name: "ValueError", message: "no", traceback }, onLine);
    expect(screen.getByText("ValueError")).toBeVisible();
    expect(screen.getByText("Traceback").closest("details")).not.toHaveAttribute("open");
    await userEvent.click(screen.getByRole("button", { name: "line 4" }));
    expect(onLine).toHaveBeenCalledWith(4);
    expect(screen.getByText("boom")).toHaveStyle({ color: "var(--ansi-1)" });
  });

  it("shows the end of a stream of very many lines, and the rest when asked", async () => {
    const text = Array.from({ length: 3000 }, (_, index) => `line ${index}`).join("\n");
    const { container, rerender } = show({ kind: "stream", stream: "stdout", text });
    expect(container).toHaveTextContent("line 2999");
    expect(container).not.toHaveTextContent("line 500 ");
    rerender(<OutputView output={{ kind: "stream", stream: "stdout", text: `${text}\nmore` }} label="cell 3" />);
    expect(container).toHaveTextContent("more");
    await userEvent.click(screen.getByRole("button", { name: "Show 2,000 earlier lines" }));
    expect(container).toHaveTextContent("line 0 line 1 ");
  });

  it("draws a stream anew when its text is another one", () => {
    const { container, rerender } = show({ kind: "stream", stream: "stdout", text: "first run" });
    rerender(<OutputView output={{ kind: "stream", stream: "stdout", text: "second" }} label="cell 3" />);
    expect(container.textContent.trim()).toBe("second");
  });
});

describe("lineOf", () => {
  it("is the last line that is in a cell, not in a library", () => {
    expect(lineOf(['File "<cell 1f>", line 2, in <module>', 'File "/usr/lib/python3/json/decoder.py", line 355, in decode'])).toBe(2);
    expect(lineOf(['File "/usr/lib/x.py", line 9'])).toBeNull();
  });
});
