// Package traces carries the traces that the program has with it. It lives here because a Go file can embed only what
// lies beside or below it. README.md describes their format.
package traces

import _ "embed"

// Day is the day of payments that holdfast demo plays in its world.
//
//go:embed day.jsonl
var Day []byte
