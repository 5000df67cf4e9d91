package mgmt_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// entrance is a store that says when a transaction has begun, and lets it go on when it is told to.
type entrance struct {
	*memory
	entered, leave chan struct{}
}

func (e entrance) Update(ctx context.Context, f func(mgmt.Tx) error) error {
	e.entered <- struct{}{}
	<-e.leave
	return e.memory.Update(ctx, f)
}

// Goal: only so many calls at once change something; who waits and leaves has changed nothing, and reads do not wait. Method:
// a store whose transactions do not end until they are told to.
func TestChangesTakeTurns(t *testing.T) {
	t.Parallel()
	e := entrance{newMemory(), make(chan struct{}, 8), make(chan struct{})}
	read := route("GET", "/secure/things/{id}", mgmt.Secure)
	type one struct {
		ID int64 `path:"id" rule:"min=1"`
	}
	w := newWorld(t, func(cfg *mgmt.Config) { cfg.Store, cfg.Limits.WritesAtOnce = e, 2 }, addRow(),
		mgmt.Handle(read, func(_ context.Context, _ *mgmt.Call, in *one) (addAnswer, error) { return addAnswer{ID: in.ID}, nil }))
	ask := func(ctx context.Context, method, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, map[string]string{"GET": "/secure/things/7", "POST": "/secure/things/7/add"}[method], strings.NewReader(body)).WithContext(ctx)
		r.Header.Set("Authorization", "known")
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		rec := httptest.NewRecorder()
		w.door.Mutual().ServeHTTP(rec, r)
		return rec
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if rec := ask(t.Context(), "POST", `{"amount":5}`); rec.Code != 200 {
				t.Errorf("with a turn: %d %s", rec.Code, rec.Body)
			}
		})
		<-e.entered
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	rec := ask(gone, "POST", `{"amount":5}`)
	if code(t, rec) != problem.Overloaded || rec.Header().Get("Retry-After") == "" || len(e.entered) != 0 {
		t.Errorf("the third at once: %d %s", rec.Code, rec.Body)
	}
	if rec := ask(t.Context(), "GET", ""); rec.Code != 200 {
		t.Errorf("a read: %d %s", rec.Code, rec.Body)
	}
	close(e.leave)
	wg.Wait()
	if rec := ask(t.Context(), "POST", `{"amount":5}`); rec.Code != 200 || e.counter != 3 {
		t.Errorf("afterwards: %d %s, %d effects", rec.Code, rec.Body, e.counter)
	}
}

// Goal: who is over its pace is refused before anything is decrypted.
func TestTheRateIsCheckedBeforeTheToken(t *testing.T) {
	t.Parallel()
	secret := route("POST", "/secure/secrets/{id}/add", mgmt.Secure)
	secret.JWE = true
	w := newWorld(t, func(cfg *mgmt.Config) { cfg.Limits.PerSecondMax = 2 }, mgmt.Handle(secret, add))
	me := newCaller(t)
	w.who.Key = me.key
	sealed := string(must(me.box.Seal(w.keys.EncryptionKeys()[0].Key, []byte(`{"amount":5}`))))
	decryptions := func() (n int64) {
		w.door.Count(func(name string, v int64) {
			if strings.Contains(name, "decryptions") {
				n = v
			}
		})
		return n
	}
	for i := range 6 { // the clock stands still
		rec := w.call("POST", "/secure/secrets/7/add", sealed, "Encrypted-Request", "true", "Public-Key", me.header(t))
		if want := i < 2; want != (rec.Code == 200) || !want && (code(t, rec) != problem.RateLimited || rec.Header().Get("Retry-After") == "") {
			t.Errorf("call %d: %d %s", i, rec.Code, rec.Body)
		}
	}
	if n := decryptions(); n != 2 || w.store.counter != 2 {
		t.Errorf("%d decryptions and %d effects, want 2", n, w.store.counter)
	}
}

// crowded makes so many calls at the same time, and gives how long those took that were let in and those that were refused for
// their haste, in the order of their answers. beside is done while they wait.
func crowded(t *testing.T, w *world, calls int, beside func()) (admitted, refused []time.Duration) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case rec.Code == 200:
				admitted = append(admitted, time.Since(began))
			case code(t, rec) == problem.RateLimited && rec.Header().Get("Retry-After") != "":
				refused = append(refused, time.Since(began))
			default:
				t.Errorf("answered with %d %s", rec.Code, rec.Body)
			}
		})
	}
	synctest.Wait()
	beside()
	wg.Wait()
	return admitted, refused
}

