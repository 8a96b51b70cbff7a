import assert from "node:assert/strict";
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

scenario("the example from the welcome page runs", async ({ visit, watch, context }) => {
  // Only an empty service shows the welcome: the list is answered as one would.
  await context.route("**/api/notebooks?*", async (route) => {
    if (route.request().method() === "GET") await route.fulfill({ json: { notebooks: [], next_cursor: null } });
    else await route.continue();
  });
  const page = await visit("/");
  await page.getByTestId("welcome").getByRole("button", { name: "Start from an example" }).click();
  const notebook = new NotebookPage(page);
  await notebook.ready();
  await page.getByRole("button", { name: "Run all" }).click();
  await notebook.becomes(4, "ok");
  const plot = await notebook.plot(4);
  await eventually(async () => assert.match(await plot.title(), /growing by a factor of 1.07/));
  await notebook.paste(2, "growth = 1.02\nyears = 25");
  await notebook.runHere();
  await eventually(async () => assert.match(await plot.title(), /growing by a factor of 1.02/));
  assert.deepEqual(watch.problems, []);
});
