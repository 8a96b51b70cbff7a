import DOMPurify, { type Config } from "dompurify";
import { Marked } from "marked";

const marked = new Marked({ gfm: true, breaks: false });

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

/** Markdown as a document fragment in which nothing runs and no link keeps a hold on this page. */
export function renderMarkdown(source: string): DocumentFragment {
  const html = marked.parse(source, { async: false });
  const fragment = DOMPurify.sanitize(html, policy) as unknown as DocumentFragment;
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
