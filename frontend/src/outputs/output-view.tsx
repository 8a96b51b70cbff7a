import { memo, type ReactNode, useRef, useState } from "react";
import type { DataOutput, Output } from "../api/types.ts";
import { useNear } from "../lib/use-near.ts";
import { type CellLines, ErrorView } from "./error-view.tsx";
import { figureOf } from "./figure.ts";
import { JsonTree } from "./json-tree.tsx";
import { MarkdownView } from "./markdown-view.tsx";
import { heightOf, PlotView } from "./plot-view.tsx";
import { SandboxFrame } from "./sandbox-frame.tsx";
import { StreamText } from "./stream-text.tsx";
import { isTable, TableView, tableHeight, valuesShown } from "./table-view.tsx";

interface Props {
  output: Output;
  /** Names the cell, for what reads the page aloud. */
  label: string;
  lines?: CellLines | undefined;
}

/** One output of a cell. */
export const OutputView = memo(function OutputView({ output, label, lines }: Props) {
  switch (output.kind) {
    case "stream":
      return (
        <div className="output stream" data-output-kind="stream" data-output-stream={output.stream}>
          <StreamText text={output.text} label={output.stream === "stderr" ? "Error stream" : "Printed text"} from="end" />
        </div>
      );
    case "error":
      return (
        <div className="output" data-output-kind="error">
          <ErrorView error={output} lines={lines} />
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
      return (
        figure && (
          <WhenNear height={heightOf(figure.layout)}>
            <PlotView figure={figure} />
          </WhenNear>
        )
      );
    }
    case "application/vnd.notebook.table+json":
      if (!isTable(value)) return null;
      if (valuesShown(value) <= smallTable) return <TableView table={value} />;
      return (
        <WhenNear height={tableHeight(value)}>
          <TableView table={value} />
        </WhenNear>
      );
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
        <StreamText text={plain} label={`Result of ${label}`} from="start" />
      );
  }
}

/** A table of so few values is always in the page, for who searches it. */
const smallTable = 300;

/** What takes long to draw is drawn when it comes near the screen, and stays; until then its place is as tall as it will be. */
function WhenNear({ height, children }: { height: number; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const near = useNear(place);
  const [drawn, setDrawn] = useState(near);
  if (near && !drawn) setDrawn(true);
  return drawn ? children : <div ref={place} className="output-later" style={{ height }} />;
}

function Picture({ source, label }: { source: string; label: string }) {
  return <img className="picture" src={source} alt={`Made by ${label}`} />;
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
