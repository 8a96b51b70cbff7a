import { Icon } from "../../ui/icon.tsx";

/** What can be opened beside the cells. */
export type Panel = "graph" | "variables" | "outline";

export const panels: readonly [panel: Panel, title: string][] = [
  ["graph", "Graph"],
  ["outline", "Outline"],
  ["variables", "Variables"],
];

/** On a narrow screen a panel lies over the cells. */
export function panelCoversPage(): boolean {
  return window.innerWidth <= 760;
}

export function PanelHead({ title, onClose }: { title: string; onClose: () => void }) {
  return (
    <div className="panel-head">
      <h2>{title}</h2>
      <button type="button" className="icon-button small" aria-label={`Close ${title.toLowerCase()}`} onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  );
}
