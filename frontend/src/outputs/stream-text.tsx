import { type CSSProperties, memo, useMemo, useRef, useState } from "react";
import { count } from "../lib/format.ts";
import { cssColour, type Line, type Style, Terminal } from "./terminal.ts";

/** So many lines are in the page at once; all of them when asked for. */
const linesShown = 1_000;
const blockSize = 100;

/**
 * A stream's text as a terminal would show it. Text that only grew is read
 * from where the last reading ended, and only the last block is drawn again.
 */
export function StreamText({ text, stream }: { text: string; stream: "stdout" | "stderr" }) {
  const lines = useTerminal(text);
  const [all, setAll] = useState(false);
  const end = lines.length > 1 && lines.at(-1)?.length === 0 ? lines.length - 1 : lines.length;
  const hidden = all ? 0 : Math.max(0, end - linesShown);
  const first = hidden - (hidden % blockSize);

  const blocks: { from: number; lines: Line[] }[] = [];
  for (let from = first; from < end; from += blockSize) {
    blocks.push({ from, lines: lines.slice(from, Math.min(end, from + blockSize)) });
  }

  return (
    <div className="stream" data-stream={stream}>
      {first > 0 && (
        <button
          type="button"
          className="link-button stream-more"
          onClick={() => {
            setAll(true);
          }}
        >
          Show {count(first, "earlier line")}
        </button>
      )}
      {/* Scrolls by keyboard too, so it can take the focus. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label={stream === "stderr" ? "Error stream" : "Printed text"}>
        {blocks.map((block) => (
          <Block key={block.from} lines={block.lines} />
        ))}
      </pre>
    </div>
  );
}

/** ANSI text that does not grow, as in a traceback. */
export function AnsiText({ text }: { text: string }) {
  const lines = useTerminal(text);
  return <Block lines={lines} />;
}

function useTerminal(text: string): readonly Line[] {
  const kept = useRef<{ terminal: Terminal; text: string } | null>(null);
  // The terminal is a cache of `text`: whichever render fills it, it holds the same.
  /* eslint-disable react-hooks/refs */
  return useMemo(() => {
    const before = kept.current;
    if (before !== null && text.startsWith(before.text)) {
      before.terminal.write(text.slice(before.text.length));
      before.text = text;
      return [...before.terminal.lines];
    }
    const terminal = new Terminal();
    terminal.write(text);
    kept.current = { terminal, text };
    return [...terminal.lines];
  }, [text]);
  /* eslint-enable react-hooks/refs */
}

const Block = memo(
  function Block({ lines }: { lines: readonly Line[] }) {
    return (
      <>
        {lines.map((line, index) => (
          <span key={index} className="line">
            {line.map((segment, at) =>
              segment.style === null ? (
                segment.text
              ) : (
                <span key={at} style={css(segment.style)}>
                  {segment.text}
                </span>
              ),
            )}
            {"\n"}
          </span>
        ))}
      </>
    );
  },
  (before, after) =>
    before.lines.length === after.lines.length &&
    before.lines.every((line, index) => line === after.lines[index]),
);

function css(style: Style): CSSProperties {
  const fg = style.fg === null ? undefined : cssColour(style.fg);
  const bg = style.bg === null ? undefined : cssColour(style.bg);
  const decoration = [style.underline ? "underline" : "", style.strike ? "line-through" : ""].join(" ").trim();
  return {
    color: style.inverse ? (bg ?? "var(--paper)") : fg,
    backgroundColor: style.inverse ? (fg ?? "var(--ink)") : bg,
    fontWeight: style.bold ? 650 : undefined,
    opacity: style.dim ? 0.7 : undefined,
    fontStyle: style.italic ? "italic" : undefined,
    textDecoration: decoration === "" ? undefined : decoration,
  };
}
