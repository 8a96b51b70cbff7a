import { describe, expect, it } from "vitest";
import { hasMath, renderMarkdown } from "./markdown.ts";
import { drawMath } from "./math.ts";

function drawn(source: string): HTMLElement {
  const host = document.createElement("div");
  host.append(renderMarkdown(source));
  expect(hasMath(host)).toBe(true);
  drawMath(host);
  return host;
}

describe("drawMath", () => {
  it("draws a formula for eyes, and as MathML for what reads aloud", () => {
    const host = drawn("so $\\frac{a}{b}$, and\n\n$$\\sum_i x_i$$");
    expect(host.querySelectorAll(".katex-html")).toHaveLength(2);
    expect(host.querySelector("math mfrac")).not.toBeNull();
    expect(host.querySelectorAll(".katex-display")).toHaveLength(1);
  });

  it("shows a formula that is wrong as it was written", () => {
    expect(drawn("$\\frac{a$").textContent).toContain("\\frac{a");
  });

  it.each([
    ["a link", "$\\href{javascript:alert(1)}{x}$"],
    ["a picture", "$\\includegraphics{https://example.org/x.png}$"],
    ["attributes", "$\\htmlId{root}{x} \\htmlStyle{position:fixed}{x} \\htmlClass{toolbar}{x} \\htmlData{cell-id=x}{x}$"],
    ["HTML", "$\\text{<img src=x onerror=alert(1)>}$"],
    ["a macro without end", "$\\def\\x{\\x\\x}\\x$"],
  ])("makes nothing of %s", (_, source) => {
    const host = drawn(source);
    expect(host.querySelector("a, img, script, #root, .toolbar, [data-cell-id], [onerror], [style*=fixed]")).toBeNull();
  });

  it("lets no formula grow without bounds", () => {
    expect(drawn("$\\rule{9000em}{9000em}$").innerHTML).not.toContain("9000em;");
  });
});
