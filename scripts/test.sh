#!/usr/bin/env bash
# Usage: scripts/test.sh
# Everything that must be green before a change goes in, one line a stage with
# its time. A stage that fails shows its output and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."

# Servers of this run's own, so that those of a developer stay as they are.
export HOLDFAST_RUN=.run/test-$$ HOLDFAST_REQUIRE_STORES=1
log=$(mktemp)
trap 'scripts/down --remove || true; rm -f "$log"' EXIT

microseconds() { printf '%s' "${EPOCHREALTIME//[!0-9]/}"; }

stage() {
  local name=$1 start took
  shift
  start=$(microseconds)
  printf '%-28s ' "$name"
  if ! "$@" >"$log" 2>&1; then
    printf 'FAILED\n\n'
    cat "$log"
    exit 1
  fi
  took=$(( ($(microseconds) - start) / 100000 ))
  printf 'ok %6d.%d s\n' $(( took / 10 )) $(( took % 10 ))
}

run() { make --no-print-directory "$@"; }

stage 'format' run fmt
stage 'vet' run vet
stage 'house rules' run tidy
stage 'staticcheck' run lint
stage 'build' run build
stage 'referees' scripts/referees
grep '^note:' "$log" || true
export NODE_PATH=$PWD/.run/referees/node_modules
[[ ! -d $NODE_PATH/jose ]] || export HOLDFAST_JOSE=$NODE_PATH/jose
stage 'servers' scripts/up
set -a
# shellcheck source=/dev/null
source "$HOLDFAST_RUN/env"
set +a
stage 'tests' run race
grep --extended-regexp '^(note:|ok )' "$log" || true
stage 'bad messages, secrets' run bulk
stage 'orders of a life' run orders
stage 'simulation, 2,000 seeds' run sim RUNS=2000
stage 'chaos: kills, 10 pairs' run chaos RUNS=10
stage 'planted bugs' run planted
grep --only-matching 'caught  .*' "$log"
# By count, not by time: at the end of its time the fuzzer sometimes calls a slow input a failure.
stage 'fuzz, 20,000 a target' run fuzz TIME=20000x
stage 'demo' run demo ARGS=--exit
