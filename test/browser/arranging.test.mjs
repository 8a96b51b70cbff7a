import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call } from "./support/service.mjs";

const scenario = scenarios();

const sources = async (page) => (await call("GET", `/api/notebooks/${page.id}`)).body.cells.map((cell) => cell.source);

/** Waits until a cell, and not something in it, has the focus. */
async function hasFocus(page, number) {
  await eventually(async () => assert.equal(await page.cell(number).evaluate((cell) => cell === document.activeElement), true, `cell ${number} has no focus`));
}

scenario("the palette finds commands, cells and names by a few letters, from within an editor, too", async ({ notebook, open }) => {
  const page = await open(await notebook(["first = 1", "second = 2", { kind: "markdown", source: "# The *end*" }]));
  const palette = page.page.getByRole("dialog", { name: "Commands" });
  const find = async (letters) => {
    await page.page.keyboard.press("Control+k");
    await palette.waitFor();
    await page.page.keyboard.type(letters);
  };
  await page.edit(1);
  await find("lazy");
  await page.page.keyboard.press("Enter");
  await page.page.locator('button[aria-pressed="true"]', { hasText: "Lazy" }).waitFor();
  await palette.waitFor({ state: "detached" });

  await find("cell 3");
  await page.page.keyboard.press("Enter");
  await hasFocus(page, 3);

  await find("second");
  await page.page.keyboard.press("ArrowDown"); // the cell that defines it comes first, then the name
  await page.page.keyboard.press("ArrowUp");
  assert.match(await palette.getByRole("option", { selected: true }).innerText(), /second/);
  await page.page.keyboard.press("Enter");
  await eventually(async () => assert.equal(await page.cell(2).evaluate((cell) => cell.contains(document.activeElement)), true));

  await find("no such thing");
  await palette.getByText("Nothing is called that.").waitFor();
  await page.page.keyboard.press("Escape");
  await palette.waitFor({ state: "detached" });

  await page.edit(1);
  await find("run this");
  await page.page.keyboard.press("Enter");
  await page.becomes(1, "ok");
  assert.deepEqual(await sources(page), ["first = 1", "second = 2", "# The *end*"]);
});

scenario("cells are dragged to another place, and Escape lets go; keys move them, too", async ({ notebook, open }) => {
  const page = await open(await notebook(["a = 1", "b = 2", "c = 3", "d = 4"]));
  const { mouse, keyboard } = page.page;
  const drag = async (from, to) => {
    await page.cell(from).hover();
    const grip = await page.cell(from).locator(".cell-grip").boundingBox();
    const target = await page.cell(to).boundingBox();
    await mouse.move(grip.x + grip.width / 2, grip.y + grip.height / 2);
    await mouse.down();
    await mouse.move(grip.x + 20, grip.y + 20, { steps: 3 });
    await mouse.move(target.x + 40, target.y + 4, { steps: 6 });
    await page.page.locator(".drop-line").waitFor();
  };
  await drag(4, 1);
  await keyboard.press("Escape");
  await page.page.locator(".drop-line").waitFor({ state: "detached" });
  await mouse.up();
  assert.deepEqual(await sources(page), ["a = 1", "b = 2", "c = 3", "d = 4"]);

  await drag(4, 2);
  await mouse.up();
  await eventually(async () => assert.deepEqual(await sources(page), ["a = 1", "d = 4", "b = 2", "c = 3"]));
  await page.shows(2, "d = 4");
  await hasFocus(page, 2);
  await keyboard.press("Alt+ArrowDown");
  await eventually(async () => assert.deepEqual(await sources(page), ["a = 1", "b = 2", "d = 4", "c = 3"]));
  await hasFocus(page, 3);
});

