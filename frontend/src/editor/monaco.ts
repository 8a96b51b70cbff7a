import * as monaco from "monaco-editor/editor/editor.api";
import EditorWorker from "monaco-editor/editor/editor.worker?worker";
import "monaco-editor/features/codeEditor/register";
import "monaco-editor/features/codicon/register";
import "monaco-editor/features/bracketMatching/register";
import "monaco-editor/features/caretOperations/register";
import "monaco-editor/features/clipboard/register";
import "monaco-editor/features/comment/register";
import "monaco-editor/features/cursorUndo/register";
import "monaco-editor/features/find/register";
import "monaco-editor/features/folding/register";
import "monaco-editor/features/hover/register";
import "monaco-editor/features/indentation/register";
import "monaco-editor/features/lineSelection/register";
import "monaco-editor/features/linesOperations/register";
import "monaco-editor/features/longLinesHelper/register";
import "monaco-editor/features/multicursor/register";
import "monaco-editor/features/placeholderText/register";
import "monaco-editor/features/smartSelect/register";
import "monaco-editor/features/snippet/register";
// The feature of this name is the inline suggestions; the list is registered by its controller.
import "monaco-editor/editor/contrib/suggest/browser/suggestController";
import "monaco-editor/features/toggleTabFocusMode/register";
import "monaco-editor/features/wordHighlighter/register";
import "monaco-editor/features/wordOperations/register";
import "monaco-editor/languages/definitions/markdown/register";
import "monaco-editor/languages/definitions/pgsql/register";
import "monaco-editor/languages/definitions/python/register";
import type { CellKind, Completions } from "../api/types.ts";
import type { Theme } from "../app/theme.tsx";

export { monaco };

/** Where the completions of a model come from. */
export type CompletionSource = (
  source: string,
  cursor: number,
  signal: AbortSignal,
) => Promise<Completions>;

const completionSources = new WeakMap<monaco.editor.ITextModel, CompletionSource>();

export function setCompletionSource(model: monaco.editor.ITextModel, source: CompletionSource): void {
  completionSources.set(model, source);
}

export function languageOf(kind: CellKind): string {
  return { python: "python", markdown: "markdown", sql: "pgsql" }[kind];
}

export function themeName(theme: Theme): string {
  return `notebook-${theme}`;
}

self.MonacoEnvironment = { getWorker: () => new EditorWorker() };

monaco.editor.defineTheme(themeName("light"), {
  base: "vs",
  inherit: true,
  rules: [
    { token: "", foreground: "2b2925" },
    { token: "comment", foreground: "6f6a5d", fontStyle: "italic" },
    { token: "keyword", foreground: "7a3e8f" },
    { token: "string", foreground: "3d7339" },
    { token: "string.escape", foreground: "9a6a12" },
    { token: "number", foreground: "a6500f" },
    { token: "type", foreground: "1d6a73" },
    { token: "tag", foreground: "8a5a1c" },
    { token: "delimiter", foreground: "6b665c" },
  ],
  colors: {
    "editor.background": "#00000000",
    "editorGutter.background": "#00000000",
    "editor.foreground": "#2b2925",
    "editorLineNumber.foreground": "#c4bdae",
    "editorLineNumber.activeForeground": "#8b8577",
    "editor.selectionBackground": "#cfe3dc",
    "editor.inactiveSelectionBackground": "#e6ece6",
    "editor.wordHighlightBackground": "#e8b04b33",
    "editor.wordHighlightStrongBackground": "#e8b04b55",
    "editorCursor.foreground": "#17403a",
    "editorBracketHighlight.foreground1": "#6b665c",
    "editorBracketHighlight.foreground2": "#6b665c",
    "editorBracketHighlight.foreground3": "#6b665c",
    "editorBracketHighlight.foreground4": "#6b665c",
    "editorBracketHighlight.foreground5": "#6b665c",
    "editorBracketHighlight.foreground6": "#6b665c",
    "editorBracketMatch.background": "#e8b04b33",
    "editorBracketMatch.border": "#00000000",
    "editorWidget.background": "#ffffff",
    "editorWidget.border": "#e0dacd",
    "editorSuggestWidget.selectedBackground": "#e3efe9",
    "editorSuggestWidget.selectedForeground": "#17403a",
    "editorSuggestWidget.highlightForeground": "#1f7a68",
    "editorSuggestWidget.focusHighlightForeground": "#1f7a68",
    focusBorder: "#1f7a68",
  },
});

