#!/usr/bin/env python3
"""Runs the notebooks and holds their figures against the tables they are drawn from.

    notebooks/check.py [NOTEBOOK ...]

Of each notebook: it is committed without outputs; it runs to its end; each of its
charts has data; every row of that data is a row of the CSV file that it names, number
for number; and drawn by Vega the chart shows marks. Ends with code 1 if one is not so.
"""

import csv
import json
import math
import os
import sys
import time
from pathlib import Path

import nbformat
import vl_convert
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from results import RESULTS

HERE = Path(__file__).resolve().parent
BUDGET_S = 180


class Broken(Exception):
    """What is wrong with a notebook."""


def stripped(notebook):
    """Nothing of an execution is in git: it would change with each."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None):
            raise Broken(f"cell {number} has outputs: clear them before it is committed")
        if cell.metadata:
            raise Broken(f"cell {number} has metadata {dict(cell.metadata)}: clear it")
    extra = set(notebook.metadata) - {"kernelspec", "language_info"}
    if extra:
        raise Broken(f"the notebook has metadata {sorted(extra)}: clear it")


def charts(notebook):
    """The charts that an executed notebook shows, as Vega-Lite."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            spec = output.get("data", {}).get("application/vegalite+json")
            if spec is not None:
                yield spec


def tables(cache, name):
    """The rows of a results table by name."""
    if name not in cache:
        with open(RESULTS / name, newline="") as file:
            cache[name] = list(csv.DictReader(file))
    return cache[name]


def same(cell, value):
    """Whether a cell of a CSV file says what a chart's data says."""
    if value is None:
        return cell == ""
    if isinstance(value, (int, float)):
        try:
            number = float(cell)
        except ValueError:
            return False
        return number == value or math.isnan(number) and math.isnan(value)
    return cell == value


def held(rows, cache):
    """Holds the rows of a chart's data against the file they name; how many numbers
    that were."""
    numbers = 0
    index = {}
    for row in rows:
        if "file" not in row:
            raise Broken(f"a row does not say which file it is from: {row}")
        file = tables(cache, row["file"])
        known = [column for column in row if column in file[0]]
        text = [column for column in known if not isinstance(row[column], (int, float))
                and row[column] is not None]
        for column in row:
            if column not in file[0] and isinstance(row[column], (int, float)):
                raise Broken(f"{row['file']} has no column `{column}`, which is a number here")
        # Rows of the file by what they say in words, to look each one up once.
        key = (row["file"], tuple(text))
        if key not in index:
            index[key] = {}
            for line in file:
                index[key].setdefault(tuple(line[column] for column in text), []).append(line)
        candidates = index[key].get(tuple(row[column] for column in text), [])
        if not any(all(same(line[c], row[c]) for c in known) for line in candidates):
            raise Broken(f"no such row in {row['file']}: {row}")
        numbers += sum(isinstance(row[column], (int, float)) for column in known)
    if not numbers:
        raise Broken("a chart's data holds no number of a results table")
    return numbers


def marks(spec):
    """How many marks a chart has when it is drawn."""
    svg = vl_convert.vegalite_to_svg(json.dumps(spec), allowed_base_urls=[])
    return svg.count('role="graphics-symbol"')


def check(path):
    """Checks a notebook; what there is in it."""
    notebook = nbformat.read(path, as_version=4)
    stripped(notebook)
    client = NotebookClient(
        notebook,
        timeout=BUDGET_S,
        startup_timeout=BUDGET_S,
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute()
    cache, found, numbers = {}, 0, 0
    for spec in charts(notebook):
        found += 1
        data = spec.get("datasets", {})
        if not data:
            raise Broken(f"chart {found} has no data in it")
        for rows in data.values():
            if not rows:
                raise Broken(f"chart {found} has an empty table")
            numbers += held(rows, cache)
        if marks(spec) == 0:
            raise Broken(f"chart {found} is drawn without a mark")
    if not found:
        raise Broken("there is no chart")
    return f"{found} charts, {numbers} numbers as in their tables"


def main():
    paths = [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb"))
    os.environ["TIDEGATE_CHECK"] = "1"
    began, failed = time.monotonic(), 0
    for path in paths:
        try:
            told = check(path)
        except Broken as broken:
            failed += 1
            told = f"FAILED: {broken}"
        except CellExecutionError as error:
            failed += 1
            told = f"FAILED: {error.ename}: {error.evalue}"
        print(f"{path.name}: {told}", flush=True)
    took = time.monotonic() - began
    print(f"{len(paths) - failed} passed, {failed} failed in {took:.0f} s")
    if took > BUDGET_S:
        sys.exit(f"they take more than {BUDGET_S} s")
    sys.exit(1 if failed or not paths else 0)


if __name__ == "__main__":
    main()
