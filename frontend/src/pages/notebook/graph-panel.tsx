import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { describe } from "../../api/error.ts";
import type { Cell, GraphEdge } from "../../api/types.ts";
import { useClient } from "../../app/session.tsx";
import { type Layout, layOut, type Point } from "../../lib/graph-layout.ts";
import { useObserved } from "../../lib/observed.ts";
import { useSelect, useStore } from "../../state/hooks.ts";
import type { NotebookStore } from "../../state/store.ts";
import { Icon } from "../../ui/icon.tsx";
import { usePage } from "./page-context.ts";
import { PanelHead } from "./panel.tsx";

const nodeWidth = 148;
const nodeHeight = 46;
const namesShown = 2;

const versionOf = (store: NotebookStore) => store.state?.version ?? 0;
const noOrder: readonly string[] = [];
const orderOf = (store: NotebookStore) => store.state?.order ?? noOrder;

interface Drawing {
  ids: string[];
  edges: GraphEdge[];
  layout: Layout;
}

/** Which cells feed which: to be panned, zoomed, and gone through. */
export function GraphPanel({ onClose, onGo }: { onClose: () => void; onGo: (cell: string) => void }) {
  const client = useClient();
  const store = useStore();
  const version = useSelect(versionOf);
  const order = useSelect(orderOf);
  const [edges, setEdges] = useState<GraphEdge[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const abort = new AbortController();
    client.graph(store.id, abort.signal).then(
      (graph) => {
        setEdges(graph.edges);
        setProblem(null);
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setProblem(describe(error));
      },
    );
    return () => {
      abort.abort();
    };
  }, [client, store, version]);

  const drawing = useMemo<Drawing | null>(() => {
    if (edges === null) return null;
    const ids = order.filter((id) => {
      const cell = store.cell(id);
      return cell !== undefined && cell.kind !== "markdown" && (cell.source.trim() !== "" || cell.defines.length > 0);
    });
    const known = new Set(ids);
    const drawn = edges.filter(({ from, to }) => known.has(from) && known.has(to));
    const boxes = ids.map((id) => ({ id, width: nodeWidth, height: nodeHeight }));
    return { ids, edges: drawn, layout: layOut(boxes, drawn) };
  }, [edges, order, store]);

  return (
    <aside className="panel graph-panel" aria-label="Graph">
      <PanelHead title="Graph" onClose={onClose} />
      {problem !== null && <p className="panel-hint">{problem}</p>}
      {drawing?.ids.length === 0 && (
        <p className="panel-hint">Cells appear here, and lines from those that define a name to those that read it.</p>
      )}
      {drawing !== null && drawing.ids.length > 0 && <GraphView drawing={drawing} onGo={onGo} />}
    </aside>
  );
}

interface Camera {
  x: number;
  y: number;
  zoom: number;
}

const nearest = 2;
const furthest = 0.15;
const margin = 16;
const zoomStep = 1.25;
/** On a view narrower than this, in px, more of a graph would be too small to be read. */
const narrow = 480;

