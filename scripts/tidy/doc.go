// Package tidy is the house rules as a test: which room may import which, where
// each outside library lives, how large things may grow, and what must never
// stand in a file. The tables are the documentation; to add a package, add its
// row to rooms.
//
// It reads the source itself instead of asking the go command, so each rule can
// be tried on a planted breach in a file system that exists only in memory.
package tidy
