import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { eventually } from "./support/eventually.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call, origin } from "./support/service.mjs";

const scenario = scenarios();

scenario("the list page renames and deletes a notebook, and finds one by its name", async ({ notebook, visit }) => {
  const stamp = Date.now().toString(36);
  const id = await notebook(["1"], `Before ${stamp}`);
  const other = await notebook([], `Bystander ${stamp}`);
  const page = await visit("/");
  const row = page.locator(`[data-notebook-id="${id}"]`);

  await row.getByRole("button", { name: `Actions for Before ${stamp}` }).click();
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await row.getByRole("textbox", { name: "Name of the notebook" }).fill(`After ${stamp}`);
  await page.keyboard.press("Enter");
  await row.getByRole("link", { name: `After ${stamp}` }).waitFor();
  assert.equal((await call("GET", `/api/notebooks/${id}`)).body.name, `After ${stamp}`);

  await page.getByRole("searchbox", { name: "Search notebooks" }).fill(`after ${stamp}`);
  await eventually(async () => assert.equal(await page.locator(".notebook-row").count(), 1));
  await page.getByRole("searchbox", { name: "Search notebooks" }).fill("");
  await page.locator(`[data-notebook-id="${other}"]`).waitFor();

  await row.getByRole("button", { name: `Actions for After ${stamp}` }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal(await row.count(), 1);

  await row.getByRole("button", { name: `Actions for After ${stamp}` }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await dialog.getByRole("button", { name: "Delete notebook" }).click();
  await row.waitFor({ state: "detached" });
  assert.equal((await call("GET", `/api/notebooks/${id}`)).status, 404);
  assert.equal((await call("GET", `/api/notebooks/${other}`)).status, 200);
});

scenario("the list is put in order, duplicates and exports a notebook, and imports what is dropped on it", async ({ notebook, visit }) => {
  const stamp = Date.now().toString(36);
  const named = (name) => `${name} ${stamp}`;
  await notebook(["answer = 42"], named("b"));
  await notebook([], named("a10"));
  await notebook([], named("a9"));
  const page = await visit(`/?q=${stamp}`);
  const names = () => page.locator(".notebook-name").allInnerTexts();
  const order = async (label) => {
    await page.getByRole("button", { name: /^Order/ }).click();
    await page.getByRole("menuitemradio", { name: label }).click();
  };
  await eventually(async () => assert.deepEqual(await names(), ["a9", "a10", "b"].map(named)));
  await order("By name");
  await eventually(async () => assert.deepEqual(await names(), ["a9", "a10", "b"].map(named)));
  await page.reload(); // this browser keeps the order
  await page.getByRole("button", { name: "Order: By name" }).waitFor();

  const act = async (entry) => {
    await page.getByRole("button", { name: `Actions for ${named("b")}`, exact: true }).click();
    await page.getByRole("menuitem", { name: entry }).click();
  };
  await act("Duplicate");
  await eventually(async () => assert.deepEqual(await names(), [...["a9", "a10", "b"].map(named), `${named("b")} copy`]));
  const [download] = await Promise.all([page.waitForEvent("download"), act(/Python script/)]);
  const script = await readFile(await download.path(), "utf8");
  assert.match(script, /answer = 42/);

  await order("Last changed first");
  await eventually(async () => assert.equal((await names())[0], `${named("b")} copy`));

  const dropped = script.replace(named("b"), named("dropped"));
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "dropped.py", { type: "text/x-python" }));
    for (const type of ["dragenter", "dragover", "drop"]) {
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
  }, dropped);
  const imported = new NotebookPage(page);
  await imported.ready();
  await imported.shows(1, "answer = 42");
  assert.equal(await page.getByRole("textbox", { name: "Name of the notebook" }).inputValue(), named("dropped"));
});

scenario("a notebook's own page renames it, and its address works after a reload", async ({ notebook, open }) => {
  const id = await notebook(["'kept'"], "First name");
  const page = await open(id);
  const name = page.page.getByRole("textbox", { name: "Name of the notebook" });
  await name.fill("Second name");
  await name.press("Enter");
  await eventually(async () => assert.equal((await call("GET", `/api/notebooks/${id}`)).body.name, "Second name"));
  await page.edit(1);
  await page.runHere();
  await page.says(1, "kept");

  await page.page.reload();
  await page.ready();
  assert.equal(page.page.url(), `${origin}/notebooks/${id}`);
  assert.equal(await name.inputValue(), "Second name");
  await page.says(1, "kept");
  await page.page.getByRole("link", { name: "All notebooks" }).click();
  await page.page.locator(`[data-notebook-id="${id}"]`).getByRole("link", { name: "Second name" }).waitFor();
  await page.page.goBack();
  await page.ready();
});

