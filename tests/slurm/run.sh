#!/usr/bin/env bash
# `tidegate sweep` on a real Slurm of one node: any number of shards gives the bytes of
# one machine, and an array of 8 of which one task is killed is completed by a second
# sweep. Installs Slurm from Debian where it runs as root, and starts it by hand in a
# temporary folder. Takes the command `tidegate` as its argument.
set -euo pipefail
cd "$(dirname "$0")/../.."
tidegate=$(realpath "${1:-target/release/tidegate}")
# shellcheck source=tests/slurm/cluster.sh
source tests/slurm/cluster.sh

[ "$(id -u)" = 0 ] || { echo "Slurm's daemons are started by root" >&2; exit 1; }
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        slurm-wlm munge >/dev/null
fi

# A blank in the path: scripts are to quote it.
work=$(mktemp -d "/tmp/tidegate slurm.XXXXXX")
cluster=$(mktemp -d /tmp/tidegate-slurm.XXXXXX)
trap 'stop; rm -rf "$work" "$cluster"' EXIT
start "$cluster"
sinfo --version

scenario=scenarios/quickstart.toml
fail() { echo "FAILED: $*" >&2; exit 1; }
# Runs a command, shows it and its exit code, which must be the first argument.
expect() {
    local wanted=$1 code=0
    shift
    echo "\$ ${*/#$tidegate/tidegate}"
    "$@" 2>&1 || code=$?
    echo "[exit code $code]"
    [ "$code" = "$wanted" ] || fail "expected exit code $wanted"
}
# All tables of a run, and each cell: byte for byte. When and how long differs.
same() {
    diff --recursive --brief --exclude=run.json --exclude='shard-*' --exclude=logs \
        --exclude='sweep.*' "$1" "$2" || fail "$1 and $2 differ"
    echo "$2: the bytes of one machine ($(find "$2/cells" -type f | wc -l) runs)"
}

echo "== 1, 2, 3 and 7 shards"
small=(--seeds 3 --set run.duration=10s)
"$tidegate" run "$scenario" "${small[@]}" --quiet --out "$work/one"
for shards in 1 2 3 7; do
    expect 0 "$tidegate" sweep "$scenario" "${small[@]}" --engine slurm --shards "$shards" \
        --out "$work/of-$shards" --quiet
    same "$work/one" "$work/of-$shards"
done

echo "== 8 shards, one of which is killed"
large=(--seeds 16 --set run.duration=240s)
"$tidegate" run "$scenario" "${large[@]}" --quiet --out "$work/large"
sweep=("$tidegate" sweep "$scenario" "${large[@]}" --engine slurm --shards 8 --out "$work/eight")
expect 0 "${sweep[@]}" --emit
[ ! -e "$work/eight" ] || fail "--emit wrote something"

# Kills the process of task 3 when it has finished some of its runs.
kill_third() {
    local finished
    for _ in $(seq 1200); do
        finished=$(find "$work/eight/shard-3/cells" -name '*.json' 2>/dev/null | wc -l || true)
        if [ "$finished" -ge 2 ]; then
            kill -KILL "$(pgrep --full "^$tidegate run .*--shard 3/8 --out ")"
            echo "(task 3 is killed with $finished runs finished)"
            return
        fi
        sleep 0.05
    done
    echo "(task 3 never began)"
}
kill_third &
expect 5 "${sweep[@]}" | tee "$work/first"
wait $!
grep -q '1 of 8 shards are not whole' "$work/first" || fail "not said how many are missing"
grep -q 'shard 3: FAILED, signal 9' "$work/first" || fail "not said which, and how it ended"
[ ! -e "$work/eight/summary.csv" ] || fail "tables of a run that is not whole"
touch "$work/between"

expect 0 "${sweep[@]}" | tee "$work/second"
grep -q 'shards 3 of 8' "$work/second" || fail "more than what is missing was submitted"
again=$(find "$work/eight" -path '*/shard-*' -name '*.json' -path '*/cells/*' -newer "$work/between" |
    grep -cv /shard-3/ || true)
[ "$again" = 0 ] || fail "$again runs of other shards ran again"
same "$work/large" "$work/eight"
expect 0 "${sweep[@]}"

echo "== what is refused"
expect 2 "$tidegate" sweep "$scenario" "${large[@]}" --engine slurm --shards 9 --out "$work/eight"
expect 2 "$tidegate" sweep "$scenario" "${small[@]}" --engine slurm --shards 8 --out "$work/eight"
expect 1 "$tidegate" sweep "$scenario" "${small[@]}" --engine slurm --shards 2 \
    --out "$work/nowhere" --sbatch=--partition=nowhere
expect 2 env PATH=/nowhere "$tidegate" sweep "$scenario" "${small[@]}" --engine slurm \
    --shards 2 --out "$work/none"

echo "== submitted and left, then taken up"
left=("$tidegate" sweep "$scenario" "${small[@]}" --engine slurm --shards 2 --out "$work/left")
scontrol update partitionname=all state=down
expect 0 "${left[@]}" --no-wait
expect 5 "${left[@]}" --no-wait
scontrol update partitionname=all state=up
expect 0 "${left[@]}"
same "$work/one" "$work/left"
echo "Slurm: all well"