function GraphView({ drawing, onGo }: { drawing: Drawing; onGo: (cell: string) => void }) {
  const { layout, ids, edges } = drawing;
  const { current } = usePage();
  const order = useSelect(orderOf);
  const here = useObserved(current, (cell) => cell);
  const view = useRef<HTMLDivElement>(null);
  const [camera, setCamera] = useState<Camera>({ x: margin, y: margin, zoom: 1 });
  const [active, setActive] = useState<string | null>(null);
  /** As long as nobody moved the picture, all of it is shown, or what of it can be read. */
  const [moved, setMoved] = useState(false);
  const [whole, setWhole] = useState(false);
  const related = useMemo(() => (active === null ? null : relatives(active, edges)), [active, edges]);

  const fit = useCallback(() => {
    const element = view.current;
    if (!element) return;
    const { clientWidth, clientHeight } = element;
    const fitting = Math.min(1, (clientWidth - 2 * margin) / layout.width, (clientHeight - 2 * margin) / layout.height);
    const readable = clientWidth < narrow ? 0.7 : 0.5;
    const zoom = clamp(whole ? fitting : Math.max(readable, fitting));
    setCamera({ zoom, x: Math.max(zoom > fitting ? margin : 0, (clientWidth - layout.width * zoom) / 2), y: Math.min(3 * margin, Math.max(margin, (clientHeight - layout.height * zoom) / 2)) });
  }, [layout, whole]);

  useLayoutEffect(() => {
    const element = view.current;
    if (!element || moved) return;
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, [fit, moved]);

  /** Zooms by a factor; what is at a point of the view stays there. */
  const zoomAt = useCallback((factor: number, at?: Point) => {
    const element = view.current;
    if (!element) return;
    const { x, y } = at ?? { x: element.clientWidth / 2, y: element.clientHeight / 2 };
    setMoved(true);
    setCamera((now) => {
      const zoom = clamp(now.zoom * factor);
      const ratio = zoom / now.zoom;
      return { zoom, x: x - (x - now.x) * ratio, y: y - (y - now.y) * ratio };
    });
  }, []);

  useEffect(() => {
    const element = view.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      // A wheel tells lines, a touchpad pixels.
      const step = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 16 : event.deltaY;
      zoomAt(Math.exp(-step / 400), { x: event.clientX - box.left, y: event.clientY - box.top });
    };
    element.addEventListener("wheel", onWheel, { passive: false }); // the page must not scroll, too
    return () => {
      element.removeEventListener("wheel", onWheel);
    };
  }, [zoomAt]);

  const pan = usePan(view, zoomAt, (dx, dy) => {
    setMoved(true);
    setCamera((now) => ({ ...now, x: now.x + dx, y: now.y + dy }));
  });

  const showAll = () => {
    setWhole(true);
    setMoved(false);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const step = 60;
    const moves: Record<string, () => void> = {
      "+": () => { zoomAt(zoomStep); },
      "=": () => { zoomAt(zoomStep); },
      "-": () => { zoomAt(1 / zoomStep); },
      "0": showAll,
      ArrowLeft: () => { pan.by(step, 0); },
      ArrowRight: () => { pan.by(-step, 0); },
      ArrowUp: () => { pan.by(0, step); },
      ArrowDown: () => { pan.by(0, -step); },
    };
    const move = event.ctrlKey || event.metaKey || event.altKey ? undefined : moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move();
  };

  return (
    <div className="graph">
      {/* Moves with the arrow keys, too; what can be chosen in it are buttons. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={view}
        className="graph-view"
        role="group"
        aria-label="Cells and what they read from each other. Arrow keys move, + and - zoom, 0 shows all."
        data-panning={pan.panning}
        onKeyDown={onKeyDown}
        {...pan.handlers}
      >
        <div
          className="graph-plane"
          data-testid="graph-plane"
          style={{ transform: `translate(${camera.x}px, ${camera.y}px) scale(${camera.zoom})`, width: layout.width, height: layout.height }}
        >
          <svg width={layout.width} height={layout.height} aria-hidden="true">
            {edges.map(({ from, to }, index) => (
              <path
                key={`${from} ${to}`}
                className="graph-edge"
                data-lit={related === null ? undefined : related.has(from) && related.has(to)}
                d={curve(layout.edges[index] ?? [])}
              />
            ))}
          </svg>
          {ids.map((id) => (
            <GraphNode
              key={id}
              id={id}
              number={order.indexOf(id) + 1}
              at={layout.nodes.get(id)}
              here={here === id}
              lit={related === null ? undefined : related.has(id)}
              onActive={setActive}
              onGo={onGo}
            />
          ))}
          {active !== null &&
            edges.map(({ from, to, names }, index) => {
              const at = from === active || to === active ? halfWay(layout.edges[index] ?? []) : null;
              return (
                at && (
                  <span key={`${from} ${to}`} className="graph-names" style={{ left: at.x, top: at.y }} aria-hidden="true">
                    {names.slice(0, namesShown).join(", ")}
                    {names.length > namesShown && ` +${names.length - namesShown}`}
                  </span>
                )
              );
            })}
        </div>
      </div>
      <div className="graph-tools" role="toolbar" aria-label="Graph">
        <button type="button" className="icon-button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => { zoomAt(zoomStep); }}>
          <Icon name="plus" />
        </button>
        <button type="button" className="icon-button" aria-label="Zoom out" title="Zoom out (-)" onClick={() => { zoomAt(1 / zoomStep); }}>
          <Icon name="minus" />
        </button>
        <button type="button" className="icon-button" aria-label="Show all" title="Show all (0)" onClick={showAll}>
          <Icon name="fit" />
        </button>
      </div>
    </div>
  );
}

interface NodeProps {
  id: string;
  number: number;
  at: Point | undefined;
  /** The cell that has the focus on the page. */
  here: boolean;
  /** Whether it depends on the cell pointed at, or that on it; undefined: none is pointed at. */
  lit: boolean | undefined;
  onActive: (cell: string | null) => void;
  onGo: (cell: string) => void;
}

function GraphNode({ id, number, at, here, lit, onActive, onGo }: NodeProps) {
  const { name } = usePage();
  const status = useSelect(useCallback((store: NotebookStore) => store.cell(id)?.status, [id]));
  const words = useSelect(useCallback((store: NotebookStore) => wordsOf(store.cell(id)), [id]));
  const shared = useObserved(name, (at) => at?.name ?? null);
  const marked = useSelect(
    useCallback(
      (store: NotebookStore) => {
        const cell = store.cell(id);
        return shared !== null && cell !== undefined && (cell.defines.includes(shared) || cell.references.includes(shared));
      },
      [id, shared],
    ),
  );
  if (at === undefined || status === undefined) return null;
  return (
    <button
      type="button"
      className="graph-node"
      data-status={status}
      data-here={here}
      data-lit={lit}
      data-marked={marked}
      style={{ left: at.x - nodeWidth / 2, top: at.y - nodeHeight / 2, width: nodeWidth, height: nodeHeight }}
      aria-label={`Cell ${number}: ${words}; ${status}`}
      onPointerEnter={() => { onActive(id); }}
      onPointerLeave={() => { onActive(null); }}
      onFocus={() => { onActive(id); }}
      onBlur={() => { onActive(null); }}
      onClick={() => { onGo(id); }}
    >
      <span className="graph-number">{number}</span>{" "}
      <span className="graph-words">{words}</span>
    </button>
  );
}

/** What a cell is called in the graph: the names it makes, or else how it begins. */
function wordsOf(cell: Cell | undefined): string {
  if (cell === undefined) return "";
  const lines = cell.source.split("\n").map((line) => line.trim());
  const imports = new Set(lines.filter((line) => isImport.test(line)).flatMap((line) => line.split(/[^\p{L}\p{N}_]+/u)));
  const made = cell.defines.filter((name) => !imports.has(name));
  if (made.length > 0) return made.slice(0, 4).join(", ") + (made.length > 4 ? `, +${made.length - 4}` : "");
  const first = lines.find((line) => line !== "" && !/^(#|--)/.test(line) && !isImport.test(line));
  return first?.slice(0, 60) ?? cell.defines.join(", ");
}

const isImport = /^(import|from)\s/;

/** A cell with all that it depends on and all that depends on it. */
function relatives(cell: string, edges: readonly GraphEdge[]): Set<string> {
  const found = new Set([cell]);
  for (const [near, far] of [["from", "to"], ["to", "from"]] as const) {
    const ways = new Map<string, string[]>();
    for (const edge of edges) ways.set(edge[near], [...(ways.get(edge[near]) ?? []), edge[far]]);
    const queue = [cell];
    const seen = new Set(queue);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const other of ways.get(next) ?? []) {
        if (seen.has(other)) continue;
        seen.add(other);
        found.add(other);
        queue.push(other);
      }
    }
  }
  return found;
}

function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, index) => {
      const before = points[index - 1];
      if (before === undefined) return `M${x} ${y}`;
      const bend = (y - before.y) / 2;
      return `C${before.x} ${before.y + bend} ${x} ${y - bend} ${x} ${y}`;
    })
    .join("");
}

