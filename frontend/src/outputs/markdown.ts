import DOMPurify, { type Config } from "dompurify";
import { Marked, type TokenizerAndRendererExtension, type Tokens } from "marked";

interface Formula extends Tokens.Generic {
  tex: string;
  display: boolean;
}

/** Marks formulas on their way through the sanitizer; no text of a cell can know it. */
const mark = `math-${crypto.getRandomValues(new Uint32Array(4)).join("-")}-`;

/**
 * Formulas as Jupyter writes them: `$…$` in a line, `$$…$$` and LaTeX's
 * environments on lines of their own. A dollar sign next to a space or before
 * a digit, as in "$5 or $6", is one of money.
 */
function formula(
  name: string,
  level: "block" | "inline",
  start: RegExp,
  patterns: readonly [pattern: RegExp, display: boolean][],
): TokenizerAndRendererExtension {
  return {
    name,
    level,
    start: (source) => start.exec(source)?.index,
    tokenizer(source) {
      for (const [pattern, display] of patterns) {
        const found = pattern.exec(source);
        const tex = found?.groups?.tex;
        if (found && tex !== undefined) return { type: name, raw: found[0], tex, display } satisfies Formula;
      }
      return undefined;
    },
    renderer(token) {
      const { tex, display } = token as Formula;
      const host = document.createElement("code");
      host.title = `${mark}${display ? "display" : "inline"}`;
      host.textContent = tex.trim();
      return host.outerHTML;
    },
  };
}

const environment = /^(?<tex>\\begin\{(?<name>[a-z]+\*?)\}[\s\S]+?\\end\{\k<name>\})/;

const marked = new Marked({
  gfm: true,
  breaks: false,
  extensions: [
    formula("mathBlock", "block", /\$\$|\\begin\{/, [
      [/^\$\$(?<tex>(?:\\[\s\S]|[^\\$])+?)\$\$[ \t]*(?:\n+|$)/, true],
      [environment, true],
    ]),
    formula("mathInline", "inline", /\$|\\begin\{/, [
      [/^\$\$(?<tex>(?:\\[\s\S]|[^\\$])+?)\$\$/, true],
      [/^\$(?![\s$])(?<tex>(?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d)/, false],
      [environment, true],
    ]),
  ],
});

const policy: Config = {
  // Prose, tables and pictures. No styles, ids or classes: text of a cell must
  // not be able to cover the page or take the names of its parts.
  USE_PROFILES: { html: true },
  FORBID_TAGS: ["style", "form", "input", "button", "select", "option", "textarea", "dialog", "iframe", "audio", "video", "source", "base", "meta", "link", "template", "slot", "map", "area"],
  FORBID_ATTR: ["style", "class", "id", "name", "slot", "popover", "popovertarget", "autofocus", "tabindex", "accesskey", "contenteditable", "background", "srcset"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * Markdown as a document fragment in which nothing runs and no link keeps a
 * hold on this page. Formulas are in it as they were written, in elements of
 * the class `math`, for `drawMath`.
 */
export function renderMarkdown(source: string): DocumentFragment {
  const html = marked.parse(source, { async: false });
  const fragment = DOMPurify.sanitize(html, policy) as unknown as DocumentFragment;
  for (const found of fragment.querySelectorAll<HTMLElement>(`code[title^="${mark}"]`)) {
    const text = document.createElement("span");
    text.className = found.title === `${mark}display` ? "math math-display" : "math";
    text.textContent = found.textContent;
    found.replaceWith(text);
  }
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  for (const image of fragment.querySelectorAll("img:not([alt])")) image.setAttribute("alt", "");
  for (const box of fragment.querySelectorAll("table")) {
    const scroll = document.createElement("div");
    scroll.className = "table-scroll";
    scroll.tabIndex = 0;
    box.replaceWith(scroll);
    scroll.append(box);
  }
  return fragment;
}

/** Whether `drawMath` has something to draw in the text. */
export function hasMath(text: ParentNode): boolean {
  return text.querySelector(".math") !== null;
}

export interface Heading {
  /** 1 to 6. */
  depth: number;
  text: string;
}

/** The headings of a Markdown text as plain text, in order. */
export function headingsOf(source: string): Heading[] {
  return [...renderMarkdown(source).querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .map((heading) => ({ depth: Number(heading.tagName.slice(1)), text: heading.textContent.trim() }))
    .filter(({ text }) => text !== "");
}
