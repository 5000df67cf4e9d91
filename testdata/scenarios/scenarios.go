// Package scenarios carries the scenarios that the program has with it. It lives here because a Go file can embed only
// what lies beside or below it. README.md describes their format.
package scenarios

import "embed"

// Files are the scenarios, each in a file of its name.
//
//go:embed *.yaml
var Files embed.FS
