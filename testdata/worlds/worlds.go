// Package worlds carries the world files that the program has with it. It lives here because a Go file can embed only
// what lies beside or below it.
package worlds

import _ "embed"

// Demo is the world that holdfast demo seeds.
//
//go:embed demo.yaml
var Demo []byte
