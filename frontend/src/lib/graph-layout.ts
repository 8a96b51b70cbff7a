/** A box to be placed, and the boxes that it leads to. */
export interface LayoutNode {
  id: string;
  width: number;
  height: number;
}

export interface LayoutEdge {
  from: string;
  to: string;
}

export interface Point {
  x: number;
  y: number;
}

export interface Layout {
  /** The centre of each node. */
  nodes: ReadonlyMap<string, Point>;
  /** Where each edge goes, in the order given: from the foot of its first node to the head of its last. */
  edges: readonly Point[][];
  width: number;
  height: number;
}

/** What stands in a layer: a node, or the place where a long edge passes. */
interface Slot {
  id: string | null;
  layer: number;
  /** Half of the room it takes, with the gap beside it. */
  half: number;
  x: number;
  up: Slot[];
  down: Slot[];
}

const gapX = 20;
const gapY = 46;
const passWidth = 6;
/** What is not joined is put side by side in rows of at least this width. */
const shortestRow = 320;
const orderSweeps = 8;
const placeSweeps = 6;

/**
 * Lays a graph out in layers, each node below all that lead to it. Parts that
 * no edge joins stand side by side as far as the widest of them reaches, those
 * of one node last, in the order given. Edges of a cycle that close it are
 * laid as if they led the other way. (K. Sugiyama, S. Tagawa, M. Toda, Methods
 * for Visual Understanding of Hierarchical System Structures, IEEE Trans. SMC
 * 11 (1981): layers by the longest path, order by barycentres, and places by
 * the least squares that keep the order.)
 */
export function layOut(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): Layout {
  const parts = partsOf(nodes, edges).map((part) => {
    const ids = new Set(part.map(({ id }) => id));
    const inside = edges.flatMap((edge, index) => (ids.has(edge.from) && ids.has(edge.to) ? [{ ...edge, index }] : []));
    return { inside, alone: part.length === 1, layout: layOutJoined(part, inside) };
  });
  const room = Math.max(shortestRow, ...parts.map(({ layout }) => layout.width));
  const placed = new Map<string, Point>();
  const lines: Point[][] = edges.map(() => []);
  let [x, top, tallest, width, height] = [0, 0, 0, 0, 0];
  let single = false;
  for (const { inside, alone, layout } of [...parts.filter((part) => !part.alone), ...parts.filter((part) => part.alone)]) {
    if (x > 0 && (x + layout.width > room || alone !== single)) [x, top, tallest] = [0, top + tallest + (single ? gapX : gapY), 0];
    single = alone;
    const shift = (point: Point): Point => ({ x: point.x + x, y: point.y + top });
    for (const [id, point] of layout.nodes) placed.set(id, shift(point));
    inside.forEach(({ index }, at) => (lines[index] = (layout.edges[at] ?? []).map(shift)));
    tallest = Math.max(tallest, layout.height);
    width = Math.max(width, x + layout.width);
    height = Math.max(height, top + layout.height);
    x += layout.width + gapX;
  }
  return { nodes: placed, edges: lines, width, height };
}

/** The nodes that edges join, together; each part in the order given, as are the parts by their first nodes. */
function partsOf(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): LayoutNode[][] {
  const near = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  for (const { from, to } of edges) {
    if (!near.has(from) || !near.has(to)) continue;
    near.get(from)?.push(to);
    near.get(to)?.push(from);
  }
  const partOf = new Map<string, number>();
  const parts: LayoutNode[][] = [];
  for (const node of nodes) {
    if (!partOf.has(node.id)) {
      const queue = [node.id];
      const number = parts.push([]) - 1;
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        if (partOf.has(id)) continue;
        partOf.set(id, number);
        queue.push(...(near.get(id) ?? []));
      }
    }
    parts[partOf.get(node.id) ?? 0]?.push(node);
  }
  return parts;
}

function layOutJoined(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): Layout {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const layers = layersOf(nodes, edges);
  const slots = new Map<string, Slot>();
  const rows: Slot[][] = [];
  const put = (slot: Slot): Slot => {
    (rows[slot.layer] ??= []).push(slot);
    return slot;
  };
  for (const { id, width } of nodes) {
    const layer = layers.get(id) ?? 0;
    slots.set(id, put({ id, layer, half: (width + gapX) / 2, x: 0, up: [], down: [] }));
  }

  const routes = edges.map(({ from, to }) => {
    const [a, b] = [slots.get(from), slots.get(to)];
    if (!a || !b || a === b) return { route: [], back: false };
    const back = a.layer > b.layer;
    const [top, bottom] = back ? [b, a] : [a, b];
    const route = [top];
    for (let layer = top.layer + 1; layer < bottom.layer; layer++) {
      route.push(put({ id: null, layer, half: passWidth, x: 0, up: [], down: [] }));
    }
    route.push(bottom);
    route.reduce((above, below) => {
      above.down.push(below);
      below.up.push(above);
      return below;
    });
    return { route, back };
  });

  order(rows);
  place(rows);

  const heights = rows.map((row) =>
    Math.max(0, ...row.map((slot) => (slot.id === null ? 0 : (known.get(slot.id)?.height ?? 0)))),
  );
  const tops: number[] = [];
  let height = 0;
  for (const rowHeight of heights) {
    tops.push(height);
    height += rowHeight + gapY;
  }
  height = Math.max(0, height - gapY);
  const all = rows.flat();
  const left = Math.min(0, ...all.map((slot) => slot.x - slot.half + gapX / 2));
  const right = Math.max(0, ...all.map((slot) => slot.x + slot.half - gapX / 2));
  const middle = (layer: number) => (tops[layer] ?? 0) + (heights[layer] ?? 0) / 2;

  const placed = new Map<string, Point>();
  for (const slot of all) {
    if (slot.id !== null) placed.set(slot.id, { x: slot.x - left, y: middle(slot.layer) });
  }
  const lines = routes.map(({ route, back }) => {
    const points = route.flatMap((slot, index): Point[] => {
      const x = slot.x - left;
      const y = middle(slot.layer);
      const half = slot.id === null ? 0 : (known.get(slot.id)?.height ?? 0) / 2;
      if (index === 0) return [{ x, y: y + half }];
      if (index === route.length - 1) return [{ x, y: y - half }];
      // Straight past the boxes of the layer, whatever their height.
      const row = (heights[slot.layer] ?? 0) / 2;
      return [{ x, y: y - row }, { x, y: y + row }];
    });
    return back ? points.reverse() : points;
  });
  return { nodes: placed, edges: lines, width: right - left, height };
}

