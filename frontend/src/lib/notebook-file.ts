import type { ImportType } from "../api/types.ts";

/** What a file picker offers. */
export const importable = ".ipynb,.py";

/** What a file is to be imported as, judged by its name; null if it can't be. */
export function importTypeOf(fileName: string): ImportType | null {
  if (/\.ipynb$/i.test(fileName)) return "application/x-ipynb+json";
  if (/\.py$/i.test(fileName)) return "text/x-python";
  return null;
}

/**
 * The name to give an imported notebook: undefined if the file holds one of its
 * own, which then stays, and else what the file is called.
 */
export function importName(fileName: string, type: ImportType, bytes: ArrayBuffer): string | undefined {
  const text = new TextDecoder().decode(bytes);
  const named = type === "text/x-python" ? /^# name: "/m.test(text.slice(0, 4096)) : hasTitle(text);
  if (named) return undefined;
  const name = cut(fileName.replace(/\.[^.]*$/, "").trim(), nameLength);
  return name === "" ? undefined : name;
}

function hasTitle(text: string): boolean {
  try {
    const { metadata } = JSON.parse(text) as { metadata?: { title?: unknown; colab?: { name?: unknown } } };
    const names = [metadata?.title, metadata?.colab?.name];
    return names.some((name) => typeof name === "string" && name.trim() !== "");
  } catch {
    return false; // the service says what is wrong with it
  }
}

const nameLength = 200; // in characters, as the service counts them

/** The name of a notebook's copy. */
export function copyName(name: string): string {
  return `${cut(name, nameLength - 5)} copy`;
}

function cut(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : characters.slice(0, length).join("").trimEnd();
}
