import type { NewNotebook } from "../api/types.ts";
import type { IconName } from "../ui/icon.tsx";
import { sampleConnection } from "./sample-data.ts";

/** A notebook to begin with, which teaches by being changed. */
export interface Sample {
  title: string;
  /** What one learns from it. */
  about: string;
  icon: IconName;
  /** The SQL connection without which it does not work. */
  needs?: string;
  notebook: NewNotebook;
}

/** What "keeps itself up to date" means. */
const reactivity: NewNotebook = {
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
      source: `## See what depends on what

Put the cursor on \`growth\` above: it lights up wherever it is read. The **graph**, in the toolbar,
draws the same for the whole notebook. In **Lazy** mode a change only marks the cells below as stale.`,
    },
  ],
};

/** How figures follow the cells above them. */
const plots: NewNotebook = {
  name: "Plots that follow",
  mode: "auto",
  cells: [
    {
      kind: "markdown",
      source: `# Two ways to draw, one number to change

Press **Run all**, then change \`noise\` or \`points\` and run that cell with **Ctrl+Enter**. Both
figures are drawn anew; where you zoomed the first one, it stays zoomed.`,
    },
    { kind: "python", source: "points = 120\nnoise = 0.3   # try 0, or 1.5" },
    {
      kind: "python",
      source: `import numpy as np
import pandas as pd

_x = np.linspace(0, 4 * np.pi, points)
_chance = np.random.default_rng(7)
wave = pd.DataFrame({"x": _x, "clean": np.sin(_x)})
wave["measured"] = wave["clean"] + _chance.normal(0, noise, points)
wave`,
    },
    {
      kind: "python",
      source: `import plotly.express as px

px.scatter(wave, x="x", y="measured", title=f"{points} points, noise {noise}")`,
    },
    {
      kind: "python",
      source: `import matplotlib.pyplot as plt

plt.figure(figsize=(8, 2.6))
plt.hist(wave["measured"] - wave["clean"], bins=24, color="#4f9d88")
plt.title("What the noise looks like")
plt.show()`,
    },
    {
      kind: "markdown",
      source: "**View → App** shows the figures alone, at full width. That link can be shared.",
    },
  ],
};

/** What the notebook can't see, and what to do instead. */
const untracked: NewNotebook = {
  name: "What is not tracked",
  mode: "auto",
  cells: [
    {
      kind: "markdown",
      source: `# What the notebook sees, and what it can't

It follows **names**: who defines one, and who reads it. It can't see an object being changed
in place. Press **Run all** to begin.`,
    },
    { kind: "python", source: 'basket = ["apples", "pears"]' },
    { kind: "python", source: 'print("In the basket:", ", ".join(basket))' },
    {
      kind: "markdown",
      source: `Now run the next cell a few times. It changes the list in place, so the cell above goes on saying
what it said: nobody defined \`basket\` anew.`,
    },
    { kind: "python", source: 'basket.append("plums")\nlen(basket)' },
    {
      kind: "markdown",
      source: `## Instead: make a new name

What is made anew under a name of its own is followed. Change \`extra\`, and the last cell follows.`,
    },
    { kind: "python", source: 'extra = ["plums"]\nshopping = ["apples", "pears"] + extra' },
    { kind: "python", source: 'print("To buy:", ", ".join(shopping))' },
    {
      kind: "markdown",
      source: `## One name, one cell

These two cells both define \`price\`, so neither runs, and each says so. Delete one of them, or
rename its \`price\`: the other heals by itself. A name that begins with \`_\` belongs to its cell
alone and may be in many.`,
    },
    { kind: "python", source: "price = 3" },
    { kind: "python", source: "price = 4" },
    { kind: "python", source: "_weight = 2\nprice * _weight" },
  ],
};

/** How SQL and Python cells read each other's names. */
const sql: NewNotebook = {
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

export const samples: readonly Sample[] = [
  { title: "How cells feed each other", about: "Change a number; a table and a plot follow.", icon: "graph", notebook: reactivity },
  { title: "Plots that follow", about: "Plotly and matplotlib on the same data.", icon: "plot", notebook: plots },
  { title: "SQL and Python, side by side", about: "Query planets and moons, go on in Python.", icon: "database", needs: sampleConnection, notebook: sql },
  { title: "What is not tracked", about: "Changes in place, and names defined twice.", icon: "eye", notebook: untracked },
];