/** The length of the longest path that leads to each node, with the edges left out that close a cycle. */
function layersOf(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): Map<string, number> {
  const parents = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  for (const { from, to } of edges) {
    if (from !== to && parents.has(from)) parents.get(to)?.push(from);
  }
  const layers = new Map<string, number>();
  const open = new Set<string>();
  // Iterative, as a chain of cells can be longer than a stack is deep.
  for (const { id: start } of nodes) {
    const path = [{ id: start, next: 0, layer: 0 }];
    if (layers.has(start)) continue;
    open.add(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const parent = parents.get(top.id)?.[top.next];
      if (parent === undefined) {
        layers.set(top.id, top.layer);
        open.delete(top.id);
        path.pop();
        continue;
      }
      const layer = layers.get(parent);
      if (layer !== undefined) {
        top.layer = Math.max(top.layer, layer + 1);
        top.next++;
      } else if (open.has(parent)) {
        top.next++;
      } else {
        open.add(parent);
        path.push({ id: parent, next: 0, layer: 0 });
      }
    }
  }
  return layers;
}

/** Orders each layer so that few edges cross: sweeps by barycentres, of which the best order stays. */
function order(rows: Slot[][]): void {
  const copy = () => rows.map((row) => [...row]);
  let best = copy();
  let fewest = crossings(rows);
  for (let sweep = 0; sweep < orderSweeps && fewest > 0; sweep++) {
    const downwards = sweep % 2 === 0;
    const position = new Map<Slot, number>();
    for (const row of rows) row.forEach((slot, index) => position.set(slot, index));
    for (const row of downwards ? rows : [...rows].reverse()) {
      const centre = new Map(
        row.map((slot, index) => {
          const near = downwards ? slot.up : slot.down;
          return [slot, near.length === 0 ? index : mean(near.map((other) => position.get(other) ?? 0))];
        }),
      );
      row.sort((a, b) => (centre.get(a) ?? 0) - (centre.get(b) ?? 0));
      row.forEach((slot, index) => position.set(slot, index));
    }
    const now = crossings(rows);
    if (now < fewest) {
      fewest = now;
      best = copy();
    }
  }
  best.forEach((row, layer) => (rows[layer] = row));
}

function crossings(rows: readonly Slot[][]): number {
  let found = 0;
  for (let layer = 1; layer < rows.length; layer++) {
    const above = new Map((rows[layer - 1] ?? []).map((slot, index) => [slot, index]));
    const ends = (rows[layer] ?? []).flatMap((slot) =>
      slot.up.map((other) => above.get(other) ?? 0).sort((a, b) => a - b),
    );
    ends.forEach((end, index) => {
      for (let other = index + 1; other < ends.length; other++) {
        if (end > (ends[other] ?? 0)) found++;
      }
    });
  }
  return found;
}

/** Moves each slot as near to its neighbours as the order and the room of its layer allow. */
function place(rows: readonly Slot[][]): void {
  for (const row of rows) spread(row, row.map((_, index) => index * 1e-3));
  for (let sweep = 0; sweep < placeSweeps; sweep++) {
    const downwards = sweep % 2 === 0;
    for (const row of downwards ? rows : [...rows].reverse()) {
      spread(
        row,
        row.map((slot) => {
          const near = downwards ? slot.up : slot.down;
          return near.length === 0 ? slot.x : mean(near.map((other) => other.x));
        }),
      );
    }
  }
}

/**
 * Puts a layer's slots where the squares of the distances to where they want
 * to be are least, none over another: isotonic regression by pooling adjacent
 * violators.
 */
function spread(row: readonly Slot[], wanted: readonly number[]): void {
  const offsets: number[] = [];
  let offset = 0;
  row.forEach((slot, index) => {
    const before = row[index - 1];
    if (before) offset += before.half + slot.half;
    offsets.push(offset);
  });
  const blocks: { sum: number; count: number }[] = [];
  row.forEach((_, index) => {
    blocks.push({ sum: (wanted[index] ?? 0) - (offsets[index] ?? 0), count: 1 });
    for (let last = blocks.at(-1), before = blocks.at(-2); last && before; last = blocks.at(-1), before = blocks.at(-2)) {
      if (before.sum / before.count <= last.sum / last.count) break;
      blocks.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
    }
  });
  let index = 0;
  for (const { sum, count } of blocks) {
    for (let i = 0; i < count; i++, index++) {
      const slot = row[index];
      if (slot) slot.x = sum / count + (offsets[index] ?? 0);
    }
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
