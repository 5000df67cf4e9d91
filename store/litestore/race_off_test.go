//go:build !race

package litestore_test

const underRace = false
