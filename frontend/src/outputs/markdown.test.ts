import { describe, expect, it } from "vitest";
import { headingsOf, renderMarkdown } from "./markdown.ts";

function html(source: string): string {
  const host = document.createElement("div");
  host.append(renderMarkdown(source));
  return host.innerHTML;
}

describe("renderMarkdown", () => {
  it("renders prose, code and tables", () => {
    expect(html("# Title\n\n**bold** `code`")).toContain("<h1>Title</h1>");
    expect(html("| a |\n|---|\n| 1 |")).toContain('<div class="table-scroll" tabindex="0"><table>');
  });

  it.each([
    ["a script", "<script>alert(1)</script>"],
    ["a handler", '<img src="x" onerror="alert(1)">'],
    ["a handler in SVG", "<svg onload=alert(1)><script>alert(1)</script></svg>"],
    ["a javascript link", "[x](javascript:alert(1)) <a href='JaVaScRiPt:alert(1)'>x</a>"],
    ["a data document", "<a href='data:text/html,<script>alert(1)</script>'>x</a>"],
    ["a base address", '<base href="https://example.org/">'],
    ["a refresh", '<meta http-equiv="refresh" content="0;url=https://example.org">'],
    ["a frame", '<iframe srcdoc="<script>alert(1)</script>"></iframe>'],
    ["a form", '<form action="https://example.org"><input name="attributes"><button>go</button></form>'],
    ["an overlay", '<div style="position:fixed;inset:0">x</div><style>body{display:none}</style>'],
    ["a taken name", '<a id="root" name="body" class="toolbar" data-cell-id="x">x</a>'],
    ["an object", '<object data="x"></object><embed src="x">'],
  ])("leaves nothing of %s", (_, source) => {
    expect(html(source)).not.toMatch(
      /<(script|svg|base|meta|iframe|form|input|button|style|object|embed)|\son\w+=|javascript:|data:|\sstyle=|\s(id|name|class|data-\S+)=/i,
    );
  });

  it("tells screen readers to pass over a picture that nobody described", () => {
    expect(html('<img src="/x.png"> ![tide](/y.png)')).toContain('alt=""');
    expect(html("![tide](/y.png)")).toContain('alt="tide"');
  });

  it("leaves formulas as they were written, for what draws them", () => {
    expect(html("of $a_1 * b_1$ and $\\frac{1}{2}$")).toContain(
      '<p>of <span class="math">a_1 * b_1</span> and <span class="math">\\frac{1}{2}</span></p>',
    );
    expect(html("$$\nx < y & z\n$$\n\nafter")).toContain('<span class="math math-display">x &lt; y &amp; z</span>');
    expect(html("\\begin{align}\na &= b \\\\\n&= c\n\\end{align}")).toContain(
      '<span class="math math-display">\\begin{align}\na &amp;= b \\\\\n&amp;= c\n\\end{align}</span>',
    );
  });

  it.each([
    ["money", "from $5 to $6"],
    ["one dollar sign", "only $x"],
    ["code", "`$x$` and\n\n```\n$$y$$\n```"],
    ["an escaped dollar sign", "\\$x\\$"],
    ["the mark of another text", '<code title="math-1-2-3-4-inline">x</code> <span class="math">x</span>'],
  ])("takes %s for no formula", (_, source) => {
    expect(html(source)).not.toContain('class="math');
  });

  it("opens links elsewhere, without a hold on this page", () => {
    expect(html("[x](https://example.org)")).toContain('target="_blank" rel="noopener noreferrer"');
  });
});

describe("headingsOf", () => {
  it("reads headings as the page shows them, and nothing else", () => {
    const source = "# *High* &amp; low <b>tide</b>\n\n```\n# no heading\n```\n\nSpring\n---\n\n#\n\n### Neap<script>x</script>";
    expect(headingsOf(source)).toEqual([
      { depth: 1, text: "High & low tide" },
      { depth: 2, text: "Spring" },
      { depth: 3, text: "Neap" },
    ]);
  });
});
