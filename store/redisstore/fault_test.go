package redisstore_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/redisstore"
)

// Goal: the driver does not send again what the server has run. Method: the proxy loses one reply.
func TestLostReplyRunsOnce(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	p := startProxy(t, s.Addrs[0])
	d := desk{open(t, redisstore.Config{Addrs: []string{p.address}}), t}
	d.teach(1, 1000, 1000)
	d.place(authz.HoldPlaced, hold(1, 5))
	before := s.runs(t)

	p.plan.Store(loseReply)
	lost := hold(2, 10)
	if err := d.Place(t.Context(), lane, []*authz.Hold{lost}); !errors.Is(err, authz.ErrUnknown) || errors.Is(err, authz.ErrUnavailable) {
		t.Fatalf("error %v, want unknown", err)
	}
	if got := s.runs(t) - before; got != 1 {
		t.Fatalf("the script ran %d times, want once", got)
	}
	d.settle([]*authz.Hold{lost})
	d.left(995, 995)
}

func TestLostReplyOfSettleRunsOnceAndIsSettled(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	p := startProxy(t, s.Addrs[0])
	d := desk{open(t, redisstore.Config{Addrs: []string{p.address}}), t}
	d.teach(1, 1000, 1000)
	h := hold(1, 5)
	d.place(authz.HoldPlaced, h)
	p.plan.Store(loseReply)
	if err := d.Settle(t.Context(), lane, []*authz.Hold{h}, []authz.Balance{{ID: user, Available: 995, Version: 2}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(t.Context()); !errors.Is(err, authz.ErrUnknown) {
		t.Fatalf("error %v, want unknown", err)
	}
	d.left(995, 1000)
}

// Goal: a script that comes after its caller has given up holds nothing. Method: the proxy keeps the call
// back until the cancellation has run.
func TestLateScriptFindsItsOperationCancelled(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	p := startProxy(t, s.Addrs[0])
	warm := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "late:"}), t}
	warm.teach(1, 1000, 1000)
	d := desk{open(t, redisstore.Config{Addrs: []string{p.address}, Prefix: "late:", Timeout: time.Second}), t}
	d.left(1000, 1000)

	p.plan.Store(keepBack)
	late := hold(2, 10)
	if err := d.Place(t.Context(), lane, []*authz.Hold{late}); !errors.Is(err, authz.ErrUnknown) {
		t.Fatalf("error %v, want unknown", err)
	}
	<-p.arrived
	if err := d.Settle(t.Context(), lane, []*authz.Hold{late}, nil); err != nil {
		t.Fatal(err)
	}
	// The connection that does not answer is given up first.
	await(t, "the cancellation", d.Flush)
	close(p.deliver)
	<-p.ran
	warm.left(1000, 1000)
	if got, err := client(t, s.Config).HGet(t.Context(), "late:{p7}:f", "2").Result(); got != "x" || err != nil {
		t.Errorf("the operation is marked %q, %v; want x", got, err)
	}
}

// Goal: a Redis that hangs is answered for in time, and what it runs when it wakes is undone without the
// caller coming again. Method: SIGSTOP to a server of our own.
func TestHungServer(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	other := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "hung:"}), t} // which has time
	other.teach(1, 1000, 1000)
	d := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "hung:", Timeout: 250 * time.Millisecond}), t}
	await(t, "a connection", func(ctx context.Context) error { return d.Place(ctx, lane, []*authz.Hold{hold(2, 0)}) })
	s.signal(t, syscall.SIGSTOP)
	start := time.Now()
	h := hold(1, 10)
	err := d.Place(t.Context(), lane, []*authz.Hold{h})
	if !errors.Is(err, authz.ErrUnknown) {
		t.Fatalf("error %v, want unknown", err)
	}
	if err := d.Settle(t.Context(), lane, []*authz.Hold{h}, nil); err != nil {
		t.Error("settling waits for the server")
	}
	for op := authz.ID(10); op < 30; op++ {
		if err := d.Place(t.Context(), lane, []*authz.Hold{hold(op, 1)}); !errors.Is(err, authz.ErrUnavailable) {
			t.Errorf("error %v, want unavailable: no new connection can be made ready", err)
		}
	}
	// 22 calls of 250 ms, against 500 ms each where the driver does not look at the context.
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("22 answers took %v with a timeout of 250 ms", took)
	}
	s.signal(t, syscall.SIGCONT)
	await(t, "the server to be usable again", func(ctx context.Context) error {
		return d.Place(ctx, lane, []*authz.Hold{hold(3, 0)})
	})
	other.left(1000, 1000)
}

func TestRefusedConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 1000, 1000)
	s.signal(t, syscall.SIGKILL)
	if _, err := s.process.Wait(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := d.Place(t.Context(), lane, []*authz.Hold{hold(1, 10)})
		if !errors.Is(err, authz.ErrUnavailable) || errors.Is(err, authz.ErrUnknown) {
			t.Errorf("error %v, want unavailable", err)
		}
	}
	if _, err := redisstore.Open(t.Context(), s.Config); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("opened with %v, want unavailable", err)
	}
}

// An error that says the script did not start is not a doubt.
func TestRefusedScriptIsUnavailable(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 1000, 1000)
	c := client(t, s.Config)
	for _, refusal := range []struct{ name, value, back string }{
		{"maxmemory", "1000", "0"}, {"min-replicas-to-write", "1", "0"},
	} {
		if err := c.ConfigSet(t.Context(), refusal.name, refusal.value).Err(); err != nil {
			t.Fatal(err)
		}
		err := d.Place(t.Context(), lane, []*authz.Hold{hold(1, 10)})
		if !errors.Is(err, authz.ErrUnavailable) || errors.Is(err, authz.ErrUnknown) {
			t.Errorf("%s: error %v, want unavailable", refusal.name, err)
		}
		if err := c.ConfigSet(t.Context(), refusal.name, refusal.back).Err(); err != nil {
			t.Fatal(err)
		}
		d.left(1000, 1000)
	}
}
