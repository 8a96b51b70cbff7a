import { describe, expect, it } from "vitest";
import { type LayoutEdge, layOut } from "./graph-layout.ts";

const box = { width: 100, height: 40 };

function graph(arrows: string, ids = [...new Set(arrows.match(/\w+/g))]) {
  const edges: LayoutEdge[] = arrows
    .split(" ")
    .filter((arrow) => arrow.includes(">"))
    .map((arrow) => ({ from: arrow.split(">")[0] ?? "", to: arrow.split(">")[1] ?? "" }));
  const layout = layOut(ids.map((id) => ({ id, ...box })), edges);
  const at = (id: string) => {
    const point = layout.nodes.get(id);
    if (!point) throw new Error(`${id} has no place`);
    return point;
  };
  return { layout, edges, at, ids };
}

describe("a graph's layout", () => {
  it("puts each node below all that lead to it, also past a longer way round", () => {
    const { at, edges } = graph("a>b b>c a>c c>d a>d");
    for (const { from, to } of edges) expect(at(from).y).toBeLessThan(at(to).y);
  });

  it("lets no node cover another and none lie outside", () => {
    // Chains, a fan and a dense middle: the same arrows each time.
    const arrows = Array.from({ length: 90 }, (_, i) => `n${i % 40}>n${((i * 7) % 31) + (i % 40) + 1}`).join(" ");
    const { at, ids, layout } = graph(arrows);
    for (const a of ids) {
      expect(at(a).x).toBeGreaterThanOrEqual(box.width / 2 - 0.01);
      expect(at(a).x).toBeLessThanOrEqual(layout.width - box.width / 2 + 0.01);
      expect(at(a).y).toBeLessThanOrEqual(layout.height - box.height / 2 + 0.01);
      for (const b of ids) {
        if (a === b) continue;
        const apart = Math.abs(at(a).x - at(b).x) >= box.width || Math.abs(at(a).y - at(b).y) >= box.height;
        expect(apart, `${a} and ${b}`).toBe(true);
      }
    }
  });

  it("leads each edge from the foot of the one to the head of the other, and not through a third", () => {
    const { at, layout, edges, ids } = graph("a>b b>c c>d a>d a>c");
    edges.forEach(({ from, to }, index) => {
      const points = layout.edges[index] ?? [];
      expect(points[0]).toEqual({ x: at(from).x, y: at(from).y + box.height / 2 });
      expect(points.at(-1)).toEqual({ x: at(to).x, y: at(to).y - box.height / 2 });
      for (const point of points.slice(1, -1)) {
        for (const id of ids) {
          const inside = Math.abs(point.x - at(id).x) < box.width / 2 && Math.abs(point.y - at(id).y) < box.height / 2;
          expect(inside, `${from}>${to} runs through ${id}`).toBe(false);
        }
      }
    });
  });

  it("untangles what the order of the nodes would cross", () => {
    const { at } = graph("a>d b>c", ["a", "b", "c", "d"]);
    expect(at("a").x < at("b").x).toBe(at("d").x < at("c").x);
  });

  it("puts a lone parent above the middle of its children", () => {
    const { at } = graph("a>b a>c a>d");
    expect(at("a").x).toBeCloseTo((at("b").x + at("c").x + at("d").x) / 3, 0);
  });

  it("puts what has no edges into rows below the rest", () => {
    const { at, layout } = graph("a>b", ["l1", "a", "l2", "l3", "b", "l4"]);
    expect(["l1", "l2", "l3", "l4"].map((id) => at(id).x)).toEqual([50, 170, 50, 170]);
    expect(at("l1").y).toBeGreaterThan(at("b").y + box.height);
    expect(at("l3").y).toBeGreaterThanOrEqual(at("l1").y + box.height);
    expect(layout.height).toBe(at("l4").y + box.height / 2);
  });

  it("puts parts that nothing joins side by side as far as the widest reaches", () => {
    const { at, layout } = graph("a>b a>c a>d e>f g>h i>j k>l", ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "lone"]);
    expect(layout.width).toBe(340);
    expect(at("e").y).toBeGreaterThan(at("b").y + box.height);
    expect([at("e").y, at("g").y, at("i").y]).toEqual([at("e").y, at("e").y, at("e").y]);
    expect(at("k").y).toBeGreaterThan(at("f").y + box.height);
    expect(at("lone").y).toBeGreaterThan(at("l").y + box.height);
    expect(layout.edges.every((edge) => edge.length >= 2)).toBe(true);
  });

  it("lays a cycle out, too, and a cell that reads itself", () => {
    const { at, layout } = graph("a>b b>c c>a c>c");
    expect(new Set(["a", "b", "c"].map((id) => at(id).y)).size).toBe(3);
    expect(layout.edges[2]).not.toHaveLength(0);
    expect(layout.edges[3]).toHaveLength(0);
  });

  it("takes a long chain and an empty graph", () => {
    const chain = Array.from({ length: 2000 }, (_, i) => `n${i}>n${i + 1}`).join(" ");
    expect(graph(chain).layout.nodes.size).toBe(2001);
    expect(graph("").layout).toMatchObject({ width: 0, height: 0 });
  });
});
