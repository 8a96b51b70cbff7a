import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "./support/eventually.mjs";
import { scenarios } from "./support/scenario.mjs";

const scenario = scenarios();

scenario("a cell that raises shows its traceback, blocks its dependent by name, and a fix heals both", async ({ notebook, open }) => {
  const page = await open(await notebook(["numbers = [1, 2, 0]\nshares = [6 / number for number in numbers]", "print('sum', sum(shares))"]));
  await page.page.getByRole("button", { name: "Run all" }).click();
  await page.becomes(1, "error");
  await page.says(1, "ZeroDivisionError");
  await page.output(1).getByText("Traceback", { exact: true }).click();
  const traceback = page.output(1).getByLabel("Traceback");
  await traceback.waitFor();
  const text = await traceback.innerText();
  assert.match(text, /Traceback \(most recent call last\)/);
  assert.match(text, /line 2/);
  assert.match(text, /6 \/ number/);

  await page.becomes(2, "blocked");
  const status = page.cell(2).getByTestId("cell-status");
  assert.match(await status.innerText(), /blocked by cell 1/);

  await page.paste(1, "numbers = [1, 2, 3]\nshares = [6 / number for number in numbers]");
  await page.runHere();
  await page.says(2, "sum 11.0");
  await page.becomes(1, "ok");
  await page.becomes(2, "ok");
  assert.equal(await page.output(1).count(), 0, "the traceback stays after the fix");
});

scenario("a syntax error shows as soon as the cell is saved, before any run", async ({ notebook, open }) => {
  const page = await open(await notebook(["value = 1"]));
  await page.paste(1, "value = = 1");
  await page.becomes(1, "error");
  await page.says(1, "SyntaxError");
  await page.paste(1, "value = 2\nprint('value', value)");
  await page.runHere();
  await page.says(1, "value 2");
});

scenario("a name defined twice is told in both cells, each naming the other", async ({ notebook, open }) => {
  const page = await open(await notebook(["twice = 1", "twice = 2"]));
  for (const [number, other] of [[1, 2], [2, 1]]) {
    await page.becomes(number, "error");
    await page.says(number, "twice");
    await page.says(number, `cell ${other}`);
  }
});

scenario("the Interrupt button stops a cell that loops forever, and the kernel keeps its state", async ({ notebook, open }) => {
  const page = await open(await notebook(["kept = 41", "while True:\n    pass", "print('kept', kept + 1)"]));
  await page.edit(1);
  await page.runHere();
  await page.becomes(1, "ok");
  await page.edit(2);
  await page.runHere();
  await page.becomes(2, "running");
  await page.interruptButton().click();
  await page.becomes(2, "error");
  assert.match(await page.cell(2).getByTestId("cell-status").innerText(), /interrupted/);
  await page.edit(3);
  await page.runHere();
  await page.says(3, "kept 42");
});

scenario("a cell that ends its process is told as such, and the next run works", async ({ notebook, open }) => {
  const page = await open(await notebook(["import os\nos._exit(3)", "print('still', 'here')"]));
  await page.edit(1);
  await page.runHere();
  await page.becomes(1, "error");
  assert.match(await page.cell(1).getByTestId("cell-status").innerText(), /kernel died/);
  await page.edit(2);
  await page.runHere();
  await page.says(2, "still here");
  await page.becomes(2, "ok");
});

scenario("output streams while a cell runs, and a reload in the middle loses none of it", async ({ notebook, open }) => {
  const lines = 40;
  // The cell goes on in its middle until this file is there: however long a
  // reload takes, it falls into the run.
  const reloaded = path.join(tmpdir(), `reloaded-${process.pid}-${Date.now()}`);
  const source = `import os, time
for step in range(${lines}):
    print('step', step, flush=True)
    time.sleep(0.05)
    waited = 0
    while step == 20 and waited < 120 and not os.path.exists(${JSON.stringify(reloaded)}):
        time.sleep(0.1)
        waited += 0.1
print('end', 'of steps')`;
  const page = await open(await notebook([source]));
  try {
    await page.edit(1);
    await page.runHere();
    await page.says(1, "step 3");
    assert.equal(await page.cell(1).getAttribute("data-status"), "running", "the output came before the cell was done");
    const before = await page.says(1, "step 5");
    assert.ok(!before.includes("end of steps"));

    await page.page.reload();
    await page.ready();
    await page.becomes(1, "running");
    const after = await page.says(1, "step 6");
    assert.ok(after.includes("step 0\n"), "what was printed before the reload is gone");

    await writeFile(reloaded, "");
    await page.becomes(1, "ok");
  } finally {
    await rm(reloaded, { force: true });
  }
  await eventually(async () => {
    const said = await page.output(1).innerText();
    const steps = [...said.matchAll(/step (\d+)/g)].map((match) => Number(match[1]));
    assert.deepEqual(steps, Array.from({ length: lines }, (_, index) => index));
    assert.match(said, /end of steps/);
  });
});
