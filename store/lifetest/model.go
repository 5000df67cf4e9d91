package lifetest

import "strings"

// model is what a set of messages comes to, worked out from the rules of the reference alone (iso8583.md, 3.8 and 3.9):
// what the messages say that something is worth, less what takes from it.
func model(set string, by Link) (held, posted int64) {
	has := func(l string) bool { return strings.Contains(set, l) }
	worth := func(l string) int64 {
		if has(l) {
			return amounts[l[0]]
		}
		return 0
	}
	base, i, j := worth("Q"), worth("I"), worth("J")
	if has("A") {
		base = amounts['A'] // decided elsewhere, and binding
	}
	no := has("D") && (has("Q") || has("A")) // the network's last word
	if no {
		base = 0
	}
	x := worth("X")
	if x > 0 {
		base, i, j = 0, 0, 0 // the new total counts in place of all before it
	}
	// A reversal is known to be the authorization's by the number that it names, or by what all messages share.
	known := has("Q") || (has("A") || has("D")) && by != ByParts
	if has("P") && known {
		base = min(base, 12_50)
	}
	switch {
	case !has("K"):
	case has("I"):
		i = 0
	case has("A") && !has("Q") && by != ByParts:
		base = 0 // it may name the request that never came: they share its reference
	}
	if has("R") && known {
		base = 0
	}
	if has("W") && known {
		base, i, j, x = 0, 0, 0, 0 // it says as much as all of it
	}
	posted = worth("B") + worth("C") + worth("S")
	if has("C") || has("S") {
		return 0, posted // the last clearing ends what was held before it
	}
	return max(0, base+i+j+x-posted), posted
}
