import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { useSelect } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { count, formatDuration } from "../../lib/format.ts";
import { useMedia } from "../../lib/use-media.ts";
import { useNow } from "../../lib/use-now.ts";
import { Icon, Mark } from "../../ui/icon.tsx";
import { Menu, type MenuItem } from "../../ui/menu.tsx";
import { ThemeMenu, useThemeItems } from "../../ui/theme-menu.tsx";
import { CellLinks } from "./cell-status.tsx";
import { exportFormats } from "../../lib/export-formats.ts";
import { usePage } from "./page-context.ts";
import { type Panel, panels } from "./panel.tsx";
import type { View } from "./view.ts";

interface Props {
  /** The panel that is open. */
  panel: Panel | null;
  onPanel: (panel: Panel) => void;
  view: View;
  onView: (view: View) => void;
  onHelp: () => void;
  onPalette: () => void;
}

const staleCount = (store: NotebookStore) =>
  Object.values(store.state?.cells ?? {}).filter(
    (cell) =>
      cell.kind !== "markdown" &&
      // In a cell that is still empty nothing waits to be run.
      (cell.status === "stale" || (cell.status === "new" && store.text(cell.id).trim() !== "")),
  ).length;
const modeOf = (store: NotebookStore) => store.state?.mode ?? "auto";
const runOf = (store: NotebookStore) => store.state?.run ?? null;
const clientsOf = (store: NotebookStore) => store.state?.clients ?? 1;

const modes = [
  { mode: "auto", label: "Auto", title: "A change runs every cell that depends on it" },
  { mode: "lazy", label: "Lazy", title: "A change marks the cells that depend on it as stale" },
] as const;

/** The notebook's name and everything that acts on all of it. */
export function Toolbar({ panel, onPanel, view, onView, onHelp, onPalette }: Props) {
  const { commands } = usePage();
  const compact = useMedia("(max-width: 960px)");
  const stale = useSelect(staleCount);
  const mode = useSelect(modeOf);
  const running = useSelect(runOf) !== null;
  const themes = useThemeItems();

  const restarts: MenuItem[] = [
    { label: "Restart", icon: "restart", onSelect: () => void commands.restart(false) },
    { label: "Restart and run all", icon: "playAll", onSelect: () => void commands.restart(true) },
  ];
  const exports = exportFormats.map(([format, label]): MenuItem => ({
    label,
    icon: "download",
    onSelect: () => void commands.export(format),
  }));

  return (
    <header className="toolbar">
      <div className="toolbar-row">
        <Home />
        <NameField />
        <SaveState />
        <span className="spacer" />
        <Presence />
        <KernelState />
      </div>
      <div className="toolbar-row toolbar-actions" role="toolbar" aria-label="Notebook">
        <button type="button" className="button quiet" onClick={() => void commands.runAll()}>
          <Icon name="playAll" /> Run all
        </button>
        <button type="button" className="button quiet" disabled={stale === 0} onClick={() => void commands.runStale()}>
          <Icon name="refresh" /> Run stale
          {stale > 0 && <span className="badge">{stale}</span>}
        </button>
        <button type="button" className="button quiet interrupt" disabled={!running} aria-label="Interrupt" title="Interrupt" onClick={() => void commands.interrupt()}>
          <Icon name="stop" /> <span className="button-words">Interrupt</span>
        </button>
        {!compact && (
          <>
            <Menu label="Restart" className="button quiet" items={restarts}>
              <Icon name="restart" /> Restart
            </Menu>
            <Menu label="Export" className="button quiet" items={exports}>
              <Icon name="download" /> Export
            </Menu>
          </>
        )}
        <span className="spacer" />
        {!compact && (
          <>
            <div className="segmented" role="group" aria-label="When cells run">
              {modes.map(({ mode: each, label, title }) => (
                <button key={each} type="button" aria-pressed={mode === each} title={title} onClick={() => void commands.setMode(each)}>
                  {label}
                </button>
              ))}
            </div>
            <ViewMenu view={view} onView={onView} />
          </>
        )}
        {panels
          .filter(([each]) => !compact || each === "graph")
          .map(([each, title]) => (
            <button
              key={each}
              type="button"
              className="icon-button"
              aria-label={title}
              title={title}
              aria-expanded={panel === each}
              onClick={() => {
                onPanel(each);
              }}
            >
              <Icon name={each} />
            </button>
          ))}
        <button type="button" className="icon-button" aria-label="Commands" title="Commands (Ctrl K)" onClick={onPalette}>
          <Icon name="command" />
        </button>
        {compact ? (
          <Menu
            label="More for the notebook"
            items={[
              ...restarts,
              "separator",
              ...modes.map(({ mode: each, title }): MenuItem => ({
                label: { auto: "Auto: run what depends on a change", lazy: "Lazy: mark it as stale" }[each],
                title,
                checked: mode === each,
                onSelect: () => void commands.setMode(each),
              })),
              "separator",
              ...panels
                .filter(([each]) => each !== "graph")
                .map(([each, title]): MenuItem => ({
                  label: title,
                  icon: each,
                  onSelect: () => {
                    onPanel(each);
                  },
                })),
              ...viewItems(view, onView),
              "separator",
              ...exports,
              "separator",
              { label: "Keyboard help", icon: "keyboard", keys: "?", onSelect: onHelp },
              ...themes,
            ]}
          />
        ) : (
          <>
            <button type="button" className="icon-button" aria-label="Keyboard help" title="Keyboard (?)" onClick={onHelp}>
              <Icon name="keyboard" />
            </button>
            <ThemeMenu />
          </>
        )}
      </div>
      <Progress />
    </header>
  );
}

