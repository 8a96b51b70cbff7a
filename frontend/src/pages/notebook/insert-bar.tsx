import type { CellKind } from "../../api/types.ts";
import { useMedia } from "../../lib/use-media.ts";
import { useConnections } from "../../state/connections.ts";
import { Icon } from "../../ui/icon.tsx";
import { Menu } from "../../ui/menu.tsx";
import { kindNames } from "./kind-names.ts";
import { usePage } from "./page-context.ts";

interface Props {
  /** The cell above; null for the top of the page. */
  after: string | null;
  position: string;
  /** At the end of the page, where there is room for all of it. */
  last: boolean;
}

/** Between two cells, and at both ends: where a new one can go. */
export function InsertBar({ after, position, last }: Props) {
  const { commands, connections } = usePage();
  const sql = useConnections(connections).length > 0;
  // Where nothing can be pointed at, what shows only then would always be there.
  const small = useMedia("(hover: none)") && !last;
  const kinds: readonly CellKind[] = sql ? ["python", "markdown", "sql"] : ["python", "markdown"];
  const insert = (kind: CellKind) => void commands.insert(kind, after);
  return (
    <div className="insert-bar" data-last={last} data-small={small}>
      <span className="insert-line" aria-hidden="true" />
      {small ? (
        <Menu
          label={`Add a cell ${position}`}
          className="insert-menu"
          items={kinds.map((kind) => ({
            label: kindNames[kind],
            icon: "plus",
            onSelect: () => {
              insert(kind);
            },
          }))}
        >
          <Icon name="plus" />
          <span className="visually-hidden">Add a cell {position}</span>
        </Menu>
      ) : (
        kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-label={`Add ${kindNames[kind]} cell ${position}`}
            onClick={() => {
              insert(kind);
            }}
          >
            <Icon name="plus" /> {kindNames[kind]}
          </button>
        ))
      )}
    </div>
  );
}
