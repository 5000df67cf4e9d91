#!/usr/bin/env bash
# Usage: scripts/chaos.sh
# Harms real processes: kills nodes at every place of the crash story, then has
# pairs of faults met by two nodes, PostgreSQL and Redis. HOLDFAST_CHAOS_SEED is
# the first pair, HOLDFAST_CHAOS_RUNS how many. With HOLDFAST_CHAOS_HEAVY=1 it
# does what takes longer, or needs root, instead: disks that are full, slow or
# fail, overload, ten thousand links, peers that vanish. Without servers it
# starts its own.
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
tests='^TestChaos'
[[ ${HOLDFAST_CHAOS_HEAVY:-} != 1 ]] || tests='^TestHeavy'
HOLDFAST_REQUIRE_STORES=1 go test -count=1 -timeout=60m -v -tags=faults -run="$tests" ./cmd/holdfast
