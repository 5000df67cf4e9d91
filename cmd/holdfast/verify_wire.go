package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/switch/wirelog"
)

// wireCheck holds what a test network saw against the journal.
type wireCheck struct {
	approvals []wirelog.Record
	answers   map[string]wirelog.Record // the first decision that each message was told
	heard     int64                     // decisions
	report    *records.Report
}

// The rules of the wire, as verify prints them.
const (
	ruleCommitted = "an approval that arrived has one committed row"
	ruleOneAnswer = "a message and its repeats get one answer"
)

// verifyWire reads the log at path and compares it with the books.
func verifyWire(ctx context.Context, path string, b books, report *records.Report) error {
	f, err := os.Open(path)
	if err != nil {
		return usageError{fmt.Errorf("verify: %w", err)}
	}
	defer f.Close() // only read
	w := &wireCheck{answers: map[string]wirelog.Record{}, report: report}
	if err := wirelog.Read(f, w.take); err != nil {
		return err
	}
	w.report.Checked = append(w.report.Checked, records.Checked{Invariant: ruleOneAnswer, Rows: w.heard,
		Violations: w.violations(ruleOneAnswer)})
	return b.View(ctx, func(q records.Querier) error { return w.compare(ctx, q) })
}

func (w *wireCheck) violations(rule string) (n int) {
	for _, v := range w.report.Violations {
		if v.Invariant == rule {
			n++
		}
	}
	return n
}

func (w *wireCheck) fail(rule, format string, args ...any) {
	w.report.Violations = append(w.report.Violations, records.Violation{Invariant: rule, What: fmt.Sprintf(format, args...)})
}

// take reads one record: the answers to requests are compared.
func (w *wireCheck) take(r wirelog.Record) error {
	if r.Event == wirelog.Received && len(r.MTI) == 4 && (r.MTI[1] == '1' || r.MTI[1] == '2') && r.MTI[2] == '1' {
		w.decided(r)
	}
	return nil
}

// messageKey names a message and its repeats, in what a request and its answer share.
func messageKey(r wirelog.Record) string {
	return strings.Join([]string{r.Peer, r.MTI[:2], r.STAN, r.RRN, r.Terminal, r.Acquirer, r.Processing, r.Last4}, "|")
}

// decided compares the answers to a request with each other. One that says "could not decide" may be followed by
// another.
func (w *wireCheck) decided(r wirelog.Record) {
	approved := approving(r.Code)
	if !approved && noDecision(r.Code) {
		return
	}
	w.heard++
	if approved {
		w.approvals = append(w.approvals, r)
	}
	key := messageKey(r)
	first, known := w.answers[key]
	if !known {
		w.answers[key] = r
	} else if first.Code != r.Code || first.Approval != r.Approval {
		w.fail(ruleOneAnswer, "STAN %s RRN %s was told %s, then %s", r.STAN, r.RRN, first.Code, r.Code)
	}
}

// approving reports an approval in the form of any version: two characters in 1987, three digits in 1993, four in 2003.
func approving(code string) bool {
	switch len(code) {
	case 2:
		return strings.Contains(" 00 08 10 11 16 85 87 ", " "+code+" ")
	case 3, 4:
		return code[0] == '0'
	}
	return false
}

func noDecision(code string) bool {
	switch len(code) {
	case 2:
		return strings.Contains(" 12 30 68 90 91 96 ", " "+code+" ")
	case 3, 4:
		return code[0] == '9'
	}
	return true
}

// compare looks every approval up in the journal.
func (w *wireCheck) compare(ctx context.Context, q records.Querier) error {
	for _, r := range w.approvals {
		rows, err := records.Answers(ctx, q, r.STAN, r.RRN)
		if err != nil {
			return err
		}
		n := 0
		for _, a := range rows {
			if a.Reason.Approval() && a.ApprovalCode == r.Approval && a.Terminal == r.Terminal && a.Kind != authz.Reversal &&
				(r.Peer == "" || a.Peer == r.Peer) {
				n++
			}
		}
		if n != 1 {
			w.fail(ruleCommitted, "STAN %s RRN %s approved as %s: %d rows", r.STAN, r.RRN, r.Approval, n)
		}
	}
	w.report.Checked = append(w.report.Checked, records.Checked{Invariant: ruleCommitted, Rows: int64(len(w.approvals)),
		Violations: w.violations(ruleCommitted)})
	return nil
}
