import { useMemo, useState } from "react";
import type { Cell, CellError } from "../../api/types.ts";
import { CodeEditor, type EditorCommands, type Fault } from "../../editor/code-editor.tsx";
import { MarkdownView } from "../../outputs/markdown-view.tsx";
import { isIn, placesOf } from "../../outputs/error-view.tsx";
import { count } from "../../lib/format.ts";
import { useObserved } from "../../lib/observed.ts";
import type { Draft } from "../../state/drafts.ts";
import { useFolded } from "../../state/folds.ts";
import { useDraft, useStore, useText } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { sampleConnection, sampleHint } from "../sample-data.ts";
import { useFocusRequest, usePage } from "./page-context.ts";

/** What a cell says when it runs: its editor, or a Markdown cell's text as it reads. */
export function CellSource({ cell, number, readOnly }: { cell: Cell; number: number; readOnly: boolean }) {
  const { id, kind } = cell;
  const { commands, models, name, folds } = usePage();
  const store = useStore();
  const text = useText(id);
  const draft = useDraft(id);
  const focus = useFocusRequest(id);
  const [closedText, setClosedText] = useState(true);

  const editorCommands = useMemo<EditorCommands>(
    () => ({
      run: () => {
        setClosedText(true);
        void commands.run(id);
      },
      runAndAdvance: () => {
        setClosedText(true);
        void commands.runAndAdvance(id);
      },
      runAndInsert: () => {
        setClosedText(true);
        void commands.runAndInsert(id);
      },
      leave: () => {
        setClosedText(true);
        commands.leave(id);
      },
      cross: (direction) => {
        const next = commands.neighbour(id, direction);
        if (next !== null) commands.edit(next, direction === 1 ? "start" : "end");
      },
      move: (direction) => void commands.move(id, direction),
      atWord: (word) => {
        const before = name.value;
        // Told with every move of the cursor; the cells are only of a change.
        if (word === null ? before?.cell !== id : before?.cell === id && before.name === word) return;
        name.set(word !== null && isShared(store, word) ? { name: word, cell: id } : null);
      },
      define: (word) => {
        commands.goToDefinition(word);
      },
    }),
    [commands, id, name, store],
  );

  const faults = useMemo(() => (cell.error === null ? noFaults : faultsOf(id, cell.error)), [id, cell.error]);
  const mark = useObserved(name, (at) =>
    at !== null && at.cell !== id && (cell.defines.includes(at.name) || cell.references.includes(at.name))
      ? at.name
      : null,
  );

  const folded = useFolded(folds, id, "source") && focus === null;
  if (folded) return <FoldedSource cell={cell} text={text} number={number} />;

  const reading = kind === "markdown" && focus === null && closedText && text.trim() !== "";
  return (
    <>
      {reading ? (
        // Enter on the cell does the same as this double click.
        // eslint-disable-next-line jsx-a11y/no-static-element-interactions
        <div
          className="cell-text"
          onDoubleClick={() => {
            if (!readOnly) commands.edit(id);
          }}
        >
          <MarkdownView source={text} />
        </div>
      ) : (
        // Only notes that the cursor is in the editor inside.
        // eslint-disable-next-line jsx-a11y/no-static-element-interactions
        <div
          className="cell-source"
          onFocus={() => {
            setClosedText(false);
          }}
        >
          <CodeEditor
            cell={store.keyOf(id)}
            kind={kind}
            text={text}
            label={`Source of cell ${number}`}
            hint={kind === "sql" && cell.connection === sampleConnection ? sampleHint : undefined}
            models={models}
            commands={editorCommands}
            focus={focus}
            faults={faults}
            mark={mark}
            readOnly={readOnly}
          />
        </div>
      )}
      {draft && <DraftNote cell={id} draft={draft} />}
    </>
  );
}

const noFaults: readonly Fault[] = [];

/** What of a cell's error can be shown in its source: the names of a graph error, or the line it happened in. */
function faultsOf(id: string, { name, message, names, traceback }: CellError): readonly Fault[] {
  const words = `${name}: ${message}`;
  if (names.length > 0) return names.map((each) => ({ name: each, message: words }));
  const place = placesOf(traceback).findLast((each) => isIn(each, id));
  return place === undefined ? noFaults : [{ line: place.line, message: words }];
}

/** Whether a cell of the notebook defines the name. */
function isShared(store: NotebookStore, name: string): boolean {
  return Object.values(store.state?.cells ?? {}).some((cell) => cell.defines.includes(name));
}

const linesOfFolded = 2;

/** The first lines of a folded cell, and how many more there are. */
function FoldedSource({ cell, text, number }: { cell: Cell; text: string; number: number }) {
  const { folds } = usePage();
  const lines = text.split("\n");
  const more = lines.length - linesOfFolded;
  return (
    <div className="cell-folded">
      <pre>{lines.slice(0, linesOfFolded).join("\n")}</pre>
      <button
        type="button"
        className="link-button"
        aria-label={`Unfold the source of cell ${number}`}
        onClick={() => {
          folds.set(cell.id, "source", false);
        }}
      >
        {more > 0 ? count(more, "more line") : "Unfold"}
      </button>
    </div>
  );
}

function DraftNote({ cell, draft }: { cell: string; draft: Draft }) {
  const store = useStore();
  if (draft.state === "failed") {
    return (
      <p className="banner cell-banner" data-tone="warning" role="status">
        Not saved yet: {draft.problem} What you typed is kept here.
      </p>
    );
  }
  if (draft.state !== "conflict") return null;
  return (
    <div className="banner cell-banner conflict" data-tone="warning" role="alert" data-testid="conflict">
      <p>This cell was changed elsewhere while you were typing. Which one should stay?</p>
      <pre className="theirs">{draft.theirs}</pre>
      <div className="conflict-actions">
        <button
          type="button"
          className="button"
          onClick={() => {
            store.resolve(cell, "mine");
          }}
        >
          Keep mine
        </button>
        <button
          type="button"
          className="button"
          onClick={() => {
            store.resolve(cell, "theirs");
          }}
        >
          Take the other
        </button>
      </div>
    </div>
  );
}
