#!/usr/bin/env bash
# Usage: scripts/bench.sh [holdfast bench's arguments]
# Measures the full mode on servers of its own: starts them, measures, and stops
# and removes them, also when it is interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."

# Servers of this run's own, so that those of a developer stay as they are.
export HOLDFAST_RUN=.run/bench-$$
trap 'scripts/down --remove' EXIT
scripts/up >/dev/null
set -a
# shellcheck source=/dev/null
source "$HOLDFAST_RUN/env"
set +a
# What names other servers must not win over ours.
unset HOLDFAST_CONFIG HOLDFAST_POSTGRES_URL HOLDFAST_REDIS_ADDRESSES HOLDFAST_REDIS_PASSWORD
bin/holdfast bench --store full "$@"
