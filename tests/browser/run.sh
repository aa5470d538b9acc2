#!/usr/bin/env bash
# Looks at reports in a real browser. Installs what it needs (Chromium, a font, Node)
# where it runs as root, and fails where something is missing. Takes the command
# `tidegate` as its argument; further arguments go to Playwright, such as
# `--update-snapshots` after a change of looks, to be looked at before it is committed.
set -euo pipefail
cd "$(dirname "$0")/../.."
tidegate=$(realpath "${1:-target/release/tidegate}")
shift || true

install() {
    [ "$(id -u)" = 0 ] || { echo "missing: $*; install it" >&2; exit 1; }
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
command -v chromium >/dev/null || install chromium
fc-list 2>/dev/null | grep -q DejaVuSansMono || install fonts-dejavu-core fontconfig
command -v npm >/dev/null || install nodejs npm

pages=target/browser
rm -rf "$pages"
mkdir -p "$pages/runs"
"$tidegate" report tests/browser/sample --out "$pages/sample.html"
"$tidegate" run scenarios/escra/table-1.toml --quiet --out "$pages/table-1" \
    --set run.cdf=true --set 'run.series={every="1s"}'
"$tidegate" report "$pages/table-1" --out "$pages/table-1.html"
for name in first second; do
    "$tidegate" run scenarios/quickstart.toml --quiet --out "$pages/runs/$name" --seeds 1
done
"$tidegate" report "$pages/runs"

cd tests/browser
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-audit --no-fund
npx playwright test "$@"
