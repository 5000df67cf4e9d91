//go:build race

package litestore_test

// underRace: the race detector makes everything many times slower.
const underRace = true
