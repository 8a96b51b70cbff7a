/** A Plotly figure as `application/vnd.plotly.v1+json` has it. */
export interface Figure {
  data: unknown[];
  layout: Record<string, unknown>;
  config: Record<string, unknown>;
}

export function figureOf(value: unknown): Figure | null {
  if (typeof value !== "object" || value === null || !("data" in value) || !Array.isArray(value.data)) return null;
  const { layout, config } = value as Record<string, unknown>;
  return { data: value.data as unknown[], layout: record(layout), config: record(config) };
}

/** The value if it is an object, else an empty one. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