/** What is above a notebook that is only read or used. */
export function ViewBar({ view, onView }: { view: View; onView: (view: View) => void }) {
  const name = useSelect(nameOf);
  return (
    <header className="toolbar view-bar">
      <div className="toolbar-row">
        <Home />
        <h1 className="view-name">{name}</h1>
        <span className="spacer" />
        <Presence />
        <KernelState />
        <ViewMenu view={view} onView={onView} />
        <ThemeMenu />
      </div>
      <Progress />
    </header>
  );
}

function Home() {
  return (
    <Link to="/" className="home" aria-label="All notebooks" title="All notebooks">
      <Mark />
    </Link>
  );
}

function viewItems(view: View, onView: (view: View) => void): MenuItem[] {
  return (
    [
      ["edit", "Edit", "pencil"],
      ["read", "Read only", "eye"],
      ["app", "App: outputs only", "app"],
    ] as const
  ).map(([each, label, icon]) => ({
    label,
    icon,
    checked: view === each,
    onSelect: () => {
      onView(each);
    },
  }));
}

function ViewMenu({ view, onView }: { view: View; onView: (view: View) => void }) {
  return (
    <Menu label="View" className="button quiet" items={viewItems(view, onView)}>
      <Icon name={view === "app" ? "app" : "eye"} />
      <span className="button-words">View</span>
    </Menu>
  );
}

function Presence() {
  const clients = useSelect(clientsOf);
  return (
    clients > 1 && (
      <span className="presence" title={`${count(clients, "tab")} open on this notebook`}>
        {clients} here
      </span>
    )
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

const troubledOf = (store: NotebookStore) => store.troubled();

function SaveState() {
  const { commands } = usePage();
  const state = useSelect(saveStateOf);
  const troubled = useSelect(troubledOf);
  const parts = { className: "save-state", "data-testid": "save-state", "data-state": state, children: saveWords[state] };
  if (troubled === null) return <span {...parts} />;
  return (
    <button
      type="button"
      {...parts}
      title="Go to the cell"
      onClick={() => {
        commands.goTo(troubled);
      }}
    />
  );
}

const kernelOf = (store: NotebookStore) => store.state?.kernel.status ?? "none";
const connectionOf = (store: NotebookStore) => store.connection.kind;
const kernelWords = {
  none: "not started",
  starting: "starting",
  idle: "ready",
  busy: "running",
  dead: "stopped",
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

const runningCellOf = (store: NotebookStore) =>
  store.state?.order.find((id) => store.cell(id)?.status === "running") ?? null;

/** How far the run under way is: as a line below the toolbar, and in words with the running cell. */
function Progress() {
  const run = useSelect(runOf);
  const cell = useSelect(runningCellOf);
  const now = useNow(200, run !== null);
  if (run === null) return <div className="progress" data-idle="true" />;
  const [done, all] = [run.finished.size, run.cells.length];
  return (
    <>
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
      </div>
      <p className="progress-words" data-testid="progress">
        {done} of {all}
        {cell !== null && (
          <>
            {" · "}
            <CellLinks cells={[cell]} />
          </>
        )}
        {" · "}
        {formatDuration(Math.max(0, now - run.startedAt))}
      </p>
    </>
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
