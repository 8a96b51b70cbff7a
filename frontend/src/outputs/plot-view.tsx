import { useEffect, useRef, useState } from "react";
import { type Theme, useTheme } from "../app/theme.tsx";
import { type Figure, record } from "./figure.ts";
import type { PlotlyStatic } from "./plotly.ts";

/** Draws a figure, and draws it again in place when its cell runs again. */
export function PlotView({ figure }: { figure: Figure }) {
  const { theme } = useTheme();
  const host = useRef<HTMLDivElement>(null);
  const plotly = useRef<PlotlyStatic | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [drawn, setDrawn] = useState(false);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const controller = new AbortController();
    const { signal } = controller;
    const draw = async () => {
      try {
        const { default: Plotly } = await import("./plotly.ts");
        signal.throwIfAborted();
        plotly.current = Plotly;
        // Plotly writes into what it is given; the figure belongs to the store.
        const { data, layout } = structuredClone(figure);
        if (byDefault(layout)) for (const trace of data) recolour(record(trace), theme);
        await Plotly.react(element, data, themed(layout, theme), { ...settings, displayModeBar: hasPointer() ? "hover" : false });
        signal.throwIfAborted();
        setProblem(null);
        setDrawn(true);
      } catch (error) {
        if (!signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
      }
    };
    void draw();
    return () => {
      controller.abort();
    };
  }, [figure, theme]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    let width = element.clientWidth;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth === width || element.clientWidth === 0) return;
      width = element.clientWidth;
      if (element.classList.contains("js-plotly-plot")) void plotly.current?.Plots.resize(element);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plotly.current?.purge(element);
    };
  }, []);

  return (
    <>
      {problem !== null && (
        <p className="output-problem" role="alert">
          This figure could not be drawn: {problem}
        </p>
      )}
      <div
        ref={host}
        className="plot"
        data-drawn={drawn}
        style={{ minHeight: heightOf(figure.layout) }}
        hidden={problem !== null}
      />
    </>
  );
}

const defaultHeight = 420;

/** How tall a figure with this layout is drawn, in px. */
export function heightOf(layout: Record<string, unknown>): number {
  return typeof layout.height === "number" ? layout.height : defaultHeight;
}

/** Nothing that leads to another host: no logo link, no cloud, no map outlines from afar. */
const settings = {
  displaylogo: false,
  responsive: false,
  showLink: false,
  showSendToCloud: false,
  showEditInChartStudio: false,
  plotlyServerURL: "",
  topojsonURL: "/",
  modeBarButtonsToRemove: ["sendDataToCloud", "editInChartStudio"],
};

/** Plotly's buttons appear under a pointer; on a touch screen they would cover the plot for good. */
function hasPointer(): boolean {
  return !window.matchMedia("(hover: none)").matches;
}

const palettes: Record<Theme, { ink: string; grid: string; colours: string[] }> = {
  light: {
    ink: "#37342f",
    grid: "#e4dfd5",
    colours: ["#1f7a68", "#d9822b", "#4a63b8", "#b5485d", "#7a8f2a", "#8a5ba8", "#3a9bb5", "#8c6d4f", "#a0527f", "#5c6b73"],
  },
  dark: {
    ink: "#d9d4ca",
    grid: "#3a3a36",
    colours: ["#5cc2aa", "#eba55d", "#8fa3ec", "#e58a9b", "#b4c766", "#c39be0", "#74c7dd", "#c4a585", "#d48fb8", "#a3b1b9"],
  },
};

/** The colours that Plotly Express writes into each trace when none are asked for, in its order. */
const expressColours = ["#636efa", "#ef553b", "#00cc96", "#ab63fa", "#ffa15a", "#19d3f3", "#ff6692", "#b6e880", "#ff97ff", "#fecb52"];

/** Puts the page's colours in place of those, and leaves any other alone. */
function recolour(trace: Record<string, unknown>, theme: Theme): void {
  const { colours } = palettes[theme];
  for (const part of [trace, record(trace.line), record(trace.marker)]) {
    for (const key of ["color", "fillcolor"]) {
      const value = part[key];
      const index = typeof value === "string" ? expressColours.indexOf(value.toLowerCase()) : -1;
      if (index >= 0) part[key] = colours[index % colours.length];
    }
  }
}

/** Whether a layout leaves its looks to Python's default template, which is a default and not a wish. */
function byDefault(layout: Record<string, unknown>): boolean {
  const template = record(layout.template);
  return Object.keys(template).length === 0 || record(template.layout).plot_bgcolor === "#E5ECF6";
}

/**
 * The figure's own layout wins; what it leaves to its template follows the
 * page. Python's default template paints white paper and grey-blue ground, so
 * it is replaced; any other template is kept as it is.
 */
function themed(layout: Record<string, unknown>, theme: Theme): Record<string, unknown> {
  const palette = palettes[theme];
  const template = record(layout.template);
  const templateLayout = record(template.layout);
  const merged: Record<string, unknown> = { ...layout, autosize: true };
  if (layout.width === undefined) delete merged.width;
  merged.height = heightOf(layout);
  if (!byDefault(layout)) return merged;
  const axis = {
    ...record(templateLayout.xaxis),
    gridcolor: palette.grid,
    linecolor: palette.grid,
    zerolinecolor: palette.grid,
    ticks: "",
    automargin: true,
  };
  merged.template = {
    ...template,
    layout: {
      ...templateLayout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: palette.ink, family: "system-ui, sans-serif", size: 13 },
      colorway: palette.colours,
      margin: { l: 56, r: 24, t: layout.title ? 56 : 24, b: 48 },
      xaxis: axis,
      yaxis: axis,
      polar: { bgcolor: "rgba(0,0,0,0)", angularaxis: axis, radialaxis: axis },
      scene: undefined,
    },
  };
  return merged;
}
