import assert from "node:assert/strict";
import { eventually } from "./support/eventually.mjs";
import { scenarios } from "./support/scenario.mjs";
import { origin, token, withToken } from "./support/service.mjs";

const scenario = scenarios();
const skip = token === "" && "the service asks for no token";
const refused = /401/;

/** The service's own cookies: the load balancer has one that says where to go on. */
async function cookiesOf(context) {
  return (await context.cookies(origin)).filter(({ name }) => !name.startsWith("AWSALB"));
}

scenario(
  "the printed address signs in, its token leaves the address bar, and a reload stays signed in",
  async ({ context, visit }) => {
    const page = await visit("/");
    await page.getByRole("heading", { name: /^Notebooks$/ }).waitFor();
    assert.equal(page.url(), `${origin}/`);
    assert.equal(await page.evaluate(() => location.hash), "");

    await page.reload();
    await page.getByRole("heading", { name: /^Notebooks$/ }).waitFor();
    await page.getByRole("button", { name: "New notebook" }).waitFor();
    assert.equal(await page.getByTestId("sign-in").count(), 0);

    const cookies = await cookiesOf(context);
    assert.equal(cookies.length, 1, "one session cookie");
    assert.equal(cookies[0].httpOnly, true);
    assert.equal(cookies[0].sameSite, "Strict");
    const within = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
    assert.ok(!within.includes(token), "scripts of the page can read the token");
    assert.ok(!cookies[0].value.includes(token), "the cookie is the token itself");
  },
  { skip },
);

scenario(
  "without a token the page asks for one, refuses a wrong one plainly, and opens with the right one",
  async ({ context, watch }) => {
    watch.expect(refused);
    const page = await context.newPage();
    await page.goto(`${origin}/`);
    await page.getByTestId("sign-in").waitFor();
    assert.equal(await page.getByRole("button", { name: "New notebook" }).isVisible(), false);

    await page.getByLabel("Token").fill("not the token");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "That token is not the one" }).waitFor();

    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "New notebook" }).waitFor();
    assert.equal(await page.getByTestId("sign-in").count(), 0);
  },
  { skip },
);

scenario(
  "an address with a wrong token says that the token is wrong",
  async ({ context, watch }) => {
    watch.expect(refused);
    const page = await context.newPage();
    await page.goto(`${origin}/#token=not-the-token`);
    await page.getByRole("alert").filter({ hasText: "That token is not the one" }).waitFor();
    assert.equal(await page.evaluate(() => location.hash), "");
    assert.deepEqual(await cookiesOf(context), []);
  },
  { skip },
);

scenario(
  "a notebook's address with a token opens that notebook",
  async ({ context, notebook }) => {
    const id = await notebook(["1 + 1"], "By a deep link");
    const page = await context.newPage();
    await page.goto(withToken(`/notebooks/${id}`));
    await page.locator('[data-ready="true"]').waitFor();
    assert.equal(page.url(), `${origin}/notebooks/${id}`);
    await eventually(async () => assert.match(await page.title(), /By a deep link/));
  },
  { skip },
);
