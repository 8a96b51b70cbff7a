import { type ReactNode, type SyntheticEvent, useCallback, useEffect, useRef, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { describe, isSignedOut } from "../api/error.ts";
import type { ApiClient } from "../api/client.ts";
import type { Cell, ExportFormat, KernelStatus, NewCell, NewNotebook, NotebookPage as ListAnswer, NotebookSummary } from "../api/types.ts";
import { useSession } from "../app/session.tsx";
import { useToasts } from "../app/toasts.tsx";
import { count, formatAgo } from "../lib/format.ts";
import { copyName } from "../lib/notebook-file.ts";
import { usePageTitle } from "../lib/page-title.ts";
import { useNow } from "../lib/use-now.ts";
import { Connections, useConnections } from "../state/connections.ts";
import { ConfirmDialog } from "../ui/dialog.tsx";
import { Icon, Mark } from "../ui/icon.tsx";
import { Menu, type MenuItem } from "../ui/menu.tsx";
import { ThemeMenu } from "../ui/theme-menu.tsx";
import { ImportButton, useNotebookImport } from "./import-notebooks.tsx";
import { exportFormats } from "../lib/export-formats.ts";
import { saveFile } from "../lib/save-file.ts";
import { type Sample, samples } from "./samples.ts";

const pageSize = 50;
const largestPage = 500;
/** Sorting looks at so many notebooks at most, the newest; more than that are for the search. */
const sortedAtMost = 5_000;
const refreshEvery = 15_000;
const searchDelay = 200;

interface Listing {
  query: string;
  notebooks: NotebookSummary[];
  cursor: string | null;
}

/** The service lists by creation; any other order needs all of the notebooks. */
async function listAll(client: ApiClient, query: string, signal?: AbortSignal): Promise<ListAnswer> {
  const all: NotebookSummary[] = [];
  let cursor: string | null = null;
  do {
    const page: ListAnswer = await client.listNotebooks(
      { q: query, limit: largestPage, ...(cursor === null ? {} : { cursor }) },
      signal,
    );
    all.push(...page.notebooks);
    cursor = page.next_cursor;
  } while (cursor !== null && all.length < sortedAtMost);
  return { notebooks: all, next_cursor: cursor };
}

type Sort = "created" | "changed" | "name";
const sorts: readonly [sort: Sort, label: string][] = [
  ["created", "Newest first"],
  ["changed", "Last changed first"],
  ["name", "By name"],
];
const sortKey = "reactive-notebook:sort";
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function sorted(notebooks: readonly NotebookSummary[], sort: Sort): readonly NotebookSummary[] {
  if (sort === "created") return notebooks;
  return [...notebooks].sort(
    sort === "name"
      ? (a, b) => byName.compare(a.name, b.name)
      : (a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at),
  );
}

/** The order of the list, which this browser keeps. */
function useSort(): [Sort, (sort: Sort) => void] {
  const [sort, setSort] = useState<Sort>(() => {
    try {
      const kept = localStorage.getItem(sortKey);
      return sorts.find(([known]) => known === kept)?.[0] ?? "created";
    } catch {
      return "created";
    }
  });
  const choose = (next: Sort) => {
    setSort(next);
    try {
      localStorage.setItem(sortKey, next);
    } catch {
      // Without storage the order lasts as long as the page.
    }
  };
  return [sort, choose];
}

export function ListPage() {
  usePageTitle("");
  const { client, generation, signedIn } = useSession();
  const toasts = useToasts();
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const query = params.get("q") ?? "";
  const [listing, setListing] = useState<Listing | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [creating, setCreating] = useState(false);
  const [renaming, setRenaming] = useState<string | null>(null);
  const [deleting, setDeleting] = useState<NotebookSummary | null>(null);
  const [sort, setSort] = useSort();
  const [connections] = useState(() => new Connections(client));
  const known = useConnections(connections);
  const offered = samples.filter(({ needs }) => needs === undefined || known.some(({ name }) => name === needs));
  const now = useNow(30_000);
  const shown = useRef(0);

  const load = useCallback(
    async (signal?: AbortSignal) => {
      try {
        // What was paged in stays, up to what one answer may hold.
        const limit = Math.min(largestPage, Math.max(pageSize, shown.current));
        const page =
          sort === "created"
            ? await client.listNotebooks({ q: query, limit }, signal)
            : await listAll(client, query, signal);
        shown.current = page.notebooks.length;
        setListing({ query, notebooks: page.notebooks, cursor: page.next_cursor });
        setProblem(null);
      } catch (error) {
        // Without a session the sign-in is what is shown; afterwards the list is loaded again.
        if (!signal?.aborted && !isSignedOut(error)) setProblem(describe(error));
      }
    },
    [client, query, sort],
  );

  useEffect(() => {
    if (!signedIn) return;
    const abort = new AbortController();
    const first = setTimeout(() => void load(abort.signal), shown.current === 0 ? 0 : searchDelay);
    const refresh = () => {
      if (!document.hidden) void load(abort.signal);
    };
    const timer = setInterval(refresh, refreshEvery);
    document.addEventListener("visibilitychange", refresh);
    window.addEventListener("online", refresh);
    return () => {
      abort.abort();
      clearTimeout(first);
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
      window.removeEventListener("online", refresh);
    };
  }, [load, generation, signedIn]);

  const more = async (cursor: string) => {
    try {
      const page = await client.listNotebooks({ q: query, limit: pageSize, cursor });
      setListing((old) => {
        if (old?.query !== query) return old;
        const known = new Set(old.notebooks.map((notebook) => notebook.id));
        const added = page.notebooks.filter((notebook) => !known.has(notebook.id));
        const notebooks = [...old.notebooks, ...added];
        shown.current = notebooks.length;
        return { query, notebooks, cursor: page.next_cursor };
      });
    } catch (error) {
      toasts.fail("Can't show more notebooks", error);
    }
  };

  const create = async (notebook: NewNotebook) => {
    setCreating(true);
    try {
      const created = await client.createNotebook(notebook);
      await navigate(`/notebooks/${created.id}`);
    } catch (error) {
      setCreating(false);
      toasts.fail("Can't create a notebook", error);
    }
  };

  const createBlank = () =>
    void create({ name: "Untitled notebook", cells: [{ kind: "python", source: "" }] });

  const open = (notebook: { id: string }) => void navigate(`/notebooks/${notebook.id}`);

  const duplicate = async (notebook: NotebookSummary) => {
    try {
      const { name, mode, cells } = await client.getNotebook(notebook.id);
      const copy = await client.createNotebook({ name: copyName(name), mode, cells: cells.map(withoutState) });
      toasts.show({
        tone: "info",
        text: `Made “${copy.name}”.`,
        action: {
          label: "Open",
          run: () => {
            open(copy);
          },
        },
      });
      await load();
    } catch (error) {
      toasts.fail(`Can't duplicate “${notebook.name}”`, error);
    }
  };

  const rename = async (notebook: NotebookSummary, name: string) => {
    setRenaming(null);
    if (name === notebook.name || name === "") return;
    try {
      await client.updateNotebook(notebook.id, { name });
      await load();
    } catch (error) {
      toasts.fail(`Can't rename “${notebook.name}”`, error);
    }
  };

  const remove = async (notebook: NotebookSummary) => {
    setDeleting(null);
    try {
      await client.deleteNotebook(notebook.id);
      toasts.show({ tone: "info", text: `Deleted “${notebook.name}”.` });
    } catch (error) {
      toasts.fail(`Can't delete “${notebook.name}”`, error);
    }
    await load();
  };

  const exportAs = async (notebook: NotebookSummary, format: ExportFormat) => {
    try {
      const { name, content } = await client.exportNotebook(notebook.id, format, notebook.name);
      saveFile(name, content);
    } catch (error) {
      toasts.fail(`Can't export “${notebook.name}”`, error);
    }
  };

  const empty = listing?.notebooks.length === 0 && listing.query === "" && query === "";

  useEffect(() => {
    if (!signedIn) return;
    const abort = new AbortController();
    void connections.load(abort.signal);
    return () => {
      abort.abort();
    };
  }, [signedIn, connections]);

  const listed = !empty && (listing !== null || problem !== null || query !== "");

  const { busy: importing, choose: chooseFiles, parts: importParts } = useNotebookImport({
    onOpen: open,
    onImported: () => void load(),
  });

  return (
    <div className="list-page">
      <header className="list-header">
        <Mark />
        <span className="product">Reactive Notebook</span>
        <span className="spacer" />
        <ThemeMenu />
      </header>
      <main className="list-main">
        <div className="list-title">
          <h1>Notebooks</h1>
          {listed && (
            <div className="list-actions">
              <ImportButton busy={importing} onClick={chooseFiles} />
              <Menu
                label="Examples"
                className="button"
                items={offered.map(({ title, icon, notebook }) => ({
                  label: title,
                  icon,
                  onSelect: () => void create(notebook),
                }))}
              >
                <Icon name="plot" /> Examples
              </Menu>
              <button type="button" className="button primary" disabled={creating} onClick={createBlank}>
                <Icon name="plus" /> New notebook
              </button>
            </div>
          )}
        </div>
        {listed && (
          <div className="list-tools">
          <label className="search">
            <Icon name="search" />
            <span className="visually-hidden">Search notebooks</span>
            <input
              type="search"
              placeholder="Search by name"
              value={query}
              onChange={(event) => {
                const q = event.target.value;
                setParams(q === "" ? {} : { q }, { replace: true });
              }}
            />
          </label>
          <Menu
            label="Order"
            className="button quiet"
            items={sorts.map(([each, label]) => ({
              label,
              checked: each === sort,
              onSelect: () => {
                setSort(each);
              },
            }))}
          >
            <Icon name="sort" />
            <span className="visually-hidden">Order: </span>
            <span className="order-words">{sorts.find(([each]) => each === sort)?.[1]}</span>
          </Menu>
          </div>
        )}
        {problem !== null && (
          <p className="banner" data-tone="error" role="alert">
            <span>{problem}</span>
            <button type="button" className="link-button" onClick={() => void load()}>
              Try again
            </button>
          </p>
        )}
        {listing === null && problem === null && (
          <p className="list-hint" role="status">
            Loading…
          </p>
        )}
        {empty && (
          <Welcome
            creating={creating}
            samples={offered}
            onBlank={createBlank}
            onSample={({ notebook }) => void create(notebook)}
          >
            <ImportButton busy={importing} onClick={chooseFiles} />
          </Welcome>
        )}
        {listing !== null && !empty && (
          <>
            <p className="visually-hidden" role="status">
              {count(listing.notebooks.length, "notebook")}
              {listing.query === "" ? "" : ` for “${listing.query}”`}
            </p>
            {listing.notebooks.length === 0 ? (
              <p className="list-hint">No notebook has “{listing.query}” in its name.</p>
            ) : (
              <ul className="notebook-list" aria-label="Notebooks" aria-busy={listing.query !== query}>
                {sorted(listing.notebooks, sort).map((notebook) => (
                  <li key={notebook.id} className="notebook-row" data-notebook-id={notebook.id}>
                    {renaming === notebook.id ? (
                      <RenameField
                        name={notebook.name}
                        onDone={(name) => void rename(notebook, name)}
                        onCancel={() => {
                          setRenaming(null);
                        }}
                      />
                    ) : (
                      <Link to={`/notebooks/${notebook.id}`} className="notebook-name">
                        {notebook.name}
                      </Link>
                    )}
                    <span className="notebook-meta">
                      <span>{count(notebook.cell_count, "cell")}</span>
                      <time dateTime={notebook.updated_at} title={new Date(notebook.updated_at).toLocaleString()}>
                        changed {formatAgo(notebook.updated_at, now)}
                      </time>
                      <KernelBadge status={notebook.kernel.status} />
                    </span>
                    <Menu
                      label={`Actions for ${notebook.name}`}
                      items={[
                        {
                          label: "Rename",
                          icon: "pencil",
                          onSelect: () => {
                            setRenaming(notebook.id);
                          },
                        },
                        { label: "Duplicate", icon: "copy", onSelect: () => void duplicate(notebook) },
                        "separator",
                        ...exportFormats.map(([format, label]): MenuItem => ({
                          label: `Export as ${label}`,
                          icon: "download",
                          onSelect: () => void exportAs(notebook, format),
                        })),
                        "separator",
                        {
                          label: "Delete…",
                          icon: "trash",
                          danger: true,
                          onSelect: () => {
                            setDeleting(notebook);
                          },
                        },
                      ]}
                    />
                  </li>
                ))}
              </ul>
            )}
            {listing.cursor !== null && (
              <button type="button" className="button more-button" onClick={() => void more(listing.cursor ?? "")}>
                Show more
              </button>
            )}
          </>
        )}
      </main>
      {importParts}
      {deleting && (
        <ConfirmDialog
          title={`Delete “${deleting.name}”?`}
          confirm="Delete notebook"
          onConfirm={() => void remove(deleting)}
          onCancel={() => {
            setDeleting(null);
          }}
        >
          <p>
            Its {count(deleting.cell_count, "cell")} and all outputs are gone for good, also for others who have
            it open.
          </p>
        </ConfirmDialog>
      )}
    </div>
  );
}

/** A cell as it is written, without what running it made. */
function withoutState({ kind, source, disabled, connection, result }: Cell): NewCell {
  return { kind, source, disabled, connection, result };
}

const kernelWords: Record<KernelStatus, string> = {
  none: "not running",
  starting: "starting",
  idle: "ready",
  busy: "running",
  dead: "stopped unexpectedly",
};

function KernelBadge({ status }: { status: KernelStatus }) {
  return (
    <span className="kernel-badge" data-kernel={status}>
      {kernelWords[status]}
    </span>
  );
}

interface RenameProps {
  name: string;
  onDone: (name: string) => void;
  onCancel: () => void;
}

function RenameField({ name, onDone, onCancel }: RenameProps) {
  const [value, setValue] = useState(name);
  const field = useRef<HTMLInputElement>(null);
  const done = useRef(false);

  useEffect(() => {
    field.current?.select();
  }, []);

  const finish = (keep: boolean) => {
    if (done.current) return;
    done.current = true;
    if (keep) onDone(value.trim());
    else onCancel();
  };

  return (
    <form
      className="rename"
      onSubmit={(event: SyntheticEvent) => {
        event.preventDefault();
        finish(true);
      }}
    >
      <input
        ref={field}
        aria-label="Name of the notebook"
        value={value}
        onChange={(event) => {
          setValue(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") finish(false);
        }}
        onBlur={() => {
          finish(true);
        }}
      />
    </form>
  );
}

interface WelcomeProps {
  creating: boolean;
  samples: readonly Sample[];
  onBlank: () => void;
  onSample: (sample: Sample) => void;
  children: ReactNode;
}

function Welcome({ creating, samples, onBlank, onSample, children }: WelcomeProps) {
  return (
    <section className="welcome" data-testid="welcome" aria-label="No notebooks yet">
      <svg className="welcome-art" viewBox="0 0 368 112" aria-hidden="true" focusable="false">
        <path className="edge" d="M92 38C125 38 117 82 150 82M92 38h58M240 38h40M240 82c26 0 14-44 40-44" />
        <g className="node">
          <rect x="8" y="22" width="84" height="32" rx="6" />
          <rect x="150" y="22" width="90" height="32" rx="6" />
          <rect x="150" y="66" width="90" height="32" rx="6" />
          <rect x="280" y="22" width="80" height="32" rx="6" />
        </g>
        <g className="rails">
          <path d="M8 28v20M150 28v20M150 72v20M280 28v20" />
        </g>
        <g className="words">
          <text x="20" y="42">rate = 7</text>
          <text x="164" y="42">table</text>
          <text x="164" y="86">total</text>
          <text x="294" y="42">plot</text>
        </g>
      </svg>
      <h2>A notebook that keeps itself up to date</h2>
      <p>
        Write Python in cells. Change one, and every cell that reads its names runs again: what is on the page is what
        is in memory.
      </p>
      <div className="welcome-actions">
        <button type="button" className="button primary" disabled={creating} onClick={onBlank}>
          <Icon name="plus" /> New notebook
        </button>
        {children}
      </div>
      <h3>Or begin with one that works</h3>
      <ul className="samples">
        {samples.map((sample) => (
          <li key={sample.title}>
            <button
              type="button"
              className="sample"
              disabled={creating}
              onClick={() => {
                onSample(sample);
              }}
            >
              <Icon name={sample.icon} />
              <span className="sample-title">{sample.title}</span>
              <span className="sample-about">{sample.about}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
