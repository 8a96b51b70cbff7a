import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";

const scenario = scenarios();

scenario("a newcomer given only the address makes an analysis: edits, runs, asks a database, plots, exports", async ({ context, visit }) => {
  // As the first who comes: nothing is there yet.
  await context.route("**/api/notebooks?*", (route) =>
    route.request().method() === "GET" ? route.fulfill({ json: { notebooks: [], next_cursor: null } }) : route.continue(),
  );
  const page = await visit("/");
  await page.getByRole("button", { name: "New notebook" }).click();
  const notebook = new NotebookPage(page);
  await notebook.ready();

  // The cursor is where one writes: nothing is clicked.
  await notebook.cell(1).locator(".monaco-editor.focused").waitFor();
  await page.keyboard.type("smallest = 1000", { delay: 5 });
  await notebook.cell(1).getByRole("button", { name: "Run cell 1" }).click();
  await notebook.becomes(1, "ok");

  await page.getByRole("button", { name: "Add SQL cell below cell 1" }).click();
  await notebook.cell(2).locator(".monaco-editor.focused").waitFor();
  await page.keyboard.insertText("SELECT name, planet, radius_km FROM moon\nWHERE radius_km > {smallest}\nORDER BY radius_km DESC");
  await notebook.shows(2, "SELECT");
  await notebook.cell(2).getByRole("button", { name: "Run cell 2" }).click();
  await notebook.becomes(2, "ok");
  const rows = notebook.output(2).locator("tbody tr");
  await eventually(async () => assert.match(await rows.first().innerText(), /Ganymede/));
  const large = await rows.count();

  await page.getByRole("button", { name: "Add Python cell below cell 2" }).click();
  await notebook.cell(3).locator(".monaco-editor.focused").waitFor();
  await page.keyboard.insertText("import plotly.express as px\npx.bar(result, x='name', y='radius_km', title=f'{len(result)} moons')");
  await notebook.shows(3, "plotly");
  await notebook.cell(3).getByRole("button", { name: "Run cell 3" }).click();
  await notebook.becomes(3, "ok");
  const plot = await notebook.plot(3);
  await eventually(async () => assert.equal(await plot.title(), `${large} moons`));

  // What the query found is a data frame; this is typed as people type, with what the editor adds by itself.
  await page.getByRole("button", { name: "Add Python cell below cell 3" }).click();
  await notebook.cell(4).locator(".monaco-editor.focused").waitFor();
  await page.keyboard.type('result.groupby("planet")["radius_km"].max().nlargest(3)', { delay: 15 });
  await page.keyboard.press("Shift+Enter");
  await notebook.becomes(4, "ok");
  await notebook.says(4, "Jupiter");
  await eventually(async () => assert.equal(await notebook.cells().count(), 5, "Shift+Enter in the last cell goes on to a new one"));

  // One number changes, and the query and the plot follow.
  await notebook.edit(1);
  await page.keyboard.press("End");
  for (let n = 0; n < 4; n++) await page.keyboard.press("Backspace");
  await page.keyboard.type("2000", { delay: 15 });
  await page.keyboard.press("Control+Enter");
  await eventually(async () => {
    const fewer = await rows.count();
    assert.ok(fewer > 0 && fewer < large, `${fewer} of ${large} rows`);
    assert.equal(await plot.title(), `${fewer} moons`);
  });

  const name = page.getByRole("textbox", { name: "Name of the notebook" });
  await name.fill("My moons");
  await name.press("Enter");
  await page.getByRole("button", { name: "Export" }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("menuitem", { name: "Web page (.html)" }).click(),
  ]);
  assert.match(download.suggestedFilename(), /moons.*\.html$/i);
  const text = await readFile(await download.path(), "utf8");
  assert.match(text, /smallest = (<[^>]*>)*2000/);
  assert.match(text, /Ganymede/);
});
