import { type PointerEvent, type RefObject, useEffect, useRef, useState } from "react";
import { useStore } from "../../state/hooks.ts";
import { focusCell, usePage } from "./page-context.ts";

/** A cell on its way to another place. */
export interface CellDrag {
  cell: string;
  /** Where the pointer is, in the window. */
  x: number;
  y: number;
  /** Where it would go, as a line across the cells: from the top of their container. */
  line: number;
}

/** So far a pointer moves before it is more than a click, in pixels. */
const slack = 4;
/** Nearer to the window's edge than this the page scrolls, by at most so many pixels a frame. */
const edge = 90;
const fastest = 18;

/**
 * Moves cells by their grips. The slots of the cells are the container's
 * `.cell-slot` elements in page order; Escape lets go where it was.
 */
export function useCellDrag(container: RefObject<HTMLElement | null>) {
  const store = useStore();
  const { commands } = usePage();
  const [drag, setDrag] = useState<CellDrag | null>(null);
  const end = useRef<(() => void) | null>(null);

  useEffect(() => () => end.current?.(), []);

  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    const grip = (event.target as HTMLElement).closest(".cell-grip");
    const cell = grip?.closest<HTMLElement>("[data-cell-id]")?.dataset.cellId;
    if (cell === undefined || event.button !== 0 || end.current !== null) return;
    event.preventDefault(); // no selection of text on the way
    const start = { x: event.clientX, y: event.clientY };
    let at = start;
    let begun = false;
    let frame = 0;

    const place = () => {
      const found = targetAt(container.current, at.y);
      if (found) setDrag({ cell, ...at, line: found.line });
    };
    const scroll = () => {
      const over = at.y < edge ? at.y - edge : Math.max(0, at.y - (window.innerHeight - edge));
      if (over !== 0) {
        window.scrollBy(0, Math.max(-1, Math.min(1, over / edge)) * fastest);
        place();
      }
      frame = requestAnimationFrame(scroll);
    };
    const abort = new AbortController();
    const finish = () => {
      end.current = null;
      abort.abort();
      cancelAnimationFrame(frame);
      setDrag(null);
    };
    end.current = finish;

    const onMove = (move: globalThis.PointerEvent) => {
      at = { x: move.clientX, y: move.clientY };
      if (!begun && Math.hypot(at.x - start.x, at.y - start.y) < slack) return;
      if (!begun) frame = requestAnimationFrame(scroll);
      begun = true;
      place();
    };
    const onUp = () => {
      const found = begun ? targetAt(container.current, at.y) : null;
      finish();
      if (!begun) focusCell(cell);
      if (found === null) return;
      const order = store.state?.order ?? [];
      const rest = order.filter((id) => id !== cell);
      // Where it would go among the others, once it is taken out.
      const index = found.index - (order.indexOf(cell) < found.index ? 1 : 0);
      if (index === order.indexOf(cell)) return;
      void commands.place(cell, index === 0 ? null : (rest[index - 1] ?? null)).then(() => {
        requestAnimationFrame(() => {
          focusCell(cell);
        });
      });
    };
    const onKey = (key: KeyboardEvent) => {
      if (key.key !== "Escape") return;
      key.preventDefault();
      key.stopPropagation();
      finish();
    };
    const { signal } = abort;
    window.addEventListener("pointermove", onMove, { signal });
    window.addEventListener("pointerup", onUp, { signal });
    window.addEventListener("pointercancel", finish, { signal });
    window.addEventListener("keydown", onKey, { signal, capture: true });
  };

  return { drag, onPointerDown };
}

/** Before which of the cells a height in the window is, and where a line there goes. */
function targetAt(container: HTMLElement | null, y: number): { index: number; line: number } | null {
  if (container === null) return null;
  const cells = [...container.querySelectorAll<HTMLElement>(".cell-slot > .cell")].map((cell) => cell.getBoundingClientRect());
  const [first] = cells;
  if (first === undefined) return null;
  const found = cells.findIndex((box) => y < box.top + box.height / 2);
  const index = found < 0 ? cells.length : found;
  const [above, below] = [cells[index - 1], cells[index]];
  const gap = above && below ? (above.bottom + below.top) / 2 : above ? above.bottom + 14 : first.top - 14;
  return { index, line: gap - container.getBoundingClientRect().top };
}
