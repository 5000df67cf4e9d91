package mgmt_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/mgmt"
)

// Goal: a stranger who asks as fast as it can leaves room for the others, also with all the addresses of an IPv6 network.
// Method: a channel of 40 calls a second is asked 400 times a second from one network for ten seconds; somebody else asks twice a second.
func TestAStrangerLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(i int) string{
		"one address":       func(int) string { return "203.0.113.9:4000" },
		"an IPv6 network":   func(i int) string { return fmt.Sprintf("[2001:db8:0:1::%x]:4000", i+1) },
		"two ways to write": func(i int) string { return []string{"[::ffff:203.0.113.9]:4000", "203.0.113.9:4000"}[i%2] },
		"port after port":   func(i int) string { return fmt.Sprintf("203.0.113.9:%d", 1024+i) },
		"zones of a link":   func(i int) string { return fmt.Sprintf("[fe80::1%%eth%d]:4000", i) },
		"an unknown place":  func(int) string { return "@" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(cfg *mgmt.Config) {
					cfg.Limits.PerSecondMax, cfg.Limits.ChannelPerSecondMax, cfg.Now = 40, 40, time.Now
				}, mgmt.Handle(route("POST", "/customers/things/{id}/add", mgmt.Customers), add))
				ask := func(from, who string) int {
					r := httptest.NewRequest("POST", "/customers/things/7/add", strings.NewReader(`{"amount":5}`))
					r.RemoteAddr = from
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Authorization", who)
					rec := httptest.NewRecorder()
					w.door.Public().ServeHTTP(rec, r)
					return rec.Code
				}
				var let atomic.Int64
				var wg sync.WaitGroup
				for i := range 4000 {
					time.Sleep(time.Second / 400)
					wg.Go(func() {
						if code := ask(address(i), ""); code == 401 {
							let.Add(1)
						}
					})
					if i%200 == 0 {
						wg.Go(func() {
							if code := ask("198.51.100.7:5000", "known"); code != 200 {
								t.Errorf("somebody else, call %d: %d", i, code)
							}
						})
					}
				}
				wg.Wait()
				if n := let.Load(); n < 280 || n > 320 {
					t.Errorf("%d calls of the stranger were let in, want three of four that a channel has in ten seconds", n)
				}
			})
		})
	}
}

// Goal: who is nobody and takes its time with a body takes no place. Method: one place; a body that does not come, and another
// caller meanwhile.
func TestASlowBodyTakesNoPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *mgmt.Config) { cfg.Limits.InFlightMax = 1 })
	ask := func(body io.Reader) int {
		rec := httptest.NewRecorder()
		w.door.Public().ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", body))
		return rec.Code
	}
	body, end := io.Pipe()
	slow := make(chan int, 1)
	go func() { slow <- ask(body) }() // owned by the test, which waits for the answer
	if _, err := end.Write([]byte("so")); err != nil {
		t.Fatal(err)
	}
	if code := ask(nil); code != 200 {
		t.Errorf("another caller meanwhile: %d", code)
	}
	if err := end.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-slow; code != 400 {
		t.Errorf("a body where there is to be none: %d", code)
	}
}
