import katex from "katex";
import "katex/dist/katex.min.css";

/**
 * Draws the formulas that `renderMarkdown` left in a text. A formula comes from
 * a cell, so it may make no links, load nothing and grow only so far; one that
 * is wrong is shown as it was written.
 */
export function drawMath(text: ParentNode): void {
  for (const formula of text.querySelectorAll<HTMLElement>(".math")) {
    katex.render(formula.textContent, formula, {
      displayMode: formula.classList.contains("math-display"),
      throwOnError: false,
      errorColor: "var(--bad)",
      strict: "ignore",
      trust: false,
      maxSize: 40,
      maxExpand: 500,
    });
  }
}
