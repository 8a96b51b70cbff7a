import { type CSSProperties, memo, type RefObject, useLayoutEffect, useMemo, useRef, useState } from "react";
import { count } from "../lib/format.ts";
import { cssColour, type Line, type Style, Terminal } from "./terminal.ts";

/** So many lines are in the page at first, and so many more each time that someone asks. */
const linesShown = 1_000;
const linesMore = 5_000;
const blockSize = 100;
/** Text of more blocks is laid out only where it is on the screen. */
const longText = 10;

interface Props {
  text: string;
  label: string;
  /** Which end of a long text is shown first: a log's last lines, a value's first. */
  from: "start" | "end";
}

/**
 * Text as a terminal would show it. Text that only grew is read from where the
 * last reading ended, only the last block is drawn again, and who was at its
 * end stays there.
 */
export function StreamText({ text, label, from }: Props) {
  const lines = useTerminal(text);
  const [limit, setLimit] = useState(linesShown);
  const [box, onScroll] = useFollowedEnd(text, from === "end");
  const end = lines.length > 1 && lines.at(-1)?.length === 0 ? lines.length - 1 : lines.length;
  const hidden = Math.max(0, end - limit);
  const first = from === "end" ? hidden - (hidden % blockSize) : 0;
  const last = from === "end" ? end : Math.min(end, limit);

  const blocks: { from: number; lines: Line[] }[] = [];
  for (let at = first; at < last; at += blockSize) {
    blocks.push({ from: at, lines: lines.slice(at, Math.min(last, at + blockSize)) });
  }
  const more = end - (last - first);
  const next = Math.min(linesMore, more);
  const button = more > 0 && (
    <button
      type="button"
      className="link-button stream-more"
      onClick={() => {
        setLimit(limit + linesMore);
      }}
    >
      Show {next < more ? `${next.toLocaleString("en")} of ` : ""}
      {count(more, from === "end" ? "earlier line" : "more line")}
    </button>
  );

  return (
    <>
      {from === "end" && button}
      {/* Scrolls by keyboard too, so it can take the focus. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre ref={box} className="terminal-text" data-long={blocks.length > longText} tabIndex={0} aria-label={label} onScroll={onScroll}>
        {blocks.map((block) => (
          <Block key={block.from} lines={block.lines} />
        ))}
      </pre>
      {from === "start" && button}
    </>
  );
}

/** Keeps the end of a growing text in view until someone scrolls away from it. Returns its box, and what listens to that. */
function useFollowedEnd(text: string, follows: boolean): [RefObject<HTMLPreElement | null>, () => void] {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  const shown = useRef(text);
  useLayoutEffect(() => {
    const before = shown.current;
    shown.current = text;
    // What was there already when the page opened is read from its top.
    if (!follows || !atEnd.current || before === text) return;
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [text, follows]);
  const onScroll = () => {
    if (box.current === null) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
  };
  return [box, onScroll];
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
      <span className="line-block" style={{ containIntrinsicBlockSize: `auto ${lines.length * 1.55}em` }}>
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
      </span>
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
