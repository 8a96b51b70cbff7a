import assert from "node:assert/strict";
import { requireAccessible } from "./support/accessibility.mjs";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call, origin, token } from "./support/service.mjs";

const scenario = scenarios();

/** Judges what a page shows in light and in dark colours. */
async function inBothColours(page, state, part) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    await eventually(async () => {
      const { dark, editors } = await page.evaluate(() => ({
        dark: matchMedia("(prefers-color-scheme: dark)").matches,
        // They follow the page a moment later.
        editors: [...document.querySelectorAll(".code-editor > .monaco-editor")].map((editor) => editor.classList.contains("vs-dark")),
      }));
      assert.equal(dark, colorScheme === "dark");
      assert.ok(editors.every((each) => each === dark), "an editor has the other colours");
    });
    await requireAccessible(page, `${state}, ${colorScheme}`, part);
  }
}

const everyOutput = [
  { kind: "markdown", source: "# Results\n\nA [link](https://example.org), `code`, $\\sum_i x_i$ and\n\n| a | b |\n|---|---|\n| 1 | 2 |" },
  "import pandas as pd, sys\nframe = pd.DataFrame({'n': range(120), 'word': ['x'] * 120}, index=[f'r{i}' for i in range(120)])\nframe",
  "print('\\x1b[31mred\\x1b[0m \\x1b[32mgreen\\x1b[33m yellow \\x1b[34mblue \\x1b[35mmagenta \\x1b[36mcyan \\x1b[0m\\x1b[2mdim\\x1b[0m \\x1b[7minverse\\x1b[0m'); print('warned', file=sys.stderr)",
  "class _Json:\n    def _repr_json_(self):\n        return {'a': [1, 'two', None, True], 'b': {}}\n_Json()",
  "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=['a'], y=[1]))",
  "class _Html:\n    def _repr_html_(self):\n        return '<b>bold</b>'\n_Html()",
  "def broken(n):\n    return 1 / n",
  "bad = broken(0)",
  "bad + 1",
  "twice = 1",
  "twice = 2",
];

scenario("every state of a notebook's page is accessible, in light and in dark", async ({ notebook, visit }) => {
  const id = await notebook(everyOutput, "For everybody");
  await call("POST", `/api/notebooks/${id}/run?wait=60`, {});
  const page = await visit(`/notebooks/${id}`);
  const open = new NotebookPage(page);
  await open.ready();
  for (const number of [8, 5, 2]) await open.cell(number).scrollIntoViewIfNeeded();
  await open.output(8).getByText("Traceback", { exact: true }).click();
  await open.cell(1).locator(".math math").first().waitFor();
  await inBothColours(page, "a notebook with every output");

  await page.evaluate(() => scrollTo(0, 0));
  for (const panel of ["Outline", "Variables", "Graph"]) {
    const button = page.getByRole("toolbar", { name: "Notebook" }).getByRole("button", { name: panel, exact: true });
    await button.click();
    await inBothColours(page, `the panel ${panel}`, ".panel");
    await button.click();
  }
  await open.cell(2).hover();
  await page.getByRole("button", { name: "More for cell 2", exact: true }).click();
  await inBothColours(page, "a cell's menu", "[role=menu]");
  await page.keyboard.press("Escape");
  await open.cell(2).focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await inBothColours(page, "the help", "dialog");
  await page.keyboard.press("Escape");
});

scenario("the list, its dialogs and the pages that are not there are accessible, in light and in dark", async ({ notebook, visit, watch, context }) => {
  watch.expect(/404|401/);
  await notebook([], "One");
  const page = await visit("/");
  await page.getByRole("link", { name: "One" }).waitFor();
  await inBothColours(page, "the list");
  await page.getByRole("button", { name: "Actions for One" }).click();
  await inBothColours(page, "a notebook's menu", "[role=menu]");
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("dialog").waitFor();
  await inBothColours(page, "the question before a deletion", "dialog");
  await page.goto(`${origin}/no/such/page`);
  await page.getByTestId("not-found").waitFor();
  await inBothColours(page, "an address that leads nowhere");
  await page.goto(`${origin}/notebooks/00000000-0000-7000-8000-000000000000`);
  await page.getByTestId("notebook-missing").waitFor();
  await inBothColours(page, "a notebook that is gone");
  if (token !== "") {
    await context.clearCookies();
    await page.goto(origin);
    await page.getByTestId("sign-in").waitFor();
    await inBothColours(page, "the sign-in");
  }
});

scenario("the keyboard leads through a notebook in the order of the page, and out of every editor", async ({ notebook, open }) => {
  const page = await open(await notebook(["1 + 1", "2 + 2"]));
  await page.cell(1).locator(".monaco-editor").waitFor();
  await page.page.evaluate(() => document.activeElement?.blur());
  await page.page.evaluate(() => {
    // What is on the focused element or around it looks otherwise than without the focus.
    const look = (element) =>
      [element, element.querySelector(".cell-body"), element.parentElement]
        .filter((each) => each !== null)
        .map((each) => (({ outline, boxShadow, borderColor, backgroundColor }) => `${outline} ${boxShadow} ${borderColor} ${backgroundColor}`)(getComputedStyle(each)))
        .join(";");
    let last = null;
    globalThis.stop = () => {
      const hidden = last !== null && look(last.element) === last.look ? last.name : null;
      const element = document.activeElement;
      const { top, left, width, height } = element.getBoundingClientRect();
      const name = element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40);
      last = { element, name, look: look(element) };
      return { name, hidden, cell: element.matches("article.cell"), top: Math.round(top), left: Math.round(left), size: Math.min(width, height), bar: element.closest(".toolbar, header") !== null };
    };
  });
  const seen = [];
  while (seen.length < 40 && !seen.at(-2)?.cell) {
    await page.page.keyboard.press("Tab");
    await page.page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))));
    seen.push(await page.page.evaluate(() => globalThis.stop()));
  }
  assert.equal(seen.at(-2)?.name, "Cell 1, Python", `Tab went to ${seen.map(({ name }) => name).join(", ")}`);
  for (const { name, size, hidden } of seen) {
    assert.ok(size > 0, `${name} has the focus and can't be seen`);
    assert.equal(hidden, null, "has the focus and does not show it");
  }
  await page.page.keyboard.press("Shift+Tab");
  const bar = seen.filter((stop) => stop.bar);
  assert.ok(bar.length > 5);
  for (const [index, stop] of bar.entries()) {
    const before = bar[index - 1];
    if (before) assert.ok(stop.top > before.top + 8 || stop.left >= before.left, `${stop.name} comes after ${before.name} and is before it on the page`);
  }

  await page.page.keyboard.press("Enter");
  await page.cell(1).locator(".monaco-editor.focused").waitFor();
  await page.page.keyboard.press("Escape");
  await eventually(async () => assert.equal(await page.page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Cell 1, Python"));
  await page.page.keyboard.press("ArrowDown");
  await eventually(async () => assert.equal(await page.page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Cell 2, Python"));

  // What the keys brought about is told without being looked at.
  const told = page.page.getByTestId("run-announcement");
  assert.equal(await told.getAttribute("aria-live"), "polite");
  await page.page.keyboard.press("Control+Enter");
  await page.becomes(2, "ok");
  await eventually(async () => assert.notEqual((await told.textContent()).trim(), ""));
});
