import { describe, expect, it } from "vitest";
import type { Frame, Notebook } from "../api/types.ts";
import { cell, snapshot } from "../test/builders.ts";
import recorded from "../test/recorded-stream.json";
import { isFrame, type NotebookState, reduce } from "./reducer.ts";

const frames = recorded.frames as unknown as Frame[];
const final = recorded.final as unknown as Notebook;

function replay(stream: readonly unknown[], from: NotebookState | null = null): NotebookState {
  let state = from;
  stream.forEach((frame, index) => {
    state = reduce(state, frame as Frame, 1000 + index);
  });
  if (state === null) throw new Error("the stream has no snapshot");
  return state;
}

/** What both the stream and a read of the notebook tell. */
function shown(cells: Notebook["cells"]) {
  return cells.map((each) => ({ ...each, started_at: "" }));
}

function inOrder(state: NotebookState): Notebook["cells"] {
  return state.order.flatMap((id) => state.cells[id] ?? []);
}

describe("a stream recorded from the service", () => {
  it("leads to what the service then says the notebook is", () => {
    const state = replay(frames);
    expect(state.lost).toBe(false);
    expect(state.name).toBe(final.name);
    expect(state.mode).toBe(final.mode);
    expect(state.version).toBe(final.version);
    expect(state.kernel).toEqual(final.kernel);
    expect(shown(inOrder(state))).toEqual(shown(final.cells));
    expect(state.run).toBeNull();
  });

  it("leads there too when it breaks and resumes after any event", () => {
    const whole = replay(frames);
    const numbered = frames.filter((frame) => frame.type !== "presence" && frame.type !== "snapshot");
    for (let cut = 0; cut <= numbered.length; cut++) {
      const before = replay([frames[0], ...numbered.slice(0, cut)]);
      const resumed = { type: "resumed", epoch: before.epoch, seq: before.seq };
      const after = replay([resumed, ...numbered.slice(cut)], before);
      expect(after.lost).toBe(false);
      expect(shown(Object.values(after.cells))).toEqual(shown(Object.values(whole.cells)));
    }
  });

  it("leads there too when every event comes twice", () => {
    const doubled = frames.flatMap((frame) => [frame, frame]);
    const state = replay(doubled);
    expect(state.lost).toBe(false);
    expect(shown(inOrder(state))).toEqual(shown(final.cells));
  });

  it("is known to be lost when any one event is missing, until a snapshot comes", () => {
    const numbered = frames.filter((frame) => frame.type !== "presence" && frame.type !== "snapshot");
    for (let gap = 0; gap < numbered.length - 1; gap++) {
      const state = replay([frames[0], ...numbered.filter((_, index) => index !== gap)]);
      expect(state.lost).toBe(true);
    }
    const lost = replay([frames[0], ...numbered.slice(1)]);
    expect(replay([{ ...(frames[0] as object), seq: 500 }], lost)).toMatchObject({ lost: false, seq: 500 });
  });
});

describe("a stream recorded from the service, out of order", () => {
  it("is known to be lost wherever two events change places, and goes on from the next snapshot", () => {
    const numbered = frames.filter((frame) => frame.type !== "presence" && frame.type !== "snapshot");
    for (let at = 0; at < numbered.length - 1; at++) {
      const swapped = [...numbered.slice(0, at), numbered[at + 1], numbered[at], ...numbered.slice(at + 2)];
      const state = replay([frames[0], ...swapped]);
      expect(state.lost).toBe(true);
      expect(state.seq, "nothing is applied past the gap").toBe((frames[0] as { seq: number }).seq + at);
      // The snapshot that the page then asks for; what comes late after it changes nothing.
      const whole = { type: "snapshot", epoch: state.epoch, seq: 10_000, notebook: final, clients: 1 };
      const healed = replay([whole, ...numbered.slice(at)], state);
      expect(healed.lost).toBe(false);
      expect(shown(inOrder(healed))).toEqual(shown(final.cells));
    }
  });
});

