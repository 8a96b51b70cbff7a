import { useId, useState } from "react";
import { describe } from "../../api/error.ts";
import type { Cell, CellPatch } from "../../api/types.ts";
import { useConnections } from "../../state/connections.ts";
import { useStore } from "../../state/hooks.ts";
import { usePage } from "./page-context.ts";

/** Which database a SQL cell asks, and the variable that gets the rows. */
export function SqlHead({ cell, number, readOnly }: { cell: Cell; number: number; readOnly: boolean }) {
  const store = useStore();
  const problemId = useId();
  const [problem, setProblem] = useState<string | null>(null);

  const change = async (patch: Pick<CellPatch, "connection" | "result">): Promise<boolean> => {
    try {
      await store.patchCell(cell.id, patch);
      setProblem(null);
      return true;
    } catch (error) {
      setProblem(describe(error));
      return false;
    }
  };

  const describedBy = problem === null ? undefined : problemId;
  return (
    <div className="sql-head">
      <fieldset className="sql-fields" disabled={readOnly} aria-label={`Query of cell ${number}`}>
        <ConnectionField
          name={cell.connection}
          label={`Connection of cell ${number}`}
          describedBy={describedBy}
          onChange={(connection) => change({ connection })}
        />
        <ResultField
          name={cell.result}
          label={`Result variable of cell ${number}`}
          describedBy={describedBy}
          onChange={(result) => change({ result })}
        />
      </fieldset>
      {problem !== null && (
        <p id={problemId} className="sql-problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

interface FieldProps {
  /** What is saved. */
  name: string | null;
  label: string;
  describedBy: string | undefined;
  /** Saves a value; false if it was not accepted. */
  onChange: (name: string | null) => Promise<boolean>;
}

/** A field's value: what is saved, whenever that changes, and in between what is set. */
function useValue(saved: string | null): [value: string, set: (value: string) => void] {
  const [state, setState] = useState({ saved, value: saved ?? "" });
  if (state.saved !== saved) setState({ saved, value: saved ?? "" });
  const set = (value: string) => {
    setState({ saved, value });
  };
  return [state.value, set];
}

function ConnectionField({ name, label, describedBy, onChange }: FieldProps) {
  const { connections } = usePage();
  const list = useConnections(connections);
  const [choice, setChoice] = useValue(name);
  const known = choice === "" || list.some((connection) => connection.name === choice);

  const choose = async (next: string) => {
    setChoice(next);
    if (!(await onChange(next))) setChoice(name ?? "");
  };

  return (
    <label className="sql-field">
      <span aria-hidden="true">from</span>
      <select
        aria-label={label}
        aria-describedby={describedBy}
        value={choice}
        onChange={(event) => void choose(event.target.value)}
      >
        {choice === "" && <option value="">choose a connection</option>}
        {!known && <option value={choice}>{choice} (not configured)</option>}
        {list.map((connection) => (
          <option key={connection.name} value={connection.name}>
            {connection.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function ResultField({ name, label, describedBy, onChange }: FieldProps) {
  const [text, setText] = useValue(name);
  const [refused, setRefused] = useState<string | null>(null);

  const finish = async () => {
    const next = text.trim();
    setText(next);
    if (next === (name ?? "") && refused === null) return;
    setRefused((await onChange(next === "" ? null : next)) ? null : next);
  };

  return (
    <label className="sql-field">
      <span aria-hidden="true">into</span>
      <span className="sql-result" data-value={text}>
        <input
          aria-label={label}
          aria-describedby={describedBy}
          aria-invalid={refused !== null && refused === text}
          value={text}
          size={1}
          placeholder="no variable"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          onChange={(event) => {
            setText(event.target.value);
          }}
          onBlur={() => void finish()}
          onKeyDown={(event) => {
            if (event.key === "Enter") void finish();
            else if (event.key === "Escape") setText(name ?? "");
          }}
        />
      </span>
    </label>
  );
}
