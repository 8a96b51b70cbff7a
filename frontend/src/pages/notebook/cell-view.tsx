import { memo, useCallback, useMemo, useState } from "react";
import type { Cell, CellKind, Output } from "../../api/types.ts";
import { CodeEditor, type EditorCommands } from "../../editor/code-editor.tsx";
import { MarkdownView } from "../../outputs/markdown-view.tsx";
import { ErrorView, lineOf, OutputView } from "../../outputs/output-view.tsx";
import type { Draft } from "../../state/drafts.ts";
import { useConnections } from "../../state/connections.ts";
import { useCell, useDraft, useStore, useText } from "../../state/hooks.ts";
import { Icon } from "../../ui/icon.tsx";
import { Menu, type MenuItem } from "../../ui/menu.tsx";
import { CellLinks, CellStatusNote } from "./cell-status.tsx";
import { useFocusRequest, usePage } from "./page-context.ts";
import { SqlHead } from "./sql-head.tsx";

interface Props {
  id: string;
  /** The cell's place on the page, from 1. */
  number: number;
  last: boolean;
}

/** One cell: its source, what it says of itself, and its outputs, as one unit. */
export const CellView = memo(function CellView({ id, number, last }: Props) {
  const cell = useCell(id);
  if (cell === undefined) return null;
  return (
    // Command keys act on the cell that has the focus; all of them are in its menu too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <article className="cell" data-cell-id={id} data-kind={cell.kind} data-status={cell.status} data-disabled={cell.disabled} aria-label={`Cell ${number}, ${kindNames[cell.kind]}`} tabIndex={0}>
      <span className="cell-rail" aria-hidden="true" />
      <span className="cell-number" aria-hidden="true">
        {number}
      </span>
      <CellActions cell={cell} number={number} last={last} />
      <div className="cell-body">
        {cell.kind === "sql" && <SqlHead cell={cell} number={number} />}
        <CellSource cell={cell} number={number} />
        <CellStatusNote cell={cell} />
        {cell.kind !== "markdown" && <CellOutputs cell={cell} number={number} />}
      </div>
    </article>
  );
});

const kindNames = { python: "Python", markdown: "Markdown", sql: "SQL" } as const;
const kindKeys: readonly [kind: CellKind, key: string][] = [["python", "Y"], ["markdown", "M"], ["sql", "S"]];

function CellSource({ cell, number }: { cell: Cell; number: number }) {
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

function CellOutputs({ cell, number }: { cell: Cell; number: number }) {
  const { commands } = usePage();
  const { id } = cell;
  const onLine = useCallback(
    (line: number) => {
      commands.goTo(id, line);
    },
    [commands, id],
  );
  const told = cell.outputs.some((output) => output.kind === "error");
  const error = cell.status === "error" && !told ? cell.error : null;
  if (cell.outputs.length === 0 && error === null) return null;
  // What stands below a cell that is not up to date is of an earlier run.
  const old = cell.status === "stale" || cell.status === "blocked" || cell.status === "disabled";
  return (
    <section className="cell-outputs" data-old={old} aria-label={`Output of cell ${number}`}>
      {error && (
        <div className="output" data-output-kind="error">
          <ErrorView error={error} onLine={onLine} />
          {error.cells.length > 0 && (
            <p className="error-cells">
              See <CellLinks cells={error.cells} />
            </p>
          )}
        </div>
      )}
      {cell.outputs.map((output, index) => (
        <OutputView key={outputKey(cell, output, index)} output={output} label={`cell ${number}`} onLine={onLine} />
      ))}
    </section>
  );
}

/**
 * A plot or a table keeps its place in the page when its cell runs again, and
 * with it what the person zoomed or sorted is drawn over, not built anew.
 */
function outputKey(cell: Cell, output: Output, index: number): string {
  return `${cell.id}:${index}:${output.kind}`;
}

function CellActions({ cell, number, last }: { cell: Cell; number: number; last: boolean }) {
  const { commands, connections } = usePage();
  const sql = useConnections(connections).length > 0;
  const { id } = cell;
  const busy = cell.status === "running" || cell.status === "queued";

  const items: (MenuItem | "separator")[] = [
    { label: "Add Python below", icon: "plus", keys: "B", onSelect: () => void commands.insert("python", id) },
    { label: "Add Markdown below", icon: "plus", onSelect: () => void commands.insert("markdown", id) },
    ...(sql
      ? [{ label: "Add SQL below", icon: "plus", onSelect: () => void commands.insert("sql", id) } satisfies MenuItem]
      : []),
    "separator",
    { label: "Move up", icon: "up", keys: "Alt ↑", disabled: number === 1, onSelect: () => void commands.move(id, -1) },
    { label: "Move down", icon: "down", keys: "Alt ↓", disabled: last, onSelect: () => void commands.move(id, 1) },
    ...kindKeys
      .filter(([kind]) => kind !== cell.kind && (kind !== "sql" || sql))
      .map(([kind, keys]): MenuItem => ({
        label: `Change to ${kindNames[kind]}`,
        icon: "pencil",
        keys,
        onSelect: () => void commands.setKind(id, kind),
      })),
    ...(cell.kind === "markdown"
      ? []
      : [
          {
            label: cell.disabled ? "Enable" : "Disable",
            icon: "power",
            onSelect: () => void commands.setDisabled(id, !cell.disabled),
          } satisfies MenuItem,
        ]),
    "separator",
    { label: "Delete", icon: "trash", keys: "D D", danger: true, onSelect: () => void commands.remove(id) },
  ];

  return (
    <div className="cell-actions" role="toolbar" aria-label={`Actions for cell ${number}`}>
      {cell.kind === "markdown" ? (
        <button
          type="button"
          className="icon-button"
          aria-label={`Edit cell ${number}`}
          title="Edit (Enter)"
          onClick={() => {
            commands.edit(id);
          }}
        >
          <Icon name="pencil" />
        </button>
      ) : busy ? (
        <button
          type="button"
          className="icon-button"
          aria-label={`Interrupt cell ${number}`}
          title="Interrupt"
          onClick={() => void commands.interrupt()}
        >
          <Icon name="stop" />
        </button>
      ) : (
        <button
          type="button"
          className="icon-button"
          aria-label={`Run cell ${number}`}
          title="Run (Ctrl+Enter)"
          onClick={() => void commands.run(id)}
        >
          <Icon name="play" />
        </button>
      )}
      <Menu label={`More for cell ${number}`} items={items} />
    </div>
  );
}
