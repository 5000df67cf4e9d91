//go:build race

package main

// underRace: the race detector makes everything many times slower. What sends or searches most is done in full by `make bulk`.
const underRace = true
