import { useEffect } from "react";

const product = "Reactive Notebook";

/** The tab's title and icon; both show whether something runs. */
export function usePageTitle(title: string, running = false): void {
  useEffect(() => {
    document.title = `${running ? "● " : ""}${title === "" ? product : `${title} · ${product}`}`;
  }, [title, running]);

  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (link === null) return;
    link.href = running ? "/favicon-running.svg" : "/favicon.svg";
    return () => {
      link.href = "/favicon.svg";
    };
  }, [running]);
}
