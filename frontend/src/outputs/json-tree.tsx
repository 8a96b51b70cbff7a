import { useState } from "react";
import { count } from "../lib/format.ts";

const childrenShown = 100;
const textShown = 10_000;

function short(value: unknown): string {
  if (typeof value !== "string" || value.length <= textShown) return JSON.stringify(value);
  return `${JSON.stringify(value.slice(0, textShown))} … ${count(value.length - textShown, "more character")}`;
}

/** A JSON value that unfolds; only what is unfolded is in the page. */
export function JsonTree({ value, name, depth = 0 }: { value: unknown; name?: string; depth?: number }) {
  const [open, setOpen] = useState(depth < 2);
  const [all, setAll] = useState(false);
  const label = name === undefined ? null : <span className="json-key">{name}: </span>;

  if (typeof value !== "object" || value === null) {
    return (
      <div className="json-leaf">
        {label}
        <span data-json={value === null ? "null" : typeof value}>{short(value)}</span>
      </div>
    );
  }

  const entries = Object.entries(value as Record<string, unknown>);
  const brackets = Array.isArray(value) ? "[]" : "{}";
  if (entries.length === 0) {
    return (
      <div className="json-leaf">
        {label}
        {brackets}
      </div>
    );
  }
  const shown = all ? entries : entries.slice(0, childrenShown);
  return (
    <details
      className="json-node"
      open={open}
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary>
        {label}
        <span className="json-size">
          {brackets[0]}
          {entries.length}
          {brackets[1]}
        </span>
      </summary>
      {open && (
        <div className="json-children">
          {shown.map(([key, child]) => (
            <JsonTree key={key} name={key} value={child} depth={depth + 1} />
          ))}
          {shown.length < entries.length && (
            <button
              type="button"
              className="link-button"
              onClick={() => {
                setAll(true);
              }}
            >
              Show {(entries.length - shown.length).toLocaleString("en")} more
            </button>
          )}
        </div>
      )}
    </details>
  );
}
