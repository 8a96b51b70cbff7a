import { useEffect, useRef, useState } from "react";
import type { CellKind } from "../api/types.ts";
import { useTheme } from "../app/theme.tsx";
import { useNear } from "../lib/use-near.ts";
import type { CellModels } from "./models.ts";
import type * as Monaco from "./monaco.ts";
import { pythonOccurrences, sqlOccurrences } from "./occurrences.ts";

type Editing = typeof Monaco;
type Editor = Monaco.monaco.editor.IStandaloneCodeEditor;

/** What the keys in an editor ask of the page around it. */
export interface EditorCommands {
  run: () => void;
  runAndAdvance: () => void;
  runAndInsert: () => void;
  /** Leaves the editor for the cell around it. */
  leave: () => void;
  /** The cursor goes on into the cell above or below. */
  cross: (direction: -1 | 1) => void;
  move: (direction: -1 | 1) => void;
  /** The cursor is on a word; null: on none, or in no editor. */
  atWord: (word: string | null) => void;
  /** Goes to where a name is defined. */
  define: (name: string) => void;
}

/** Lets the page put the cursor into an editor that may not exist yet. */
export interface FocusRequest {
  at: "start" | "end" | "keep" | { line: number };
  /** Differs from one request to the next. */
  token: number;
}

interface Props {
  cell: string;
  kind: CellKind;
  /** What is shown until the editor is there. */
  text: string;
  label: string;
  /** What an empty editor says in place of its kind's own words. */
  hint?: string | undefined;
  models: CellModels;
  commands: EditorCommands;
  focus: FocusRequest | null;
  faults: readonly Fault[];
  /** A name to mark wherever the source uses it. */
  mark: string | null;
  readOnly?: boolean;
}

/** What to underline and why: a name wherever it stands, or else a line. */
export interface Fault {
  line?: number;
  name?: string;
  message: string;
}

const placeholders: Record<CellKind, string> = {
  python: "Python; Shift+Enter runs it",
  markdown: "Markdown",
  sql: "SQL; {name} takes in a variable",
};

const lineHeight = 21;
const padding = 10;

/**
 * A cell's editor. It is as tall as its text, so that only the page scrolls.
 * Far from the screen it is plain text of the same size, as hundreds of
 * editors are more than a browser can carry.
 */
