import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { eventually } from "./support/eventually.mjs";
import { Line } from "./support/line.mjs";
import { NotebookPage } from "./support/notebook-page.mjs";
import { scenarios } from "./support/scenario.mjs";
import { call, withToken } from "./support/service.mjs";

const scenario = scenarios();

/** What a page runs into while the service can't be reached. */
const unreachable = /ERR_(CONNECTION|EMPTY|INTERNET|SOCKET|NETWORK)|WebSocket connection to .* failed|answer: 50[234]|status of 50[234]/;

scenario("an edit in one tab appears in the other, and so does what it made run", async ({ notebook, open }) => {
  const id = await notebook(["word = 'first'", "print('the word is', word)"]);
  const one = await open(id);
  const other = await open(id);
  await one.page.getByText("2 here").waitFor();

  await one.paste(1, "word = 'second'");
  await other.shows(1, "word = 'second'");
  await one.edit(1);
  await one.runHere();
  await other.says(2, "the word is second");

  await other.paste(1, "word = 'third'");
  await other.runHere();
  await one.shows(1, "word = 'third'");
  await one.says(2, "the word is third");

  await other.page.getByRole("button", { name: "Add Python cell below cell 2" }).click();
  await eventually(async () => assert.equal(await one.cells().count(), 3));
  await other.page.close();
  await one.page.getByText("2 here").waitFor({ state: "detached" });
});

scenario("an edit made elsewhere meanwhile is shown beside one's own, and one of the two stays", async ({ notebook, open, watch }) => {
  watch.expect(/412/); // the save that must not overwrite what it hasn't seen
  const id = await notebook(["shared = 'before'", "other = 1"]);
  const page = await open(id);
  const [cell] = (await call("GET", `/api/notebooks/${id}`)).body.cells;
  const change = (source) => call("PATCH", `/api/notebooks/${id}/cells/${cell.id}`, { source });
  const stored = async () => (await call("GET", `/api/notebooks/${id}`)).body.cells[0].source;
  const conflict = page.page.getByTestId("conflict");
  const collide = async (mine, theirs) => {
    // The way to the service is as slow as it takes for the other to be first.
    let release = () => {};
    const held = new Promise((resolve) => (release = resolve));
    const path = `**/cells/${cell.id}`;
    await page.page.route(path, async (route) => {
      await held;
      await route.continue();
    });
    await page.paste(1, mine);
    assert.equal((await change(theirs)).status, 200);
    await conflict.waitFor();
    release();
    await page.page.unroute(path, { behavior: "wait" });
    assert.equal(await conflict.locator(".theirs").innerText(), theirs);
    assert.equal(await page.source(1), mine, "what was typed is gone");
    await page.page.locator('[data-testid="save-state"][data-state="conflict"]').waitFor();
    assert.equal(await stored(), theirs);
  };

  await collide("shared = 'mine'", "shared = 'theirs'");
  await conflict.getByRole("button", { name: "Keep mine" }).click();
  await conflict.waitFor({ state: "detached" });
  await eventually(async () => assert.equal(await stored(), "shared = 'mine'"));

  await collide("shared = 'mine again'", "shared = 'theirs again'");
  await conflict.getByRole("button", { name: "Take the other" }).click();
  await conflict.waitFor({ state: "detached" });
  await page.shows(1, "shared = 'theirs again'");
  await page.page.locator('[data-testid="save-state"][data-state="saved"]').waitFor();
  assert.equal(await stored(), "shared = 'theirs again'");

  // Without a draft in the way it just comes in, and is told.
  await change("shared = 'later'");
  await page.shows(1, "shared = 'later'");
  await page.cell(1).getByTestId("changed-elsewhere").waitFor();
});

{
  const line = await Line.open();
  scenario(
    "what is typed without a network outlives the tab, and is saved when the notebook is opened again",
    async ({ context, notebook, watch }) => {
      try {
        const id = await notebook(["note = 'before'"]);
        const visit = async () => {
          const page = new NotebookPage(await context.newPage());
          await page.page.goto(withToken(`/notebooks/${id}`, line.origin));
          await page.ready();
          return page;
        };
        const first = await visit();
        await first.edit(1);
        watch.expect(unreachable);
        await line.cut();
        await first.page.getByTestId("offline").waitFor();
        await first.paste(1, "note = 'kept'");
        await eventually(async () => {
          const kept = await first.page.evaluate(() => JSON.stringify({ ...localStorage }));
          assert.match(kept, /note = 'kept'/);
        });
        await first.page.close();

        await line.mend();
        const second = await visit();
        await second.shows(1, "note = 'kept'");
        await eventually(async () => {
          const { body } = await call("GET", `/api/notebooks/${id}`);
          assert.equal(body.cells[0].source, "note = 'kept'");
        });
        await second.page.locator('[data-testid="save-state"][data-state="saved"]').waitFor();
        await eventually(async () => {
          const left = await second.page.evaluate(() => JSON.stringify({ ...localStorage }));
          assert.doesNotMatch(left, /kept/);
        });
      } finally {
        await line.cut();
      }
    },
    { hosts: [line.host] },
  );
}

