/** So long after a key in this page a press inside of a frame is not believed, in ms. */
const typing = 500;

const fields = "input, textarea, select, [contenteditable=true], .monaco-editor";

/**
 * Gives the focus back to a field in which someone is typing when a script in a
 * frame takes it away: browsers let them, and the next keys would be theirs.
 * The Tab key and a pointer over the frame may lead into it. Returns what ends
 * the guard.
 */
export function guardFocus(frame: HTMLIFrameElement, onTheft: () => void): () => void {
  let field: HTMLElement | null = null;
  let key = { name: "", at: -Infinity };
  const note = (element: EventTarget | null) => {
    field = element instanceof HTMLElement && element.closest(fields) !== null ? element : null;
  };
  const onKey = (event: KeyboardEvent) => {
    key = { name: event.key, at: performance.now() };
  };
  const onFocus = (event: FocusEvent) => {
    note(event.target);
  };
  // What the focus goes to inside of a frame, this page sees as a window that lost it.
  const onBlur = () => {
    if (document.activeElement !== frame || field === null) return;
    const since = performance.now() - key.at;
    const led = key.name === "Tab" ? since < typing : since > typing && frame.matches(":hover");
    if (led) return;
    const back = field;
    // While the focus is still moving, it can't be turned back.
    setTimeout(() => {
      if (document.activeElement !== frame) return;
      back.focus({ preventScroll: true });
      onTheft();
    });
  };

  note(document.activeElement);
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("focusin", onFocus);
  window.addEventListener("blur", onBlur);
  return () => {
    document.removeEventListener("keydown", onKey, true);
    document.removeEventListener("focusin", onFocus);
    window.removeEventListener("blur", onBlur);
  };
}
