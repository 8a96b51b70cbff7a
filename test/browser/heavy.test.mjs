import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call } from "./support/service.mjs";

const scenario = scenarios();

scenario("a million printed lines and outputs of megabytes leave the page light, and what is typed meanwhile arrives", async ({ notebook, open }) => {
  const id = await notebook([
    "for _n in range(1_000_000):\n    print('line', _n)",
    "'\\n'.join('text ' + str(_n) for _n in range(400_000))",
    "import pandas as pd\npd.DataFrame({f'column{_c}': range(100) for _c in range(500)})",
    "class _Json:\n    def _repr_json_(self):\n        return {'rows': [{'n': _n, 'text': 'x' * 100} for _n in range(40_000)]}\n_Json()",
    "typed = 0",
  ]);
  const page = await open(id);
  await page.edit(1);
  await page.runHere();
  // Key by key, while the lines come in.
  await page.type(5, "typed = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9");
  await page.becomes(1, "ok");
  await page.says(1, /line 999999\s*$/);
  await eventually(async () => assert.equal((await call("GET", `/api/notebooks/${id}`)).body.cells[4].source, "typed = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9"));

  await call("POST", `/api/notebooks/${id}/run?wait=60`, { cells: (await call("GET", `/api/notebooks/${id}`)).body.cells.slice(1, 4).map((cell) => cell.id) });
  for (const number of [2, 3, 4]) await page.becomes(number, "ok");
  await page.says(3, "column499");
  await page.type(5, "typed = 10");
  const nodes = await page.page.evaluate(() => document.querySelectorAll("*").length);
  assert.ok(nodes < 15_000, `there are ${nodes} elements in the page`);

  // What is left out at first is there when asked for, a part at a time.
  await page.output(1).getByRole("button", { name: /Show 5,000 of [\d,]+ earlier lines/ }).click();
  await eventually(async () => assert.ok((await page.output(1).locator(".line").count()) >= 6_000));
});

scenario("three hundred cells with a hundred plots open at once: what is far away is drawn when one comes to it", async ({ notebook, open }) => {
  const figure = (n) => `Figure(${n})`;
  const id = await notebook([
    "class Figure:\n    def __init__(self, n):\n        self.n = n\n    def _repr_mimebundle_(self, **_):\n        data = [{'type': 'scatter', 'y': [i * self.n % 97 for i in range(200)]}]\n        return {'application/vnd.plotly.v1+json': {'data': data, 'layout': {'title': {'text': f'figure {self.n}'}}}, 'text/plain': 'figure'}",
    ...Array.from({ length: 299 }, (_, n) => (n % 3 === 0 ? figure(n) : n % 3 === 1 ? { kind: "markdown", source: `## Part ${n}` } : `value_${n} = ${n}`)),
  ]);
  await call("POST", `/api/notebooks/${id}/run?wait=60`, {});
  const page = await open(id);
  const first = await page.plot(2);
  assert.equal(await first.title(), "figure 0");
  await page.edit(4);
  await page.page.keyboard.type("  # typed at once");
  await page.shows(4, "value_2 = 2  # typed at once");
  const drawn = await page.page.locator(".js-plotly-plot").count();
  assert.ok(drawn < 25, `${drawn} plots are drawn before anybody can see them`);
  const last = await page.plot(299);
  assert.equal(await last.title(), "figure 297");
});
