import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Link, useParams } from "react-router";
import { useSession } from "../../app/session.tsx";
import { useToasts } from "../../app/toasts.tsx";
import { CellModels } from "../../editor/models.ts";
import { count } from "../../lib/format.ts";
import { Observed } from "../../lib/observed.ts";
import { usePageTitle } from "../../lib/page-title.ts";
import { useNow } from "../../lib/use-now.ts";
import { Connections } from "../../state/connections.ts";
import { Folds } from "../../state/folds.ts";
import { StoreContext, useSelect, useStore } from "../../state/hooks.ts";
import { NotebookStore } from "../../state/store.ts";
import "../../styles/notebook.css";
import { CommandPalette, type PaletteEntry } from "../../ui/command-palette.tsx";
import { CellView } from "./cell-view.tsx";
import { GraphPanel } from "./graph-panel.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { InsertBar } from "./insert-bar.tsx";
import { OutlinePanel } from "./outline-panel.tsx";
import { EditorFocus, focusCell, type NameAt, NotebookCommands, PageContext, type PageParts, usePage } from "./page-context.ts";
import { type Panel, panelCoversPage } from "./panel.tsx";
import { RunAnnouncer, Toolbar, ViewBar } from "./toolbar.tsx";
import { useCellDrag } from "./use-cell-drag.ts";
import { usePaletteEntries } from "./use-palette.ts";
import { VariablesPanel } from "./variables-panel.tsx";
import { useView, useViewOfAddress, type View, ViewContext } from "./view.ts";

export default function NotebookPage() {
  const { id = "" } = useParams();
  return <OpenNotebook key={id} id={id} />;
}

const refusals = {
  create: "Can't add the cell",
  delete: "Can't delete the cell",
  move: "Can't move the cell",
  change: "Can't change the cell",
  notebook: "Can't change the notebook",
} as const;

function OpenNotebook({ id }: { id: string }) {
  const { client, generation, signedIn } = useSession();
  const toasts = useToasts();
  const [store] = useState(
    () =>
      new NotebookStore({
        client,
        id,
        storage: safeStorage(),
        locks: "locks" in navigator ? navigator.locks : null,
        onRefused: (edit, error) => {
          toasts.fail(refusals[edit.type], error);
        },
      }),
  );

  const page = useMemo<PageParts>(() => {
    const focus = new EditorFocus();
    const connections = new Connections(client);
    const folds = new Folds(id, safeStorage());
    const commands = new NotebookCommands(store, connections, focus, folds, toasts);
    return {
      focus,
      folds,
      connections,
      commands,
      models: new CellModels(store, client),
      current: new Observed<string | null>(null),
      name: new Observed<NameAt | null>(null),
    };
  }, [store, toasts, client, id]);

  useEffect(() => {
    store.start();
    page.models.start();
    const wake = () => {
      store.wake();
      void page.connections.load();
    };
    const beforeUnload = (event: BeforeUnloadEvent) => {
      if (store.leave()) event.preventDefault();
    };
    // A tab that is not looked at may be ended without another word.
    const hidden = () => {
      if (document.hidden) store.leave();
    };
    const forget = store.onRename((from, to) => {
      page.focus.rename(from, to);
      page.folds.rename(from, to);
      if (page.current.value === from) page.current.set(to);
    });
    window.addEventListener("online", wake);
    window.addEventListener("beforeunload", beforeUnload);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("online", wake);
      window.removeEventListener("beforeunload", beforeUnload);
      document.removeEventListener("visibilitychange", hidden);
      forget();
      store.stop();
      page.models.stop();
    };
  }, [store, page]);

  useEffect(() => {
    if (!signedIn) return;
    store.wake();
    const abort = new AbortController();
    void page.connections.load(abort.signal);
    return () => {
      abort.abort();
    };
  }, [store, page, signedIn, generation]);

  return (
    <StoreContext value={store}>
      <PageContext value={page}>
        <NotebookContent />
      </PageContext>
    </StoreContext>
  );
}

function safeStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

const connectionOf = (store: NotebookStore) => store.connection;
const readyOf = (store: NotebookStore) => store.state !== null;
const nameOf = (store: NotebookStore) => store.state?.name ?? "";
const runningOf = (store: NotebookStore) => store.state?.kernel.status === "busy" || (store.state?.run ?? null) !== null;

