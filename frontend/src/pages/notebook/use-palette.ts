import { useNavigate } from "react-router";
import { useStore } from "../../state/hooks.ts";
import type { PaletteEntry } from "../../ui/command-palette.tsx";
import { useThemeItems } from "../../ui/theme-menu.tsx";
import { exportFormats } from "../../lib/export-formats.ts";
import { kindNames } from "./kind-names.ts";
import { usePage } from "./page-context.ts";
import { type Panel, panels } from "./panel.tsx";
import type { View } from "./view.ts";

interface Options {
  view: View;
  setView: (view: View) => void;
  openPanel: (panel: Panel) => void;
  openHelp: () => void;
}

/** Longer sources than this are what "fold the long cells" means, in lines. */
const longSource = 12;

/** Everything that the palette of a notebook offers, as things stand when it is called. */
export function usePaletteEntries({ view, setView, openPanel, openHelp }: Options): () => PaletteEntry[] {
  const store = useStore();
  const navigate = useNavigate();
  const themes = useThemeItems();
  const { commands, connections, current, folds } = usePage();

  return () => {
    const state = store.state;
    if (state === null) return [];
    const { order, cells, mode } = state;
    const here = current.value !== null && current.value in cells ? current.value : null;
    const cell = here === null ? undefined : cells[here];
    const codes = order.filter((id) => cells[id]?.kind !== "markdown");
    const setFolds = (ids: readonly string[], folded: boolean) => {
      folds.setAll(ids, "source", folded);
    };

    const running: PaletteEntry[] = [
      { group: "Run", label: "Run all", icon: "playAll", onSelect: () => void commands.runAll() },
      { group: "Run", label: "Run stale", icon: "refresh", onSelect: () => void commands.runStale() },
      { group: "Run", label: "Interrupt", icon: "stop", onSelect: () => void commands.interrupt() },
      { group: "Run", label: "Restart", icon: "restart", onSelect: () => void commands.restart(false) },
      { group: "Run", label: "Restart and run all", icon: "playAll", onSelect: () => void commands.restart(true) },
      mode === "auto"
        ? { group: "Run", label: "Lazy mode", detail: "a change only marks what depends on it", onSelect: () => void commands.setMode("lazy") }
        : { group: "Run", label: "Auto mode", detail: "a change runs what depends on it", onSelect: () => void commands.setMode("auto") },
    ];

    const onCell: PaletteEntry[] =
      here === null || cell === undefined
        ? []
        : [
            { group: "Cell", label: "Run this cell", keys: "Ctrl Enter", icon: "play", onSelect: () => void commands.run(here) },
            { group: "Cell", label: "Edit this cell", keys: "Enter", icon: "pencil", onSelect: () => { commands.edit(here); } },
            ...(["python", "markdown", "sql"] as const)
              .filter((kind) => kind !== cell.kind && (kind !== "sql" || connections.list.length > 0))
              .map((kind): PaletteEntry => ({
                group: "Cell",
                label: `Change this cell to ${kindNames[kind]}`,
                icon: "pencil",
                onSelect: () => void commands.setKind(here, kind),
              })),
            { group: "Cell", label: "Move this cell up", keys: "Alt ↑", icon: "up", onSelect: () => void commands.move(here, -1) },
            { group: "Cell", label: "Move this cell down", keys: "Alt ↓", icon: "down", onSelect: () => void commands.move(here, 1) },
            { group: "Cell", label: cell.disabled ? "Enable this cell" : "Disable this cell", icon: "power", onSelect: () => void commands.setDisabled(here, !cell.disabled) },
            { group: "Cell", label: "Fold or unfold this cell", keys: "F", icon: "fold", onSelect: () => { folds.toggle(here, "source"); } },
            { group: "Cell", label: "Delete this cell", keys: "D D", icon: "trash", onSelect: () => void commands.remove(here) },
          ];

    const adding = (["python", "markdown", "sql"] as const)
      .filter((kind) => kind !== "sql" || connections.list.length > 0)
      .map((kind): PaletteEntry => ({
        group: "Cell",
        label: `Add a ${kindNames[kind]} cell`,
        icon: "plus",
        onSelect: () => void commands.insert(kind, here ?? order.at(-1) ?? null),
      }));

    const showing: PaletteEntry[] = [
      ...panels.map(([panel, title]): PaletteEntry => ({
        group: "Show",
        label: title,
        icon: panel,
        onSelect: () => { openPanel(panel); },
      })),
      ...(["edit", "read", "app"] as const)
        .filter((other) => other !== view)
        .map((other): PaletteEntry => ({
          group: "Show",
          label: { edit: "Edit", read: "Read only", app: "App: outputs only" }[other],
          icon: ({ edit: "pencil", read: "eye", app: "app" } as const)[other],
          onSelect: () => { setView(other); },
        })),
      { group: "Show", label: "Fold the long cells", icon: "fold", onSelect: () => { setFolds(codes.filter((id) => store.text(id).split("\n").length > longSource), true); } },
      { group: "Show", label: "Fold all sources", icon: "fold", onSelect: () => { setFolds(codes, true); } },
      { group: "Show", label: "Unfold all", icon: "fold", onSelect: () => { setFolds(order, false); folds.setAll(order, "output", false); } },
      ...themes.map(({ label, onSelect }): PaletteEntry => ({ group: "Show", label, onSelect })),
      { group: "Show", label: "Keyboard help", keys: "?", icon: "keyboard", onSelect: openHelp },
    ];

    const going: PaletteEntry[] = [
      ...order.map((id, index): PaletteEntry => {
        const defines = cells[id]?.defines ?? [];
        return {
          group: "Go to",
          label: `Cell ${index + 1}`,
          detail: defines.length > 0 ? defines.join(", ") : (store.text(id).split("\n").find((line) => line.trim() !== "") ?? "").replace(/^#+\s*/, "").slice(0, 80),
          onSelect: () => { commands.goTo(id); },
        };
      }),
      ...[...new Set(order.flatMap((id) => cells[id]?.defines ?? []))].map((name): PaletteEntry => ({
        group: "Name",
        label: name,
        detail: "where it is defined",
        onSelect: () => { commands.goToDefinition(name); },
      })),
    ];

    const editing = view === "edit";
    return [
      ...(editing ? [...onCell, ...running, ...adding, { group: "Cell", label: "Bring back the deleted cell", keys: "Z", icon: "undo", onSelect: () => void commands.undoRemove() } satisfies PaletteEntry] : []),
      ...showing,
      ...exportFormats.map(([format, label]): PaletteEntry => ({ group: "Export", label: `Export as ${label}`, icon: "download", onSelect: () => void commands.export(format) })),
      { group: "Go to", label: "All notebooks", icon: "up", onSelect: () => void navigate("/") },
      ...going,
    ];
  };
}
