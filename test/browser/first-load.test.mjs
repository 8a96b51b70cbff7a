import assert from "node:assert/strict";
import { scenarios } from "./support/scenario.mjs";
import { withToken } from "./support/service.mjs";

const scenario = scenarios();

// That no page asks another host for anything, each scenario's watch sees to.
scenario("the list loads in less than 200 kB, and neither the editor nor Plotly nor KaTeX with it", async ({ context }) => {
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  const loaded = new Map();
  wire.on("Network.responseReceived", ({ requestId, response }) => loaded.set(requestId, { path: new URL(response.url).pathname, bytes: 0 }));
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const file = loaded.get(requestId);
    if (file) file.bytes = encodedDataLength;
  });
  await page.goto(withToken("/"), { waitUntil: "networkidle" });
  await page.getByRole("button", { name: "New notebook" }).waitFor();
  const files = [...loaded.values()];
  const told = files.map(({ path, bytes }) => `${path} ${bytes}`).join("\n");
  assert.ok(files.some(({ path }) => path.endsWith(".js")) && files.some(({ path }) => path.endsWith(".css")), told);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(total > 20_000 && total < 200_000, `${total} bytes came over the wire:\n${told}`);
  assert.deepEqual(files.filter(({ path }) => /monaco|editor|plotly|math|katex|notebook-page/i.test(path)), [], told);
});
