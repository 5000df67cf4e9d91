package authz_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/litestore"
	"holdfast/store/memholds"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// overlapped makes the desks place holds while a batch commits.
var overlapped bool

// Everything is tested both ways.
func TestMain(m *testing.M) {
	code := m.Run()
	overlapped = true
	code = max(code, m.Run())
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// desk is an authorizer over real embedded stores, with a clock that the test moves.
type desk struct {
	*storetest.World
	t       *testing.T
	a       *authz.Authorizer
	journal *storetest.Faulty
	holds   *memholds.Holds

	mu  sync.Mutex
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return newDeskWith(t, func(*desk, *authz.Config) {})
}

// newDeskWith is a desk whose configuration the test changes.
func newDeskWith(t *testing.T, change func(*desk, *authz.Config)) *desk {
	t.Helper()
	s, err := litestore.Open(filepath.Join(t.TempDir(), "holdfast.db"))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, World: storetest.NewWorld(t, s), journal: &storetest.Faulty{Journal: s}, now: storetest.Epoch, holds: memholds.New()}
	cfg := authz.Config{Now: d.clock, Overlap: overlapped}
	change(d, &cfg)
	if d.a, err = authz.New(cfg, s, d.holds, d.journal, d.Keys); err != nil {
		t.Fatal(err)
	}
	d.route(d.a)
	t.Cleanup(func() {
		if err := d.a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		d.Verify()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// route has an authorizer serve the desk's programs.
func (d *desk) route(a *authz.Authorizer) {
	d.t.Helper()
	var programs []authz.Program
	if err := d.Store.View(d.t.Context(), func(q records.Querier) (err error) {
		programs, err = records.Programs(d.t.Context(), q)
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	a.Route(programs)
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) advance(by time.Duration) {
	d.mu.Lock()
	d.now = d.now.Add(by)
	now := d.now
	d.mu.Unlock()
	d.a.Expire(now)
}

// settled waits until the lanes are empty: voids are nobody's request and end on their own.
func (d *desk) settled() {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if d.a.Stats().Waiting == 0 {
			return
		}
	}
}

type waiter chan authz.Decision

func (w waiter) Decided(d *authz.Decision) { w <- *d }

func (d *desk) submit(r *authz.Request) waiter {
	w := make(waiter, 4)
	d.a.Submit(r, w)
	return w
}

func (d *desk) decide(r *authz.Request) authz.Decision {
	d.t.Helper()
	return d.wait(d.submit(r))
}

func (d *desk) wait(w waiter) authz.Decision {
	d.t.Helper()
	select {
	case got := <-w:
		return got
	case <-time.After(10 * time.Second):
		d.t.Fatal("no decision")
		return authz.Decision{}
	}
}

func (d *desk) expect(r *authz.Request, want authz.Reason) authz.Decision {
	d.t.Helper()
	got := d.decide(r)
	if got.Reason != want {
		d.t.Errorf("decided %s (%v), want %s", got.Reason, got.Cause, want)
	}
	return got
}

func (d *desk) left(alice, deposit int64) {
	d.t.Helper()
	if a, p := d.Available(d.Alice.Balance), d.Available(d.Deposit); a != alice || p != deposit {
		d.t.Errorf("available: Alice %d, deposit %d; want %d, %d", a, p, alice, deposit)
	}
}

func TestApprovalHoldsBothAndRepeatsGetTheSameAnswer(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat, once := *r, *r
	repeat.Repeat = true
	first := d.expect(r, authz.Approved)
	again := d.expect(&repeat, authz.Approved)
	if len(first.ApprovalCode) != 6 || again.ApprovalCode != first.ApprovalCode || again.ID != first.ID || !again.Repeated {
		t.Errorf("first %+v, again %+v: want the same decision", first, again)
	}
	if after, ok := first.Available(); !ok || after != 70_00 {
		t.Errorf("available after is %d, want 7000", after)
	}
	d.expect(&once, authz.Approved)
	d.left(70_00, 120_00)
}

func TestTenCopiesAtOnceHoldOnce(t *testing.T) {
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	waiters := []waiter{d.submit(r)}
	<-reached
	for range 9 {
		c := *r
		waiters = append(waiters, d.submit(&c))
	}
	close(release)
	codes := map[string]bool{}
	for _, w := range waiters {
		got := d.wait(w)
		codes[got.ApprovalCode] = got.Reason == authz.Approved
	}
	if len(codes) != 1 {
		t.Errorf("answers %v, want one", codes)
	}
	d.left(70_00, 120_00)
}

func TestShortFundsLeaveNoTrace(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 100_01), authz.FundsShort)
	d.expect(d.Request(d.Alice, authz.Authorization, 150_01), authz.DepositShort)
	d.expect(d.Request(d.Bob, authz.Authorization, 90_00), authz.Approved)
	d.expect(d.Request(d.Alice, authz.Authorization, 61_00), authz.DepositShort)
	d.left(100_00, 60_00)
	d.expect(d.Request(d.Alice, authz.Authorization, 60_00), authz.Approved)
	d.left(40_00, 0)
}

func TestLockIsSeenByTheNextRequestThoughTheSnapshotIsCached(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	for lock := authz.LockLost; lock <= authz.LockReplaced; lock++ {
		d.Lock(d.Alice.Card, lock)
		d.expect(d.Request(d.Alice, authz.Authorization, 1_00), lock.Reason())
	}
	d.Lock(d.Alice.Card, authz.LockNone)
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	d.left(98_00, 148_00)
}

func TestTopUpIsSeenThoughTheBalanceIsCached(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 100_00), authz.Approved)
	if err := d.Store.Update(t.Context(), func(q records.Querier) error {
		return records.Fund(t.Context(), q, d.Alice.Balance, 5_00, "TOP_UP", storetest.Epoch)
	}); err != nil {
		t.Fatal(err)
	}
	d.expect(d.Request(d.Alice, authz.Authorization, 5_00), authz.Approved)
	d.expect(d.Request(d.Alice, authz.Authorization, 1), authz.FundsShort)
}

