// The strict bundle makes no function from a string, which the page's policy forbids.
import Plotly from "plotly.js-strict-dist-min";

/** The part of Plotly that the page uses. */
export interface PlotlyStatic {
  react: (
    element: HTMLElement,
    data: unknown[],
    layout: Record<string, unknown>,
    config: Record<string, unknown>,
  ) => Promise<unknown>;
  purge: (element: HTMLElement) => void;
  Plots: { resize: (element: HTMLElement) => Promise<unknown> };
}

export default Plotly;