{
  const line = await Line.open();
  scenario(
    "when the network goes the page says so, keeps what is typed, and goes on by itself when it is back",
    async ({ context, notebook, watch }) => {
      try {
        const id = await notebook(["import time\nfor step in range(30):\n    print('step', step, flush=True)\n    time.sleep(0.2)", "note = 'before'", "gone = 1"]);
        const tab = await context.newPage();
        await tab.goto(withToken(`/notebooks/${id}`, line.origin));
        const page = new NotebookPage(tab);
        await page.ready();
        await page.edit(1);
        await page.runHere();
        await page.says(1, "step 2");

        watch.expect(unreachable);
        watch.expect(/412/); // a save that another edit of this page overtook, and that is made again
        await line.cut();
        await tab.getByTestId("offline").waitFor();
        assert.match(await tab.getByTestId("kernel-status").innerText(), /offline/);
        await page.paste(2, "note = 'typed without a network'");

        // The notebook's form can be changed, too; all of it is shown at once.
        await tab.getByRole("button", { name: "Add Python cell below cell 2" }).click();
        await page.cell(3).locator(".monaco-editor.focused").waitFor();
        await tab.keyboard.insertText("made = 'without a network'");
        await page.cell(4).focus();
        await tab.keyboard.press("d");
        await tab.keyboard.press("d");
        await eventually(async () => assert.equal(await page.cells().count(), 3));
        await tab.getByRole("textbox", { name: "Name of the notebook" }).fill("Renamed without a network");
        await tab.keyboard.press("Enter");
        await tab.getByTestId("offline").getByText("3 changes").waitFor();
        await page.edit(3);
        await tab.keyboard.press("Control+End");
        await tab.keyboard.press("Control+Shift+ArrowUp");
        await page.shows(2, "made");
        await page.cell(2).locator(".monaco-editor.focused").waitFor();

        await line.mend();
        await tab.getByTestId("offline").waitFor({ state: "detached" });
        await page.ready();
        await page.becomes(1, "ok");
        await eventually(async () => {
          const steps = [...(await page.output(1).innerText()).matchAll(/step (\d+)/g)].map((match) => Number(match[1]));
          assert.deepEqual(steps, Array.from({ length: 30 }, (_, index) => index));
        });
        // Who types on does not notice that the cell has got its place in the service.
        await page.cell(2).locator(".monaco-editor.focused").waitFor();
        await tab.keyboard.type(" + '!'", { delay: 5 });
        const wanted = ["made = 'without a network' + '!'", "note = 'typed without a network'"];
        await eventually(async () => {
          const { body } = await call("GET", `/api/notebooks/${id}`);
          assert.deepEqual(body.cells.slice(1).map(({ source }) => source), wanted);
          assert.equal(body.name, "Renamed without a network");
        });
        await tab.locator('[data-testid="save-state"][data-state="saved"]').waitFor();
        assert.deepEqual([await page.source(2), await page.source(3)], wanted);
        await page.runHere();
        await page.becomes(2, "ok");
      } finally {
        await line.cut();
      }
    },
    { hosts: [line.host] },
  );
}

scenario("what was typed a moment before the tab is reloaded or closed is saved, and nobody is asked", async ({ notebook, open }) => {
  const id = await notebook(["note = 'before'"]);
  const stored = async () => (await call("GET", `/api/notebooks/${id}`)).body.cells[0].source;
  const page = await open(id);
  await page.edit(1);
  await page.page.keyboard.press("Control+a");
  await page.page.keyboard.insertText("note = 'reloaded'");
  await page.page.reload();
  await page.shows(1, "note = 'reloaded'");
  await eventually(async () => assert.equal(await stored(), "note = 'reloaded'"));

  await page.edit(1);
  await page.page.keyboard.press("Control+a");
  await page.page.keyboard.insertText("note = 'closed'");
  const closed = page.page.waitForEvent("close");
  await page.page.close({ runBeforeUnload: true });
  await closed;
  await eventually(async () => assert.equal(await stored(), "note = 'closed'"));
});

const stack = process.env.NOTEBOOK_STACK;

/** The tasks of the standing local stack that serve. */
async function healthyTasks() {
  const { stdout } = await promisify(execFile)(stack, ["status", "dev", "--local", "--json"], { timeout: 60_000 });
  return JSON.parse(stdout).local.state.tasks.filter((task) => task.state === "healthy");
}

scenario(
  "when the service's task dies the page says so, and goes on by itself with the task that takes its place",
  async ({ notebook, open, watch }) => {
    const id = await notebook(["1"]);
    const page = await open(id);
    const [task] = await healthyTasks();
    assert.ok(task, "the stack has a healthy task");

    watch.expect(unreachable);
    watch.expect(/404/); // the new task may not know the notebook
    process.kill(task.process.pid, "SIGKILL");
    await page.page.getByTestId("offline").waitFor();
    await eventually(async () => {
      assert.ok((await healthyTasks()).some((now) => now.id !== task.id), "no new task serves");
    }, 120_000);

    // What the page shows is what the service has by now: a task's own disk goes with it.
    await page.page.getByTestId("offline").waitFor({ state: "detached" });
    const { status } = await eventually(async () => {
      const answer = await call("GET", `/api/notebooks/${id}`);
      assert.ok(answer.status === 200 || answer.status === 404, `the service answers ${answer.status}`);
      return answer;
    });
    if (status === 200) await page.ready();
    else await page.page.getByTestId("notebook-missing").waitFor();
  },
  { skip: !stack && "NOTEBOOK_STACK does not name the stack program of a local stack" },
);
