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
	if has("D") {
		base = 0 // the network's last word
	}
	x := worth("X")
	if has("Y") {
		x = 0
	}
	if x > 0 {
		base, i, j = 0, 0, 0 // the new total counts in place of all before it
	}
	// A reversal is known to be the authorization's by the number that it names, or where only an advice has come, by
	// what all messages share: the number may be that of the request.
	advised := has("A") && !has("Q") && by != ByParts
	if has("P") && (has("Q") || advised) {
		base = min(base, 12_50)
	}
	if has("R") && has("Q") || advised && (has("R") || has("W") || has("K") && !has("I") || has("Y") && !has("X")) {
		base = 0
	}
	if has("K") {
		i = 0
	}
	if has("W") && has("Q") {
		base, i, j, x = 0, 0, 0, 0 // it says as much as all of it
	}
	posted = worth("B") + worth("C") + worth("S")
	if has("C") || has("S") {
		return 0, posted // the last clearing ends what was held before it
	}
	return max(0, base+i+j+x-posted), posted
}
