import type { NewNotebook } from "../api/types.ts";

/** A first notebook that shows by doing what "keeps itself up to date" means. */
export const firstSample: NewNotebook = {
  name: "How cells feed each other",
  mode: "auto",
  cells: [
    {
      kind: "markdown",
      source: `# Change one cell, and the rest follows

Each cell below reads what another one defines. Run the first with **Shift+Enter**, then change
\`growth\` and run it again: the table and the plot follow by themselves.`,
    },
    { kind: "python", source: "growth = 1.07   # try 1.02, or 0.95\nyears = 25" },
    {
      kind: "python",
      source: `import pandas as pd

savings = pd.DataFrame({"year": range(years + 1)})
savings["value"] = (1000 * growth ** savings["year"]).round(2)
savings`,
    },
    {
      kind: "python",
      source: `import plotly.express as px

px.area(savings, x="year", y="value", title=f"1000 growing by a factor of {growth} a year")`,
    },
    {
      kind: "markdown",
      source: `## Good to know

- A name is defined in one cell only. A name that starts with \`_\` belongs to its cell alone.
- Changing an object in place (\`savings.drop(…, inplace=True)\` in another cell) is not seen by
  the cells that read it. Make a new name instead.`,
    },
  ],
};
