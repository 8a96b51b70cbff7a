/** A notebook worth a picture: a table and a figure that follow the first cells. */
export const showcase = {
  name: "Harbour seals, counted",
  cells: [
    {
      kind: "markdown",
      source: "Change `growth` or `smooth`: the cells that read them **follow by themselves**.",
    },
    "growth = 1.07\nsmooth = 3",
    `import numpy as np
import pandas as pd

_years = np.arange(2012, 2026)
_chance = np.random.default_rng(4)
counts = pd.DataFrame({"year": _years})
for _site, _first in {"Skerry": 46, "Sandbar": 29, "Inlet": 16}.items():
    _trend = _first * growth ** (_years - 2012)
    counts[_site] = _chance.normal(_trend, _first / 9).round().astype(int)
counts.tail(3)`,
    `import plotly.express as px

_means = counts.set_index("year").rolling(smooth, min_periods=1).mean().reset_index()
px.line(_means, x="year", y=["Skerry", "Sandbar", "Inlet"], height=340, markers=True,
        title=f"Seals a day, mean of {smooth} years",
        labels={"value": "seals", "variable": "site", "year": ""})`,
  ],
};
