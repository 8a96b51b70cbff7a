import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { fuzzyScore } from "../lib/fuzzy.ts";
import { Dialog } from "./dialog.tsx";
import { Icon, type IconName } from "./icon.tsx";

export interface PaletteEntry {
  /** What kind of thing it is, such as "Run" or "Go to". */
  group: string;
  label: string;
  /** Beside the label, and searched too. */
  detail?: string;
  /** The keys that do the same, as shown to people. */
  keys?: string;
  icon?: IconName;
  onSelect: () => void;
}

interface Props {
  entries: readonly PaletteEntry[];
  onClose: () => void;
}

const shownAtMost = 80;

/** Everything that can be done, to be found by a few letters of its name. */
export function CommandPalette({ entries, onClose }: Props) {
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const found = useMemo(() => search(entries, query), [entries, query]);
  const index = Math.min(chosen, found.length - 1);

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [index, found]);

  const select = (entry: PaletteEntry | undefined) => {
    if (entry === undefined) return;
    onClose();
    // Once the dialog has given the focus back, so that the command can take it.
    setTimeout(entry.onSelect);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation();
    const last = found.length - 1;
    const moves: Record<string, number> = {
      ArrowDown: index >= last ? 0 : index + 1,
      ArrowUp: index <= 0 ? last : index - 1,
      PageDown: Math.min(last, index + 8),
      PageUp: Math.max(0, index - 8),
    };
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      setChosen(Math.max(0, next));
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      select(found[index]);
    }
  };

  return (
    <Dialog title="Commands" className="palette" onClose={onClose}>
      <label className="search">
        <Icon name="search" />
        <span className="visually-hidden">Find a command, a cell or a name</span>
        {/* The dialog was opened to type into this. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <input autoFocus
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={found.length > 0 ? `${id}-${index}` : undefined}
          placeholder="Find a command, a cell or a name"
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
        />
      </label>
      <div ref={list} id={id} role="listbox" aria-label="Commands" className="palette-list">
        {found.map((entry, at) => (
          // The field has the focus and the keys; this is for the pointer.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div
            key={`${entry.group} ${entry.label} ${entry.detail ?? ""}`}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === index}
            tabIndex={-1}
            className="palette-entry"
            onPointerMove={() => {
              setChosen(at);
            }}
            onClick={() => {
              select(entry);
            }}
          >
            <span className="menu-icon">{entry.icon && <Icon name={entry.icon} />}</span>
            <span className="palette-label">{entry.label}</span>
            {entry.detail !== undefined && <span className="palette-detail">{entry.detail}</span>}
            {entry.keys === undefined ? <span className="palette-group">{entry.group}</span> : <kbd>{entry.keys}</kbd>}
          </div>
        ))}
      </div>
      <p className={found.length === 0 ? "palette-none" : "visually-hidden"} role="status">
        {found.length === 0 ? "Nothing is called that." : `${found.length} found`}
      </p>
    </Dialog>
  );
}

function search(entries: readonly PaletteEntry[], query: string): PaletteEntry[] {
  if (query.trim() === "") return entries.slice(0, shownAtMost);
  return entries
    .flatMap((entry) => {
      const scores = [entry.label, `${entry.label} ${entry.detail ?? ""}`, `${entry.group} ${entry.label}`].map((text) =>
        fuzzyScore(query, text),
      );
      const best = scores.reduce((a, b) => (a === null ? b : b === null ? a : Math.max(a, b)), null);
      return best === null ? [] : [{ entry, score: best }];
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, shownAtMost)
    .map(({ entry }) => entry);
}
