import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams } from "react-router";
import { useSession } from "../../app/session.tsx";
import { useToasts } from "../../app/toasts.tsx";
import { CellModels } from "../../editor/models.ts";
import { usePageTitle } from "../../lib/page-title.ts";
import { useNow } from "../../lib/use-now.ts";
import { Connections } from "../../state/connections.ts";
import { StoreContext, useSelect, useStore } from "../../state/hooks.ts";
import { NotebookStore } from "../../state/store.ts";
import "../../styles/notebook.css";
import { CellView } from "./cell-view.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { InsertBar } from "./insert-bar.tsx";
import { OutlinePanel } from "./outline-panel.tsx";
import { EditorFocus, focusCell, NotebookCommands, PageContext, type PageParts, usePage } from "./page-context.ts";
import { type Panel, RunAnnouncer, Toolbar } from "./toolbar.tsx";
import { VariablesPanel } from "./variables-panel.tsx";

export default function NotebookPage() {
  const { id = "" } = useParams();
  return <OpenNotebook key={id} id={id} />;
}

function OpenNotebook({ id }: { id: string }) {
  const { client, generation, signedIn } = useSession();
  const toasts = useToasts();
  const [store] = useState(() => new NotebookStore({ client, id, storage: safeStorage() }));

  const page = useMemo<PageParts>(() => {
    const focus = new EditorFocus();
    const connections = new Connections(client);
    const commands = new NotebookCommands(store, connections, focus, toasts);
    return { focus, connections, commands, models: new CellModels(store, client) };
  }, [store, toasts, client]);

  useEffect(() => {
    store.start();
    page.models.start();
    const wake = () => {
      store.wake();
      void page.connections.load();
    };
    const beforeUnload = (event: BeforeUnloadEvent) => {
      if (store.beforeUnload()) event.preventDefault();
    };
    window.addEventListener("online", wake);
    window.addEventListener("beforeunload", beforeUnload);
    return () => {
      window.removeEventListener("online", wake);
      window.removeEventListener("beforeunload", beforeUnload);
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
  const [panel, setPanel] = useState<Panel | null>(null);
  const [help, setHelp] = useState(false);
  const keys = useCellKeys(() => {
    setHelp(true);
  });
  const closePanel = () => {
    setPanel(null);
  };
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
    <div className="notebook-page" data-panel={panel !== null} data-ready={ready} onKeyDown={keys}>
      <Toolbar
        panel={panel}
        onPanel={(chosen) => {
          setPanel((now) => (now === chosen ? null : chosen));
        }}
        onHelp={() => {
          setHelp(true);
        }}
      />
      <RunAnnouncer />
      <Banners />
      <main className="notebook-main" aria-label={name === "" ? "Notebook" : name} aria-busy={!ready}>
        {ready ? <Cells /> : <Opening />}
      </main>
      {panel === "variables" && <VariablesPanel onClose={closePanel} />}
      {panel === "outline" && <OutlinePanel onClose={closePanel} />}
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
  const order = useSelect(orderOf);
  return (
    <>
      <InsertBar after={null} position="at the top" />
      {order.map((id, index) => (
        <div key={id} className="cell-slot">
          <CellView id={id} number={index + 1} last={index === order.length - 1} />
          <InsertBar after={id} position={`below cell ${index + 1}`} />
        </div>
      ))}
      {order.length === 0 && (
        <p className="no-cells">This notebook is empty. Add a Python or a Markdown cell to begin.</p>
      )}
    </>
  );
}

const kernelOf = (store: NotebookStore) => store.state?.kernel;

function Banners() {
  const store = useStore();
  const connection = useSelect(connectionOf);
  const kernel = useSelect(kernelOf);
  const now = useNow(1000, connection.kind === "waiting");
  return (
    <div className="banners">
      {connection.kind === "waiting" && (
        <p className="banner" data-tone="warning" role="status" data-testid="offline">
          <span>
            Not connected. What you type is kept here and saved when the service is back. Next try in{" "}
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

const doubleKeyWithin = 600;

/** The keys that act on the cell that has the focus, and a few for the page. */
function useCellKeys(onHelp: () => void) {
  const store = useStore();
  const { commands, connections } = usePage();
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
    const cell = target.dataset.cellId;
    if (cell === undefined) return;
    const act = (action: () => void) => {
      event.preventDefault();
      action();
    };
    const go = (direction: -1 | 1) => {
      const next = commands.neighbour(cell, direction);
      if (next !== null) focusCell(next);
    };
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
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "ArrowUp":
      case "k":
        act(() => { go(-1); });
        break;
      case "ArrowDown":
      case "j":
        act(() => { go(1); });
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
