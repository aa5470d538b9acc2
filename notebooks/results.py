"""What the notebooks share: reading tables of results, colours, and the rule that each
row drawn says which file it comes from.

Numbers in a chart's data are those of a CSV file, unchanged; what is computed from
them (a change in percent, a mean) the chart computes. `check.py` holds every row
against its file.
"""

import os
from pathlib import Path

import altair as alt
import polars as pl

HERE = Path(__file__).resolve().parent

# Where runs are: a folder with one for each scenario, such as `tidegate run
# scenarios/escra/ --out DIR` writes.
RESULTS = Path(
    os.environ.get("TIDEGATE_RESULTS", HERE.parent / "results/reference/notebooks")
)

# The colours of the report, which tells them apart without red or green as well.
COLOURS = {
    "published": "#1C2430",
    "escra": "#0062B1",
    "tide": "#BA2C0A",
    "static-1.5x": "#5E6877",
    "as-requested": "#5E6877",
    "autopilot-1s": "#C08600",
    "measured": "#0062B1",
}

# A chart has its data in it, however many rows.
alt.data_transformers.disable_max_rows()

# `check.py` wants a chart as Vega-Lite, people as a picture.
if os.environ.get("TIDEGATE_CHECK"):
    alt.renderers.register("check", lambda spec, **_: {"application/vegalite+json": spec})
    alt.renderers.enable("check")


def table(scenario, name):
    """A table of a scenario's run; labels are text, also those that are digits."""
    path = RESULTS / scenario / name
    numbers = {"value", "quantile", "time_s", "published", "measured"}
    numbers |= {"ci_low", "ci_high", "relative_error"}
    numbers |= {f"{kind}_{what}" for kind in ("cpu", "mem") for what in
                ("limit_cores", "used_cores", "limit_mib", "used_mib")}
    head = pl.read_csv(path, n_rows=0).columns
    types = {column: pl.Float64 if column in numbers else pl.String for column in head}
    read = pl.read_csv(path, schema_overrides=types)
    return read.with_columns(pl.lit(f"{scenario}/{name}").alias("file"))


def comparison(scenario, prefix):
    """Published figures whose names begin with `prefix`, beside what was measured; the
    rest of a name is split at its slashes into `part_0`, `part_1`, ..."""
    rows = table(scenario, "comparison.csv").filter(
        pl.col("source").str.starts_with(prefix + "/")
    )
    parts = pl.col("source").str.strip_prefix(prefix + "/").str.split("/")
    deepest = rows.select(parts.list.len().max()).item()
    named = [parts.list.get(n, null_on_oob=True).alias(f"part_{n}") for n in range(deepest)]
    kept = ["file", "source", "unit", "published", "measured", "ci_low", "ci_high", "verdict"]
    return rows.select(*kept, *named)


def scale(*names):
    """The colours of `names`, in their order."""
    return alt.Scale(domain=list(names), range=[COLOURS[name] for name in names])


def beside(rows, label, title, width=420):
    """Published figures (rings) beside measured ones (dots, with the interval over
    seeds), a line for each."""
    base = alt.Chart(rows).encode(y=alt.Y(f"{label}:N", title=None, sort=None))
    x = {"title": title, "scale": alt.Scale(zero=False)}
    published = base.mark_point(size=90, strokeWidth=2, color=COLOURS["published"]).encode(
        x=alt.X("published:Q", **x), tooltip=["source", "published", "measured", "verdict"]
    )
    measured = base.mark_circle(size=80, color=COLOURS["measured"], opacity=1).encode(
        x=alt.X("measured:Q", **x), tooltip=["source", "published", "measured", "verdict"]
    )
    interval = base.mark_rule(color=COLOURS["measured"], strokeWidth=2).encode(
        x=alt.X("ci_low:Q", **x), x2="ci_high:Q"
    )
    return (interval + published + measured).properties(width=width)
