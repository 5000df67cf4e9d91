package authz_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/memholds"
	"holdfast/store/storetest"
)

// plant is an authorizer on a journal that commits so many entries in so much of the bubble's time, one commit after
// the other, and approves all.
type plant struct {
	*authz.Authorizer
	turn  chan struct{} // held by the commit in work
	cards []pan.Number
	euro  money.Currency
	slows atomic.Int64 // how much longer a commit of a full batch takes, in nanoseconds

	mu      sync.Mutex
	results map[string][]outcome // by what was submitted
}

type outcome struct {
	reason  authz.Reason
	at      time.Time // submitted
	latency time.Duration
}

const (
	plantBatch  = 16
	plantCommit = 10 * time.Millisecond
	// plantCapacity is per second.
	plantCapacity = plantBatch * int(time.Second/plantCommit)
	plantCards    = 400
	plantFew      = 9999_9911 // the BIN of a second partner
)

func newPlant(t *testing.T, keys *keystore.Store) *plant {
	p := &plant{turn: make(chan struct{}, 1), results: map[string][]outcome{}, euro: storetest.EUR(t)}
	var err error
	p.Authorizer, err = authz.New(authz.Config{Now: time.Now, BatchMax: plantBatch, InService: 4 * plantBatch, Overlap: overlapped},
		p, memholds.New(), p, keys)
	if err != nil {
		t.Fatal(err)
	}
	p.Route([]authz.Program{{Partner: 1, BINLow: 9999_9910, BINHigh: 9999_9910}, {Partner: 2, BINLow: plantFew, BINHigh: plantFew}})
	for _, bin := range []int{9999_9910, plantFew} {
		for i := range plantCards {
			p.cards = append(p.cards, numbered(t, fmt.Sprintf("%08d%07d", bin, i)))
		}
	}
	return p
}

func (p *plant) Find(_ context.Context, tags []authz.Tag, found func(int, authz.Card)) error {
	for i, tag := range tags {
		id := int64(binary.BigEndian.Uint64(tag[:]) >> 2)
		found(i, authz.Card{ID: authz.CardID(id), Version: 1, Balance: authz.BalanceID(id), Currency: p.euro,
			State: authz.CardActive, Expiry: authz.MonthOf(time.Now()) + 12})
	}
	return nil
}

func (p *plant) Due(context.Context, time.Time, int) ([]authz.Due, error) { return nil, nil }

func (p *plant) Owed(context.Context, []authz.ID) ([]authz.Owed, error) { return nil, nil }

func (p *plant) Balances(_ context.Context, ids []authz.BalanceID) (truth []authz.Balance, err error) {
	for _, id := range ids {
		truth = append(truth, authz.Balance{ID: id, Available: 1 << 50, Version: 1})
	}
	return truth, nil
}

func (p *plant) Commit(_ context.Context, batch []*authz.Entry) (authz.Truth, error) {
	p.turn <- struct{}{}
	time.Sleep(plantCommit + time.Duration(p.slows.Load()*int64(len(batch))/plantBatch))
	<-p.turn
	for _, e := range batch {
		e.Outcome = authz.Committed
	}
	return authz.Truth{}, nil
}

// ask is one submission that waits for its answer.
type ask struct {
	p    *plant
	what string
	at   time.Time
}

func (a *ask) Decided(d *authz.Decision) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.results[a.what] = append(a.p.results[a.what], outcome{d.Reason, a.at, time.Since(a.at)})
}

func (p *plant) submit(what string, kind authz.Kind, card, serial int, deadline time.Duration) {
	now := time.Now()
	p.Submit(&authz.Request{Kind: kind, Peer: "network", ReceivedAt: now, Deadline: now.Add(deadline), PAN: p.cards[card],
		Transaction: authz.Purchase, Amount: money.Amount{Minor: 1, Currency: p.euro},
		Trace: authz.Trace{STAN: fmt.Sprint(serial), Local: now.Format("0102150405")}}, &ask{p, what, now})
}

// load submits so many requests a second for a while, and beside every hundredth a reversal and an advice.
func (p *plant) load(perSecond int, d, deadline time.Duration) {
	const tick = 5 * time.Millisecond
	serial := 0
	for i := range int(d / tick) {
		for ; serial < (i+1)*perSecond*int(tick)/int(time.Second); serial++ {
			p.submit("request", authz.Authorization, serial%plantCards, serial, deadline)
			if serial%100 == 0 {
				p.submit("told", authz.Reversal, serial%plantCards, serial, deadline)
				p.submit("told", authz.AuthorizationAdvice, serial%plantCards, serial, deadline)
			}
		}
		time.Sleep(tick)
		p.Expire(time.Now())
	}
}

// run has a test on a plant in a bubble, and waits for all answers.
func run(t *testing.T, test func(t *testing.T, p *plant)) {
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, keys)
		test(t, p)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// answers are those so far.
func (p *plant) answers(what string) []outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.results[what])
}

func count(outcomes []outcome, reason authz.Reason) (n int) {
	for _, o := range outcomes {
		if o.reason == reason {
			n++
		}
	}
	return n
}