export function CodeEditor({ cell, kind, text, label, hint, models, commands, focus, faults, mark, readOnly = false }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const editorRef = useRef<Editor | null>(null);
  const commandsRef = useRef(commands);
  const answered = useRef(-1);
  const [editing, setEditing] = useState<Editing | null>(null);
  const near = useNear(host);
  const [focused, setFocused] = useState(false);
  const { theme } = useTheme();

  useEffect(() => {
    commandsRef.current = commands;
  });

  const wanted = near || focused || focus !== null;

  useEffect(() => {
    if (!wanted || editing) return;
    let stale = false;
    void import("./monaco.ts").then((loaded) => {
      if (!stale) setEditing(loaded);
    });
    return () => {
      stale = true;
    };
  }, [wanted, editing]);

  useEffect(() => {
    editing?.monaco.editor.setTheme(editing.themeName(theme));
  }, [editing, theme]);

  useEffect(() => {
    const element = host.current;
    if (!wanted || !editing || !element) return;
    const editor = editing.monaco.editor.create(element, {
      ...options,
      model: models.get(editing, cell),
      overflowWidgetsDomNode: overflowHost(),
    });
    editorRef.current = editor;
    wire(editing, editor, commandsRef);
    const fit = () => {
      element.style.height = `${editor.getContentHeight()}px`;
      editor.layout();
    };
    // Most keys change the width alone, which takes no place on the page.
    editor.onDidContentSizeChange(({ contentHeightChanged }) => {
      if (contentHeightChanged) fit();
    });
    editor.onDidFocusEditorText(() => {
      setFocused(true);
      tellWord();
    });
    editor.onDidBlurEditorText(() => {
      setFocused(false);
      commandsRef.current.atWord(null);
    });
    const wordAt = (position: Monaco.monaco.IPosition | null) =>
      position === null ? null : (editor.getModel()?.getWordAtPosition(position)?.word ?? null);
    const tellWord = () => {
      if (editor.hasTextFocus()) commandsRef.current.atWord(wordAt(editor.getPosition()));
    };
    editor.onDidChangeCursorPosition(tellWord);
    editor.onMouseDown(({ event, target }) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || !event.leftButton) return;
      const word = wordAt(target.position);
      if (word === null) return;
      event.preventDefault();
      commandsRef.current.define(word);
    });
    fit();
    return () => {
      editorRef.current = null;
      editor.dispose();
      element.style.height = "";
    };
  }, [wanted, editing, models, cell]);

  useEffect(() => {
    const editor = editorRef.current;
    const model = editor?.getModel();
    if (!editing || !editor || !model) return;
    editing.monaco.editor.setModelLanguage(model, editing.languageOf(kind));
    editor.updateOptions({
      ariaLabel: label,
      placeholder: hint ?? placeholders[kind],
      wordWrap: kind === "markdown" ? "on" : "off",
      lineNumbers: kind === "markdown" ? "off" : "on",
      readOnly,
      domReadOnly: readOnly,
    });
  }, [editing, wanted, kind, label, hint, readOnly]);

  useEffect(() => {
    const editor = editorRef.current;
    const model = editor?.getModel();
    if (!focus || !editor || !model || answered.current === focus.token) return;
    answered.current = focus.token;
    if (focus.at === "start") editor.setPosition({ lineNumber: 1, column: 1 });
    else if (focus.at === "end") editor.setPosition(model.getFullModelRange().getEndPosition());
    else if (focus.at !== "keep") {
      const lineNumber = Math.min(focus.at.line, model.getLineCount());
      editor.setPosition({ lineNumber, column: model.getLineFirstNonWhitespaceColumn(lineNumber) || 1 });
    }
    editor.focus();
  }, [focus, editing, wanted]);

  useEffect(() => {
    const model = editorRef.current?.getModel();
    if (!editing || !model) return;
    editing.monaco.editor.setModelMarkers(
      model,
      "analysis",
      faults.flatMap(({ line, name, message }) => {
        const severity = editing.monaco.MarkerSeverity.Error;
        if (name !== undefined) {
          return occurrences(editing, model, name).map((range) => ({ ...range, severity, message }));
        }
        const at = Math.min(line ?? 1, model.getLineCount());
        return {
          severity,
          message,
          startLineNumber: at,
          endLineNumber: at,
          startColumn: model.getLineFirstNonWhitespaceColumn(at) || 1,
          endColumn: model.getLineMaxColumn(at),
        };
      }),
    );
  }, [editing, faults, wanted]);

  useEffect(() => {
    const editor = editorRef.current;
    const model = editor?.getModel();
    if (!editing || !editor || !model || mark === null) return;
    const marks = editor.createDecorationsCollection(
      occurrences(editing, model, mark).map((range) => ({ range, options: { inlineClassName: "marked-name" } })),
    );
    return () => {
      marks.clear();
    };
  }, [editing, mark, wanted]);

  return (
    <div ref={host} className="code-editor" data-kind={kind}>
      {!(wanted && editing) && <pre className="code-still">{text === "" ? "\u00a0" : text}</pre>}
    </div>
  );
}

/** Where a document uses a name. */
function occurrences(editing: Editing, model: Monaco.monaco.editor.ITextModel, name: string) {
  const [source, language] = [model.getValue(), model.getLanguageId()];
  const found =
    language === editing.languageOf("sql")
      ? sqlOccurrences(source, name)
      : pythonOccurrences(source, name, editing.monaco.editor.tokenize(source, language));
  return found.map(({ line, column }) => ({
    startLineNumber: line,
    startColumn: column,
    endLineNumber: line,
    endColumn: column + name.length,
  }));
}

