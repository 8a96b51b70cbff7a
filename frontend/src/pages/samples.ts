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

/** The connection that every service can offer: a small database of the solar system. */
export const sampleConnection = "sample";

/** A notebook that shows how SQL and Python cells read each other's names. */
export const sqlSample: NewNotebook = {
  name: "SQL and Python, side by side",
  mode: "auto",
  cells: [
    {
      kind: "markdown",
      source: `# Ask a database, go on in Python

The \`sample\` connection holds the planets of the solar system, their moons, and the missions that
went there. Press **Run all**, then change \`smallest_km\` and run its cell again: the query, the
plot and the table at the end follow.`,
    },
    { kind: "python", source: "smallest_km = 500   # try 100, or 2000" },
    {
      kind: "markdown",
      source: `## From Python into SQL, and back

\`{smallest_km}\` in a query is the value of that variable. It goes to the database beside the
query, never as a part of its text. The rows come back as the data frame \`moons\`, as the cell's
*into* says.`,
    },
    {
      kind: "sql",
      connection: sampleConnection,
      result: "moons",
      source: `SELECT moon.name, moon.planet, moon.radius_km, moon.distance_km, moon.discovered
FROM moon
WHERE moon.radius_km >= {smallest_km}
ORDER BY moon.radius_km DESC`,
    },
    {
      kind: "python",
      source: `import plotly.express as px

px.bar(moons, x="name", y="radius_km", color="planet", title=f"Moons with a radius of {smallest_km} km and more")`,
    },
    {
      kind: "markdown",
      source: "## Joins and groups, as in any database",
    },
    {
      kind: "sql",
      connection: sampleConnection,
      result: "visits",
      source: `SELECT
  planet.name AS planet,
  count(visit.arrived) AS visits,
  min(visit.arrived) AS first_visit,
  group_concat(DISTINCT visit.kind) AS kinds
FROM planet
LEFT JOIN visit ON visit.planet = planet.name AND visit.arrived IS NOT NULL
GROUP BY planet.name
ORDER BY planet.distance_au`,
    },
    {
      kind: "sql",
      connection: sampleConnection,
      result: "under_way",
      source: `SELECT mission.name AS mission, mission.agency, mission.launched, visit.planet AS bound_for
FROM mission
JOIN visit ON visit.mission = mission.name
WHERE visit.arrived IS NULL
ORDER BY mission.launched`,
    },
    {
      kind: "python",
      source: `# The most visited planets among those with moons that large
visits[visits["planet"].isin(moons["planet"])].nlargest(3, "visits")`,
    },
  ],
};