func TestReversalInEveryOrder(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	d.expect(r, authz.Approved)
	d.expect(d.Undo(r), authz.ReversalAccepted)
	d.left(100_00, 150_00)

	late := d.Request(d.Alice, authz.Authorization, 30_00)
	d.expect(d.Undo(late), authz.ReversalAccepted)
	repeat := *late
	d.expect(late, authz.ReversedBefore)
	d.expect(&repeat, authz.ReversedBefore)

	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	with := d.Request(d.Alice, authz.Authorization, 30_00)
	w := d.submit(with)
	<-reached
	undone := d.submit(d.Undo(with))
	close(release)
	if got := d.wait(w); got.Reason != authz.Approved {
		t.Errorf("the original is %s", got.Reason)
	}
	if got := d.wait(undone); got.Reason != authz.ReversalAccepted {
		t.Errorf("the reversal is %s", got.Reason)
	}
	d.left(100_00, 150_00)
}

func TestTransactionsThatMoveNoMoney(t *testing.T) {
	d := newDesk(t)
	verify := d.Request(d.Alice, authz.Authorization, 0)
	verify.Transaction = authz.Verification
	if got := d.expect(verify, authz.NoReasonToRefuse); got.ApprovalCode == "" {
		t.Error("a verification has no approval code")
	}
	refund := d.Request(d.Alice, authz.Authorization, 50_00)
	refund.Transaction = authz.Refund
	d.expect(refund, authz.Approved)
	inquiry := d.Request(d.Alice, authz.Authorization, 0)
	inquiry.Transaction = authz.Inquiry
	got := d.expect(inquiry, authz.Approved)
	if has, ok := got.Available(); !ok || has != 100_00 {
		t.Errorf("inquiry answers %d %v, want 10000", has, ok)
	}
	d.left(100_00, 150_00)
}

func TestChecksInTheirOrder(t *testing.T) {
	d := newDesk(t)
	usd, err := money.ByAlpha("USD")
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[authz.Reason]func(*authz.Request){
		authz.TransactionUnknown: func(r *authz.Request) { r.Transaction = authz.TransactionUnsupported },
		authz.CardExpired:        func(r *authz.Request) { r.ReceivedAt = r.ReceivedAt.AddDate(11, 0, 0) },
		authz.ExpiryMismatch:     func(r *authz.Request) { r.Expiry, r.ExpiryGiven = 1, true },
		authz.CurrencyRefused:    func(r *authz.Request) { r.Amount.Currency = usd },
		authz.AmountInvalid:      func(r *authz.Request) { r.Amount.Minor, r.Transaction = 0, authz.Cash },
		authz.CardUnknown:        func(r *authz.Request) { r.PAN = other(t, d.Alice.Number.BIN(8)) },
		authz.BINUnknown:         func(r *authz.Request) { r.PAN = other(t, "40000012") },
	} {
		r := d.Request(d.Alice, authz.Authorization, 1_00)
		change(r)
		r.Deadline = r.ReceivedAt.Add(time.Hour)
		d.expect(r, want)
	}
	billed := d.Request(d.Alice, authz.Authorization, 40_00)
	billed.Amount.Currency, billed.Billing = usd, money.Amount{Minor: 36_80, Currency: storetest.EUR(t)}
	d.expect(billed, authz.Approved)
	d.left(100_00-36_80, 150_00-36_80)
}
