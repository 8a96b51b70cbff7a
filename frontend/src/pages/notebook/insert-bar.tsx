import { useConnections } from "../../state/connections.ts";
import { usePage } from "./page-context.ts";
import { Icon } from "../../ui/icon.tsx";

/** Between two cells, and at both ends: where a new one can go. */
export function InsertBar({ after, position }: { after: string | null; position: string }) {
  const { commands, connections } = usePage();
  const sql = useConnections(connections).length > 0;
  return (
    <div className="insert-bar">
      <span className="insert-line" aria-hidden="true" />
      <button type="button" aria-label={`Add Python cell ${position}`} onClick={() => void commands.insert("python", after)}>
        <Icon name="plus" /> Python
      </button>
      <button
        type="button"
        aria-label={`Add Markdown cell ${position}`}
        onClick={() => void commands.insert("markdown", after)}
      >
        <Icon name="plus" /> Markdown
      </button>
      {sql && (
        <button type="button" aria-label={`Add SQL cell ${position}`} onClick={() => void commands.insert("sql", after)}>
          <Icon name="plus" /> SQL
        </button>
      )}
    </div>
  );
}