function NotebookContent() {
  const connection = useSelect(connectionOf);
  const ready = useSelect(readyOf);
  const name = useSelect(nameOf);
  const running = useSelect(runningOf);
  const { commands, current } = usePage();
  const [view, setView] = useViewOfAddress();
  const [panel, setPanel] = useState<Panel | null>(null);
  const [help, setHelp] = useState(false);
  const [palette, setPalette] = useState<readonly PaletteEntry[] | null>(null);
  const openHelp = () => {
    setHelp(true);
  };
  const keys = useCellKeys(view, openHelp);
  const closePanel = () => {
    setPanel(null);
  };
  const goFromPanel = (cell: string) => {
    if (panelCoversPage()) closePanel();
    commands.goTo(cell);
  };
  const paletteEntries = usePaletteEntries({ view, setView, openPanel: setPanel, openHelp });
  const openPalette = () => {
    setPalette(paletteEntries());
  };
  usePaletteKeys(openPalette);
  useEffect(() => {
    // On its way while the notebook is, not after it; whoever needs it sees whether it comes.
    if (view !== "app") import("../../editor/monaco.ts").catch(() => undefined);
  }, [view]);
  usePageTitle(connection.kind === "missing" ? "Notebook not found" : name, running);

  if (connection.kind === "missing") {
    return (
      <Message testId="notebook-missing" title="There is no such notebook">
        It may have been deleted, or the address has a slip in it.
      </Message>
    );
  }
  if (connection.kind === "deleted") {
    return (
      <Message testId="notebook-deleted" title="This notebook was deleted">
        Someone deleted {name === "" ? "it" : <>“{name}”</>} while it was open here. Nothing can be saved to it any more.
      </Message>
    );
  }
  return (
    // The keys act on the focused cell; each of them has a button too.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="notebook-page"
      data-view={view}
      data-panel={panel ?? undefined}
      data-ready={ready}
      onKeyDown={keys}
      onFocus={({ target }) => {
        const cell = target.closest<HTMLElement>("[data-cell-id]")?.dataset.cellId;
        if (cell !== undefined) current.set(cell);
      }}
    >
      {view === "edit" ? (
        <Toolbar
          panel={panel}
          onPanel={(chosen) => {
            setPanel((now) => (now === chosen ? null : chosen));
          }}
          view={view}
          onView={setView}
          onHelp={openHelp}
          onPalette={openPalette}
        />
      ) : (
        <ViewBar view={view} onView={setView} />
      )}
      <RunAnnouncer />
      <Banners />
      <main className="notebook-main" aria-label={name === "" ? "Notebook" : name} aria-busy={!ready}>
        <ViewContext value={view}>{ready ? <Cells /> : <Opening />}</ViewContext>
      </main>
      {panel === "graph" && <GraphPanel onClose={closePanel} onGo={goFromPanel} />}
      {panel === "variables" && <VariablesPanel onClose={closePanel} onGo={goFromPanel} />}
      {panel === "outline" && <OutlinePanel onClose={closePanel} onGo={goFromPanel} />}
      {palette !== null && (
        <CommandPalette
          entries={palette}
          onClose={() => {
            setPalette(null);
          }}
        />
      )}
      {help && (
        <HelpDialog
          onClose={() => {
            setHelp(false);
          }}
        />
      )}
    </div>
  );
}

function Opening() {
  return (
    <div className="opening" role="status">
      <span className="visually-hidden">Opening the notebook…</span>
      <div className="ghost" />
      <div className="ghost" />
      <div className="ghost" />
    </div>
  );
}

const noOrder: readonly string[] = [];
const orderOf = (store: NotebookStore) => store.state?.order ?? noOrder;

function Cells() {
  const store = useStore();
  const order = useSelect(orderOf);
  const editing = useView() === "edit";
  const container = useRef<HTMLDivElement>(null);
  const { drag, onPointerDown } = useCellDrag(container);
  useCursorInFirstCell();
  return (
    <div ref={container} className="cells" data-dragging={drag !== null} onPointerDown={editing ? onPointerDown : undefined}>
      {editing && <InsertBar after={null} position="at the top" last={order.length === 0} />}
      {order.map((id, index) => (
        <div key={store.keyOf(id)} className="cell-slot" data-dragged={drag?.cell === id}>
          <CellView id={id} number={index + 1} last={index === order.length - 1} />
          {editing && <InsertBar after={id} position={`below cell ${index + 1}`} last={index === order.length - 1} />}
        </div>
      ))}
      {order.length === 0 && (
        <p className="no-cells">
          {editing ? "This notebook is empty. Add a Python or a Markdown cell to begin." : "This notebook is empty."}
        </p>
      )}
      {drag && (
        <>
          <div className="drop-line" style={{ top: drag.line }} />
          {createPortal(
            // Beside the pointer, wherever the cells' column is moved to.
            <div className="drag-label" style={{ left: drag.x, top: drag.y }}>
              Cell {order.indexOf(drag.cell) + 1}
            </div>,
            document.body,
          )}
        </>
      )}
    </div>
  );
}

/** A notebook that was just made is there to be written into. */
function useCursorInFirstCell() {
  const store = useStore();
  const { commands } = usePage();
  const editing = useView() === "edit";
  useEffect(() => {
    const order = store.state?.order ?? [];
    const [first] = order;
    const untouched = first !== undefined && order.length === 1 && store.text(first) === "" && store.cell(first)?.kind === "python";
    const free = document.activeElement === null || document.activeElement === document.body;
    // Where it would bring up a keyboard over half the screen, the person decides.
    const keyboard = typeof window.matchMedia === "function" && window.matchMedia("(hover: hover)").matches;
    if (editing && untouched && free && keyboard) commands.edit(first, "start");
  }, [store, commands, editing]);
}

