import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Versioned } from "../api/client.ts";
import { ApiError } from "../api/error.ts";
import type { Cell, Notebook } from "../api/types.ts";
import { cell, notebook } from "../test/builders.ts";
import { Drafts } from "./drafts.ts";

/** A service of one notebook that honours If-Match, with saves held until released. */
class Service {
  version = 1;
  source = "x = 1";
  saves: string[] = [];
  held = false;
  failure: ApiError | null = null;
  #release: (() => void)[] = [];

  save = async (id: string, text: string, ifMatch: number | undefined): Promise<Versioned<Cell>> => {
    if (this.held) await new Promise<void>((resolve) => this.#release.push(resolve));
    if (this.failure) throw this.failure;
    if (ifMatch !== undefined && ifMatch !== this.version) throw new ApiError(412, "Precondition Failed");
    this.saves.push(text);
    this.change(text);
    return { value: cell({ id, source: text }), version: this.version };
  };

  latest = (): Promise<Notebook> =>
    Promise.resolve(notebook([cell({ id: "a", source: this.source })], { version: this.version }));

  change(text: string): void {
    this.source = text;
    this.version += 1;
  }

  release(): void {
    for (const go of this.#release.splice(0)) go();
  }
}

function setup() {
  const service = new Service();
  const drafts = new Drafts({ save: service.save, latest: service.latest, onChange: () => undefined });
  drafts.observe("a", service.source, service.version);
  drafts.observeVersion(service.version);
  return { service, drafts };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("Drafts", () => {
  it("saves once the typing pauses", async () => {
    const { service, drafts } = setup();
    for (const text of ["x = 2", "x = 23", "x = 234"]) {
      drafts.edit("a", text);
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(service.saves).toEqual([]);
    expect(drafts.get("a")?.state).toBe("dirty");
    await vi.advanceTimersByTimeAsync(100);
    expect(service.saves).toEqual(["x = 234"]);
    expect(drafts.get("a")).toBeUndefined();
    expect(drafts.text("a")).toBe("x = 234");
  });

  it("keeps what is typed while a save is under way, and saves it after", async () => {
    const { service, drafts } = setup();
    service.held = true;
    drafts.edit("a", "x = 2");
    await vi.advanceTimersByTimeAsync(400);
    drafts.edit("a", "x = 2; y");
    service.release();
    await settle();
    drafts.observe("a", "x = 2", 2);
    expect(drafts.text("a")).toBe("x = 2; y");
    service.held = false;
    await vi.advanceTimersByTimeAsync(400);
    expect(service.saves).toEqual(["x = 2", "x = 2; y"]);
    expect(drafts.get("a")).toBeUndefined();
  });

  it("takes no echo of its own save for a change of another, in whatever order they come", async () => {
    const { drafts } = setup();
    drafts.edit("a", "one");
    await drafts.flush();
    drafts.edit("a", "two");
    await drafts.flush();
    drafts.observe("a", "one", 2);
    expect(drafts.text("a")).toBe("two");
    drafts.edit("a", "three");
    drafts.observe("a", "two", 3);
    expect(drafts.get("a")?.state).toBe("dirty");
    expect(drafts.text("a")).toBe("three");
  });

  it("shows the change of another where nobody is typing here", () => {
    const { drafts } = setup();
    drafts.observe("a", "theirs", 2);
    expect(drafts.text("a")).toBe("theirs");
    expect(drafts.get("a")).toBeUndefined();
  });

  it("makes a conflict of a change by another to a text that is not saved, and lets choose mine", async () => {
    const { service, drafts } = setup();
    drafts.edit("a", "mine");
    service.change("theirs");
    drafts.observe("a", "theirs", service.version);
    drafts.observeVersion(service.version);
    expect(drafts.get("a")).toMatchObject({ state: "conflict", text: "mine", theirs: "theirs" });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(service.source).toBe("theirs");
    await expect(drafts.flush()).rejects.toThrow("changed elsewhere");
    drafts.resolve("a", "mine");
    await settle();
    expect(service.source).toBe("mine");
    expect(drafts.get("a")).toBeUndefined();
  });

  it("lets choose theirs", () => {
    const { drafts } = setup();
    drafts.edit("a", "mine");
    drafts.observe("a", "theirs", 2);
    drafts.resolve("a", "theirs");
    expect(drafts.text("a")).toBe("theirs");
    expect(drafts.get("a")).toBeUndefined();
  });

  it("finds a conflict at the save when the event of it never came", async () => {
    const { service, drafts } = setup();
    drafts.edit("a", "mine");
    service.change("theirs");
    await vi.advanceTimersByTimeAsync(400);
    expect(service.source).toBe("theirs");
    expect(drafts.get("a")).toMatchObject({ state: "conflict", text: "mine", theirs: "theirs" });
  });

  it("is not held up by changes elsewhere in the notebook", async () => {
    const { service, drafts } = setup();
    drafts.edit("a", "mine");
    service.version += 3;
    await vi.advanceTimersByTimeAsync(400);
    expect(service.source).toBe("mine");
    expect(drafts.get("a")).toBeUndefined();
  });

  it("keeps the text while the service can't be reached, and saves it by itself when it can", async () => {
    const { service, drafts } = setup();
    service.failure = new ApiError(0, "The service can't be reached.");
    drafts.edit("a", "x = 2");
    await vi.advanceTimersByTimeAsync(400);
    expect(drafts.get("a")).toMatchObject({ state: "failed", text: "x = 2" });
    await expect(drafts.flush()).rejects.toThrow("can't be reached");
    service.failure = null;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(service.source).toBe("x = 2");
    expect(drafts.get("a")).toBeUndefined();
  });

  it("does not repeat by itself what the service will never take", async () => {
    const { service, drafts } = setup();
    service.failure = new ApiError(413, "Too large");
    drafts.edit("a", "x = 2");
    await vi.advanceTimersByTimeAsync(400);
    service.failure = null;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(service.saves).toEqual([]);
    drafts.edit("a", "x = 3");
    await vi.advanceTimersByTimeAsync(400);
    expect(service.saves).toEqual(["x = 3"]);
  });

  it("needs no save for text that was typed and taken back", async () => {
    const { service, drafts } = setup();
    drafts.edit("a", "x = 12");
    drafts.edit("a", "x = 1");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.saves).toEqual([]);
    expect(drafts.get("a")).toBeUndefined();
  });

  it("drops the draft with its cell", async () => {
    const { service, drafts } = setup();
    drafts.edit("a", "x = 2");
    drafts.forget("a");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(service.saves).toEqual([]);
    expect(drafts.text("a")).toBeUndefined();
  });

  it("takes up a draft of a former visit: saved if nothing changed, else a conflict", async () => {
    const { service, drafts } = setup();
    drafts.restore("a", "x = 1", "x = 9");
    await settle();
    expect(service.source).toBe("x = 9");
    drafts.restore("a", "another base", "x = 10");
    expect(drafts.get("a")).toMatchObject({ state: "conflict", text: "x = 10", theirs: "x = 9" });
  });
});
