// Measures the page in headless Chromium: what a first visit loads, how soon it
// can be used, and what the main thread does for a key in a long notebook.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { keyWork } from "./trace.mjs";

const { chromium } = createRequire(`${process.env.BROWSER_MODULES}/`)("playwright-core");

const visits = 5; // of each page; the table shows their median
const cells = 300;
const keys = 120;

const print = (result) => console.log(JSON.stringify(result));
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const percentile = (values, p) => values.toSorted((a, b) => a - b)[Math.ceil((values.length * p) / 100) - 1];

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts the service with notebooks in memory, and returns its origin and what ends it. */
async function startService() {
  const address = `127.0.0.1:${await freePort()}`;
  const service = spawn(process.env.NOTEBOOK, ["serve"], {
    env: { ...process.env, ADDR: address, STORE_URL: "memory:", LOG_LEVEL: "warn" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = once(service, "exit");
  for (const end = Date.now() + 60_000; ; await pause(50)) {
    const ready = await fetch(`http://${address}/ready`).then((answer) => answer.ok, () => false);
    if (ready) break;
    if (Date.now() > end || service.exitCode !== null) throw new Error("the service did not start");
  }
  const stop = async () => {
    service.kill("SIGTERM");
    await ended;
  };
  return { origin: `http://${address}`, stop };
}

/** Numbers, texts and tables, as a long notebook has them, with the results of a run. */
async function makeNotebook(origin) {
  const post = async (path, body) => {
    const answer = await fetch(origin + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const source = (n) =>
    [
      { kind: "markdown", source: `## Part ${n}\n\nWhat **follows** reads \`value_${n + 1}\`.` },
      { kind: "python", source: `value_${n} = ${n}\nfor _i in range(5):\n    print(_i, value_${n})` },
      { kind: "python", source: `[{"row": _row, "square": _row ** 2} for _row in range(value_${n - 1})]` },
    ][n % 3];
  const parts = Array.from({ length: cells }, (_, n) => source(n));
  parts[cells / 2] = { kind: "python", source: "total = 0" };
  const { id } = await post("/api/notebooks", { name: "Three hundred cells", mode: "lazy", cells: parts });
  await post(`/api/notebooks/${id}/run?wait=120`, {});
  return `/notebooks/${id}`;
}

/** Opens an address in a browser that has seen nothing yet; returns how long until `selector` was there, and what came over the wire. */
async function visit(browser, address, selector) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  try {
    await context.addInitScript((wanted) => {
      const look = () => {
        if (globalThis.usable !== undefined || document.querySelector(wanted) === null) return;
        // In the next task after the paint, the main thread takes a press.
        requestAnimationFrame(() => setTimeout(() => (globalThis.usable ??= performance.now())));
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
    }, selector);
    const page = await context.newPage();
    const wire = await context.newCDPSession(page);
    await wire.send("Network.enable");
    let bytes = 0;
    wire.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto(address, { waitUntil: "networkidle" });
    await page.waitForFunction(() => globalThis.usable !== undefined);
    return { ms: await page.evaluate(() => globalThis.usable), bytes };
  } finally {
    await context.close();
  }
}

async function firstVisits(browser, address, selector) {
  const seen = [];
  for (let i = 0; i < visits; i++) seen.push(await visit(browser, address, selector));
  return { ms: median(seen.map(({ ms }) => ms)), bytes: median(seen.map(({ bytes }) => bytes)) };
}

/** Types into the middle of a notebook; returns the main thread's work for each key, in ms. */
async function typed(browser, address) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(address);
  const cell = page.locator("article.cell").nth(cells / 2);
  await cell.scrollIntoViewIfNeeded();
  await cell.locator(".view-lines").click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type(" + value", { delay: 50 }); // what is only done once, is done
  await pause(2_000);
  await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"] });
  for (let i = 0; i < keys; i++) {
    await page.keyboard.press(i % 20 === 19 ? "Space" : "abcdefghij"[i % 10]);
    await pause(60);
  }
  const trace = await browser.stopTracing();
  await page.close();
  return keyWork(JSON.parse(trace.toString()).traceEvents);
}

const { origin, stop } = await startService();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const list = await firstVisits(browser, `${origin}/`, 'button:not([disabled])');
  print({ what: "first visit to the list of notebooks: bytes over the wire", unit: "kB", ours: list.bytes / 1000, goal: { ours: 200 } });
  print({ what: "first visit to the list: until it can be used", unit: "ms", ours: list.ms });
  const address = origin + (await makeNotebook(origin));
  const notebook = await firstVisits(browser, address, ".monaco-editor .view-line");
  print({ what: `first visit to a notebook of ${cells} cells: until one can type`, unit: "ms", ours: notebook.ms });
  print({ what: "the same: bytes over the wire", unit: "kB", ours: notebook.bytes / 1000 });
  const work = await typed(browser, address);
  if (work.length < keys * 0.9) throw new Error(`only ${work.length} of ${keys} keys are in the trace`);
  const note = `of ${work.length} keys in a notebook of ${cells} cells`;
  print({ what: "main-thread work from a key to its paint, p95", unit: "ms", ours: percentile(work, 95), goal: { ours: 16 }, note });
  print({ what: "the same, median", unit: "ms", ours: median(work), note });
} finally {
  await browser.close();
  await stop();
}
