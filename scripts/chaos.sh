#!/usr/bin/env bash
# Usage: scripts/chaos.sh [long]
# Harms real processes: kills nodes at every place of the crash story, then has
# pairs of faults met by two nodes, PostgreSQL and Redis. HOLDFAST_CHAOS_SEED is
# the first pair, HOLDFAST_CHAOS_RUNS how many. With HOLDFAST_CHAOS_HEAVY=1 it
# does what takes longer, or needs root, instead: disks that are full, slow or
# fail, overload, ten thousand links, peers that vanish. With long, two nodes meet
# a fault every half minute for as long as HOLDFAST_LONG says, and what was seen is
# written into the folder HOLDFAST_LONG_OUT. Without servers it starts its own.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${HOLDFAST_TEST_POSTGRES:-} ]]; then
  export HOLDFAST_RUN=.run/chaos-$$
  trap 'scripts/down --remove' EXIT
  scripts/up >/dev/null
  set -a
  # shellcheck source=/dev/null
  source "$HOLDFAST_RUN/env"
  set +a
fi
tests='^TestChaos' timeout=60m
[[ ${HOLDFAST_CHAOS_HEAVY:-} != 1 ]] || tests='^TestHeavy'
if [[ ${1:-} == long ]]; then
  tests='^TestLong$' timeout=3h
fi
HOLDFAST_REQUIRE_STORES=1 go test -count=1 -timeout="$timeout" -v -tags=faults -run="$tests" ./cmd/holdfast
