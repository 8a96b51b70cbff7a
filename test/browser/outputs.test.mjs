import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";

const scenario = scenarios();

scenario("a matplotlib figure is a picture below its cell", async ({ notebook, open }) => {
  const page = await open(await notebook(["import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.title('Squares')\nplt.show()"]));
  await page.edit(1);
  await page.runHere();
  await page.becomes(1, "ok");
  const image = page.output(1).locator("img");
  await image.waitFor();
  const size = await eventually(async () => {
    const found = await image.evaluate((element) => ({ width: element.naturalWidth, height: element.naturalHeight }));
    assert.ok(found.width > 200 && found.height > 150, `the picture is ${JSON.stringify(found)}`);
    return found;
  });
  assert.match(await image.getAttribute("src"), /^data:image\/(png|svg\+xml)/);
  // More than one colour: something is drawn.
  const colours = await image.evaluate((element, { width, height }) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    pen.drawImage(element, 0, 0);
    const { data } = pen.getImageData(0, 0, width, height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) seen.add(`${data[at]},${data[at + 1]},${data[at + 2]},${data[at + 3]}`);
    return seen.size;
  }, size);
  assert.ok(colours > 5, `the picture has ${colours} colours`);
});

const hostile = `class Hostile:
    def _repr_html_(self):
        return """<b id="shown">shown</b>
<script>parent.postMessage('ran', '*'); top.ran = 'script'; alert(1)</script>
<img src="x:nothing" onerror="parent.postMessage('ran', '*'); alert(2)">
<svg onload="parent.postMessage('ran', '*'); alert(3)"></svg>
<a id="link" href="javascript:parent.postMessage('ran', '*')" target="_top">press me</a>
<iframe srcdoc="<script>top.postMessage('ran', '*')</script>"></iframe>
<form action="javascript:alert(4)"><button id="send">send</button></form>"""
Hostile()`;

scenario("HTML that a cell makes is shown, and no script in it runs", async ({ notebook, open, watch }) => {
  // Chromium reports what it kept from running; everything else is still a failure.
  watch.expect(/console: Blocked script execution in 'about:srcdoc'/);
  watch.expect(/Blocked form submission to/);
  watch.expect(/x:nothing/);
  watch.expect(/Content-Security-Policy.*|Content Security Policy/);
  watch.expect(/Not allowed to launch|Failed to launch|Unsafe attempt to initiate navigation|scheme does not have a registered handler/);
  const page = await open(await notebook([hostile]));
  await page.page.evaluate(() => {
    window.messages = [];
    addEventListener("message", (event) => {
      if (event.data === "ran") window.messages.push(event.data);
    });
  });
  const address = page.page.url();
  await page.edit(1);
  await page.runHere();
  await page.becomes(1, "ok");
  const frame = page.output(1).frameLocator("iframe");
  await frame.locator("#shown").waitFor();
  await frame.locator("#link").press("Enter");
  await frame.locator("#send").press("Enter");
  await page.edit(1); // the page still works, and all the above had its chance
  await page.page.keyboard.press("End");
  assert.deepEqual(await page.page.evaluate(() => window.messages), []);
  assert.equal(await page.page.evaluate(() => window.ran), undefined);
  assert.equal(page.page.url(), address);
});

scenario("markdown and a plain text result show HTML in them as text or not at all", async ({ notebook, open, watch }) => {
  // The sanitizer parses what it then removes, and the policy reports even that.
  watch.expect(/Executing inline event handler violates|script-src-attr blocked inline/);
  const attack = "<img src=x onerror=\"window.ran='markdown'\"><script>window.ran='script'</script>[link](javascript:window.ran='link')";
  const id = await notebook([{ kind: "markdown", source: `# Heading\n\n${attack}` }, `'''<img src=x onerror="window.ran=1">'''`], "Markdown");
  const page = await open(id);
  await page.cell(1).getByRole("heading", { name: "Heading" }).waitFor();
  const dangerous = await page.cell(1).locator(".cell-text").evaluate((element) => {
    const found = [];
    for (const node of element.querySelectorAll("*")) {
      if (node.tagName === "SCRIPT") found.push(node.outerHTML);
      for (const { name, value } of node.attributes) if (name.startsWith("on") || /^\s*javascript:/i.test(value)) found.push(node.outerHTML);
    }
    return found;
  });
  assert.deepEqual(dangerous, []);
  await page.edit(2);
  await page.runHere();
  await page.says(2, "<img src=x onerror=");
  assert.equal(await page.page.evaluate(() => window.ran), undefined);
});

scenario("a notebook's name and a data frame with HTML in them are text everywhere", async ({ notebook, visit }) => {
  const name = `<img src=x onerror="window.ran=1"><b>bold</b>`;
  const id = await notebook([`import pandas as pd\npd.DataFrame({'<script>window.ran=1</script>': ['<img src=x onerror="window.ran=1">']})`], name);
  const page = await visit("/");
  const row = page.locator(`[data-notebook-id="${id}"]`);
  await row.getByRole("link", { name, exact: true }).click();
  const open = new NotebookPage(page);
  await open.ready();
  assert.equal(await page.getByRole("textbox", { name: "Name of the notebook" }).inputValue(), name);
  await eventually(async () => assert.ok((await page.title()).startsWith(name)));
  await open.edit(1);
  await open.runHere();
  await open.says(1, "<script>window.ran=1</script>");
  await open.says(1, `<img src=x onerror="window.ran=1">`);
  assert.equal(await page.locator("main b, main img[src=x]").count(), 0);
  assert.equal(await page.evaluate(() => window.ran), undefined);
});