// Goal: at twice the capacity as much is approved as could be, what is approved is soon approved once the queue is
// known to stand, what is refused is refused at once, and what tells or undoes is never refused.
func TestTwiceTheCapacity(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		const lasts = 6 * time.Second
		began := time.Now()
		p.load(2*plantCapacity, lasts, 2*time.Second)
		if err := p.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		requests := p.answers("request")
		if got, want := count(requests, authz.Approved), plantCapacity*int(lasts/time.Second)*9/10; got < want {
			t.Errorf("%d were approved, want %d: 90 %% of what the journal can commit", got, want)
		}
		if n := count(requests, authz.Approved) + count(requests, authz.Inoperative); n != len(requests) {
			t.Errorf("%d of %d were answered otherwise", len(requests)-n, len(requests))
		}
		var late []time.Duration
		for _, o := range requests {
			if o.reason == authz.Inoperative && o.latency > 0 {
				t.Fatalf("one was refused after %v", o.latency)
			}
			if o.reason == authz.Approved && o.at.Sub(began) > 4*time.Second {
				late = append(late, o.latency)
			}
		}
		slices.Sort(late)
		if len(late) == 0 {
			t.Fatal("nothing was approved when the queue stood")
		}
		if p99 := late[len(late)*99/100]; p99 > 300*time.Millisecond {
			t.Errorf("when the queue stands the 99th of 100 approvals takes %v", p99)
		}
		if told := p.answers("told"); count(told, authz.Inoperative) > 0 {
			t.Errorf("%d of %d reversals and advices were refused", count(told, authz.Inoperative), len(told))
		}
	})
}

// A burst that is over soon is answered whole, though it waits longer than a queue that stands may.
func TestBurstIsAnsweredWhole(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		p.load(3*plantCapacity, 400*time.Millisecond, 5*time.Second)
		for range 100 {
			time.Sleep(20 * time.Millisecond)
			p.Expire(time.Now())
		}
		requests := p.answers("request")
		if n := count(requests, authz.Approved); n != len(requests) || n == 0 {
			t.Errorf("%d of %d were approved", n, len(requests))
		}
		longest := slices.MaxFunc(requests, func(a, b outcome) int { return int(a.latency - b.latency) }).latency
		if longest < 300*time.Millisecond {
			t.Errorf("the longest took %v: this was no burst", longest)
		}
	})
}

// A machine that gives us half of what it did, in the middle of a burst, makes nothing late: what is late has cost a
// commit, and its undoing another.
func TestSlowerMachineMakesNothingLate(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		p.load(2*plantCapacity, 900*time.Millisecond, time.Second)
		p.slows.Store(int64(plantCommit * 4 / 5))
		p.load(2*plantCapacity, 3*time.Second, time.Second)
		if err := p.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		requests := p.answers("request")
		if n := count(requests, authz.DecisionLate); n > 0 {
			t.Errorf("%d of %d were late", n, len(requests))
		}
		if got, want := count(requests, authz.Approved), plantCapacity*2; got < want {
			t.Errorf("%d were approved, want %d at least", got, want)
		}
	})
}

// Where the machine gives a twentieth of what it did, even those in service would be late. They are refused before, and
// when it gives all again, all is taken again.
func TestWhatIsInServiceMayBeTooMuch(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		p.slows.Store(int64(plantCommit * 19))
		p.load(plantCapacity, 2*time.Second, time.Second)
		settled := len(p.answers("request"))
		p.load(plantCapacity, 4*time.Second, time.Second)
		slow := p.answers("request")[settled:]
		// Of 80 in a second, 32 are told.
		if late, approved := count(slow, authz.DecisionLate), count(slow, authz.Approved); late > approved/10 || approved < 4*48/2 {
			t.Errorf("%d were approved, %d were late", approved, late)
		}
		p.slows.Store(0)
		p.load(plantCapacity/2, time.Second, time.Second)
		settled = len(p.answers("request"))
		p.load(plantCapacity/2, time.Second, time.Second)
		if again := p.answers("request")[settled:]; count(again, authz.Approved) < len(again)*99/100 {
			t.Errorf("%d of %d are approved when it gives all again", count(again, authz.Approved), len(again))
		}
	})
}

// What could not be answered before its deadline is refused at once, and takes nothing from the others.
func TestHopelessIsRefusedAtOnce(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		p.load(2*plantCapacity, 900*time.Millisecond, 5*time.Second) // a burst still, of half a second's work
		for i := range 50 {
			p.submit("hurried", authz.Authorization, i, -i, 200*time.Millisecond)
			p.submit("patient", authz.Authorization, i, -1000-i, 5*time.Second)
		}
		if n := count(p.answers("hurried"), authz.Inoperative); n != 50 {
			t.Errorf("%d of 50 were refused at once", n)
		}
		if n := len(p.answers("patient")); n != 0 {
			t.Errorf("%d that have the time were refused", n)
		}
	})
}

// A partner whose lane is short is served while another floods the node.
func TestSmallPartnerIsSparedInTheFlood(t *testing.T) {
	run(t, func(t *testing.T, p *plant) {
		flood := make(chan struct{})
		go func() { // owned by this test, which waits for it
			defer close(flood)
			p.load(2*plantCapacity, 4*time.Second, 2*time.Second)
		}()
		time.Sleep(2 * time.Second)
		for i := range 50 {
			p.submit("small", authz.Authorization, plantCards+i, -i, 2*time.Second)
			time.Sleep(30 * time.Millisecond)
		}
		<-flood
		if small := p.answers("small"); count(small, authz.Approved) != len(small) {
			t.Errorf("%d of %d were approved", count(small, authz.Approved), len(small))
		}
		if count(p.answers("request"), authz.Inoperative) == 0 {
			t.Error("there was no flood")
		}
	})
}
