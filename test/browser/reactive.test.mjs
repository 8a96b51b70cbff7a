import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";

const scenario = scenarios();

scenario("a table and a Plotly figure follow the first cell without another click", async ({ visit }) => {
  const page = await visit("/");
  await page.getByRole("button", { name: "New notebook" }).click();
  const notebook = new NotebookPage(page);
  await notebook.ready();

  // As a person does it: type, Shift+Enter, type on in the cell that opens.
  await notebook.type(1, "import pandas as pd; frame = pd.DataFrame({'month': [1, 2, 3], 'sales': [10, 20, 30]}); frame");
  await notebook.runAndGoOn();
  await notebook.becomes(1, "ok");
  const table = notebook.output(1).locator("table");
  await table.waitFor();
  assert.deepEqual(await table.locator("thead .column-name").allInnerTexts(), ["month", "sales"]);
  assert.deepEqual(await table.locator("tbody tr").allInnerTexts().then((rows) => rows.map((row) => row.split(/\s+/))), [
    ["1", "10"],
    ["2", "20"],
    ["3", "30"],
  ]);

  await notebook.cell(2).waitFor();
  await notebook.paste(2, "import plotly.express as px\npx.bar(frame, x='month', y='sales', title=f'{len(frame)} months')");
  await notebook.runAndGoOn();
  await notebook.becomes(2, "ok");
  const plot = await notebook.plot(2);
  await eventually(async () => {
    assert.deepEqual(await plot.values(), [10, 20, 30]);
    assert.equal(await plot.title(), "3 months");
    assert.equal(await plot.locator.locator("svg .bars path").count(), 3);
  });
  const box = await plot.locator.locator("svg.main-svg").first().boundingBox();
  assert.ok(box && box.width > 300 && box.height > 200, `the figure is drawn ${JSON.stringify(box)}`);

  await notebook.cell(3).waitFor();
  await notebook.paste(3, "total = frame['sales'].sum()\nprint('total', total)");
  await notebook.runHere();
  await notebook.says(3, "total 60");

  // Only the first cell is run.
  await notebook.paste(1, "import pandas as pd\nframe = pd.DataFrame({'month': [1, 2, 3, 4], 'sales': [5, 6, 7, 40]})\nframe");
  await notebook.runHere();
  await notebook.says(3, "total 58");
  await eventually(async () => {
    assert.deepEqual(await plot.values(), [5, 6, 7, 40]);
    assert.equal(await plot.title(), "4 months");
    assert.equal(await plot.locator.locator("svg .bars path").count(), 4);
    assert.equal(await table.locator("tbody tr").count(), 4);
  });
  for (const number of [1, 2, 3]) await notebook.becomes(number, "ok");
  const why = await notebook.cell(2).locator(".note-why").innerText();
  assert.match(why, /because cell 1 ran and defines frame/);
});

scenario("in lazy mode a change only marks the dependents, and one click brings them up to date", async ({ notebook, open }) => {
  const page = await open(await notebook(["a = 1", "print('a is', a)"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.says(2, "a is 1");

  await page.page.getByRole("button", { name: "Lazy" }).click();
  await page.page.locator('button[aria-pressed="true"]', { hasText: "Lazy" }).waitFor();
  await page.paste(1, "a = 2");
  await page.runHere();
  await page.becomes(2, "stale");
  await page.says(2, "a is 1");

  await page.page.getByRole("button", { name: /Run stale/ }).click();
  await page.says(2, "a is 2");
  await page.becomes(2, "ok");
});

scenario("a deleted cell's names are gone, and Undo brings them back", async ({ notebook, open }) => {
  const page = await open(await notebook(["rate = 3", "print('twice', rate * 2)"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.says(2, "twice 6");
  await page.choose(1, "Delete");
  await page.becomes(1, "error"); // the reader is the first cell now
  await page.says(1, "NameError");

  await page.page.getByRole("button", { name: "Undo" }).click();
  await page.shows(1, "rate = 3");
  await page.edit(1);
  await page.runHere();
  await page.says(2, "twice 6");
});
