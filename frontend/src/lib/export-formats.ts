import type { ExportFormat } from "../api/types.ts";

export const exportFormats: readonly [format: ExportFormat, label: string][] = [
  ["ipynb", "Jupyter notebook (.ipynb)"],
  ["py", "Python script (.py)"],
  ["html", "Web page (.html)"],
  ["md", "Markdown (.md)"],
];