monaco.editor.defineTheme(themeName("dark"), {
  base: "vs-dark",
  inherit: true,
  rules: [
    { token: "", foreground: "e4dfd4" },
    { token: "comment", foreground: "9a9482", fontStyle: "italic" },
    { token: "keyword", foreground: "cf9fe0" },
    { token: "string", foreground: "a3cf91" },
    { token: "string.escape", foreground: "e5c07b" },
    { token: "number", foreground: "eda66d" },
    { token: "type", foreground: "7fc8cf" },
    { token: "tag", foreground: "e5b877" },
    { token: "delimiter", foreground: "a59f91" },
  ],
  colors: {
    "editor.background": "#00000000",
    "editorGutter.background": "#00000000",
    "editor.foreground": "#e4dfd4",
    "editorLineNumber.foreground": "#55524a",
    "editorLineNumber.activeForeground": "#8d8879",
    "editor.selectionBackground": "#2c4f48",
    "editor.inactiveSelectionBackground": "#2a3733",
    "editor.wordHighlightBackground": "#e8b04b2b",
    "editor.wordHighlightStrongBackground": "#e8b04b44",
    "editorCursor.foreground": "#7fd1b9",
    "editorBracketHighlight.foreground1": "#a59f91",
    "editorBracketHighlight.foreground2": "#a59f91",
    "editorBracketHighlight.foreground3": "#a59f91",
    "editorBracketHighlight.foreground4": "#a59f91",
    "editorBracketHighlight.foreground5": "#a59f91",
    "editorBracketHighlight.foreground6": "#a59f91",
    "editorBracketMatch.background": "#e8b04b33",
    "editorBracketMatch.border": "#00000000",
    "editorWidget.background": "#23231f",
    "editorWidget.border": "#3a3a34",
    "editorSuggestWidget.background": "#23231f",
    "editorSuggestWidget.selectedBackground": "#2c403a",
    "editorSuggestWidget.selectedForeground": "#e4dfd4",
    "editorSuggestWidget.highlightForeground": "#7fd1b9",
    "editorSuggestWidget.focusHighlightForeground": "#7fd1b9",
    focusBorder: "#5cc2aa",
  },
});

const kinds: Record<string, monaco.languages.CompletionItemKind> = {
  function: monaco.languages.CompletionItemKind.Function,
  method: monaco.languages.CompletionItemKind.Method,
  class: monaco.languages.CompletionItemKind.Class,
  type: monaco.languages.CompletionItemKind.Class,
  module: monaco.languages.CompletionItemKind.Module,
  keyword: monaco.languages.CompletionItemKind.Keyword,
  property: monaco.languages.CompletionItemKind.Property,
  attribute: monaco.languages.CompletionItemKind.Property,
  path: monaco.languages.CompletionItemKind.File,
  param: monaco.languages.CompletionItemKind.Variable,
};

monaco.languages.registerCompletionItemProvider("python", {
  triggerCharacters: ["."],
  provideCompletionItems: async (model, position, _context, cancelled) => {
    const source = completionSources.get(model);
    if (!source) return { suggestions: [] };
    const abort = new AbortController();
    const listener = cancelled.onCancellationRequested(() => {
      abort.abort();
    });
    try {
      const cursor = model.getOffsetAt(position);
      const { start, end, matches } = await source(model.getValue(), cursor, abort.signal);
      const range = monaco.Range.fromPositions(model.getPositionAt(start), model.getPositionAt(end));
      return {
        suggestions: matches.map((match, index) => ({
          label: match.text,
          detail: match.detail,
          kind: kinds[match.type] ?? monaco.languages.CompletionItemKind.Variable,
          insertText: match.text,
          sortText: String(index).padStart(5, "0"),
          range,
        })),
      };
    } catch {
      // No kernel yet, or a busy one: typing goes on without proposals.
      return { suggestions: [] };
    } finally {
      listener.dispose();
    }
  },
});
