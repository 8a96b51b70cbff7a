import type { CellError } from "../api/types.ts";
import { AnsiText } from "./stream-text.tsx";
import { terminalLines } from "./terminal.ts";

/** A line of a cell. */
export interface Place {
  /** The end of the cell's id, without hyphens; null in what was never run. */
  cell: string | null;
  /** From 1. */
  line: number;
}

/** What the page around an error knows of the cells' lines. */
export interface CellLines {
  /** What a place is called, such as "line 2" or "cell 3, line 2"; null if its cell is gone. */
  name: (place: Place) => string | null;
  go: (place: Place) => void;
}

interface Props {
  error: Pick<CellError, "name" | "message" | "traceback">;
  lines?: CellLines | undefined;
}

/** What went wrong in one line; the traceback unfolds, and leads to the lines that it names. */
export function ErrorView({ error, lines }: Props) {
  const place = placesOf(error.traceback).at(-1);
  return (
    <div className="error-output">
      <p className="error-title">
        <strong>{error.name}</strong>
        {error.message !== "" && <span className="error-message">{error.message}</span>}
        {place && <PlaceLink place={place} lines={lines} />}
      </p>
      {error.traceback.join("").trim() !== "" && (
        <details>
          <summary>Traceback</summary>
          {/* Scrolls by keyboard too, so it can take the focus. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <pre tabIndex={0} aria-label="Traceback">
            {error.traceback.join("\n").split("\n").map((text, index) => (
              <TraceLine key={index} text={text} lines={lines} />
            ))}
          </pre>
        </details>
      )}
    </div>
  );
}

const frame = /^(\s*)File "<cell(?: ([0-9a-f]+))?>", line (\d+)(.*)$/;

/** A frame that is in a cell leads to it; all else stays as Python wrote it. */
function TraceLine({ text, lines }: { text: string; lines: CellLines | undefined }) {
  const [, indent, cell, line, rest] = frame.exec(plainText(text)) ?? [];
  if (line === undefined || lines === undefined) return <AnsiText text={text} />;
  const place = { cell: cell ?? null, line: Number(line) };
  if (lines.name(place) === null) return <AnsiText text={text} />;
  return (
    <span className="line">
      {indent}
      <PlaceLink place={place} lines={lines} />
      {rest}
      {"\n"}
    </span>
  );
}

function PlaceLink({ place, lines }: { place: Place; lines: CellLines | undefined }) {
  const name = lines?.name(place) ?? null;
  if (name === null) return null;
  return (
    <button type="button" className="link-button" onClick={() => lines?.go(place)}>
      {name}
    </button>
  );
}

function plainText(text: string): string {
  return terminalLines(text)
    .map((line) => line.map((segment) => segment.text).join(""))
    .join("\n");
}

/** The places in cells that a traceback names, the innermost last. */
export function placesOf(traceback: readonly string[]): Place[] {
  const places: Place[] = [];
  for (const text of traceback.join("\n").split("\n")) {
    const [, , cell, line] = frame.exec(plainText(text)) ?? [];
    if (line !== undefined) places.push({ cell: cell ?? null, line: Number(line) });
  }
  return places;
}

/** Whether a place is in the cell of this id. */
export function isIn(place: Place, id: string): boolean {
  return place.cell === null || id.replaceAll("-", "").endsWith(place.cell);
}
