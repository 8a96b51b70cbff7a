/** A piece of a line as the editor's highlighter sees it: from where, and what it is. */
export interface Token {
  offset: number;
  type: string;
}

/** Where a name stands in a source; lines and columns count from 1. */
export interface Occurrence {
  line: number;
  column: number;
}

const word = /[\p{L}\p{N}_]/u;

/**
 * Where a Python source uses a name as a name: not in comments and strings but
 * in what f-strings compute, not as an attribute of something else, and not as
 * a keyword of a call. `tokens` are those of each line.
 */
export function pythonOccurrences(source: string, name: string, tokens: readonly (readonly Token[])[]): Occurrence[] {
  const found: Occurrence[] = [];
  let depth = 0;
  source.split("\n").forEach((text, index) => {
    const line = tokens[index] ?? [];
    let at = 0;
    for (let column = 0; column < text.length; column++) {
      while ((line[at + 1]?.offset ?? Infinity) <= column) at++;
      if (/comment|string/.test(line[at]?.type ?? "")) continue;
      const character = text.charAt(column);
      if ("([{".includes(character)) depth++;
      else if (")]}".includes(character)) depth = Math.max(0, depth - 1);
      if (!isWordAt(text, name, column)) continue;
      const before = text.slice(0, column).trimEnd();
      const after = text.slice(column + name.length).trimStart();
      const attribute = before.endsWith(".") && !before.endsWith("...");
      const keyword = depth > 0 && /^=(?!=)/.test(after) && /[(,]$|^$/.test(before);
      if (!attribute && !keyword) found.push({ line: index + 1, column: column + 1 });
    }
  });
  return found;
}

/** Where a SQL source takes in a variable: as `{name}`. */
export function sqlOccurrences(source: string, name: string): Occurrence[] {
  const found: Occurrence[] = [];
  source.split("\n").forEach((text, index) => {
    for (const match of text.matchAll(/\{(\s*)([\p{L}_][\p{L}\p{N}_]*)\s*\}/gu)) {
      if (match[2] === name) found.push({ line: index + 1, column: match.index + 2 + (match[1]?.length ?? 0) });
    }
  });
  return found;
}

function isWordAt(text: string, name: string, at: number): boolean {
  if (!text.startsWith(name, at)) return false;
  const [before, after] = [text.charAt(at - 1), text.charAt(at + name.length)];
  return !(at > 0 && word.test(before)) && !(after !== "" && word.test(after));
}