const kernelOf = (store: NotebookStore) => store.state?.kernel;
const waitingOf = (store: NotebookStore) => store.waitingEdits();

function Banners() {
  const store = useStore();
  const connection = useSelect(connectionOf);
  const kernel = useSelect(kernelOf);
  const waiting = useSelect(waitingOf);
  const now = useNow(1000, connection.kind === "waiting");
  return (
    <div className="banners">
      {connection.kind === "waiting" && (
        <p className="banner" data-tone="warning" role="status" data-testid="offline">
          <span>
            Not connected: cells can't run. What you change is kept here{waiting > 0 && ` (${count(waiting, "change")} beside texts)`}{" "}
            and sent later. Next try in{" "}
            {Math.max(0, Math.ceil((connection.retryAt - now) / 1000))} s.
          </span>
          <button
            type="button"
            className="link-button"
            onClick={() => {
              store.wake();
            }}
          >
            Try now
          </button>
        </p>
      )}
      {kernel?.status === "dead" && (
        <p className="banner" data-tone="error" role="status" data-testid="kernel-dead">
          The kernel stopped{kernel.reason ? `: ${kernel.reason}` : ""}. The next run starts a new one.
        </p>
      )}
    </div>
  );
}

function Message({ testId, title, children }: { testId: string; title: string; children: React.ReactNode }) {
  return (
    <main className="message-page" data-testid={testId}>
      <h1>{title}</h1>
      <p>{children}</p>
      <Link to="/" className="button primary">
        All notebooks
      </Link>
    </main>
  );
}

/** Ctrl+K and F1 open the palette from anywhere, also from within an editor. */
function usePaletteKeys(open: () => void) {
  const latest = useRef(open);
  useEffect(() => {
    latest.current = open;
  });
  useEffect(() => {
    const onKeyDown = (event: globalThis.KeyboardEvent) => {
      const asked = event.key === "F1" || ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k");
      if (!asked || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      event.stopPropagation();
      latest.current();
    };
    window.addEventListener("keydown", onKeyDown, { capture: true });
    return () => {
      window.removeEventListener("keydown", onKeyDown, { capture: true });
    };
  }, []);
}

const doubleKeyWithin = 600;

/** The keys that act on the cell that has the focus, and a few for the page. */
function useCellKeys(view: View, onHelp: () => void) {
  const store = useStore();
  const { commands, connections, folds } = usePage();
  const deletePressed = useRef({ cell: "", at: 0 });

  return (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      store.save().catch(() => undefined); // the cell itself says why
      return;
    }
    if (target.closest("input, textarea, select, dialog, [contenteditable=true], .monaco-editor") !== null) return;
    if (event.key === "?") {
      event.preventDefault();
      onHelp();
      return;
    }
    const act = (action: () => void) => {
      event.preventDefault();
      action();
    };
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain && event.key === "z" && view === "edit") {
      act(() => void commands.undoRemove());
      return;
    }
    const cell = target.dataset.cellId;
    if (cell === undefined) return;
    const go = (direction: -1 | 1) => {
      const next = commands.neighbour(cell, direction);
      if (next !== null) focusCell(next);
    };
    if (plain && (event.key === "ArrowUp" || event.key === "k")) {
      act(() => { go(-1); });
      return;
    }
    if (plain && (event.key === "ArrowDown" || event.key === "j")) {
      act(() => { go(1); });
      return;
    }
    if (view !== "edit") return;
    if (event.key === "Enter") {
      if (event.shiftKey) act(() => void commands.runAndAdvance(cell));
      else if (event.ctrlKey || event.metaKey) act(() => void commands.run(cell));
      else if (event.altKey) act(() => void commands.runAndInsert(cell));
      else act(() => { commands.edit(cell); });
      return;
    }
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      act(() => void commands.move(cell, event.key === "ArrowUp" ? -1 : 1));
      return;
    }
    if (!plain) return;
    switch (event.key) {
      case "f":
        act(() => { folds.toggle(cell, "source"); });
        break;
      case "o":
        act(() => { folds.toggle(cell, "output"); });
        break;
      case "a":
        act(() => void commands.insert("python", commands.neighbour(cell, -1)));
        break;
      case "b":
        act(() => void commands.insert("python", cell));
        break;
      case "m":
        act(() => void commands.setKind(cell, "markdown"));
        break;
      case "y":
        act(() => void commands.setKind(cell, "python"));
        break;
      case "s":
        if (connections.list.length > 0) act(() => void commands.setKind(cell, "sql"));
        break;
      case "d": {
        const before = deletePressed.current;
        const twice = before.cell === cell && event.timeStamp - before.at < doubleKeyWithin;
        deletePressed.current = twice ? { cell: "", at: 0 } : { cell, at: event.timeStamp };
        if (twice) act(() => void commands.remove(cell));
        break;
      }
      default:
    }
  };
}
