#!/usr/bin/env bash
# Makes `sample/`, the results that the pictures are taken of: two loads of Table I,
# short, with everything that a report can show. Of distributions only each twentieth
# and the end are kept, so that the files stay small. Takes the command `tidegate` as
# its argument.
set -euo pipefail
cd "$(dirname "$0")/../.."
tidegate=${1:-target/release/tidegate}
out=tests/browser/sample
rm -rf "$out"
"$tidegate" run scenarios/escra/table-1.toml --quiet --out "$out" --seeds 2 \
    --filter application=media --filter workload=fixed --filter workload=burst \
    --set run.duration=60s --set run.settle=10s --set run.cdf=true \
    --set 'run.series={every="2s"}'
rm -r "$out/cells"
awk -F, 'NR == 1 || int($8 * 1000 + 0.5) % 50 == 0 || $8 > 0.99' "$out/cdf.csv" >"$out/cdf.thin"
mv "$out/cdf.thin" "$out/cdf.csv"
