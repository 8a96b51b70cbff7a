import { describe, expect, it } from "vitest";
import { cssColour, Terminal, terminalLines } from "./terminal.ts";

const plain = (text: string) => terminalLines(text).map((line) => line.map((segment) => segment.text).join(""));

describe("Terminal", () => {
  it("draws a progress bar over itself", () => {
    expect(plain("  0%|   |\r 50%|██ |\r100%|███|\ndone\n")).toEqual(["100%|███|", "done", ""]);
  });

  it("leaves what a shorter text after a carriage return does not cover", () => {
    expect(plain("12345\rab")).toEqual(["ab345"]);
    expect(plain("12345\rab\u001b[K")).toEqual(["ab"]);
  });

  it("moves up to redraw an earlier line, as nested progress bars do", () => {
    expect(plain("outer 0\ninner 0\u001b[A\router 1\ninner 1")).toEqual(["outer 1", "inner 1"]);
  });

  it("goes back over a character", () => {
    expect(plain("ab\bc")).toEqual(["ac"]);
  });

  it("colours text until told otherwise", () => {
    const [line] = terminalLines("\u001b[1;31mred\u001b[0m plain \u001b[38;5;208morange\u001b[39;48;2;1;2;3mback");
    expect(line?.map((segment) => [segment.text, segment.style?.fg ?? null, segment.style?.bg ?? null, segment.style?.bold ?? false])).toEqual([
      ["red", 1, null, true],
      [" plain ", null, null, false],
      ["orange", 208, null, false],
      ["back", null, "#010203", false],
    ]);
  });

  it("shows the same of text in one piece as of text cut anywhere", () => {
    const text = "\u001b[32mok\u001b[0m\r\n 10%\r 20%\u001b[K\n\u001b]8;;https://example.org\u001b\\link\u001b]8;;\u001b\\\u001b[1A!\u001b[B?\n";
    const whole = terminalLines(text);
    for (let cut = 0; cut <= text.length; cut++) {
      const terminal = new Terminal();
      terminal.write(text.slice(0, cut));
      expect(terminal.lines.length).toBeGreaterThan(0); // reading in between changes nothing
      terminal.write(text.slice(cut));
      expect(terminal.lines).toEqual(whole);
    }
  });

  it("leaves of a link only what it is called", () => {
    expect(plain("\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007")).toEqual(["click"]);
  });

  it("bounds a line that never ends", () => {
    const [line] = plain("x".repeat(1_000_000));
    expect(line?.length).toBe(20_000);
  });

  it("is not led astray by absurd numbers", () => {
    expect(plain("a\u001b[999999999C\u001b[38;5;9999mb").length).toBe(1);
    expect(plain("a\u001b[99999999999999999999Ab")).toEqual(["ab"]);
  });

  it("keeps the lines that later text does not touch", () => {
    const terminal = new Terminal();
    terminal.write("one\ntwo\n");
    const first = terminal.lines[0];
    terminal.write("three\n");
    expect(terminal.lines[0]).toBe(first);
  });
});

describe("cssColour", () => {
  it.each([
    [1, "var(--ansi-1)"],
    [16, "rgb(0 0 0)"],
    [196, "rgb(255 0 0)"],
    [244, "rgb(128 128 128)"],
    ["#010203", "#010203"],
  ])("turns %s into %s", (colour, css) => {
    expect(cssColour(colour)).toBe(css);
  });
});
