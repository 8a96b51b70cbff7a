import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** WCAG 2.2 at the levels A and AA, with what it took over from 2.0 and 2.1. */
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

/**
 * Fails with every breach of WCAG 2.2 AA that axe finds in a page as it stands.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} state what the page shows, for the message
 * @param {string} [part] a selector of what is judged, if not all of it
 */
export async function requireAccessible(page, state, part = "body") {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  // What moves is judged where it comes to rest.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished.catch(() => undefined))));
  const found = await page.evaluate(async ({ tags, part }) => {
    // A frame for HTML of a cell is the cell's own, and Plotly draws what the cell asks for.
    const { violations } = await globalThis.axe.run({ include: [[part]], exclude: [[".html-output"], [".js-plotly-plot"]] }, { runOnly: tags, resultTypes: ["violations"], iframes: false });
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}\n    ${html.slice(0, 300)}\n    ${failureSummary?.replaceAll("\n", "\n    ")}`));
  }, { tags: rules, part });
  if (found.length > 0) throw new Error(`${state}: ${found.length} breaches of WCAG 2.2 AA\n  ${found.join("\n  ")}`);
}
