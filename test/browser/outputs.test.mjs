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