const options = {
  automaticLayout: true,
  fontFamily: "var(--mono)",
  fontSize: 13.5,
  lineHeight,
  padding: { top: padding, bottom: padding },
  minimap: { enabled: false },
  scrollBeyondLastLine: false,
  scrollBeyondLastColumn: 2,
  overviewRulerLanes: 0,
  overviewRulerBorder: false,
  hideCursorInOverviewRuler: true,
  renderLineHighlight: "none",
  lineNumbersMinChars: 3,
  lineDecorationsWidth: 14,
  glyphMargin: false,
  folding: true,
  showFoldingControls: "mouseover",
  foldingStrategy: "indentation",
  guides: { indentation: false },
  scrollbar: { vertical: "hidden", horizontal: "auto", horizontalScrollbarSize: 8, alwaysConsumeMouseWheel: false },
  fixedOverflowWidgets: true,
  wordBasedSuggestions: "currentDocument",
  quickSuggestions: { other: true, comments: false, strings: false },
  // Enter takes a proposal only where that changes the text.
  acceptSuggestionOnEnter: "smart",
  contextmenu: false,
  unicodeHighlight: { ambiguousCharacters: false },
  stickyScroll: { enabled: false },
  bracketPairColorization: { enabled: false },
  occurrencesHighlight: "singleFile",
  smoothScrolling: false,
  tabFocusMode: false,
} as const;

const overflowId = "editor-overflow";

/** One element at the page's end holds the editors' menus, which no cell may clip. */
function overflowHost(): HTMLElement {
  const known = document.getElementById(overflowId);
  if (known) return known;
  const element = document.createElement("div");
  element.id = overflowId;
  element.className = "monaco-editor";
  document.body.append(element);
  return element;
}

function wire(editing: Editing, editor: Editor, commands: { readonly current: EditorCommands }): void {
  const { KeyCode, KeyMod } = editing.monaco;
  const top = editor.createContextKey<boolean>("cursorAtCellTop", false);
  const bottom = editor.createContextKey<boolean>("cursorAtCellBottom", false);
  const place = () => {
    const lines = editor.getModel()?.getLineCount() ?? 1;
    const at = editor.getSelection();
    top.set(at?.isEmpty() === true && at.positionLineNumber === 1);
    bottom.set(at?.isEmpty() === true && at.positionLineNumber === lines);
  };
  place();
  editor.onDidChangeCursorPosition(place);
  editor.onDidChangeModelContent(place);

  const free = "editorTextFocus && !suggestWidgetVisible";
  const alone = `${free} && !findWidgetVisible && !editorHasSelection && !editorHasMultipleSelections && !inSnippetMode`;
  const actions: [id: string, label: string, key: number, when: string, run: () => void][] = [
    ["run", "Run this cell", KeyMod.CtrlCmd | KeyCode.Enter, "editorTextFocus", () => { commands.current.run(); }],
    ["advance", "Run this cell and go to the next", KeyMod.Shift | KeyCode.Enter, "editorTextFocus", () => { commands.current.runAndAdvance(); }],
    ["insert", "Run this cell and add one below", KeyMod.Alt | KeyCode.Enter, "editorTextFocus", () => { commands.current.runAndInsert(); }],
    ["leave", "Leave the editor", KeyCode.Escape, alone, () => { commands.current.leave(); }],
    ["above", "Go to the cell above", KeyCode.UpArrow, `${free} && cursorAtCellTop`, () => { commands.current.cross(-1); }],
    ["below", "Go to the cell below", KeyCode.DownArrow, `${free} && cursorAtCellBottom`, () => { commands.current.cross(1); }],
    ["up", "Move this cell up", KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.UpArrow, "editorTextFocus", () => { commands.current.move(-1); }],
    ["down", "Move this cell down", KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.DownArrow, "editorTextFocus", () => { commands.current.move(1); }],
  ];
  for (const [id, label, key, precondition, run] of actions) {
    editor.addAction({ id: `cell.${id}`, label, keybindings: [key], precondition, run });
  }
  editor.addAction({
    id: "cell.define",
    label: "Go to where the name is defined",
    keybindings: [KeyCode.F12],
    run: () => {
      const position = editor.getPosition();
      const word = position && editor.getModel()?.getWordAtPosition(position)?.word;
      if (word) commands.current.define(word);
    },
  });
}
