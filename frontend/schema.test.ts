import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("the page's types are those of the service's OpenAPI document; if not, `npm run api` makes them so", () => {
  expect(() => execFileSync("npm", ["run", "--silent", "api", "--", "--check"], { stdio: "pipe" })).not.toThrow();
});