describe("reduce", () => {
  const base = () => replay([snapshot([cell({ id: "a" }), cell({ id: "b" }), cell({ id: "c" })])]);

  it("leaves the cells that an event does not touch as they are", () => {
    const state = base();
    const next = reduce(state, { type: "cell.cleared", seq: 11, cell_id: "a" }, 0);
    expect(next?.cells).toBe(state.cells);
    const written = reduce(
      state,
      { type: "cell.output", seq: 11, cell_id: "a", run_id: "r", output: { kind: "stream", stream: "stdout", text: "x" } },
      0,
    );
    expect(written?.cells.b).toBe(state.cells.b);
    expect(written?.cells.a).not.toBe(state.cells.a);
    expect(written?.order).toBe(state.order);
  });

  it("joins text of one stream and keeps the other stream apart", () => {
    const text = (seq: number, stream: "stdout" | "stderr", written: string) => ({
      type: "cell.output", seq, cell_id: "a", run_id: "r", output: { kind: "stream", stream, text: written },
    });
    const state = replay([text(11, "stdout", "a"), text(12, "stdout", "b"), text(13, "stderr", "!"), text(14, "stdout", "c")], base());
    expect(state.cells.a?.outputs).toEqual([
      { kind: "stream", stream: "stdout", text: "ab" },
      { kind: "stream", stream: "stderr", text: "!" },
      { kind: "stream", stream: "stdout", text: "c" },
    ]);
  });

  it.each([
    ["to the top", null, ["c", "a", "b"]],
    ["behind another", "a", ["a", "c", "b"]],
    ["behind itself, which is nowhere, to the end", "c", ["a", "b", "c"]],
    ["behind an unknown cell, to the end", "gone", ["a", "b", "c"]],
  ])("moves a cell %s", (_, after, order) => {
    const state = reduce(base(), { type: "cell.moved", seq: 11, cell_id: "c", after, version: 2 }, 0);
    expect(state?.order).toEqual(order);
  });

  it("keeps a cell's outputs when its source is updated", () => {
    const output = { kind: "stream", stream: "stdout", text: "kept" } as const;
    const start = replay([snapshot([cell({ id: "a", outputs: [output] })])]);
    const bare: Record<string, unknown> = { ...cell({ id: "a", source: "new", status: "stale" }) };
    delete bare.outputs;
    const state = reduce(start, { type: "cell.updated", seq: 11, cell: bare, version: 2 } as unknown as Frame, 0);
    expect(state?.cells.a).toMatchObject({ source: "new", status: "stale", outputs: [output] });
  });

  it("counts an event of an unknown type and otherwise ignores it", () => {
    const state = base();
    expect(reduce(state, { type: "cell.sparkled", seq: 11 } as unknown as Frame, 0)).toEqual({ ...state, seq: 11 });
  });

  it("asks for a snapshot when a resumed stream does not continue this one", () => {
    expect(reduce(base(), { type: "resumed", epoch: "e2", seq: 10 }, 0)?.lost).toBe(true);
    expect(reduce(base(), { type: "resumed", epoch: "e1", seq: 9 }, 0)?.lost).toBe(true);
  });

  it("ignores events before the first snapshot", () => {
    expect(reduce(null, { type: "cell.cleared", seq: 1, cell_id: "a" }, 0)).toBeNull();
  });

  it("tells how far a run is, and that it grows when another joins it", () => {
    const status = (seq: number, id: string, to: string) => ({
      type: "cell.status", seq, cell_id: id, run_id: "r", status: to, error: null, blocked_by: [], execution_count: 1, duration_ms: 1,
    });
    let state = replay(
      [{ type: "run.started", seq: 11, run_id: "r", cells: ["a", "b"], reasons: { a: { because: "requested" }, b: { because: "input", cell_id: "a", names: ["x"] } } },
        status(12, "a", "running"), status(13, "a", "ok"), status(14, "c", "queued")],
      base(),
    );
    expect(state.run?.cells).toEqual(["a", "b", "c"]);
    expect([...(state.run?.finished ?? [])]).toEqual(["a"]);
    expect(state.reasons.b?.reason).toEqual({ because: "input", cell_id: "a", names: ["x"] });
    state = replay([{ type: "run.finished", seq: 15, run_id: "r", status: "ok", duration_ms: 5 }], state);
    expect(state.run).toBeNull();
    expect(state.lastRun).toEqual({ id: "r", status: "ok", durationMs: 5, cells: 3 });
  });

  it("knows of a run that was under way before this page was opened", () => {
    const state = replay([snapshot([cell({ id: "a", status: "running" }), cell({ id: "b", status: "queued" })])]);
    expect(state.run?.cells).toEqual(["a", "b"]);
    expect(replay([{ type: "run.finished", seq: 11, run_id: "r", status: "ok", duration_ms: 5 }], state).run).toBeNull();
  });
});

describe("isFrame", () => {
  it.each([[null], ["text"], [{ type: 1, seq: 1 }], [{ type: "cell.cleared" }], [{ seq: 3 }]])("refuses %j", (value) => {
    expect(isFrame(value)).toBe(false);
  });

  it("takes presence without a number", () => {
    expect(isFrame({ type: "presence", clients: 2 })).toBe(true);
  });
});
