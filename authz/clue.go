package authz

import "strings"

// A clue is one thing by which a message and its original know each other, written so that it can be looked up: the
// kind of thing and what [same] compares of it. Every level of the ladder compares at least one clue of the two for
// equality, so messages without a common clue never match, and [MatchOriginal] need not be asked about them.
const (
	clueNetworkID = "n"
	clueSTAN      = "s"
	clueRRN       = "r"
	clueApproval  = "a"
)

// CluesMax is how many clues a message or a row has at most.
const CluesMax = 4

// Clues are what a message looks for its original by.
func (r *Request) Clues() []string {
	stan := r.Original.STAN
	if !given(stan) {
		stan = r.Trace.STAN
	}
	return clues(r.NetworkID, stan, r.Trace.RRN, r.ApprovalCode)
}

// Clues are what a row is found by as an original.
func (r *Record) Clues() []string { return clues(r.NetworkID, r.Trace.STAN, r.Trace.RRN, r.Approval) }

func clues(networkID, stan, rrn, approval string) []string {
	all := make([]string, 0, CluesMax)
	for _, c := range [CluesMax]struct{ kind, value string }{
		{clueNetworkID, networkID}, {clueSTAN, stan}, {clueRRN, rrn}, {clueApproval, approval},
	} {
		if given(c.value) {
			all = append(all, c.kind+plainly(c.value))
		}
	}
	return all
}

// plainly is a value as [same] sees it.
func plainly(s string) string { return strings.TrimLeft(strings.TrimSpace(s), "0") }
