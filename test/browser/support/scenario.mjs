import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { NotebookPage } from "./notebook-page.mjs";
import { call, origin, patience, withToken } from "./service.mjs";
import { Watch } from "./watch.mjs";

/** Where pictures go; git ignores it. */
export const artifacts = fileURLToPath(new URL("../../artifacts/", import.meta.url));

const flags = [
  "--no-sandbox", // the tests may run as root, in a container
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A whole scenario may take so long; each wait in it is bounded on its own. */
const scenarioLimit = 4 * patience;

/**
 * What a scenario works with.
 *
 * @typedef {object} Parts
 * @property {import("playwright-core").BrowserContext} context with nobody signed in
 * @property {Watch} watch
 * @property {(path?: string) => Promise<import("playwright-core").Page>} visit opens a page of
 *   ours in a new tab, signed in, and waits for nothing but its document
 * @property {(cells?: (string | {kind: string, source: string})[], name?: string) => Promise<string>} notebook
 *   makes a notebook by the API and returns its id; a string is a Python cell
 * @property {(id: string) => Promise<NotebookPage>} open opens a notebook's page, signed in, and waits until its cells are there
 */

/**
 * Starts one browser for the scenarios of a file, with a profile directory of
 * its own, and returns what declares a scenario: a test with a fresh context
 * that fails if anything went wrong in its pages, whatever it asserts itself.
 * What it made on the service is deleted after it.
 *
 * @returns {(name: string, run: (parts: Parts) => Promise<void>, options?: import("playwright-core").BrowserContextOptions & {skip?: string | false, hosts?: string[]}) => void}
 */
export function scenarios() {
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    await mkdir(artifacts, { recursive: true });
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      headless: true,
      args: flags,
      timeout: patience,
    });
  });
  after(() => browser?.close());

  return (name, run, { skip = false, hosts = [], ...contextOptions } = {}) => {
    test(name, { timeout: scenarioLimit, skip }, async () => {
      const watch = new Watch([new URL(origin).host, ...hosts]);
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...contextOptions });
      context.setDefaultTimeout(patience);
      await watch.attach(context);
      const made = new Set();
      context.on("response", (response) => {
        const location = response.request().method() === "POST" && response.status() === 201 && response.headers().location;
        const id = location && /^\/api\/notebooks\/([^/]+)$/.exec(new URL(location, origin).pathname)?.[1];
        if (id) made.add(id);
      });
      const visit = async (path = "/") => {
        const page = await context.newPage();
        await page.goto(withToken(path));
        return page;
      };
      try {
        await run({
          context,
          watch,
          visit,
          async notebook(cells = [], title = name) {
            const { status, body } = await call("POST", "/api/notebooks", {
              name: title,
              cells: cells.map((cell) => (typeof cell === "string" ? { kind: "python", source: cell } : cell)),
            });
            if (status !== 201) throw new Error(`make a notebook: ${status} ${JSON.stringify(body)}`);
            made.add(body.id);
            return body.id;
          },
          async open(id) {
            const notebook = new NotebookPage(await visit(`/notebooks/${id}`));
            await notebook.ready();
            return notebook;
          },
        });
        if (watch.problems.length > 0) throw new Error("something went wrong in the pages, beside what was asserted");
      } catch (error) {
        await record(context, name);
        if (watch.problems.length > 0) error.message += `\nseen in the pages:\n  ${watch.problems.join("\n  ")}`;
        throw error;
      } finally {
        await context.close();
        for (const id of made) await call("DELETE", `/api/notebooks/${id}`).catch(() => undefined);
      }
    });
  };
}

/** Keeps what the pages of a failed scenario showed. */
async function record(context, name) {
  const file = name.replace(/[^a-z0-9]+/gi, "-").slice(0, 60).toLowerCase();
  for (const [index, page] of context.pages().entries()) {
    await page
      .screenshot({ path: `${artifacts}failed-${file}-${index + 1}.png`, timeout: 10_000 })
      .catch(() => undefined); // what failed is told anyway
  }
}
