import { useEffect, useState } from "react";
import { describe } from "../../api/error.ts";
import type { Variable } from "../../api/types.ts";
import { useClient } from "../../app/session.tsx";
import { useSelect, useStore } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { Icon } from "../../ui/icon.tsx";
import { usePage } from "./page-context.ts";

const lastRunOf = (store: NotebookStore) => store.state?.lastRun?.id ?? "";
const kernelOf = (store: NotebookStore) => store.state?.kernel.status ?? "none";

/** The names in the kernel, as of the last run. */
export function VariablesPanel({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const store = useStore();
  const { commands } = usePage();
  const lastRun = useSelect(lastRunOf);
  const kernel = useSelect(kernelOf);
  const [variables, setVariables] = useState<Variable[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const settled = kernel !== "busy" && kernel !== "starting";

  useEffect(() => {
    if (!settled) return;
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
  }, [client, store, lastRun, settled]);

  return (
    <aside className="panel" aria-label="Variables">
      <div className="panel-head">
        <h2>Variables</h2>
        <button type="button" className="icon-button small" aria-label="Close variables" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
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
                if (variable.cell_id !== null) commands.goTo(variable.cell_id);
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
