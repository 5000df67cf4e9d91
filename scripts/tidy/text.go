package tidy

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// unfinished matches a mark that names no issue.
var unfinished = regexp.MustCompile(`\b(?:` + `TO` + `DO|FIX` + `ME)\b(?:[^(]|\([^#]|\(#[^0-9]|$)`)

// machinePath matches folders of one particular machine.
var machinePath = regexp.MustCompile(`(?:^|[^A-Za-z0-9._-])/(?:work|farm|root|home|Users)/[A-Za-z0-9._-]`)

// registry matches a setting that names a package registry: which one to use is
// the machine's business, not the repository's.
var registry = regexp.MustCompile(`(?i)\b(?:GOPROXY|GOSUMDB|GONOSUMDB)\s*[:?+]?=|^\s*registry\s*=|\bindex-url\b|\bGO` + `PROXY\b.*https?:`)

// digitRun matches a whole run of digits, of any length.
var digitRun = regexp.MustCompile(`[0-9]+`)

// A card number has 13 to 19 digits here: shorter runs pass Luhn by chance too
// often, and shorter cards are not issued any more.
const (
	cardDigitsMin = 13
	cardDigitsMax = 19
)

// checkText looks for what must not stand in any file.
func checkText(r *report, name string, content []byte) {
	if bytes.IndexByte(content, 0) >= 0 || !utf8.Valid(content) || path.Base(name) == "go.sum" || path.Base(name) == "go.mod" {
		return // no text, or checksums
	}
	cards := !slices.ContainsFunc(cardDataFolders, func(folder string) bool {
		return strings.Contains("/"+name, folder)
	})
	for i, line := range strings.Split(string(content), "\n") {
		if machinePath.MatchString(line) {
			r.add(name, i+1, "machine path", "a path of one machine")
		}
		if registry.MatchString(line) {
			r.add(name, i+1, "registry", "a setting of one machine's package registry")
		}
		if path.Ext(name) != ".go" && path.Ext(name) != ".md" && unfinished.MatchString(line) {
			r.add(name, i+1, "unfinished", "an unfinished mark needs the number of its issue")
		}
		if cards && hasCard(line) {
			r.add(name, i+1, "card number", "digits that pass Luhn, outside the test ranges")
		}
	}
}

// hasCard looks for a run of digits that could be somebody's card.
func hasCard(line string) bool {
	return slices.ContainsFunc(digitRun.FindAllString(line, -1), func(run string) bool {
		if len(run) < cardDigitsMin || len(run) > cardDigitsMax || run[0] == '0' {
			return false
		}
		known := slices.ContainsFunc(testCards, func(card string) bool { return strings.HasPrefix(run, card) })
		return !known && passesLuhn(run)
	})
}

// passesLuhn is written again here, so that this package imports no other.
func passesLuhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d = d*2%10 + d*2/10
		}
		sum += d
	}
	return sum%10 == 0
}
