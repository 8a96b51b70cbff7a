import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../api/error.ts";
import type { Frame } from "../api/types.ts";
import { cell, FakeSocket, snapshot } from "../test/builders.ts";
import { type Connection, NotebookSocket } from "./socket.ts";

function setup(probe: () => Promise<unknown> = () => Promise.resolve()) {
  const connections: Connection[] = [];
  const frames: Frame[] = [];
  const socket = new NotebookSocket({
    url: (place) => (place ? `ws://x?epoch=${place.epoch}&after=${place.after}` : "ws://x"),
    onFrames: (received) => frames.push(...received),
    onConnection: (connection) => connections.push(connection),
    probe,
    createSocket: FakeSocket.create,
    random: () => 1,
  });
  return { socket, connections, frames };
}

beforeEach(() => {
  FakeSocket.opened.length = 0;
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("NotebookSocket", () => {
  it("is open with the snapshot, and hands every message on", () => {
    const { socket, connections, frames } = setup();
    socket.start();
    FakeSocket.last().open();
    expect(connections.at(-1)).toEqual({ kind: "connecting" });
    FakeSocket.last().send(snapshot([cell({ id: "a" })]), { type: "cell.cleared", seq: 11, cell_id: "a" });
    expect(connections.at(-1)).toEqual({ kind: "open" });
    expect(frames.map((frame) => frame.type)).toEqual(["snapshot", "cell.cleared"]);
  });

  it("ignores what is not a message of the protocol", () => {
    const { socket, frames } = setup();
    socket.start();
    FakeSocket.last().onmessage?.({ data: "{" });
    FakeSocket.last().onmessage?.({ data: new Blob() });
    FakeSocket.last().send({ type: "reply", ok: true }, 7);
    expect(frames).toEqual([]);
  });

  it("resumes where the stream broke, after growing pauses", async () => {
    const { socket, connections } = setup();
    socket.start();
    FakeSocket.last().open();
    FakeSocket.last().send(snapshot([]));
    socket.setPlace("e1", 17);
    FakeSocket.last().breakOff(1006);
    expect(connections.at(-1)).toMatchObject({ kind: "waiting", attempt: 1 });
    await vi.advanceTimersByTimeAsync(400);
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last().url).toBe("ws://x?epoch=e1&after=17");
    FakeSocket.last().breakOff(1006);
    await vi.advanceTimersByTimeAsync(400);
    expect(FakeSocket.opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(400);
    expect(FakeSocket.opened).toHaveLength(3);
  });

  it.each([1001, 4408])("reconnects at once after close code %i", (code) => {
    const { socket } = setup();
    socket.start();
    FakeSocket.last().open();
    FakeSocket.last().send(snapshot([]));
    FakeSocket.last().breakOff(code);
    expect(FakeSocket.opened).toHaveLength(2);
    FakeSocket.last().breakOff(code);
    expect(FakeSocket.opened).toHaveLength(2);
  });

  it("ends when the notebook is deleted", async () => {
    const { socket, connections } = setup();
    socket.start();
    FakeSocket.last().open();
    FakeSocket.last().breakOff(4410);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connections.at(-1)).toEqual({ kind: "deleted" });
    expect(FakeSocket.opened).toHaveLength(1);
  });

  it("asks for a sign-in when the token is revoked", () => {
    const probe = vi.fn(() => Promise.reject(new ApiError(401, "Unauthorized")));
    const { socket, connections } = setup(probe);
    socket.start();
    FakeSocket.last().open();
    FakeSocket.last().breakOff(4401);
    expect(connections.at(-1)).toEqual({ kind: "signed-out" });
    expect(probe).toHaveBeenCalled();
    socket.wake();
    expect(FakeSocket.opened).toHaveLength(2);
  });

  it.each([
    [401, "signed-out"],
    [404, "missing"],
    [0, "waiting"],
    [503, "waiting"],
  ])("finds out over HTTP why a handshake failed: %i is %s", async (status, kind) => {
    const { socket, connections } = setup(() => Promise.reject(new ApiError(status, "no")));
    socket.start();
    FakeSocket.last().breakOff(1006);
    await vi.advanceTimersByTimeAsync(0);
    expect(connections.at(-1)?.kind).toBe(kind);
  });

  it("gives up on a handshake that hangs", async () => {
    const { socket, connections } = setup();
    socket.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.opened[0]?.closed).toBe(true);
    expect(connections.at(-1)?.kind).toBe("waiting");
  });

  it("begins again without a place when events are missing", () => {
    const { socket } = setup();
    socket.start();
    socket.setPlace("e1", 5);
    socket.resync();
    expect(FakeSocket.opened[0]?.closed).toBe(true);
    expect(FakeSocket.last().url).toBe("ws://x");
  });

  it("does nothing more once stopped", async () => {
    const { socket } = setup();
    socket.start();
    const first = FakeSocket.last();
    const closing = first.onclose;
    socket.stop();
    closing?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.opened).toHaveLength(1);
  });
});
