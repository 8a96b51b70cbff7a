/** Says so when Chromium blocks something for the Content-Security-Policy. */
const reportViolations = () => {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`Content-Security-Policy: ${event.violatedDirective} blocked ${event.blockedURI}`);
  });
};

/**
 * Sees everything that goes wrong in the pages of one browser context: errors
 * in the console, exceptions, violated policies, failed requests, answers that
 * are errors, requests to another host, and dialogs, which no page of ours
 * opens. What a test brings about on purpose it names with `expect`.
 */
export class Watch {
  #hosts;
  #expected = [];
  #problems = [];

  /** @param {string[]} hosts the only HOST:PORTs that may be asked for anything */
  constructor(hosts) {
    this.#hosts = new Set(hosts);
  }

  /** @param {import("playwright-core").BrowserContext} context one without pages yet */
  async attach(context) {
    await context.addInitScript(reportViolations);
    context.on("console", (message) => {
      if (message.type() !== "error") return;
      const { url } = message.location();
      this.#note(`console: ${message.text()}${url ? ` (${url})` : ""}`);
    });
    context.on("weberror", (event) => this.#note(`exception: ${event.error().stack ?? event.error()}`));
    context.on("request", (request) => this.#checkHost(request.url()));
    context.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText ?? "";
      // The page gave it up itself: it was left, reloaded, or wants a newer answer.
      if (reason !== "net::ERR_ABORTED") this.#note(`request failed: ${request.method()} ${request.url()}: ${reason}`);
    });
    context.on("response", (response) => {
      if (response.status() >= 400) {
        this.#note(`answer: ${response.status()} to ${response.request().method()} ${response.url()}`);
      }
    });
    context.on("page", (page) => {
      page.on("crash", () => this.#note(`crash: ${page.url()}`));
      page.on("websocket", (socket) => this.#checkHost(socket.url()));
      page.on("dialog", (dialog) => {
        this.#note(`dialog: ${dialog.type()} ${dialog.message()}`);
        dialog.dismiss().catch(() => undefined); // the page may be gone
      });
    });
  }

  /** @param {RegExp} pattern of problems that the test causes on purpose */
  expect(pattern) {
    this.#expected.push(pattern);
  }

  /** What went wrong and was not expected. */
  get problems() {
    return this.#problems.filter((problem) => !this.#expected.some((pattern) => pattern.test(problem)));
  }

  #note(problem) {
    this.#problems.push(problem);
  }

  #checkHost(address) {
    const url = new URL(address);
    if (/^(https?|wss?):$/.test(url.protocol)) {
      if (!this.#hosts.has(url.host)) this.#note(`foreign host: ${address}`);
    } else if (!/^(data|blob|about):$/.test(url.protocol)) {
      this.#note(`foreign scheme: ${address}`);
    }
  }
}