scenario("long cells fold and stay so; cells deleted by keys come back one after the other, and no key press is lost", async ({ notebook, open }) => {
  const long = Array.from({ length: 30 }, (_, line) => `line_${line} = ${line}`).join("\n");
  const page = await open(await notebook([long, "print('out', line_29)", "last = 1"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.says(2, "out 29");
  const { keyboard } = page.page;
  const tall = (await page.cell(1).boundingBox()).height;
  await page.cell(1).focus();
  await keyboard.press("f");
  const unfold = page.page.getByRole("button", { name: "Unfold the source of cell 1" });
  assert.equal(await unfold.innerText(), "28 more lines");
  assert.ok((await page.cell(1).boundingBox()).height < tall / 3);
  await page.cell(2).focus();
  await keyboard.press("o");
  await page.page.getByRole("button", { name: "Unfold the output of cell 2" }).waitFor();

  await page.page.reload();
  await page.ready();
  await unfold.waitFor();
  await page.cell(1).focus();
  await keyboard.press("Enter");
  await unfold.waitFor({ state: "detached" });
  await page.cell(1).locator(".monaco-editor.focused").waitFor();
  await keyboard.press("Escape");
  await hasFocus(page, 1);

  await page.cell(3).focus();
  for (const key of ["d", "d"]) await keyboard.press(key);
  await eventually(async () => assert.equal(await page.cells().count(), 2));
  await hasFocus(page, 2);
  for (const key of ["d", "d"]) await keyboard.press(key);
  await eventually(async () => assert.equal(await page.cells().count(), 1));
  await hasFocus(page, 1);
  await keyboard.press("z");
  await page.cell(2).locator(".monaco-editor.focused").waitFor();
  await keyboard.press("Escape");
  await keyboard.press("z");
  await page.cell(3).locator(".monaco-editor.focused").waitFor();
  assert.deepEqual(await sources(page), [long, "print('out', line_29)", "last = 1"]);

  // Typed without a pause, across saves: all of it arrives.
  await keyboard.press("Control+a");
  const typed = Array.from({ length: 40 }, (_, word) => `w${word}`).join(" + ");
  await keyboard.type(typed, { delay: 12 });
  await page.page.locator('[data-testid="save-state"][data-state="saved"]').waitFor();
  await eventually(async () => assert.equal((await sources(page))[2], typed));
});

scenario("a notebook can be read without changing it, and used as an app with its outputs alone", async ({ notebook, open, visit }) => {
  const id = await notebook([{ kind: "markdown", source: "# Report" }, "answer = 6 * 7", "print('the answer is', answer)"]);
  const page = await open(id);
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.says(3, "the answer is 42");

  await page.page.getByRole("button", { name: "View" }).click();
  await page.page.getByRole("menuitemradio", { name: /^App/ }).click();
  await page.page.getByRole("heading", { name: "Report" }).waitFor();
  await page.says(3, "the answer is 42");
  assert.equal(new URL(page.page.url()).searchParams.get("view"), "app");
  assert.equal(await page.page.locator(".code-editor, .insert-bar, .cell-actions").count(), 0);
  assert.equal(await page.cell(2).isVisible(), false, "a cell without an output takes room");

  // The link opens the same, and follows what others do.
  const link = await visit(`/notebooks/${id}?view=read`);
  await link.locator('[data-ready="true"]').waitFor();
  await link.locator(".cell").nth(1).locator(".monaco-editor").first().click();
  await link.keyboard.type("x");
  await link.locator(".cell").nth(1).press("d");
  await link.locator(".cell").nth(1).press("d");
  const { body } = await call("GET", `/api/notebooks/${id}`);
  await call("PATCH", `/api/notebooks/${id}/cells/${body.cells[1].id}`, { source: "answer = 7 * 7" });
  await call("POST", `/api/notebooks/${id}/run?wait=30`, {});
  await page.says(3, "the answer is 49");
  await link.locator(".cell").nth(2).getByText("the answer is 49").waitFor();
  assert.deepEqual(await sources(page), ["# Report", "answer = 7 * 7", "print('the answer is', answer)"]);

  await page.page.getByRole("button", { name: "View" }).click();
  await page.page.getByRole("menuitemradio", { name: "Edit" }).click();
  await page.page.getByRole("button", { name: "Run all" }).waitFor();
});
