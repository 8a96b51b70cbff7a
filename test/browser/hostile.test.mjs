import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call } from "./support/service.mjs";

const scenario = scenarios();

/** A cell whose result is this HTML. */
const html = (text) => `class _Hostile:\n    def _repr_html_(self):\n        return ${JSON.stringify(text)}\n_Hostile()`;

/** Opens a notebook whose cells have all run. */
async function opened({ open }, id) {
  const { status, body } = await call("POST", `/api/notebooks/${id}/run?wait=60`, {});
  assert.equal(status, 200);
  assert.deepEqual(body.notebook.cells.map((cell) => cell.error), body.notebook.cells.map(() => null));
  return open(id);
}

/** Fails if anything of a cell's ran in the page, led it elsewhere, or lies over it. */
async function requireUntouched({ page }, address) {
  assert.equal(page.url(), address);
  const state = await page.evaluate(() => {
    const covered = [];
    for (const control of document.querySelectorAll(".toolbar button")) {
      const box = control.getBoundingClientRect();
      if (box.width === 0 || box.top < 0) continue;
      const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      if (top === null || !(control.contains(top) || top.contains(control))) covered.push(control.outerHTML);
    }
    const loose = [...document.querySelectorAll("iframe")].filter((frame) => {
      const [inner, outer] = [frame.getBoundingClientRect(), frame.closest("article").getBoundingClientRect()];
      return inner.top < outer.top || inner.bottom > outer.bottom || inner.left < outer.left || inner.right > outer.right;
    });
    return { ran: window.ran, covered, loose: loose.length, base: document.baseURI, rooms: document.querySelectorAll("#root").length };
  });
  assert.deepEqual(state, { ran: undefined, covered: [], loose: 0, base: address, rooms: 1 });
}

// Everything by which a script could reach what is not its own. Each gives what
// it got, or throws; the report is the HTML's own text.
const attempts = `<h4>Attempts</h4><pre id="report">running</pre><script>
const attempts = {
  origin: () => origin,
  page: () => parent.document.title,
  window: () => { parent.ran = "frame"; return "set"; },
  address: () => top.location.href,
  lead: () => { top.location = "about:blank"; return "led"; },
  popup: () => open("/") === null ? "none" : "opened",
  storage: () => localStorage.length,
  cookies: () => document.cookie,
  database: () => indexedDB.open("x") && "opened",
  request: () => fetch("/api/notebooks").then((answer) => answer.status),
  elsewhere: () => fetch("https://example.invalid/").then(() => "answered"),
  older: () => new Promise((resolve, reject) => { const r = new XMLHttpRequest(); r.onload = () => resolve(r.status); r.onerror = () => reject(Error("refused")); r.open("GET", "/api/notebooks"); r.send(); }),
  socket: () => new Promise((resolve, reject) => { const s = new WebSocket(location.origin.replace("http", "ws") + "/api/ws/notebooks/x"); s.onopen = () => resolve("open"); s.onerror = () => reject(Error("refused")); }),
  beacon: () => new Promise((resolve) => { addEventListener("securitypolicyviolation", (event) => { if (event.blockedURI.includes("beacon")) resolve("refused"); }); navigator.sendBeacon("/api/beacon", "x"); }),
  module: () => import(location.origin + "/assets/none.js").then(() => "loaded"),
  script: () => new Promise((resolve, reject) => { const s = document.createElement("script"); s.src = "/favicon.svg"; s.onload = () => resolve("loaded"); s.onerror = () => reject(Error("refused")); document.head.append(s); }),
  picture: () => new Promise((resolve, reject) => { const i = new Image(); i.onload = () => resolve("loaded"); i.onerror = () => reject(Error("refused")); i.src = "/favicon.svg"; }),
  dialog: () => confirm("x"),
  worker: () => new Promise((resolve, reject) => { const w = new Worker("/assets/none.js"); w.onmessage = () => resolve("runs"); w.onerror = () => reject(Error("refused")); }),
};
Promise.all(Object.entries(attempts).map(async ([name, attempt]) => {
  try { return [name, await attempt()]; } catch (error) { return [name, "refused"]; }
})).then((results) => { report.textContent = JSON.stringify(Object.fromEntries(results)); });
</script>`;

