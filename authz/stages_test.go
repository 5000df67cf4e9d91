package authz_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
)

// road is a plant on which each stage takes a time of its own, whose cache grants all, and whose journal keeps what it
// is told of the stages.
type road struct {
	*plant
	find, place, commit time.Duration
	refuses             int // so many commits are stale
	rows                map[string]authz.Stages
}

func (r *road) Find(ctx context.Context, tags []authz.Tag, found func(int, authz.Card)) error {
	time.Sleep(r.find)
	return r.plant.Find(ctx, tags, found)
}

func (r *road) Place(_ context.Context, _ authz.PartnerID, batch []*authz.Hold) error {
	time.Sleep(r.place)
	for _, h := range batch {
		h.Result = authz.HoldPlaced
	}
	return nil
}

func (r *road) Settle(context.Context, authz.PartnerID, []*authz.Hold, []authz.Balance) error {
	return nil
}

func (r *road) Refresh(context.Context, authz.PartnerID, []authz.Balance) error { return nil }

func (r *road) Commit(_ context.Context, batch []*authz.Entry) (authz.Truth, error) {
	for _, e := range batch {
		if e.Outcome = authz.Committed; r.refuses > 0 {
			e.Outcome = authz.Stale
		}
		r.mu.Lock()
		r.rows[e.Request.Trace.STAN] = e.Stages
		r.mu.Unlock()
	}
	r.refuses--
	time.Sleep(r.commit)
	return authz.Truth{}, nil
}

// send submits a request that was received so long ago.
func (r *road) send(stan string, kind authz.Kind, card int, ago time.Duration) {
	at := time.Now().Add(-ago)
	r.Submit(&authz.Request{Kind: kind, Peer: "network", ReceivedAt: at, Deadline: at.Add(time.Hour), PAN: r.cards[card],
		Transaction: authz.Purchase, Amount: money.Amount{Minor: 1, Currency: r.euro},
		Trace: authz.Trace{STAN: stan, Local: at.Format("0102150405")}}, &ask{r.plant, stan, at})
}

// onRoad has a test on a road in a bubble.
func onRoad(t *testing.T, test func(*road)) {
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &road{plant: newPlant(t, keys), rows: map[string]authz.Stages{}}
		if r.Authorizer, err = authz.New(authz.Config{Now: time.Now, Overlap: overlapped}, r, r, r, keys); err != nil {
			t.Fatal(err)
		}
		r.Route([]authz.Program{{Partner: 1, BINLow: 9999_9910, BINHigh: 9999_9910}})
		test(r)
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// want compares what the row of a STAN says with the four stages and how often it was decided.
func (r *road) want(t *testing.T, stan string, rounds int, stages ...time.Duration) {
	t.Helper()
	synctest.Wait()
	got, total := r.rows[stan], time.Duration(0)
	for stage, want := range stages {
		// A part in 2048 is lost above 4 ms, and all above 67 s.
		took := got.Of(authz.Stage(stage))
		if exact := want < 4096*time.Microsecond; took > want || exact && took != want || took < min(want-want/2048, 67*time.Second) {
			t.Errorf("%s: %s %v, want %v", stan, authz.Stage(stage), took, want)
		}
		total += took
	}
	if !got.Known() || got.Rounds() != rounds || got.Total() != total {
		t.Errorf("%s: decided %d times in %v, want %d and %v", stan, got.Rounds(), got.Total(), rounds, total)
	}
}

// Goal: each stage has the time that it took, from a microsecond to more than there is room for. Method: the clock of a
// bubble, which moves only while a stage sleeps.
func TestTimeOfEachStage(t *testing.T) {
	const us, ms, s = time.Microsecond, time.Millisecond, time.Second
	for _, took := range [][3]time.Duration{
		{0, 0, 0}, {us, 2 * us, 3 * us}, {2047 * us, 2048 * us, 2049 * us}, {4095 * us, 4096 * us, 4095 * us}, {3 * ms, 5 * s, 17 * us},
		{5 * us, 4097 * us, 1234567 * us}, {66 * s, 67*s + 92479*us, 70 * s}, {time.Minute, us, 0},
	} {
		t.Run(fmt.Sprint(took), func(t *testing.T) {
			onRoad(t, func(r *road) {
				r.find, r.place = took[1], took[2]
				r.send("first", authz.Authorization, 1, took[0])
				time.Sleep(took[1] + took[2])
				r.want(t, "first", 1, took[0], took[1], took[2], 0)
				r.send("known", authz.Authorization, 1, took[0]) // its card need not be looked up again
				time.Sleep(took[2])
				r.want(t, "known", 1, took[0], 0, took[2], 0)
				r.send("reversal", authz.Reversal, 1, took[0]) // which places nothing
				r.want(t, "reversal", 1, took[0], 0, 0, 0)
			})
		})
	}
}

// What comes while a commit is under way waits for it; what the journal refuses goes through the stages once more, and
// the commit that refused it counts as time before the one that has its row.
func TestTimeOfWaitingAndOfAnotherRound(t *testing.T) {
	const ms = time.Millisecond
	onRoad(t, func(r *road) {
		r.find, r.place, r.commit, r.refuses = 3*ms, 2*ms, 4*ms, 1
		r.send("first", authz.Authorization, 1, 0)
		time.Sleep(6 * ms) // its first commit began a millisecond ago
		r.send("second", authz.Authorization, 2, 0)
		time.Sleep(time.Second)
		r.want(t, "first", 2, 0, 3*ms, 4*ms, 4*ms)
		r.want(t, "second", 1, 9*ms, 3*ms, 2*ms, 0)
	})
}
