/**
 * Reads from a Chromium trace how long the page's main thread worked for each
 * key, from the press to the end of the frame that shows it.
 *
 * @param {{name: string, ph: string, ts: number, dur?: number, pid: number, tid: number, args?: any}[]} events
 *   of the categories toplevel and devtools.timeline, times in µs
 * @returns {number[]} ms, one for each press that was followed by a paint
 */
export function keyWork(events) {
  const presses = events.filter(({ name, args }) => name === "EventDispatch" && args?.data?.type === "keydown");
  if (presses.length === 0) return [];
  const { pid, tid } = presses[0];
  const main = events
    .filter((event) => event.pid === pid && event.tid === tid && event.ph === "X")
    // Time on the processor, where the trace has it: what others make the thread wait is no work of the page's.
    .map(({ name, ts, dur = 0, tdur = dur }) => ({ name, from: ts, to: ts + dur, busy: Math.min(tdur, dur) }))
    .sort((a, b) => a.from - b.from);
  const tasks = outermost(main.filter(({ name }) => /RunTask$/.test(name)));
  const frames = main.filter(({ name }) => name === "Commit" || name === "Paint").map(({ to }) => to);

  const work = [];
  for (const [index, press] of presses.entries()) {
    const before = presses[index + 1]?.ts ?? Infinity;
    const shown = frames.find((to) => to > press.ts);
    if (shown === undefined || shown > before) continue;
    // From the task that took the key to the one in which the frame was made.
    const from = tasks.find(({ from, to }) => from <= press.ts && press.ts <= to)?.from ?? press.ts;
    const until = tasks.find(({ from, to }) => from <= shown && shown <= to)?.to ?? shown;
    let busy = 0;
    for (const task of tasks) if (task.from >= from && task.to <= until) busy += task.busy;
    work.push(busy / 1000);
  }
  return work;
}

/** Tasks that run inside of others, as in a nested loop, are part of these. */
function outermost(tasks) {
  let end = -Infinity;
  return tasks.filter(({ to }) => {
    if (to <= end) return false;
    end = to;
    return true;
  });
}