function halfWay(points: readonly Point[]): Point | null {
  const index = Math.floor((points.length - 1) / 2);
  const [a, b] = [points[index], points[index + 1]];
  return a && b ? { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } : null;
}

function clamp(zoom: number): number {
  return Math.min(nearest, Math.max(furthest, zoom));
}

/** Moves the view with one pointer, and zooms it with two; a click that moves nothing stays a click. */
function usePan(
  view: React.RefObject<HTMLElement | null>,
  zoomAt: (factor: number, at: Point) => void,
  by: (dx: number, dy: number) => void,
) {
  const pointers = useRef(new Map<number, Point>());
  const dragged = useRef(false);
  const [panning, setPanning] = useState(false);
  const release = (event: PointerEvent) => {
    pointers.current.delete(event.pointerId);
    if (pointers.current.size === 0) setPanning(false);
  };
  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return;
      pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      dragged.current = false;
    },
    onPointerMove: (event: PointerEvent) => {
      const before = pointers.current.get(event.pointerId);
      if (before === undefined || !view.current) return;
      const now = { x: event.clientX, y: event.clientY };
      if (!dragged.current && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
      if (!dragged.current) view.current.setPointerCapture(event.pointerId);
      dragged.current = true;
      setPanning(true);
      const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const box = view.current.getBoundingClientRect();
        const apart = (point: Point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
        zoomAt(apart(now) / apart(before), { x: (now.x + other.x) / 2 - box.left, y: (now.y + other.y) / 2 - box.top });
      } else {
        by(now.x - before.x, now.y - before.y);
      }
      pointers.current.set(event.pointerId, now);
    },
    onPointerUp: release,
    onPointerCancel: release,
    onClickCapture: (event: React.MouseEvent) => {
      if (dragged.current) event.stopPropagation(); // the end of a drag chooses nothing
      dragged.current = false;
    },
  };
  return { handlers, panning, by };
}
