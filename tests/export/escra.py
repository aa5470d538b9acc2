#!/usr/bin/env python3
"""Reads an export as the scripts of Escra's authors read their archive, and holds what
comes out against the run's own tables.

    tests/export/escra.py RUN EXPORT

Theirs: the throughput is wrk2's `Total count` over the 180 s of a run, the 99.9th
percentile the first row of the spectrum at or beyond it.
"""

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

ROW = re.compile(r"\s*([\d.]+)\s+([\d.]+)\s+(\d+)\s+([\d.]+|inf)$")
SYSTEMS = {"static-1.5x": "static-15x", "static-1x": "static-1x", "static-0.75x": "static-75x",
           "autopilot-1s": "ap", "escra": "dc-15x"}
APPLICATIONS = {"media": "media-microsvc"}


def report(path):
    """What their script takes from a report of wrk2."""
    text = path.read_text()
    total = int(re.search(r"Total count\s*=\s*(\d+)", text)[1])
    rows = [tuple(map(float, m.groups())) for m in map(ROW.match, text.splitlines()) if m]
    assert rows, f"{path}: no spectrum"
    assert [r[:2] for r in rows] == sorted(r[:2] for r in rows), f"{path}: not growing"
    p999 = next(value for value, share, *_ in rows if share >= 0.999)
    requests, seconds = re.search(r"(\d+) requests in ([\d.]+)(?:m|s)", text).groups()
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])
    return total, p999, rows[-1][2], int(requests), rate


def lines(path):
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


def near(one, other, why, by=5e-4):
    assert abs(one - other) <= by * max(1, abs(other)), f"{why}: {one} and {other}"


def main():
    run, export = map(Path, sys.argv[1:])
    seconds = float(re.fullmatch(r"(\d+)s", json.loads(
        (run / "manifest.json").read_text())["duration"])[1])
    cells = defaultdict(dict)
    for line in lines(run / "summary.csv"):
        key = line["application"], line["workload"], line["allocator"], line["seed"]
        cells[key][line["metric"]] = line["value"]
    for (app, load, policy, seed), metrics in cells.items():
        folder = export / f"seed-{seed}" / "latency-results" / APPLICATIONS.get(app, app) / load
        path = folder / f"{SYSTEMS[policy]}.txt"
        total, p999, last, requests, rate = report(path)
        near(total / seconds, float(metrics["throughput_rps"]), f"{path}: throughput", 1e-2 / seconds)
        near(p999, float(metrics["latency_p999_ms"]), f"{path}: p99.9")
        assert last == total, f"{path}: the spectrum ends at {last} of {total}"
        assert requests == int(metrics["requests_completed"]), f"{path}: requests"
        near(rate, requests / seconds, f"{path}: rate", 1e-2)
    reports = sum(1 for _ in export.rglob("*.txt"))
    assert reports == len(cells), f"{reports} reports of {len(cells)} cells"

    used = {}
    for path in export.glob("seed-*/container_usage.csv"):
        for line in lines(path):
            key = path.parent.name, line["app"], line["workload"], line["system"], line["service"]
            assert key not in used, f"{path}: {key} twice"
            used[key] = float(line["cpu_mean_cores"])
    ours = list(lines(run / "containers.csv"))
    assert len(used) == len(ours), f"{len(used)} containers of {len(ours)}"
    near(sum(used.values()), sum(float(line["cpu_mean_cores"]) for line in ours), "CPU", 1e-9)

    rows, sums = 0, defaultdict(float)
    for path in export.glob("seed-*/aggregate.csv"):
        for line in lines(path):
            rows += 1
            sums[line["resource"]] += float(line["agg_limit"])
    ours = [line for line in lines(run / "series.csv") if line["container"] == "all"]
    assert ours and rows == 2 * len(ours), f"{rows} rows over time of {len(ours)} moments"
    for resource, column in ("cpu", "cpu_limit_cores"), ("mem", "mem_limit_mib"):
        near(sums[resource], sum(float(line[column]) for line in ours), resource, 1e-9)
    print(f"escra: {reports} reports, {len(used)} containers, {rows} rows over time as in the run")


if __name__ == "__main__":
    main()
