import { Dialog } from "../../ui/dialog.tsx";
import { Icon } from "../../ui/icon.tsx";

const groups: [title: string, keys: [keys: string, does: string][]][] = [
  [
    "In a cell's editor",
    [
      ["Shift Enter", "Run, and go to the next cell"],
      ["Ctrl Enter", "Run (⌘ Enter on a Mac)"],
      ["Alt Enter", "Run, and add a cell below"],
      ["↑ ↓", "At the first or last line: on into the next cell"],
      ["Ctrl Shift ↑ ↓", "Move the cell"],
      ["F12", "Go to where the name is defined (or Ctrl and a click on it)"],
      ["Esc", "Leave the editor, to the cell"],
    ],
  ],
  [
    "On a cell",
    [
      ["Enter", "Edit"],
      ["↑ ↓ or K J", "Go to the cell above or below"],
      ["A, B", "Add a cell above or below"],
      ["D D", "Delete"],
      ["Z", "Bring back the cell that was deleted last"],
      ["F, O", "Fold or unfold its source, its output"],
      ["M, Y, S", "Make it Markdown, Python or SQL"],
      ["Alt ↑ ↓", "Move the cell"],
      ["Shift Enter, Ctrl Enter", "Run"],
    ],
  ],
  [
    "Anywhere on the page",
    [
      ["Ctrl K or F1", "Commands: everything that can be done, by name"],
      ["Ctrl S", "Save now (it saves by itself)"],
      ["?", "This help, when no editor has the cursor"],
    ],
  ],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" className="help" onClose={onClose}>
      <button type="button" className="icon-button" aria-label="Close" title="Close (Esc)" onClick={onClose}>
        <Icon name="close" />
      </button>
      {groups.map(([title, keys]) => (
        <section key={title}>
          <h3>{title}</h3>
          <dl>
            {keys.map(([combination, does]) => (
              <div key={combination}>
                <dt>
                  <kbd>{combination}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
