import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { scenarios } from "./support/scenario.mjs";

const scenario = scenarios();

scenario("the graph shows what feeds what; it pans, zooms, and leads to a cell", async ({ notebook, open }) => {
  const page = await open(await notebook(["rate = 2", "table = [rate * n for n in range(4)]", "total = sum(table)", "print(rate, total)", "alone = 1"]));
  await page.page.getByRole("button", { name: "Graph", exact: true }).click();
  const graph = page.page.getByRole("complementary", { name: "Graph" });
  await eventually(async () => {
    const names = await graph.locator(".graph-node").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("aria-label").split(";")[0]));
    assert.deepEqual(names, ["Cell 1: rate", "Cell 2: table", "Cell 3: total", "Cell 4: print(rate, total)", "Cell 5: alone"]);
  });
  assert.equal(await graph.locator(".graph-edge").count(), 4, "rate to two cells, table to total, total to the last");

  // What depends on the cell pointed at is lit, what has nothing to do with it is not.
  await graph.getByRole("button", { name: /^Cell 3:/ }).hover();
  await graph.locator('.graph-node[data-lit="true"]', { hasText: "rate" }).first().waitFor();
  assert.equal(await graph.getByRole("button", { name: /^Cell 5:/ }).getAttribute("data-lit"), "false");

  const place = () => graph.getByTestId("graph-plane").evaluate((plane) => new DOMMatrix(getComputedStyle(plane).transform));
  const before = await place();
  const box = await graph.locator(".graph-view").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height - 60];
  await page.page.mouse.move(x, y);
  await page.page.mouse.wheel(0, -240);
  await eventually(async () => assert.ok((await place()).a > before.a * 1.3, "the wheel does not zoom"));
  const zoomed = await place();
  await page.page.mouse.down();
  await page.page.mouse.move(x - 40, y - 70, { steps: 4 });
  await page.page.mouse.up();
  await eventually(async () => {
    const { e, f } = await place();
    assert.ok(Math.abs(e - zoomed.e + 40) < 2 && Math.abs(f - zoomed.f + 70) < 2, `moved by ${e - zoomed.e}, ${f - zoomed.f}`);
  });
  await graph.getByRole("button", { name: "Show all" }).click();
  await eventually(async () => assert.equal((await place()).a, before.a));

  await graph.getByRole("button", { name: /^Cell 4:/ }).click();
  await eventually(async () => assert.equal(await page.cell(4).evaluate((cell) => cell === document.activeElement), true));
  await graph.locator('.graph-node[data-here="true"]', { hasText: "print" }).waitFor();

  // It follows the notebook.
  await page.paste(5, "alone = total");
  await eventually(async () => assert.equal(await graph.locator(".graph-edge").count(), 5));
});

scenario("the name under the cursor is lit where it is read, and F12 leads to where it is defined", async ({ notebook, open }) => {
  const page = await open(await notebook(["rate = 2  # the rate", "double = rate * 2\nprint('rate', f'{rate}')", { kind: "sql", source: "SELECT {rate} AS rate" }, "rates = 1"]));
  for (const number of [2, 3, 4]) await page.cell(number).locator(".monaco-editor").first().waitFor();
  await page.edit(1);
  await page.page.keyboard.press("Control+Home");
  const lit = (number) => page.cell(number).locator(".marked-name");
  await eventually(async () => assert.equal(await lit(2).count(), 2, "once in the product and once in the f-string, not in the text"));
  await eventually(async () => assert.equal(await lit(3).count(), 1));
  assert.equal(await lit(4).count(), 0);
  assert.match(await page.cell(1).getByTestId("name-note").innerText(), /rate read in cell 2, cell 3/);

  await page.edit(2);
  await page.page.keyboard.press("Control+Home");
  for (let step = 0; step < "double = r".length; step++) await page.page.keyboard.press("ArrowRight");
  assert.match(await page.cell(2).getByTestId("name-note").innerText(), /rate from cell 1, read in cell 3/);
  await eventually(async () => assert.equal(await lit(1).count(), 1, "the comment is not lit"));
  await page.page.keyboard.press("F12");
  await page.cell(1).locator(".monaco-editor.focused").waitFor();
});

