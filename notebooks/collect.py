#!/usr/bin/env python3
"""Runs what the notebooks draw and keeps the parts that they read.

    notebooks/collect.py target/release/tidegate [SCENARIO ...]

writes `results/reference/notebooks/SCENARIO/` from whole runs: the numbers are those
of the command, rows that no figure shows are left out so that the files stay small.
Needs Python alone. To draw a run of your own instead, see README.md.
"""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "results" / "reference" / "notebooks"

# Files of a run that are small.
WHOLE = ["run.json", "id", "comparison.csv"]


def column(name, *values):
    """Rows whose column `name` is one of `values`."""
    return lambda row: row[name] in values


def cells(*wanted):
    """Rows of these cells: application and workload."""
    return lambda row: (row["application"], row["workload"]) in wanted


def coarse(row):
    """Each fortieth of a distribution, and its end in full."""
    thousandths = float(row["quantile"]) * 1000
    return thousandths >= 990 or round(thousandths) % 25 == 0


def every(*rules):
    """Rows that all rules keep."""
    return lambda row: all(rule(row) for rule in rules)


# The four experiments that the paper draws slack of.
FIGURE_5 = cells(
    ("train-ticket", "fixed"),
    ("teastore", "alibaba"),
    ("hipster-shop", "exp"),
    ("media", "burst"),
)

# By scenario: options of its run, and by table which rows are kept.
SCENARIOS = {
    "escra/table-1": ([], {}),
    "escra/tracking": (
        ["--filter", "allocator=escra", "--filter", "workload=sysbench"],
        {"series.csv": lambda row: True},
    ),
    "escra/performance": (
        [],
        {"summary.csv": column("metric", "throughput_rps", "latency_p999_ms")},
    ),
    "escra/cpu-slack": (
        [],
        {"cdf.csv": every(FIGURE_5, column("metric", "cpu_slack_published"), coarse)},
    ),
    "escra/memory-slack": (
        [],
        {"cdf.csv": every(FIGURE_5, column("metric", "mem_slack_published"), coarse)},
    ),
    "escra/imageprocess": (
        ["--set", 'run.series={every="10s"}'],
        {
            "cdf.csv": every(column("metric", "latency"), coarse),
            "series.csv": lambda row: True,
        },
    ),
    "escra/gridsearch": (
        ["--set", 'run.series={every="5s"}'],
        {
            "summary.csv": column("metric", "job_completion_s"),
            "series.csv": column("seed", "1"),
        },
    ),
    "resource-manager/deployment": (
        [],
        {
            "summary.csv": column(
                "metric",
                "deployment_s",
                "termination_s",
                "create_response_ms",
                "cancel_response_ms",
                "manager_cpu_cores",
                "manager_mem_mib",
            )
        },
    ),
    "resource-manager/reaction": (
        [],
        {
            "summary.csv": lambda row: row["metric"].startswith("reaction_published_p")
        },
    ),
    "resource-manager/invocation": (
        [],
        {"summary.csv": column("metric", "round_trip_ms")},
    ),
    "resource-manager/services": (
        [],
        {"summary.csv": column("metric", "service_start_s", "service_stop_s")},
    ),
}


def trimmed(source, target, keep):
    """Copies the rows of a table that `keep` says."""
    with open(source, newline="") as read, open(target, "w", newline="") as write:
        reader = csv.DictReader(read)
        writer = csv.DictWriter(write, reader.fieldnames, lineterminator="\n")
        writer.writeheader()
        rows = [row for row in reader if keep(row)]
        if not rows:
            sys.exit(f"{target}: no row is left")
        writer.writerows(rows)


def kept(run, scenario):
    """Keeps of a run what its figures show."""
    _, tables = SCENARIOS[scenario]
    folder = KEPT / Path(scenario).name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in WHOLE:
        shutil.copy(run / name, folder / name)
    # What the pieces say is in the scenarios of that commit.
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["pieces"]
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    for name, keep in tables.items():
        trimmed(run / name, folder / name, keep)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder.relative_to(HERE.parent)}: {size / 1024:.0f} KiB", flush=True)


def collect(tidegate, scenarios):
    """Runs scenarios and keeps what their figures show. Those with the same options
    run together: what they have in common is then simulated once."""
    together = {}
    for scenario in scenarios:
        together.setdefault(tuple(SCENARIOS[scenario][0]), []).append(scenario)
    for options, group in together.items():
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            paths = [f"scenarios/{scenario}.toml" for scenario in group]
            command = [tidegate, "run", *paths, "--quiet", "--out", str(out), *options]
            subprocess.run(command, check=True, cwd=HERE.parent)
            for scenario in group:
                kept(out / Path(scenario).name if len(group) > 1 else out, scenario)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    tidegate = str(Path(sys.argv[1]).resolve())
    scenarios = sys.argv[2:] or list(SCENARIOS)
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            sys.exit(f"no figure draws {scenario}; known: {', '.join(SCENARIOS)}")
    collect(tidegate, scenarios)


if __name__ == "__main__":
    main()
