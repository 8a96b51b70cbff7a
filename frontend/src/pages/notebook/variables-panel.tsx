import { useEffect, useState } from "react";
import { describe } from "../../api/error.ts";
import type { Variable } from "../../api/types.ts";
import { useClient } from "../../app/session.tsx";
import { useSelect, useStore } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { PanelHead } from "./panel.tsx";

const lastRunOf = (store: NotebookStore) => store.state?.lastRun?.id ?? "";
const kernelOf = (store: NotebookStore) => store.state?.kernel;

/** The names in the kernel, as of the last run or restart. */
export function VariablesPanel({ onClose, onGo }: { onClose: () => void; onGo: (cell: string) => void }) {
  const client = useClient();
  const store = useStore();
  const lastRun = useSelect(lastRunOf);
  const kernel = useSelect(kernelOf);
  const [variables, setVariables] = useState<Variable[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    // Told anew with each change, also where a restart is over before anybody could see it.
    if (kernel?.status === "busy" || kernel?.status === "starting") return;
    const abort = new AbortController();
    client.variables(store.id, abort.signal).then(
      (found) => {
        setVariables(found);
        setProblem(null);
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setProblem(describe(error));
      },
    );
    return () => {
      abort.abort();
    };
  }, [client, store, lastRun, kernel]);

  return (
    <aside className="panel" aria-label="Variables">
      <PanelHead title="Variables" onClose={onClose} />
      {problem !== null && <p className="panel-hint">{problem}</p>}
      {problem === null && variables?.length === 0 && (
        <p className="panel-hint">Nothing is defined yet. Run a cell, and its names appear here.</p>
      )}
      <ul className="variables">
        {(variables ?? []).map((variable) => (
          <li key={variable.name}>
            <button
              type="button"
              disabled={variable.cell_id === null}
              onClick={() => {
                if (variable.cell_id !== null) onGo(variable.cell_id);
              }}
            >
              <code className="variable-name">{variable.name}</code>
              <span className="variable-type">{variable.type}</span>
              <span className="variable-value">{variable.summary}</span>
            </button>
          </li>
        ))}
      </ul>
    </aside>
  );
}
