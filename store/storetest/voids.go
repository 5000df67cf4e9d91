package storetest

import (
	"context"
	"testing"

	"holdfast/authz"
)

var voids = []rule{
	{"a void undoes an unsent approval and its repeat is told", voidRow},
	{"a void of a row that is not there takes its key", voidNothing},
	{"a void leaves what a repeat on another node was told", voidTold},
	{"what nobody was told in the end is undone", voidUntold},
	{"what a dead node was to take back is found by its repeat", untoldFound},
	{"a row is found by its id and undone by who knows no more of it", voidFound},
}

func (b *bench) void(h Holder, r *authz.Request) {
	b.t.Helper()
	card := b.card(h)
	b.commit(&authz.Entry{Request: r, Card: &card, Void: true, Decision: authz.Decision{ID: r.ID}})
}

func voidRow(_ *testing.T, b *bench) {
	for _, kind := range []authz.Kind{authz.Authorization, authz.Financial} {
		r := b.approve(b.Alice, kind, 30_00)
		b.void(b.Alice, r)
		b.void(b.Alice, r)
		b.left(UserFunds, DepositFunds)
		again := *r
		b.decided(b.entry(b.Alice, &again, authz.Approved), authz.Duplicate, authz.DecisionLate)
	}
}

// toldOn is a repeat of Alice's request on another node, which is to be told what its row says.
func (b *bench) toldOn(node int, r *authz.Request) *authz.Request {
	b.t.Helper()
	again := *r
	e := b.entry(b.Alice, &again, authz.Approved)
	again.ID += authz.ID(node) << 12
	b.decided(e, authz.Duplicate, authz.Approved)
	return &again
}

// Goal: what left a socket is not undone. Method: a row whose writer does not know that it is committed is told to a
// repeat by another node before the writer takes it back.
func voidTold(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.toldOn(1, r)
	b.void(b.Alice, r)
	b.left(70_00, 120_00)
	third := *r
	b.decided(b.entry(b.Alice, &third, authz.Approved), authz.Duplicate, authz.Approved)

	// The same where the node has died and started since.
	r = b.approve(b.Alice, authz.Authorization, 20_00)
	restarted := *r
	e := b.entry(b.Alice, &restarted, authz.Approved)
	e.Born = restarted.ID
	b.decided(e, authz.Duplicate, authz.Approved)
	b.void(b.Alice, r)
	b.left(50_00, 100_00)
}

// Goal: what left no socket holds nothing. Method: repeats on two other nodes are to be told a row's answer, and neither
// answer leaves; the writer's void comes before, between and after them.
func voidUntold(_ *testing.T, b *bench) {
	for at := range 3 {
		r := b.approve(b.Alice, authz.Authorization, 30_00)
		var repeats []*authz.Request
		for node := range 2 {
			repeats = append(repeats, b.toldOn(node+1, r))
		}
		for i := range 3 {
			b.left(70_00, 120_00)
			switch {
			case i == at:
				b.void(b.Alice, r)
			case i > at:
				b.void(b.Alice, repeats[i-1])
			default:
				b.void(b.Alice, repeats[i])
			}
		}
		b.left(UserFunds, DepositFunds)
		again := *r
		b.decided(b.entry(b.Alice, &again, authz.Approved), authz.Duplicate, authz.DecisionLate)
	}
}

// pay undoes what is owed as the authorizer does, and returns what was found: two rows, whatever was asked for.
func (b *bench) pay(rows ...authz.ID) []authz.Owed {
	b.t.Helper()
	found, err := b.Store.Owed(context.Background(), rows)
	if err != nil || len(found) != 2 {
		b.t.Fatalf("found %d of 2 rows (%v)", len(found), err)
	}
	for i := range found {
		o := &found[i]
		r := &authz.Request{ID: o.Row, Kind: authz.Authorization, ReceivedAt: o.Row.Time(), Dup: o.Dup}
		b.commit(&authz.Entry{Request: r, Card: &o.Card, Void: true, Decision: authz.Decision{ID: r.ID}})
	}
	return found
}

// Goal: a node that dies before it has taken back what it was too late to tell leaves nothing held. Method: the writer's void
// finds the row told; then who pays debts knows the repeats' ids only.
func untoldFound(_ *testing.T, b *bench) {
	var repeats []authz.ID
	for range 2 {
		r := b.approve(b.Alice, authz.Authorization, 30_00)
		repeats = append(repeats, b.toldOn(1, r).ID)
		b.void(b.Alice, r)
	}
	b.left(40_00, 90_00)
	b.pay(repeats...)
	b.left(UserFunds, DepositFunds)
}

// Goal: whoever comes across a debt can pay it. Method: the rows are found by their ids, and the entries are made of
// what was found, as the authorizer makes them.
func voidFound(t *testing.T, b *bench) {
	held, posted := b.approve(b.Alice, authz.Authorization, 30_00), b.approve(b.Bob, authz.Financial, 20_00)
	none := b.Request(b.Carol, authz.Authorization, 1_00)
	undo := func(want authz.Reason) {
		t.Helper()
		for _, o := range b.pay(none.ID, posted.ID, held.ID) {
			if o.Answered != want || (o.Row == held.ID) != (o.Dup == held.Dup) {
				t.Errorf("row %d is answered %s, want %s", o.Row, o.Answered, want)
			}
		}
	}
	undo(authz.Approved)
	undo(authz.DecisionLate)
	b.left(UserFunds, DepositFunds)
	if got := b.Available(b.Bob.Balance); got != UserFunds {
		t.Errorf("Bob has %d", got)
	}
	if found, err := b.Store.Owed(context.Background(), nil); err != nil || len(found) != 0 {
		t.Errorf("found %d rows of none (%v)", len(found), err)
	}
}

func voidNothing(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 30_00)
	late := b.entry(b.Alice, r, authz.Approved)
	b.void(b.Alice, r)
	b.decided(late, authz.Duplicate, authz.DecisionLate)
	b.left(UserFunds, DepositFunds)
}
