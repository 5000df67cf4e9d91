#!/usr/bin/env bash
# Usage: scripts/fuzz.sh [TIME]
# Runs every fuzz target of the house in turn, TIME each (30s, or 20000x for a
# number of inputs). The targets are
# found in the test files, so a new one needs no entry here.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -tags=nomsgpack"

time=${1:-30s}
targets=$(grep --recursive --include='*_test.go' --only-matching --extended-regexp '^func Fuzz[A-Za-z0-9_]*' . | sort)
if [[ -z $targets ]]; then
  printf 'no fuzz target was found\n' >&2
  exit 1
fi
while IFS=: read -r file declaration; do
  package=$(dirname "$file")
  name=${declaration#func }
  printf '%s %s\n' "$package" "$name"
  go test -run='^$' -fuzz="^$name\$" -fuzztime="$time" "$package"
done <<<"$targets"
