import { createContext, use, useCallback } from "react";
import { useSearchParams } from "react-router";

/**
 * How a notebook is shown: to be worked on, to be read with its sources, or as
 * an app, its outputs alone. It is in the address, so that a link says it too.
 */
export type View = "edit" | "read" | "app";

export const ViewContext = createContext<View>("edit");

export function useView(): View {
  return use(ViewContext);
}

/** The view that the address asks for, and how to choose another. */
export function useViewOfAddress(): [View, (view: View) => void] {
  const [params, setParams] = useSearchParams();
  const asked = params.get("view");
  const setView = useCallback(
    (view: View) => {
      setParams((now) => {
        const next = new URLSearchParams(now);
        if (view === "edit") next.delete("view");
        else next.set("view", view);
        return next;
      });
    },
    [setParams],
  );
  return [asked === "read" || asked === "app" ? asked : "edit", setView];
}
