import { useMemo, useState } from "react";
import type { Cell } from "../../api/types.ts";
import { CodeEditor, type EditorCommands } from "../../editor/code-editor.tsx";
import { MarkdownView } from "../../outputs/markdown-view.tsx";
import { lineOf } from "../../outputs/output-view.tsx";
import type { Draft } from "../../state/drafts.ts";
import { useDraft, useStore, useText } from "../../state/hooks.ts";
import { useFocusRequest, usePage } from "./page-context.ts";

/** What a cell says when it runs: its editor, or a Markdown cell's text as it reads. */
export function CellSource({ cell, number }: { cell: Cell; number: number }) {
  const { id, kind } = cell;
  const { commands, models } = usePage();
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
    }),
    [commands, id],
  );

  const fault = useMemo(() => {
    if (cell.error === null) return null;
    const line = lineOf(cell.error.traceback);
    return line === null ? null : { line, message: `${cell.error.name}: ${cell.error.message}` };
  }, [cell.error]);

  const reading = kind === "markdown" && focus === null && closedText && text.trim() !== "";
  return (
    <>
      {reading ? (
        // Enter on the cell does the same as this double click.
        // eslint-disable-next-line jsx-a11y/no-static-element-interactions
        <div
          className="cell-text"
          onDoubleClick={() => {
            commands.edit(id);
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
            cell={id}
            kind={kind}
            text={text}
            label={`Source of cell ${number}`}
            models={models}
            commands={editorCommands}
            focus={focus}
            fault={fault}
          />
        </div>
      )}
      {draft && <DraftNote cell={id} draft={draft} />}
    </>
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
