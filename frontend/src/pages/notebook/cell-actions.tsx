import type { Cell, CellKind } from "../../api/types.ts";
import { useConnections } from "../../state/connections.ts";
import { useFolded } from "../../state/folds.ts";
import { Icon } from "../../ui/icon.tsx";
import { Menu, type MenuItem } from "../../ui/menu.tsx";
import { kindNames } from "./kind-names.ts";
import { usePage } from "./page-context.ts";

const kindKeys: readonly [kind: CellKind, key: string][] = [["python", "Y"], ["markdown", "M"], ["sql", "S"]];

/** The buttons of one cell. */
export function CellActions({ cell, number, last }: { cell: Cell; number: number; last: boolean }) {
  const { commands, connections, folds } = usePage();
  const sourceFolded = useFolded(folds, cell.id, "source");
  const outputFolded = useFolded(folds, cell.id, "output");
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
    ...(cell.kind === "markdown"
      ? []
      : [
          {
            label: sourceFolded ? "Unfold source" : "Fold source",
            icon: "fold",
            keys: "F",
            onSelect: () => {
              folds.toggle(id, "source");
            },
          } satisfies MenuItem,
          {
            label: outputFolded ? "Unfold output" : "Fold output",
            icon: "fold",
            keys: "O",
            disabled: cell.outputs.length === 0,
            onSelect: () => {
              folds.toggle(id, "output");
            },
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
