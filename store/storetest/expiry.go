package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast/authz"
)

var expiries = []rule{
	{"a hold ends with its time, once", expiry},
	{"a clearing after the expiry is posted and flagged", lateClearing},
	{"an increment may start the life of the hold anew", restart},
}

// lasting approves a request whose hold lives so long.
func (b *bench) lasting(amount int64, life time.Duration) *authz.Request {
	b.t.Helper()
	r := b.Request(b.Alice, authz.Authorization, amount)
	e := b.entry(b.Alice, r, authz.Approved)
	e.Life = life
	b.decided(e, authz.Committed, authz.Approved)
	return r
}

// expire does what the authorizer does about what is due at a moment, and returns how many rows were due.
func (b *bench) expire(now time.Time) int {
	b.t.Helper()
	due, err := b.Store.Due(context.Background(), now, 10)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range due {
		b.id++
		r := &authz.Request{ID: b.id, Kind: authz.HoldExpiry, ReceivedAt: now, Release: due[i].Row,
			Dup: authz.DupKey(b.Keys.Keyed("dup", []byte(fmt.Sprint("expiry", due[i].Row))))}
		for range 2 { // another node asks too
			b.commit(&authz.Entry{Request: r, Card: &due[i].Card, Decision: authz.Decision{ID: r.ID, Reason: authz.AdviceRecorded}})
		}
	}
	return len(due)
}

func expiry(t *testing.T, b *bench) {
	r := b.lasting(30_00, time.Hour)
	end := r.ReceivedAt.Add(time.Hour)
	if n := b.expire(end.Add(-time.Second)); n != 0 {
		t.Errorf("%d due before their time", n)
	}
	b.books(UserFunds, 30_00)
	if n := b.expire(end); n != 1 {
		t.Errorf("%d due, want 1", n)
	}
	b.books(UserFunds, 0)
	b.state(r, authz.StateExpired)
	if n := b.expire(end.Add(time.Hour)); n != 0 {
		t.Errorf("%d due again", n)
	}
	b.reverse(b.Alice, b.Undo(r))
	b.books(UserFunds, 0)
	done := b.lasting(10_00, time.Hour)
	b.clear(done, b.Alice, 10_00)
	if n := b.expire(done.ReceivedAt.Add(2 * time.Hour)); n != 0 {
		t.Errorf("%d due of what was cleared", n)
	}
}

func lateClearing(_ *testing.T, b *bench) {
	r := b.lasting(30_00, time.Hour)
	b.expire(r.ReceivedAt.Add(time.Hour))
	b.clear(r, b.Alice, 30_00)
	b.books(70_00, 0)
	b.state(r, authz.StateExpired)
	b.cases(authz.LateClearing)
}

func restart(t *testing.T, b *bench) {
	for _, anew := range []bool{false, true} {
		r := b.lasting(10_00, time.Hour)
		i := b.entry(b.Alice, b.more(r, authz.PhaseIncremental, 5_00), authz.Approved)
		i.Life, i.Restart = 3*time.Hour, anew
		b.decided(i, authz.Committed, authz.Approved)
		due := b.expire(r.ReceivedAt.Add(2 * time.Hour))
		if anew != (due == 0) {
			t.Errorf("anew %v: %d due after two hours", anew, due)
		}
	}
	b.expire(Epoch.Add(24 * time.Hour))
	b.books(UserFunds, 0)
}
