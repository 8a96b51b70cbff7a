import { useLayoutEffect, useRef } from "react";
import { renderMarkdown } from "./markdown.ts";

export function MarkdownView({ source }: { source: string }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    host.current?.replaceChildren(renderMarkdown(source));
  }, [source]);
  return <div ref={host} className="prose" />;
}
