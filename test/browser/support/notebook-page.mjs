import assert from "node:assert/strict";
import { eventually } from "./eventually.mjs";

/** A notebook's page as a person works with it. Cells are named by their number on the page, from 1. */
export class NotebookPage {
  /** @param {import("playwright-core").Page} page */
  constructor(page) {
    this.page = page;
  }

  /** Waits until the notebook's cells are shown and the page hears of changes. */
  async ready() {
    await this.page.locator('[data-ready="true"]').waitFor();
    await this.page.locator('[data-testid="kernel-status"][data-connection="open"]').waitFor();
  }

  get id() {
    return /\/notebooks\/([^/?#]+)/.exec(this.page.url())?.[1] ?? "";
  }

  cells() {
    return this.page.locator("article.cell");
  }

  cell(number) {
    return this.cells().nth(number - 1);
  }

  /** Puts the cursor into a cell's editor. */
  async edit(number) {
    const editor = this.cell(number).locator(".monaco-editor").first();
    await editor.waitFor();
    await editor.locator(".view-lines").click();
    await this.cell(number).locator(".monaco-editor.focused").waitFor();
  }

  /** Types over what a cell holds, key by key. */
  async type(number, source) {
    await this.edit(number);
    await this.page.keyboard.press("Control+a");
    await this.page.keyboard.type(source, { delay: 5 });
    await this.shows(number, source);
  }

  /** Pastes over what a cell holds, as for anything longer. */
  async paste(number, source) {
    await this.edit(number);
    await this.page.keyboard.press("Control+a");
    await this.page.keyboard.insertText(source);
    await this.shows(number, source.split("\n")[0]);
  }

  /** Waits until a cell's editor shows a text. */
  async shows(number, text) {
    await eventually(async () => assert.ok((await this.source(number)).includes(text), `cell ${number} does not show ${JSON.stringify(text)} but ${JSON.stringify(await this.source(number))}`));
  }

  /** What a cell's editor shows, one line per line. */
  async source(number) {
    const lines = await this.cell(number).locator(".view-line").evaluateAll((elements) =>
      elements
        .map((element) => ({ top: parseFloat(element.style.top) || 0, text: element.textContent.replaceAll("\u00a0", " ") }))
        .sort((a, b) => a.top - b.top)
        .map((line) => line.text),
    );
    return lines.join("\n");
  }

  /** Runs the cell that has the cursor and goes on to the next, which is made if there is none. */
  async runAndGoOn() {
    await this.page.keyboard.press("Shift+Enter");
  }

  /** Runs the cell that has the cursor. */
  async runHere() {
    await this.page.keyboard.press("Control+Enter");
  }

  /** Waits until a cell has a status of the API, such as "ok". */
  async becomes(number, status) {
    const cell = this.cell(number);
    try {
      await cell.and(this.page.locator(`[data-status="${status}"]`)).waitFor();
    } catch (error) {
      const now = await cell.getAttribute("data-status").catch(() => "gone");
      const text = await cell.locator(".cell-outputs").innerText({ timeout: 1000 }).catch(() => "");
      throw new Error(`cell ${number} is ${now}, not ${status}; its output: ${text.slice(0, 1000)}`, { cause: error });
    }
  }

  output(number) {
    return this.cell(number).locator(".cell-outputs");
  }

  /** Waits until a cell's outputs hold a text, or match a pattern. */
  async says(number, expected) {
    return eventually(async () => {
      // Far from the screen nothing is laid out, and there is no text that one could see.
      await this.output(number).scrollIntoViewIfNeeded({ timeout: 5000 });
      const said = await this.output(number).innerText({ timeout: 5000 });
      const held = typeof expected === "string" ? said.includes(expected) : expected.test(said);
      assert.ok(held, `cell ${number} does not say ${expected} but:\n${said.slice(-1000)}`);
      return said;
    });
  }

  /** Waits for a figure that Plotly has drawn in a cell, and returns what is in it. */
  async plot(number) {
    const plot = this.output(number).locator('.js-plotly-plot[data-drawn="true"]');
    // Far from the screen it is not drawn.
    await eventually(async () => {
      await this.cell(number).scrollIntoViewIfNeeded({ timeout: 5000 });
      await plot.waitFor({ timeout: 2000 });
    });
    return {
      locator: plot,
      /** How many marks are drawn: bars, points, lines. */
      marks: () => plot.locator("svg .trace path, svg .trace rect").count(),
      /** The y values of the first trace, as Plotly holds them. */
      values: () => plot.evaluate((element) => Array.from(element._fullData?.[0]?.y ?? element.data?.[0]?.y ?? [])),
      title: () => plot.locator("svg .gtitle").textContent({ timeout: 10_000 }),
    };
  }

  /** Opens the menu of a cell and chooses an entry. */
  async choose(number, entry) {
    await this.cell(number).hover();
    await this.page.getByRole("button", { name: `More for cell ${number}`, exact: true }).click();
    await this.page.getByRole("menuitem", { name: entry }).click();
  }

  interruptButton() {
    return this.page.getByRole("toolbar", { name: "Notebook" }).getByRole("button", { name: "Interrupt" });
  }
}
