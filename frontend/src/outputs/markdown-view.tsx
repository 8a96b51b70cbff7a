import { useLayoutEffect, useRef } from "react";
import { hasMath, renderMarkdown } from "./markdown.ts";

type MathModule = typeof import("./math.ts");

/** Loaded with the first formula. */
let math: MathModule | null = null;

export function MarkdownView({ source }: { source: string }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    const text = renderMarkdown(source);
    let stale = false;
    if (hasMath(text)) {
      if (math !== null) math.drawMath(text);
      else {
        void import("./math.ts").then((loaded) => {
          math = loaded;
          if (!stale) loaded.drawMath(element);
        }, () => undefined); // the formulas stay as they were written
      }
    }
    element.replaceChildren(text);
    return () => {
      stale = true;
    };
  }, [source]);
  return <div ref={host} className="prose" />;
}
