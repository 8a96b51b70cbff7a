import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "../app/session.tsx";
import { useToasts } from "../app/toasts.tsx";
import type { ImportedNotebook } from "../api/types.ts";
import { count } from "../lib/format.ts";
import { importable, importName, importTypeOf } from "../lib/notebook-file.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Icon } from "../ui/icon.tsx";

interface Options {
  /** Opens the only notebook that was imported. */
  onOpen: (notebook: ImportedNotebook) => void;
  /** Several were imported, or one that the person does not want to open. */
  onImported: () => void;
}

interface NotebookImport {
  busy: boolean;
  /** Lets the person choose files. */
  choose: () => void;
  /** Belongs on the page, wherever the button is: it takes what is dropped, and reports. */
  parts: ReactNode;
}

/** Makes notebooks of files: those chosen with the button, and those dropped on the page. */
export function useNotebookImport({ onOpen, onImported }: Options): NotebookImport {
  const client = useClient();
  const toasts = useToasts();
  const picker = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [report, setReport] = useState<ImportedNotebook[] | null>(null);

  const importFile = async (file: File): Promise<ImportedNotebook | null> => {
    const type = importTypeOf(file.name);
    if (type === null) {
      toasts.show({ tone: "error", text: `Can't import “${file.name}”: it must be an .ipynb or a .py file.` });
      return null;
    }
    try {
      const bytes = await file.arrayBuffer();
      return await client.importNotebook(bytes, type, importName(file.name, type, bytes));
    } catch (error) {
      toasts.fail(`Can't import “${file.name}”`, error);
      return null;
    }
  };

  const importFiles = async (files: readonly File[]) => {
    setBusy(true);
    const imported: ImportedNotebook[] = [];
    for (const file of files) {
      const notebook = await importFile(file);
      if (notebook !== null) imported.push(notebook);
    }
    setBusy(false);
    const [first] = imported;
    if (first === undefined) return;
    if (imported.some((notebook) => notebook.lost.length > 0)) {
      setReport(imported);
    } else if (imported.length === 1) {
      onOpen(first);
    } else {
      toasts.show({ tone: "info", text: `Imported ${count(imported.length, "notebook")}.` });
      onImported();
    }
  };

  const parts = (
    <>
      <input
        ref={picker}
        type="file"
        hidden
        multiple
        accept={importable}
        data-testid="import-file"
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          event.target.value = ""; // the same file can be chosen again
          void importFiles(files);
        }}
      />
      <DropTarget onFiles={(files) => void importFiles(files)} />
      {report && (
        <ImportReport
          imported={report}
          onOpen={onOpen}
          onClose={() => {
            setReport(null);
            onImported();
          }}
        />
      )}
    </>
  );
  return { busy, choose: () => picker.current?.click(), parts };
}

export function ImportButton({ busy, onClick }: { busy: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      className="button"
      disabled={busy}
      title="Jupyter notebooks (.ipynb) and Python scripts (.py); they can be dropped on the page, too"
      onClick={onClick}
    >
      <Icon name="upload" /> {busy ? "Importing…" : "Import"}
    </button>
  );
}

interface ReportProps {
  imported: readonly ImportedNotebook[];
  onOpen: (notebook: ImportedNotebook) => void;
  onClose: () => void;
}

/** What of the files could not be kept: read at leisure, so a dialog and no passing message. */
function ImportReport({ imported, onOpen, onClose }: ReportProps) {
  const [only] = imported;
  const lossy = imported.filter((notebook) => notebook.lost.length > 0);
  return (
    <Dialog title="Imported, but not all of it" className="import-report" onClose={onClose}>
      {lossy.map((notebook) => (
        <section key={notebook.id}>
          <h3>{notebook.name}</h3>
          <ul>
            {notebook.lost.map((loss) => (
              <li key={loss}>{loss}</li>
            ))}
          </ul>
        </section>
      ))}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          {imported.length === 1 ? "Stay here" : "Close"}
        </button>
        {imported.length === 1 && only && (
          <button
            type="button"
            className="button primary"
            onClick={() => {
              onOpen(only);
            }}
          >
            Open notebook
          </button>
        )}
      </div>
    </Dialog>
  );
}

/** The whole page takes files; while some are over it, it says so. */
function DropTarget({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  const latest = useRef(onFiles);

  useEffect(() => {
    latest.current = onFiles;
  });

  const show = useCallback((by: -1 | 1 | 0) => {
    // Entering a child comes before leaving its parent.
    depth.current = by === 0 ? 0 : Math.max(0, depth.current + by);
    setOver(depth.current > 0);
  }, []);

  useEffect(() => {
    const withFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const handlers = {
      dragenter: (event: DragEvent) => {
        if (withFiles(event)) show(1);
      },
      dragleave: (event: DragEvent) => {
        if (withFiles(event)) show(-1);
      },
      dragover: (event: DragEvent) => {
        if (withFiles(event)) event.preventDefault();
      },
      drop: (event: DragEvent) => {
        if (!withFiles(event)) return;
        event.preventDefault(); // the browser would open the file in place of the page
        show(0);
        latest.current([...(event.dataTransfer?.files ?? [])]);
      },
    };
    const abort = new AbortController();
    for (const [type, handler] of Object.entries(handlers)) {
      window.addEventListener(type, handler as EventListener, { signal: abort.signal });
    }
    return () => {
      abort.abort();
    };
  }, [show]);

  return over ? (
    <div className="drop-target" role="status">
      <p>
        <Icon name="upload" /> Drop .ipynb or .py files to import them
      </p>
    </div>
  ) : null;
}
