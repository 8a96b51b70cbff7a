import type { CellKind } from "../../api/types.ts";

export const kindNames: Record<CellKind, string> = { python: "Python", markdown: "Markdown", sql: "SQL" };
