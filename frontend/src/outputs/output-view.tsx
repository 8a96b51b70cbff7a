import { memo } from "react";
import type { CellError, DataOutput, Output } from "../api/types.ts";
import { figureOf } from "./figure.ts";
import { JsonTree } from "./json-tree.tsx";
import { MarkdownView } from "./markdown-view.tsx";
import { PlotView } from "./plot-view.tsx";
import { SandboxFrame } from "./sandbox-frame.tsx";
import { AnsiText, StreamText } from "./stream-text.tsx";
import { isTable, TableView } from "./table-view.tsx";

interface Props {
  output: Output;
  /** Names the cell, for what reads the page aloud. */
  label: string;
  onLine?: ((line: number) => void) | undefined;
}

/** One output of a cell. */
export const OutputView = memo(function OutputView({ output, label, onLine }: Props) {
  switch (output.kind) {
    case "stream":
      return (
        <div className="output" data-output-kind="stream" data-output-stream={output.stream}>
          <StreamText text={output.text} stream={output.stream} />
        </div>
      );
    case "error":
      return (
        <div className="output" data-output-kind="error">
          <ErrorView error={output} onLine={onLine} />
        </div>
      );
    default: {
      const type = preferred(output);
      return (
        <div className="output" data-output-kind={output.kind} data-output-type={type}>
          <DataView type={type} value={output.data[type]} plain={text(output.data["text/plain"])} label={label} />
        </div>
      );
    }
  }
});

/** From the richest to the plainest; each with the test that its value can be shown. */
const types: [string, (value: unknown) => boolean][] = [
  ["application/vnd.plotly.v1+json", (value) => figureOf(value) !== null],
  ["application/vnd.notebook.table+json", isTable],
  ["text/html", isText],
  ["text/latex", isText],
  ["image/svg+xml", isText],
  ["image/png", isBase64],
  ["image/jpeg", isBase64],
  ["text/markdown", isText],
  ["application/json", () => true],
];

function preferred(output: DataOutput): string {
  const found = types.find(([type, fits]) => type in output.data && fits(output.data[type]));
  return found?.[0] ?? "text/plain";
}

interface DataProps {
  type: string;
  value: unknown;
  plain: string;
  label: string;
}

function DataView({ type, value, plain, label }: DataProps) {
  switch (type) {
    case "application/vnd.plotly.v1+json": {
      const figure = figureOf(value);
      return figure && <PlotView figure={figure} />;
    }
    case "application/vnd.notebook.table+json":
      return isTable(value) ? <TableView table={value} /> : null;
    case "text/html":
      return <SandboxFrame html={text(value)} label={label} />;
    case "image/svg+xml":
      // As an image it runs no script and loads nothing.
      return <Picture source={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(value))}`} label={label} />;
    case "image/png":
    case "image/jpeg":
      return <Picture source={`data:${type};base64,${text(value).replace(/\s+/g, "")}`} label={label} />;
    case "text/markdown":
      return <MarkdownView source={text(value)} />;
    case "text/latex":
      return <MarkdownView source={asMarkdown(text(value))} />;
    case "application/json":
      return (
        <div className="json-tree">
          <JsonTree value={value} />
        </div>
      );
    default:
      return (
        <pre className="plain-text">
          <AnsiText text={plain} />
        </pre>
      );
  }
}

function Picture({ source, label }: { source: string; label: string }) {
  return <img className="picture" src={source} alt={`Made by ${label}`} />;
}

interface ErrorProps {
  error: Pick<CellError, "name" | "message" | "traceback">;
  onLine?: ((line: number) => void) | undefined;
}

/** What went wrong in one line; the traceback unfolds. */
export function ErrorView({ error, onLine }: ErrorProps) {
  const trace = error.traceback.join("\n");
  const line = lineOf(error.traceback);
  return (
    <div className="error-output">
      <p className="error-title">
        <strong>{error.name}</strong>
        {error.message !== "" && <span className="error-message">{error.message}</span>}
        {line !== null && onLine && (
          <button
            type="button"
            className="link-button"
            onClick={() => {
              onLine(line);
            }}
          >
            line {line}
          </button>
        )}
      </p>
      {trace.trim() !== "" && (
        <details>
          <summary>Traceback</summary>
          {/* Scrolls by keyboard too, so it can take the focus. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <pre tabIndex={0} aria-label="Traceback">
            <AnsiText text={trace} />
          </pre>
        </details>
      )}
    </div>
  );
}

/** The line of the cell that a traceback ends in: its last frame that is in a cell. */
export function lineOf(traceback: readonly string[]): number | null {
  let line: number | null = null;
  for (const match of traceback.join("\n").matchAll(/File "([^"]*)", line (\d+)/g)) {
    if (/^<?cell\b/i.test(match[1] ?? "")) line = Number(match[2]);
  }
  return line;
}

/** LaTeX with its dollar signs or environment is a formula in Markdown already. */
function asMarkdown(latex: string): string {
  return /^\s*(?:\$|\\begin\{)/.test(latex) ? latex.trim() : `$$${latex}$$`;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isBase64(value: unknown): boolean {
  return typeof value === "string" && /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value);
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}