const hostileFrames = [
  attempts,
  `<i>image</i><img src="x:nothing" onerror="parent.ran = 1"><svg onload="parent.ran = 2"></svg><a id="link" href="javascript:parent.ran = 3" target="_top">press me</a>`,
  `<base href="https://example.org/" target="_top"><meta http-equiv="refresh" content="0;url=/"><b>leaving</b>`,
  `<iframe srcdoc="<script>top.ran = 4</script>"></iframe><iframe src="/"></iframe><object data="/"></object><embed src="/"><b>nested</b>`,
  `<div style="position:fixed;inset:0;width:100vw;height:100vh;z-index:2147483647;background:#c33">overlay</div>
<script>setInterval(() => parent.postMessage({ height: 1e9, ready: true, link: "javascript:alert(1)" }, "*"), 200)</script>`,
  `<form id="root" name="body" action="/api/notebooks" method="post" target="_top"><input name="attributes" value="clobbered"><button id="send">send</button></form>
<script>document.querySelector("form").submit()</script>`,
  `<input id="field"><script>setInterval(() => field.focus(), 50)</script>`,
];

scenario("HTML of a cell runs in a frame of its own, from which it reaches and covers nothing of ours", async (parts) => {
  const { notebook, watch } = parts;
  // Chromium reports what it keeps from happening; everything else is still a failure.
  watch.expect(/Content-Security-Policy: |Content Security Policy|violates the following/);
  watch.expect(/x:nothing|Not allowed to launch|scheme does not have a registered handler|Failed to launch/);
  watch.expect(/Unsafe attempt to initiate navigation|Blocked form submission to|Blocked opening|Ignored call to 'confirm\(\)'/);
  watch.expect(/Refused to (display|frame)|in a frame because it set 'X-Frame-Options'|net::ERR_BLOCKED_BY_(CSP|RESPONSE)/);
  watch.expect(/^request failed: GET .*: csp$|^exception: $/);
  const page = await opened(parts, await notebook([...hostileFrames.map(html), "1"]));
  const address = page.page.url();
  const inside = (number) => page.output(number).frameLocator("iframe");

  const report = inside(1).locator("#report");
  await eventually(async () => assert.notEqual(await report.textContent(), "running"));
  const got = JSON.parse(await report.textContent());
  const refused = Object.fromEntries(Object.keys(got).map((name) => [name, "refused"]));
  assert.deepEqual(got, { ...refused, origin: "null", popup: "none", dialog: false });

  await inside(2).locator("#link").press("Enter");
  await inside(4).getByText("nested").waitFor();
  await inside(6).locator("#send").press("Enter");
  for (const number of [1, 2, 4, 5, 6]) await page.cell(number).scrollIntoViewIfNeeded();
  await requireUntouched(page, address);

  // A script in a frame may not take the keys of whom types in the page: it is stopped.
  await page.edit(8);
  await eventually(async () => {
    await page.page.keyboard.press("End");
    assert.equal(await page.output(7).getByText("This output was stopped").count(), 1);
  });
  await page.type(8, "1 + 23456789");
  await requireUntouched(page, address);
});

scenario("a frame for HTML is as tall as what is in it, and asks before it opens a link", async (parts) => {
  const { notebook } = parts;
  const grows = `<div id="box" style="height:300px">box</div><a href="https://example.org/x" target="_blank">away</a>
<script>box.onclick = () => { box.style.height = "500px" }</script>`;
  const page = await opened(parts, await notebook([html(grows), html("<b>small</b>")]));
  const tall = async (number) => (await page.output(number).locator("iframe").boundingBox()).height;
  await eventually(async () => assert.ok((await tall(1)) > 320 && (await tall(1)) < 400, `the frame is ${await tall(1)} px tall`));
  await eventually(async () => assert.ok((await tall(2)) < 60, `the frame is ${await tall(2)} px tall`));
  const inside = page.output(1).frameLocator("iframe");
  await inside.locator("#box").click();
  await eventually(async () => assert.ok((await tall(1)) > 520, `the frame is ${await tall(1)} px tall`));
  await inside.getByRole("link", { name: "away" }).click();
  const offered = page.output(1).getByRole("link", { name: "https://example.org/x" });
  await offered.waitFor();
  assert.equal(await offered.getAttribute("rel"), "noopener noreferrer");
  assert.equal(page.page.context().pages().length, 1, "nothing opened by itself");
});

