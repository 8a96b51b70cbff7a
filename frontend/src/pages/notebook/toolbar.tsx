import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { useSelect } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import type { ExportFormat } from "../../api/types.ts";
import { count, formatDuration } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { Icon, Mark } from "../../ui/icon.tsx";
import { Menu } from "../../ui/menu.tsx";
import { ThemeMenu } from "../../ui/theme-menu.tsx";
import { usePage } from "./page-context.ts";

export type Panel = "variables" | "outline";

interface Props {
  /** The panel that is open. */
  panel: Panel | null;
  onPanel: (panel: Panel) => void;
  onHelp: () => void;
}

const staleCount = (store: NotebookStore) =>
  Object.values(store.state?.cells ?? {}).filter(
    (cell) => cell.kind !== "markdown" && (cell.status === "stale" || cell.status === "new"),
  ).length;
const modeOf = (store: NotebookStore) => store.state?.mode ?? "auto";
const runOf = (store: NotebookStore) => store.state?.run ?? null;
const clientsOf = (store: NotebookStore) => store.state?.clients ?? 1;

const exports: readonly [format: ExportFormat, label: string][] = [
  ["ipynb", "Jupyter notebook (.ipynb)"],
  ["py", "Python script (.py)"],
  ["html", "Web page (.html)"],
  ["md", "Markdown (.md)"],
];

/** The notebook's name and everything that acts on all of it. */
export function Toolbar({ panel, onPanel, onHelp }: Props) {
  const { commands } = usePage();
  const stale = useSelect(staleCount);
  const mode = useSelect(modeOf);
  const run = useSelect(runOf);
  const clients = useSelect(clientsOf);

  return (
    <header className="toolbar">
      <div className="toolbar-row">
        <Link to="/" className="home" aria-label="All notebooks" title="All notebooks">
          <Mark />
        </Link>
        <NameField />
        <SaveState />
        <span className="spacer" />
        {clients > 1 && (
          <span className="presence" title={`${count(clients, "tab")} open on this notebook`}>
            {clients} here
          </span>
        )}
        <KernelState />
      </div>
      <div className="toolbar-row toolbar-actions" role="toolbar" aria-label="Notebook">
        <button type="button" className="button quiet" onClick={() => void commands.runAll()}>
          <Icon name="playAll" /> Run all
        </button>
        <button
          type="button"
          className="button quiet"
          disabled={stale === 0}
          onClick={() => void commands.runStale()}
        >
          <Icon name="refresh" /> Run stale
          {stale > 0 && <span className="badge">{stale}</span>}
        </button>
        <button
          type="button"
          className="button quiet"
          disabled={run === null}
          onClick={() => void commands.interrupt()}
        >
          <Icon name="stop" /> Interrupt
        </button>
        <Menu
          label="Restart"
          className="button quiet"
          items={[
            { label: "Restart", icon: "restart", onSelect: () => void commands.restart(false) },
            { label: "Restart and run all", icon: "playAll", onSelect: () => void commands.restart(true) },
          ]}
        >
          <Icon name="restart" /> Restart
        </Menu>
        <Menu
          label="Export"
          className="button quiet"
          items={exports.map(([format, label]) => ({
            label,
            icon: "download",
            onSelect: () => void commands.export(format),
          }))}
        >
          <Icon name="download" /> Export
        </Menu>
        <span className="spacer" />
        <div className="segmented" role="group" aria-label="When cells run">
          <button
            type="button"
            aria-pressed={mode === "auto"}
            title="A change runs every cell that depends on it"
            onClick={() => void commands.setMode("auto")}
          >
            Auto
          </button>
          <button
            type="button"
            aria-pressed={mode === "lazy"}
            title="A change marks the cells that depend on it as stale"
            onClick={() => void commands.setMode("lazy")}
          >
            Lazy
          </button>
        </div>
        <button
          type="button"
          className="icon-button"
          aria-label="Outline"
          title="Outline"
          aria-expanded={panel === "outline"}
          onClick={() => {
            onPanel("outline");
          }}
        >
          <Icon name="outline" />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label="Variables"
          title="Variables"
          aria-expanded={panel === "variables"}
          onClick={() => {
            onPanel("variables");
          }}
        >
          <Icon name="variables" />
        </button>
        <button type="button" className="icon-button" aria-label="Keyboard help" title="Keyboard (?)" onClick={onHelp}>
          <Icon name="keyboard" />
        </button>
        <ThemeMenu />
      </div>
      <Progress />
    </header>
  );
}