// Goal: a channel has a pace of its own, beside which nobody is even asked who it is, however many they are. Method: 30 calls
// at the same time where 40 a second are let in: two begin, those whose turn comes soon wait for it, the others are refused.
func TestAChannelHasAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *mgmt.Config) {
			cfg.Limits.PerSecondMax, cfg.Limits.ChannelPerSecondMax, cfg.Now = 40, 40, time.Now
		}, addRow())
		admitted, refused := crowded(t, w, 30, func() {
			if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, "Authorization", ""); rec.Code != 429 {
				t.Errorf("somebody unknown: %d %s", rec.Code, rec.Body)
			}
		})
		if len(admitted) != 12 || len(refused) != 18 {
			t.Fatalf("%d were let in and %d refused, want 2 and those of 250 ms, and the others", len(admitted), len(refused))
		}
		for i, took := range admitted {
			if want := max(0, time.Duration(i-1)*25*time.Millisecond); took.Round(time.Millisecond) != want {
				t.Errorf("call %d after %v, want %v", i, took, want)
			}
		}
		time.Sleep(time.Second)
		if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`); rec.Code != 200 {
			t.Errorf("a second later: %d %s", rec.Code, rec.Body)
		}
	})
}

// Goal: asking in vain costs little, however many do it. Method: 400 who are refused, at the same time; each waits longer than
// the one before, and nobody longer than a second.
func TestRefusalsHaveAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *mgmt.Config) {
			cfg.Limits.PerSecondMax, cfg.Limits.ChannelPerSecondMax, cfg.Now = 1, 1, time.Now
		}, addRow())
		admitted, refused := crowded(t, w, 401, func() {})
		if len(admitted) != 1 || len(refused) != 400 {
			t.Fatalf("%d were let in and %d refused, want 1 and 400", len(admitted), len(refused))
		}
		for i, took := range refused {
			want := min(max(time.Duration(i)*4*time.Millisecond, 50*time.Millisecond), time.Second)
			if took.Round(time.Millisecond) != want {
				t.Errorf("refusal %d after %v, want %v", i, took, want)
			}
		}
	})
}

// Goal: authorizations come first. Method: a channel that may have 400 calls a second is asked 1,600 times in two seconds,
// while the switch always, never, or each few milliseconds decides on something.
func TestAChannelGivesWayToAuthorizations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		each        int64 // of so many looks at the switch one finds it busy
		least, most int
	}{{0, 800, 910}, {1, 200, 400}, {4, 200, 400}, {400, 750, 900}} {
		synctest.Test(t, func(t *testing.T) {
			var looks, allowed atomic.Int64
			w := newWorld(t, func(cfg *mgmt.Config) {
				cfg.Limits = mgmt.Limits{PerSecondMax: 400, ChannelPerSecondMax: 400, InFlightMax: 200,
					Busy: func() bool { return c.each > 0 && looks.Add(1)%c.each == 0 }}
				cfg.Now = time.Now
			}, addRow())
			var wg sync.WaitGroup
			for range 1600 {
				time.Sleep(time.Second / 800)
				wg.Go(func() {
					if w.call("POST", "/secure/things/7/add", `{"amount":5}`).Code == 200 {
						allowed.Add(1)
					}
				})
			}
			wg.Wait()
			if n := int(allowed.Load()); n < c.least || n > c.most {
				t.Errorf("busy at each %d: %d of 1600 calls were let in, want %d to %d", c.each, n, c.least, c.most)
			}
		})
	}
}

// Goal: who is too fast is held up, and takes nobody's place meanwhile. Method: one place; while one caller waits for its
// refusal another comes.
func TestWhoIsTooFastWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *mgmt.Config) {
			cfg.Limits = mgmt.Limits{PerSecondMax: 1, ChannelPerSecondMax: 100, InFlightMax: 1}
		}, addRow())
		ask := func() int { return w.call("POST", "/secure/things/7/add", `{"amount":5}`).Code }
		if code := ask(); code != 200 {
			t.Fatalf("the first call: %d", code)
		}
		began, refused := time.Now(), make(chan int, 1)
		go func() { refused <- ask() }() // owned by the test, which waits for the answer
		synctest.Wait()
		w.who.Name = "partner 4"
		if code := ask(); code != 200 {
			t.Errorf("another one: %d", code)
		}
		if code := <-refused; code != 429 || time.Since(began) != 50*time.Millisecond {
			t.Errorf("refused with %d after %v", code, time.Since(began))
		}
	})
}

// Goal: the caller's own text is not kept as it is: it may be a token, or a card's number.
func TestIdempotencyKeysAreKeptHashed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	const key = "4111111111111111"
	first := w.call("POST", "/secure/things/7/add", `{"amount":5}`, "X-Idempotency-Key", key)
	again := w.call("POST", "/secure/things/7/add", `{"amount":5}`, "X-Idempotency-Key", key)
	if first.Code != 200 || again.Body.String() != first.Body.String() || w.store.counter != 1 || len(w.store.replays) != 1 {
		t.Errorf("%s, then %s: %d effects", first.Body, again.Body, w.store.counter)
	}
	for name := range w.store.replays {
		if strings.Contains(name, key) {
			t.Error("the key is kept as it came")
		}
	}
}

// Goal: a card number that somebody takes for an id goes no further than the door.
func TestACardNumberIsNoID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	for id, want := range map[string]int{"99999999999": 200, "4111111111111111": 404, "411111111111": 404} {
		if rec := w.call("POST", "/secure/things/"+id+"/add", `{"amount":5}`); rec.Code != want {
			t.Errorf("an id of %d digits: %d %s", len(id), rec.Code, rec.Body)
		}
	}
}
