package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// told is a row of the journal as the explanations of it are judged.
type told struct {
	id     int64
	kind   authz.Kind
	reason authz.Reason
	text   []string // of the explanation, a line each
}

// explained has the demo's day explained, each of its rows.
func explained(t *testing.T) (rows []told) {
	t.Helper()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "demo", "--exit", "--port", "0", "--data", dir); status != exitOK {
		t.Fatal(errs)
	}
	books, err := (&config{Data: dir, Store: storeEmbedded}).openBooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = books.View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error {
			rows = append(rows, told{id: r.Int(0), kind: authz.Kind(r.Int(1)), reason: authz.Reason(r.Int(2))})
			return nil
		}, "SELECT id, kind, reason FROM authorizations ORDER BY id")
	})
	if err != nil || books.Close() != nil || len(rows) < 30 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i := range rows {
		status, out, errs := runHoldfast(t, "explain", fmt.Sprint(rows[i].id), "--data", dir)
		if status != exitOK {
			t.Fatal(errs)
		}
		rows[i].text = strings.Split(out, "\n")
	}
	return rows
}

// lines are those that begin with a word, without it.
func (r *told) lines(word string) (found []string) {
	for _, line := range r.text {
		if rest, ok := strings.CutPrefix(line, word); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}

func TestEachRowIsExplained(t *testing.T) {
	t.Parallel()
	failed := 0
	for _, r := range explained(t) {
		r.times(t)
		failed += r.checked(t)
	}
	if failed < 15 {
		t.Errorf("%d rows were declined: the day has more", failed)
	}
}

// checked wants the checks of a request, none of what only tells, and says how many failed: one of what was declined. A
// check that was reached says what it looked at, one that was not says nothing.
func (r *told) checked(t *testing.T) (failed int) {
	t.Helper()
	checks, want := r.lines("check "), 0
	for _, line := range checks {
		if strings.Contains(line, ": FAILED") {
			failed++
		}
		if strings.HasSuffix(line, ": not reached") == strings.HasSuffix(line, ")") {
			t.Errorf("%s %s: %q", r.kind, r.reason, line)
		}
	}
	requests := r.kind == authz.Authorization || r.kind == authz.Financial
	if requests && !r.reason.Approval() {
		want = 1
	}
	if requests != (len(checks) > 25) || !requests && len(checks) > 0 || failed != want {
		t.Errorf("%s %s: %d checks, %d failed", r.kind, r.reason, len(checks), failed)
	}
	return failed
}

// times wants the four stages of a row, and their sum, which is some of the demo's second.
func (r *told) times(t *testing.T) {
	t.Helper()
	sum := time.Duration(0)
	for stage := range authz.StageCount {
		took, err := time.ParseDuration(strings.Join(r.lines("  "+stage.String()), " "))
		if err != nil || took < 0 {
			t.Errorf("%s %s: %s %v, %v", r.kind, r.reason, stage, took, err)
		}
		sum += took
	}
	want := sum.String() + " until the commit of its row began"
	if all := r.lines("time"); sum <= 0 || sum > time.Minute || len(all) != 1 || !strings.HasPrefix(all[0], want) {
		t.Errorf("%s %s: %q, want %q", r.kind, r.reason, all, want)
	}
}
