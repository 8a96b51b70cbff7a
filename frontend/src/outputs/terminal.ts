/** How a piece of terminal text looks. Colours: a palette index 0–255, or "#rrggbb". */
export interface Style {
  fg: number | string | null;
  bg: number | string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
}

export interface Segment {
  text: string;
  style: Style | null;
}

export type Line = readonly Segment[];

interface Character {
  char: string;
  style: Style | null;
}

const plain: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
};

// CSI, OSC (with its text left behind: a link shows what it is called and leads
// nowhere), other escapes, and the control characters that move.
const sequences =
  // eslint-disable-next-line no-control-regex
  /\u001b\[([0-9;:?]*)([ -/]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\^_]|[\r\n\b]|\u001b/g;

/** A sequence that the end of a chunk may have cut in two. */
// eslint-disable-next-line no-control-regex
const unfinished = /\u001b(?:\[[0-9;:?]*[ -/]*|\][^\u0007\u001b]{0,2048}(?:\u001b)?)?$/;

/** What is beyond it in characters is left out, and "…" stands for it. */
const longestLine = 20_000;

/**
 * What a terminal would show of a program's output: colours, and the carriage
 * returns, backspaces and cursor moves that progress bars are drawn with.
 *
 * Text can be written in pieces, cut anywhere. Lines that later text doesn't
 * touch keep their identity.
 */
export class Terminal {
  readonly #lines: Line[] = [[]];
  #row = 0;
  #column = 0;
  /** The row under the cursor, as characters, while it is being written. */
  #open: Character[] | null = null;
  #style: Style | null = null;
  #rest = "";

  get lines(): readonly Line[] {
    this.#closeRow();
    return this.#lines;
  }

  write(chunk: string): void {
    let text = this.#rest + chunk;
    this.#rest = "";
    const cut = unfinished.exec(text);
    if (cut) {
      this.#rest = text.slice(cut.index);
      text = text.slice(0, cut.index);
    }
    let from = 0;
    for (const match of text.matchAll(sequences)) {
      if (match.index > from) this.#put(text.slice(from, match.index));
      from = match.index + match[0].length;
      if (match[0] === "\n") this.#newLine();
      else if (match[0] === "\r") this.#column = 0;
      else if (match[0] === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (match[3] !== undefined) this.#control(match[3], match[1] ?? "");
    }
    if (from < text.length) this.#put(text.slice(from));
  }

  #put(text: string): void {
    const line = this.#lines[this.#row] ?? [];
    if (this.#open === null && this.#column === lengthOf(line)) {
      // Text at a line's end, which nearly all text is, needs no characters.
      if (this.#column + text.length > longestLine) {
        const rest = longestLine - this.#column;
        text = rest > 0 ? `${text.slice(0, rest - 1)}…` : "";
      }
      if (text === "") return;
      const last = line.at(-1);
      this.#lines[this.#row] =
        last && sameStyle(last.style, this.#style)
          ? [...line.slice(0, -1), { text: last.text + text, style: last.style }]
          : [...line, { text, style: this.#style }];
      this.#column += text.length;
      return;
    }
    const open = this.#openRow();
    for (let i = 0; i < text.length && this.#column < longestLine; i++) {
      while (open.length < this.#column) open.push({ char: " ", style: null });
      open[this.#column] = { char: text.charAt(i), style: this.#style };
      this.#column += 1;
    }
  }

  #newLine(): void {
    this.#closeRow();
    this.#row += 1;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push([]);
  }

  #control(command: string, parameters: string): void {
    if (command === "m") {
      this.#style = restyle(this.#style, parameters);
      return;
    }
    const n = Number.parseInt(parameters, 10);
    const by = Number.isNaN(n) ? 1 : Math.max(1, n);
    switch (command) {
      case "A":
        this.#closeRow();
        this.#row = Math.max(0, this.#row - by);
        break;
      case "B":
        this.#closeRow();
        this.#row = Math.min(this.#lines.length - 1, this.#row + by);
        break;
      case "C":
        this.#column = Math.min(longestLine, this.#column + by);
        break;
      case "D":
        this.#column = Math.max(0, this.#column - by);
        break;
      case "G":
        this.#column = Math.min(longestLine, by - 1);
        break;
      case "K": {
        const open = this.#openRow();
        if (Number.isNaN(n) || n === 0) open.length = Math.min(open.length, this.#column);
        else if (n === 2) open.length = 0;
        else for (let i = 0; i <= this.#column && i < open.length; i++) open[i] = { char: " ", style: null };
        break;
      }
      default:
      // Any other sequence belongs to a full screen, which a cell's output is not.
    }
  }

  #openRow(): Character[] {
    if (this.#open === null) {
      this.#open = [];
      for (const segment of this.#lines[this.#row] ?? []) {
        for (const char of segment.text.split("")) this.#open.push({ char, style: segment.style });
      }
    }
    return this.#open;
  }

  #closeRow(): void {
    if (this.#open === null) return;
    const line: Segment[] = [];
    for (const { char, style } of this.#open) {
      const last = line.at(-1);
      if (last && sameStyle(last.style, style)) last.text += char;
      else line.push({ text: char, style });
    }
    this.#lines[this.#row] = line;
    this.#open = null;
  }
}

/** The lines of a whole text, for text that does not grow. */
export function terminalLines(text: string): readonly Line[] {
  const terminal = new Terminal();
  terminal.write(text);
  return terminal.lines;
}

function lengthOf(line: Line): number {
  let length = 0;
  for (const segment of line) length += segment.text.length;
  return length;
}

function sameStyle(a: Style | null, b: Style | null): boolean {
  return a === b || (a !== null && b !== null && JSON.stringify(a) === JSON.stringify(b));
}

function restyle(style: Style | null, parameters: string): Style | null {
  const next: Style = { ...(style ?? plain) };
  const codes = parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(next, plain);
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.strike = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code === 39) next.fg = null;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 49) next.bg = null;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      if (code === 38) next.fg = colour;
      else next.bg = colour;
      i += used;
    }
  }
  return sameStyle(next, plain) ? null : next;
}

/** The colour of `38;5;n` or `38;2;r;g;b`, and how many codes it took. */
function extended(codes: number[]): [number | string | null, number] {
  const byte = (value: number | undefined) => Math.min(255, Math.max(0, Math.trunc(value ?? 0) || 0));
  if (codes[0] === 5) return [byte(codes[1]), 2];
  if (codes[0] === 2) {
    const hex = [codes[1], codes[2], codes[3]].map((value) => byte(value).toString(16).padStart(2, "0"));
    return [`#${hex.join("")}`, 4];
  }
  return [null, codes.length];
}

const cube = [0, 95, 135, 175, 215, 255];

/** A palette colour as CSS; the first sixteen follow the page's theme. */
export function cssColour(colour: number | string): string {
  if (typeof colour === "string") return colour;
  if (colour < 16) return `var(--ansi-${colour})`;
  if (colour >= 232) {
    const grey = 8 + (colour - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const index = colour - 16;
  const [r, g, b] = [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map((i) => cube[i] ?? 0);
  return `rgb(${r ?? 0} ${g ?? 0} ${b ?? 0})`;
}
