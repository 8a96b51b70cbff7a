import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
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

scenario("texts, tables, trees and formulas look as a person expects, and a traceback leads to the line", async ({ notebook, open }) => {
  const page = await open(
    await notebook([
      { kind: "markdown", source: "# Waves\n\nThe period is $T = 2\\pi\\sqrt{l/g}$, and\n\n$$\\int_0^1 x^2\\,dx = \\frac13$$" },
      // As tqdm draws: each step over the one before it, on the error stream.
      "import sys, time\nfor _n in range(5):\n    print(f'\\rsteps: {(_n + 1) * 20:3d}%|{\"#\" * 2 * (_n + 1):<10}| {_n + 1}/5', end='', file=sys.stderr, flush=True)\n    time.sleep(0.05)\nprint(file=sys.stderr)",
      "print('\\x1b[31mred\\x1b[0m \\x1b[1;34mbold blue\\x1b[0m \\x1b]8;;https://example.org\\x07a link\\x1b]8;;\\x07')",
      "import pandas as pd\npd.DataFrame({'n': range(120), 'word': ['pear', 'apple', None] * 40, 'share': [_n / 7 for _n in range(120)]})",
      "class _Json:\n    def _repr_json_(self):\n        return {'list': [1, 'two', None, True], 'deep': {'deeper': {'deepest': [42]}}}\n_Json()",
      "class _Svg:\n    def _repr_svg_(self):\n        return '<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90\" height=\"40\"><rect width=\"90\" height=\"40\" fill=\"teal\"/></svg>'\n_Svg()",
      "def share(n):\n    whole = 1\n    return whole / n",
      "values = [1, 0]\n[share(value) for value in values]",
    ]),
  );
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.becomes(8, "error");

  await page.cell(1).getByRole("heading", { name: "Waves" }).waitFor();
  await eventually(async () => assert.equal(await page.cell(1).locator(".math math").count(), 2));

  assert.match(await page.says(2, "5/5"), /^steps: 100%\|#{10}\| 5\/5$/m);
  assert.equal((await page.output(2).innerText()).match(/steps/g).length, 1, "a step of the bar stands beside the next");

  await page.says(3, "red bold blue a link");
  const colours = await page.output(3).locator(".line span").evaluateAll((spans) => spans.map((span) => [span.textContent, getComputedStyle(span).color, getComputedStyle(span).fontWeight]));
  assert.equal(new Set(colours.map(([, colour]) => colour)).size, colours.length);
  assert.ok(Number(colours.find(([text]) => text === "bold blue")[2]) > 500);

  const table = page.output(4).getByRole("region", { name: "Data frame" });
  await table.scrollIntoViewIfNeeded();
  const column = async (n) => (await table.locator(`tbody tr > :nth-child(${n})`).allInnerTexts()).map((text) => text.trim());
  await eventually(async () => assert.equal((await column(1)).length, 50));
  assert.match(await table.locator("thead").innerText(), /n\s+int64\s+word\s+(object|str|string)\s+share\s+float64/);
  await page.output(4).getByRole("button", { name: "Next" }).click();
  assert.equal((await column(1))[0], "50");
  await table.getByRole("button", { name: /^n/ }).click();
  await table.getByRole("button", { name: /^n/ }).click();
  assert.deepEqual((await column(1)).slice(0, 3), ["119", "118", "117"]);
  await table.getByRole("button", { name: /^word/ }).click();
  assert.equal((await column(2))[0], "apple");
  assert.equal(await table.locator("th[aria-sort=ascending]").count(), 1);

  const tree = page.output(5).locator(".json-tree");
  await tree.scrollIntoViewIfNeeded();
  assert.equal(await tree.getByText("42").count(), 0);
  await tree.getByText("deeper").click();
  await tree.getByText("deepest").click();
  await tree.getByText("42").waitFor();

  await page.output(6).scrollIntoViewIfNeeded();
  await eventually(async () => assert.equal(await page.output(6).locator("img").evaluate((image) => image.naturalWidth), 90));

  await page.output(8).getByText("Traceback", { exact: true }).click();
  await page.output(8).getByLabel("Traceback").getByRole("button", { name: "cell 7, line 3" }).click();
  await page.cell(7).locator(".monaco-editor.focused").waitFor();
  await page.page.keyboard.type("# ");
  await page.shows(7, "# return whole / n");
});

scenario("a cell that is switched off takes its dependents with it, and runs again when it is switched on", async ({ notebook, open }) => {
  const page = await open(await notebook(["rate = 2", "print('rate', rate)"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.says(2, "rate 2");
  await page.choose(1, "Disable");
  await page.becomes(1, "disabled");
  await page.becomes(2, "disabled");
  assert.match(await page.cell(2).getByTestId("cell-status").innerText(), /disabled with cell 1/);
  await page.paste(1, "rate = 3");
  await page.choose(1, "Enable");
  await page.says(2, "rate 3");
});
