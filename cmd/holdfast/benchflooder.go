package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// floodCmd is the process that floods. It stands for other machines: it has the lowest priority, so that what it takes of
// the processors is what the switch and the network leave. It reads a plan and then orders, a line each, and answers an
// order when the next one comes, with how many answers of each status there were.
type floodCmd struct{}

// floodOrder is what to do until the next order: calls a second, or cards that are read at the same time. Neither: rest.
type floodOrder struct {
	PerSecond float64
	Readers   int
}

// Run does what it is told until its input ends.
func (c *floodCmd) Run(e *env) error {
	in := bufio.NewScanner(e.stdin)
	in.Buffer(nil, 1<<20)
	f := &flood{answers: map[int]int{}}
	if !in.Scan() {
		return errors.New("flood: no plan came")
	}
	if err := json.Unmarshal(in.Bytes(), &f.floodPlan); err != nil {
		return fmt.Errorf("flood: read the plan: %w", err)
	}
	if err := f.connect(); err != nil {
		return fmt.Errorf("flood: %w", err)
	}
	out := json.NewEncoder(e.stdout)
	end := func() {}
	for in.Scan() {
		var order floodOrder
		if err := json.Unmarshal(in.Bytes(), &order); err != nil {
			return fmt.Errorf("flood: read an order: %w", err)
		}
		end()
		if err := out.Encode(f.taken()); err != nil {
			return err
		}
		end = f.follow(e.ctx, order)
	}
	end()
	return in.Err()
}

// flood is the plan at work.
type flood struct {
	floodPlan

	mu      sync.Mutex
	answers map[int]int // by status; 0 is none
}

func (f *flood) connect() error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(f.Authority) {
		return errors.New("the switch's certificate does not parse")
	}
	for i := range f.From {
		key, err := x509.ParsePKCS8PrivateKey(f.From[i].PKCS8)
		if err != nil {
			return err
		}
		own := tls.Certificate{Certificate: [][]byte{f.From[i].Certificate}, PrivateKey: key}
		// Without a limit each call that finds no idle connection makes one, whether it then needs it or not.
		const each = floodConnections / floodPartners
		f.From[i].client = &http.Client{Timeout: floodCallTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: each,
			MaxConnsPerHost: each, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: pool}}}
	}
	return nil
}

// follow begins what is ordered; the function that it returns ends it and waits.
func (f *flood) follow(ctx context.Context, o floodOrder) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	switch {
	case o.PerSecond > 0:
		wg.Go(func() { f.pour(ctx, o.PerSecond) })
	case o.Readers > 0:
		wg.Go(func() { f.reads(ctx, o.Readers) })
	}
	return func() { stop(); wg.Wait() }
}

// read asks for a card's full data.
func (f *flood) read(ctx context.Context, one *flooder) {
	f.call(ctx, one, http.MethodGet, fmt.Sprintf("/secure/customers/%d/cards/%d", one.User, one.Card), "", true)
}

// mix is call number n of a flood: full data of a card, a token that opens, one that does not, a list in clear.
func (f *flood) mix(ctx context.Context, one *flooder, n int) {
	cards := fmt.Sprintf("/secure/customers/%d/cards", one.User)
	switch n % 4 {
	case 0:
		f.read(ctx, one)
	case 1:
		f.call(ctx, one, http.MethodPost, cards+"/virtual", f.Good, true)
	case 2:
		f.call(ctx, one, http.MethodPost, cards+"/virtual", f.Bad[n/4%len(f.Bad)], true)
	case 3:
		f.call(ctx, one, http.MethodGet, cards, "", false)
	}
}

func (f *flood) call(ctx context.Context, one *flooder, method, path, body string, encrypted bool) {
	status := 0
	r, err := http.NewRequestWithContext(ctx, method, f.Base+path, strings.NewReader(body))
	if err == nil {
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if encrypted {
			r.Header.Set("Encrypted-Request", "true")
			r.Header.Set("Public-Key", f.Key)
		}
		if resp, err := one.client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // the status is what counts
			_ = resp.Body.Close()                 // read to its end
			status = resp.StatusCode
		}
	}
	if status == 0 && ctx.Err() != nil {
		return // the measurement is over
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[status]++
}

// taken are the answers since the last time.
func (f *flood) taken() map[int]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.answers
	f.answers = map[int]int{}
	return was
}

// pour sends at a rate until ctx ends, evenly. A connection that is behind leaves out what it could not send in time. What
// has been asked is answered: a call that is cut costs its connection, and the next turn would begin with handshakes.
func (f *flood) pour(ctx context.Context, perSecond float64) {
	call := context.WithoutCancel(ctx)
	var wg sync.WaitGroup
	each := time.Duration(floodConnections / perSecond * float64(time.Second))
	for i := range floodConnections {
		wg.Go(func() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(each * time.Duration(i) / floodConnections):
			}
			tick := time.NewTicker(each)
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					f.mix(call, &f.From[i%len(f.From)], n)
				}
			}
		})
	}
	wg.Wait()
}

// reads asks for cards, so many at a time, until ctx ends.
func (f *flood) reads(ctx context.Context, atOnce int) {
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				f.read(ctx, &f.From[n%len(f.From)])
			}
		})
	}
	wg.Wait()
}