scenario("why a cell is stale names the culprit and leads there; a run tells how far it is, in the tab, too", async ({ notebook, open }) => {
  const page = await open(await notebook(["import time\nstep = 1", "time.sleep(step)\nmiddle = step", "time.sleep(600)\nend = middle"]));
  const title = () => page.page.title();
  const icon = () => page.page.locator("link[rel=icon]").getAttribute("href");
  await page.page.getByRole("button", { name: "Run all" }).click();
  const progress = page.page.getByTestId("progress");
  await eventually(async () => assert.match(await progress.innerText(), /^2 of 3 · cell 3 · [\d.]+ m?s$/));
  assert.match(await title(), /^● /);
  assert.equal(await icon(), "/favicon-running.svg");
  await progress.getByRole("button", { name: "cell 3" }).click();
  await eventually(async () => assert.equal(await page.cell(3).evaluate((cell) => cell === document.activeElement), true));
  await page.interruptButton().click();
  await page.becomes(3, "error");
  await progress.waitFor({ state: "detached" });
  await eventually(async () => assert.doesNotMatch(await title(), /●/));
  assert.equal(await icon(), "/favicon.svg");

  await page.page.getByRole("button", { name: "Lazy" }).click();
  await page.page.locator('button[aria-pressed="true"]', { hasText: "Lazy" }).waitFor();
  await page.paste(1, "import time\nstep = 0");
  await page.becomes(1, "stale");
  assert.match(await page.cell(1).getByTestId("cell-status").innerText(), /stale: edited since it ran/);
  await page.runHere();
  await page.becomes(2, "stale");
  const status = page.cell(2).getByTestId("cell-status");
  assert.match(await status.innerText(), /stale: .*step.* of cell 1 changed/);
  await status.getByRole("button", { name: "cell 1" }).click();
  await eventually(async () => assert.equal(await page.cell(1).evaluate((cell) => cell === document.activeElement), true));
});

scenario("what is wrong is underlined in the source: a syntax error's line, a name defined twice; names of the kernel are proposed", async ({ notebook, open }) => {
  const page = await open(await notebook(["price = 1", "price = 2\nother = 3", "value = = 1", "import math"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.becomes(4, "ok");
  for (const number of [1, 2, 3]) {
    await page.becomes(number, "error");
    await page.cell(number).locator(".squiggly-error").first().waitFor();
  }
  // Only the name, and not the line without it.
  assert.equal(await page.cell(2).locator(".squiggly-error").count(), 1);

  await page.edit(4);
  await page.page.keyboard.press("Control+End");
  await page.page.keyboard.press("Enter");
  await page.page.keyboard.type("math.fact", { delay: 40 });
  const proposal = page.page.locator("#editor-overflow .monaco-list-row", { hasText: "factorial" }).first();
  await proposal.waitFor();
  await page.page.keyboard.press("Tab");
  await page.shows(4, "math.factorial");
});

scenario("the outline and the variables tell what there is and lead to it; a restart forgets what ran", async ({ notebook, open }) => {
  const page = await open(await notebook([{ kind: "markdown", source: "# Tides\n\n## Springs" }, "height = 4.2", "spring = height * 1.3\nnames = ['Brest', 'Bergen']"]));
  const toolbar = page.page.getByRole("toolbar", { name: "Notebook" });
  await toolbar.getByRole("button", { name: "Outline", exact: true }).click();
  const outline = page.page.getByRole("complementary", { name: "Outline" });
  assert.deepEqual((await outline.locator(".outline-heading").allInnerTexts()).map((text) => text.trim()), ["Tides", "Springs"]);
  await outline.getByText("reads cell 2").waitFor();
  await outline.getByRole("button", { name: /spring/ }).last().click();
  await eventually(async () => assert.equal(await page.cell(3).evaluate((cell) => cell === document.activeElement), true));

  await toolbar.getByRole("button", { name: "Variables", exact: true }).click();
  const variables = page.page.getByRole("complementary", { name: "Variables" });
  await variables.getByText("Nothing is defined yet").waitFor();
  await page.page.getByRole("button", { name: "Run all" }).click();
  await variables.getByRole("button", { name: /^height\s+float\s+4\.2/ }).waitFor();
  await variables.getByRole("button", { name: /^names\s+list/ }).click();
  await eventually(async () => assert.equal(await page.cell(3).evaluate((cell) => cell === document.activeElement), true));

  await toolbar.getByRole("button", { name: "Restart" }).click();
  await page.page.getByRole("menuitem", { name: "Restart", exact: true }).click();
  await variables.getByText("Nothing is defined yet").waitFor();
  await toolbar.getByRole("button", { name: "Restart" }).click();
  await page.page.getByRole("menuitem", { name: "Restart and run all" }).click();
  await variables.getByRole("button", { name: /^spring\s+float/ }).waitFor();
  await page.becomes(3, "ok");
});