const nameOf = (store: NotebookStore) => store.state?.name ?? "";

/** The notebook's name; a click makes it a field. */
function NameField() {
  const { commands } = usePage();
  const name = useSelect(nameOf);
  const [draft, setDraft] = useState<string | null>(null);
  const cancelled = useRef(false);

  const finish = () => {
    const next = (draft ?? "").trim();
    setDraft(null);
    if (!cancelled.current && draft !== null && next !== "" && next !== name) void commands.rename(next);
    cancelled.current = false;
  };

  return (
    <span className="name-field" data-value={draft ?? name}>
      <input
        aria-label="Name of the notebook"
        value={draft ?? name}
        spellCheck={false}
        size={1}
        onFocus={(event) => {
          setDraft(name);
          event.currentTarget.select();
        }}
        onChange={(event) => {
          setDraft(event.target.value);
        }}
        onBlur={finish}
        onKeyDown={(event: KeyboardEvent<HTMLInputElement>) => {
          if (event.key !== "Enter" && event.key !== "Escape") return;
          cancelled.current = event.key === "Escape";
          event.currentTarget.blur();
        }}
      />
    </span>
  );
}

const saveStateOf = (store: NotebookStore) => store.saveState();
const saveWords = { saved: "Saved", saving: "Saving…", failed: "Not saved", conflict: "Conflict" } as const;

function SaveState() {
  const state = useSelect(saveStateOf);
  return (
    <span className="save-state" data-testid="save-state" data-state={state}>
      {saveWords[state]}
    </span>
  );
}

const kernelOf = (store: NotebookStore) => store.state?.kernel.status ?? "none";
const connectionOf = (store: NotebookStore) => store.connection.kind;
const kernelWords = {
  none: "no kernel yet",
  starting: "kernel starting",
  idle: "ready",
  busy: "running",
  dead: "kernel stopped",
} as const;

function KernelState() {
  const kernel = useSelect(kernelOf);
  const connection = useSelect(connectionOf);
  const words =
    connection === "open" ? kernelWords[kernel] : connection === "connecting" ? "connecting" : "offline";
  return (
    <span
      className="kernel-badge"
      data-testid="kernel-status"
      data-kernel={connection === "open" ? kernel : "none"}
      data-connection={connection}
    >
      {words}
    </span>
  );
}

/** How far the run under way is, as a line below the toolbar and in words. */
function Progress() {
  const run = useSelect(runOf);
  const now = useNow(200, run !== null);
  if (run === null) return <div className="progress" data-idle="true" />;
  const [done, all] = [run.finished.size, run.cells.length];
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label="Run"
      aria-valuemin={0}
      aria-valuemax={all}
      aria-valuenow={done}
      aria-valuetext={`${done} of ${count(all, "cell")}`}
    >
      <span className="progress-bar" style={{ transform: `scaleX(${all === 0 ? 0 : Math.max(0.02, done / all)})` }} />
      <span className="progress-words">
        {done} of {all} · {formatDuration(Math.max(0, now - run.startedAt))}
      </span>
    </div>
  );
}

const lastRunOf = (store: NotebookStore) => store.state?.lastRun ?? null;

/** Tells screen readers how each run ended. */
export function RunAnnouncer() {
  const lastRun = useSelect(lastRunOf);
  const [first] = useState(lastRun);
  const [words, setWords] = useState("");
  useEffect(() => {
    if (lastRun === null || lastRun === first) return;
    const how = { ok: "finished", error: "ended with an error", interrupted: "was interrupted", running: "goes on" };
    const text = `Run ${how[lastRun.status]} after ${formatDuration(lastRun.durationMs)}`;
    // A short run must not drown the message of the one before.
    const timer = setTimeout(() => {
      setWords(text);
    }, 150);
    return () => {
      clearTimeout(timer);
    };
  }, [lastRun, first]);
  return (
    <p className="visually-hidden" role="status" aria-live="polite" data-testid="run-announcement">
      {words}
    </p>
  );
}