const attack = `<img src=x onerror="window.ran=1"><svg onload="window.ran=2"></svg><b>bold</b>`;

const hostileValues = [
  {
    kind: "markdown",
    source: `# Heading\n\n${attack}<script>window.ran=3</script>[link](javascript:window.ran=4)
<base href="https://example.org/"><meta http-equiv="refresh" content="0;url=https://example.org/">
<form name="body" action="/api"><input name="attributes"></form><div id="root" class="toolbar" style="position:fixed;inset:0">over</div>
<style>*{display:none}</style> $\\href{javascript:window.ran=5}{x} \\rule{-90em}{400em}$`,
  },
  `'''${attack}'''`,
  `import pandas as pd\npd.DataFrame({'<script>window.ran=6</script>': ['''${attack}''']})`,
  `import plotly.graph_objects as go
_hostile = '''${attack}<a href="javascript:window.ran=7">press</a>'''
go.Figure(go.Bar(x=[_hostile], y=[1], name=_hostile), go.Layout(title=_hostile, xaxis_title=_hostile, showlegend=True))`,
  `print('\\x1b]8;;javascript:window.ran=8\\x07press\\x1b]8;;\\x07', '''${attack}''')`,
  `class _Picture:\n    def _repr_svg_(self):\n        return '''<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40" onload="parent.ran=9"><script>parent.ran=10</script><rect width="90" height="40"/></svg>'''\n_Picture()`,
  `raise ValueError('''${attack}''')`,
];

scenario("names, texts, tables, figures and pictures with HTML in them stay what they are", async ({ notebook, visit, watch }) => {
  // The sanitizer parses what it then removes, and the policy reports even that.
  watch.expect(/base URI|base-uri blocked|Executing inline event handler violates|script-src-attr blocked inline|Executing inline script violates|script-src-elem blocked inline/);
  const name = `${attack}<script>window.ran=11</script>`;
  const id = await notebook(hostileValues, name);
  const list = await visit("/");
  await list.locator(`[data-notebook-id="${id}"]`).getByRole("link", { name, exact: true }).click();
  const page = new NotebookPage(list);
  await page.ready();
  assert.equal(await list.getByRole("textbox", { name: "Name of the notebook" }).inputValue(), name);
  await eventually(async () => assert.ok((await list.title()).includes(name)));
  const address = list.url();

  await list.getByRole("button", { name: "Run all" }).click();
  await page.becomes(7, "error");
  await page.cell(1).getByRole("heading", { name: "Heading" }).waitFor();
  for (const number of [2, 3, 5, 7]) await page.says(number, `<img src=x onerror="window.ran=1">`);
  await page.says(3, "<script>window.ran=6</script>");
  await page.says(5, "press");
  const figure = await page.plot(4);
  assert.match(await figure.title(), /bold/);
  await eventually(async () => assert.equal(await page.output(6).locator("img").evaluate((image) => image.naturalWidth), 90));

  const found = await list.evaluate(() => {
    const dangerous = [];
    for (const node of document.querySelectorAll("main *")) {
      if (/^(script|style|base|meta|form|object|embed)$/i.test(node.tagName) && !node.closest(".js-plotly-plot")) dangerous.push(node.outerHTML);
      for (const { name, value } of node.attributes) if (/^on/.test(name) || /^\s*javascript:/i.test(value)) dangerous.push(node.outerHTML);
    }
    return { dangerous, made: document.querySelectorAll("main .cell-outputs img[src=x], main .cell-text #root").length };
  });
  assert.deepEqual(found, { dangerous: [], made: 0 });
  await list.evaluate(() => scrollTo(0, 0));
  await requireUntouched(page, address);
});
