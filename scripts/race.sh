#!/usr/bin/env bash
# Usage: scripts/race.sh
# All tests, with the race detector. It needs a C compiler; a machine that has
# none runs the tests without it and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -tags=nomsgpack"

flags=(-timeout=30m)
if [[ $(go env CGO_ENABLED) == 1 ]]; then
  flags+=(-race)
else
  printf 'note: no C compiler, so the tests ran without the race detector\n'
fi
go test "${flags[@]}" ./...