scenario("an unknown page path gives the app's own page for it", async ({ visit }) => {
  const page = await visit("/no/such/page");
  await page.getByTestId("not-found").waitFor();
  await page.reload();
  await page.getByTestId("not-found").waitFor();
  await page.getByRole("link", { name: "All notebooks" }).click();
  await page.getByRole("heading", { name: /^Notebooks$/ }).waitFor();
});

scenario("an unknown notebook is told as such, and leads back to the list", async ({ visit, watch }) => {
  watch.expect(/404|WebSocket connection to .* failed/);
  const page = await visit("/notebooks/01900000-0000-7000-8000-000000000000");
  await page.getByTestId("notebook-missing").waitFor();
  await page.getByRole("link", { name: "All notebooks" }).click();
  await page.getByRole("heading", { name: /^Notebooks$/ }).waitFor();
});

scenario("a notebook that is deleted elsewhere while it is open is told as such", async ({ notebook, open }) => {
  const id = await notebook(["1"]);
  const page = await open(id);
  assert.equal((await call("DELETE", `/api/notebooks/${id}`)).status, 204);
  await page.page.getByTestId("notebook-deleted").waitFor();
});

scenario("cells are added, moved, turned into Markdown and deleted", async ({ notebook, open }) => {
  const page = await open(await notebook(["first = 1", "second = 2"]));
  const stored = async () => (await call("GET", `/api/notebooks/${page.id}`)).body.cells.map((cell) => [cell.kind, cell.source]);
  await page.choose(2, "Move up");
  await eventually(async () => assert.deepEqual(await stored(), [["python", "second = 2"], ["python", "first = 1"]]));
  await page.shows(1, "second = 2");

  await page.page.getByRole("button", { name: "Add Markdown cell at the top" }).click();
  await eventually(async () => assert.equal(await page.cells().count(), 3));
  await page.paste(1, "## A *title*");
  await page.runHere();
  await page.cell(1).getByRole("heading", { name: "A title" }).waitFor();
  await eventually(async () => assert.deepEqual((await stored())[0], ["markdown", "## A *title*"]));

  await page.choose(3, "Delete");
  await eventually(async () => assert.deepEqual(await stored(), [["markdown", "## A *title*"], ["python", "second = 2"]]));
  await eventually(async () => assert.equal(await page.cells().count(), 2));
});

scenario("the examples of the welcome page run, and one of them shows what is not tracked", async ({ visit, context }) => {
  // Only an empty service shows the welcome: the list is answered as one would.
  await context.route("**/api/notebooks?*", async (route) => {
    if (route.request().method() === "GET") await route.fulfill({ json: { notebooks: [], next_cursor: null } });
    else await route.continue();
  });
  const page = await visit("/");
  const begin = async (title) => {
    await page.getByTestId("welcome").getByRole("button", { name: title }).click();
    const notebook = new NotebookPage(page);
    await notebook.ready();
    await page.getByRole("button", { name: "Run all" }).click();
    return notebook;
  };
  const first = await begin(/How cells feed each other/);
  await first.becomes(4, "ok");
  const plot = await first.plot(4);
  await eventually(async () => assert.match(await plot.title(), /growing by a factor of 1.07/));
  await first.paste(2, "growth = 1.02\nyears = 25");
  await first.runHere();
  await eventually(async () => assert.match(await plot.title(), /growing by a factor of 1.02/));

  await page.getByRole("link", { name: "All notebooks" }).click();
  const plots = await begin(/Plots that follow/);
  await plots.becomes(4, "ok");
  await plots.becomes(5, "ok");

  await page.getByRole("link", { name: "All notebooks" }).click();
  const sql = await begin(/SQL and Python, side by side/);
  for (const number of [4, 5, 7, 8, 9]) await sql.becomes(number, "ok");

  await page.getByRole("link", { name: "All notebooks" }).click();
  const untracked = await begin(/What is not tracked/);
  await untracked.says(3, "In the basket: apples, pears");
  for (const number of [10, 11]) await untracked.becomes(number, "error");
  await untracked.becomes(12, "blocked");
  await untracked.cell(5).getByRole("button", { name: "Run cell 5" }).click();
  await untracked.says(5, "4"); // once by Run all, once by hand
  await untracked.says(3, "In the basket: apples, pears");
  await untracked.choose(11, "Delete");
  await untracked.says(11, "6"); // what is left of the two heals, and what reads it, too
});
