package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// payment is one transaction, told apart from all others of its site.
type payment struct {
	card              pan.Number
	minor             int64
	stan, rrn         string
	transmitted, time string // DE 7 and DE 12
}

func (s *site) payment(card pan.Number, minor int64) payment {
	n, now := s.serial.Add(1), time.Now().UTC()
	return payment{card, minor, fmt.Sprintf("%06d", n%1_000_000), fmt.Sprintf("%012d", n), now.Format("0102150405"), now.Format("150405")}
}

const fullAcquirer = "000123"

// message writes the payment as a request.
func (s *site) message(t *testing.T, p payment, mti string) []byte {
	return s.write(t, p, mti, p.stan, p.transmitted, "")
}

// reversal writes what undoes the payment, as a message with a trace of its own.
func (s *site) reversal(t *testing.T, p payment, mti string) []byte {
	stan := fmt.Sprintf("%06d", s.serial.Add(1))
	return s.write(t, p, mti, stan, p.transmitted, "0100"+p.stan+p.transmitted+fmt.Sprintf("%011s%011d", fullAcquirer, 0))
}

func (s *site) write(t *testing.T, p payment, mti, stan, transmitted, original string, also ...map[int]string) []byte {
	m := s.dialect.New(mti)
	elements := map[int]string{2: p.card.Reveal(), 3: "000000", 4: fmt.Sprintf("%012d", p.minor), 7: transmitted, 11: stan, 12: p.time,
		13: transmitted[:4], 14: loadYYMM, 32: fullAcquirer, 37: p.rrn, 41: "TERM0001", 49: "978"}
	if original != "" {
		delete(elements, 14)
		elements[90] = original
	}
	for _, more := range also {
		maps.Copy(elements, more)
	}
	for de, v := range elements {
		if err := m.Set(de, v); err != nil {
			t.Errorf("element %d: %v", de, err)
		}
	}
	body, err := m.Append(nil)
	if err != nil {
		t.Error(err)
	}
	return body
}

// wire is a link on which one request at a time is asked.
type wire struct {
	dialect *iso.Dialect
	raw     *client.Raw
	goodbye bool // the switch has said that it leaves: nothing more is to be sent to it
}

func (s *site) dial(t *testing.T, n *fullNode) *wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	raw, err := client.DialRaw(ctx, n.addresses["ascii"], frame.Format{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() }) // once more than needed in some tests
	return &wire{dialect: s.dialect, raw: raw}
}

// answer is what came back for a request.
type answer struct{ rrn, code, approval string }

// ask sends a request and waits for its answer, much longer than the switch may take.
func (w *wire) ask(body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*(fullDeadline+fullSlack))
	defer cancel()
	if err := w.raw.Write(body); err != nil {
		return answer{}, err
	}
	for {
		reply, err := w.raw.Read(ctx)
		if err != nil {
			return answer{}, err
		}
		m, err := w.dialect.Decode(reply)
		if err != nil {
			return answer{}, fmt.Errorf("an answer does not decode: %w", err)
		}
		if (m.MTI()[2]-'0')%2 == 1 {
			return answer{m.Get(37), m.Get(39), m.Get(38)}, nil
		}
		w.goodbye = true // the only request that a switch makes by itself
	}
}

// must is ask where the link may not break.
func (w *wire) must(t *testing.T, body []byte) answer {
	t.Helper()
	a, err := w.ask(body)
	if err != nil {
		t.Errorf("no answer: %v", err)
	}
	return a
}

// outcome is what a payment came to, as its sender sees it.
type outcome struct {
	answer
	node           *fullNode
	asked          []byte
	body           []byte // of what was not answered
	sent, answered time.Time
}

func (o *outcome) approved() bool { return o.code == "00" }

// traffic is payments under way on many links.
type traffic struct {
	site *site
	stop chan struct{}
	wg   sync.WaitGroup

	mu sync.Mutex

	outcomes []outcome
}

const (
	trafficLinks = 8                     // of a node
	trafficPause = 10 * time.Millisecond // between two payments of a link, at least
)

// traffic begins: payments of 1.00 with the first so many load cards. Links of a node that is killed end with it.
func (s *site) traffic(t *testing.T, cards int, nodes ...*fullNode) *traffic {
	t.Helper()
	f := &traffic{site: s, stop: make(chan struct{})}
	for _, n := range nodes {
		for range trafficLinks {
			w := s.dial(t, n)
			f.wg.Go(func() { f.pay(t, w, n, cards) })
		}
	}
	return f
}

func (f *traffic) pay(t *testing.T, w *wire, n *fullNode, cards int) {
	pause := time.NewTicker(trafficPause)
	defer pause.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-pause.C:
		}
		number, err := loadCard(rand.IntN(cards))
		if err != nil {
			t.Error(err)
			return
		}
		p := f.site.payment(number, 100)
		o := outcome{node: n, body: f.site.message(t, p, "0100"), sent: time.Now()}
		o.asked = o.body
		o.answer, err = w.ask(o.body)
		if o.answered = time.Now(); err == nil && o.rrn != p.rrn {
			t.Errorf("an answer for %s came to %s", o.rrn, p.rrn)
		}
		if err == nil {
			o.body = nil
		}
		o.rrn = p.rrn
		f.mu.Lock()
		f.outcomes = append(f.outcomes, o)
		f.mu.Unlock()
		if err != nil || w.goodbye {
			return
		}
	}
}

// end waits for the last answers.
func (f *traffic) end() []outcome {
	close(f.stop)
	f.wg.Wait()
	return f.outcomes
}

// approvals counts those of a node that were sent since a moment.
func (f *traffic) approvals(n *fullNode, since time.Time) (count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.outcomes {
		if o := &f.outcomes[i]; o.node == n && o.approved() && o.sent.After(since) {
			count++
		}
	}
	return count
}

// flows waits until each node has approved what was sent from now on.
func (f *traffic) flows(t *testing.T, within time.Duration, nodes ...*fullNode) {
	t.Helper()
	began := time.Now()
	for _, n := range nodes {
		eventually(t, within, fmt.Sprintf("approvals of node %d", n.number), func() error {
			if got := f.approvals(n, began); got < 2*trafficLinks {
				return fmt.Errorf("%d approvals", got)
			}
			return nil
		})
	}
	t.Logf("approvals flow after %v", time.Since(began).Round(time.Millisecond))
}

// inTime holds every answer against the deadline. Those that never came are of a killed node.
func inTime(t *testing.T, outcomes []outcome) {
	t.Helper()
	codes, slowest := map[string]int{}, time.Duration(0)
	for i := range outcomes {
		o := &outcomes[i]
		switch took := o.answered.Sub(o.sent); {
		case o.body != nil && !o.node.ended:
			t.Errorf("RRN %s has no answer", o.rrn)
		case o.body != nil:
			codes["none"]++
		case took > fullDeadline+fullSlack:
			t.Errorf("RRN %s was answered after %v", o.rrn, took)
		default:
			slowest = max(slowest, took)
			codes[o.code]++
		}
	}
	for code := range codes {
		if code != "00" && code != "91" && code != "none" {
			t.Errorf("%d answers of %s", codes[code], code)
		}
	}
	t.Logf("answers %v, the slowest after %v", codes, slowest.Round(time.Millisecond))
}

// audit holds the journal against the wire: each approval has exactly one open row with its code. Rows that
// nobody has an approval of are undone within seconds; when a node died, before that and without a repeat,
// such rows may stay.
func (s *site) audit(t *testing.T, store books, outcomes []outcome, died bool) {
	t.Helper()
	approved := map[string]string{}
	for i := range outcomes {
		if o := &outcomes[i]; o.approved() {
			approved[o.rrn] = o.approval
		}
	}
	eventually(t, 10*time.Second, "the journal to say what the wire says", func() error {
		open, twice := map[string]string{}, 0
		if err := query(t.Context(), store, func(r records.Row) {
			if _, again := open[r.Text(0)]; again {
				twice++
			}
			open[r.Text(0)] = r.Text(1)
		}, "SELECT rrn, approval FROM authorizations WHERE state = $1", int64(authz.StateAuthorized)); err != nil {
			return err
		}
		if twice > 0 {
			return fmt.Errorf("%d RRNs have two open rows", twice)
		}
		for rrn, code := range approved {
			if open[rrn] != code {
				return fmt.Errorf("RRN %s was approved with %s, the journal has %q", rrn, code, open[rrn])
			}
		}
		if len(open) > len(approved) && !died {
			return fmt.Errorf("%d open rows for %d approvals", len(open), len(approved))
		}
		return nil
	})
	s.verify(t)
	if s.schema != "" {
		s.cacheHeals(t, store)
	}
}

// cacheHeals waits until what Redis says of the balances is what the journal says, with nothing in flight.
func (s *site) cacheHeals(t *testing.T, store books) {
	t.Helper()
	eventually(t, sweepAgeMin+8*time.Second, "the cache to say what the journal says", func() error {
		type truth struct{ partner, available string }
		balances, partners := map[string]truth{}, map[string]bool{}
		if err := query(t.Context(), store, func(r records.Row) {
			balances[strconv.FormatInt(r.Int(0), 10)] = truth{strconv.FormatInt(r.Int(1), 10), strconv.FormatInt(r.Int(2), 10)}
			partners[strconv.FormatInt(r.Int(1), 10)] = true
		}, "SELECT id, partner_id, ledger - held FROM balances"); err != nil {
			return err
		}
		for partner := range partners {
			flying, err := s.inFlight(partner)
			if err == nil && len(flying) > 0 {
				err = fmt.Errorf("%d holds in flight", len(flying))
			}
			if err != nil {
				return err
			}
			fields, err := s.redis.say("HGETALL", s.prefix()+"{p"+partner+"}:b")
			if err != nil {
				return err
			}
			for i := 0; i+1 < len(fields); i += 2 {
				kind, id, value := fields[i][:1], fields[i][1:], fields[i+1]
				if kind == "p" && value != "0" {
					return fmt.Errorf("balance %s has %s pending", id, value)
				}
				if kind == "t" && value != balances[id].available {
					return fmt.Errorf("balance %s has %s, the journal %s", id, value, balances[id].available)
				}
			}
		}
		return nil
	})
}

// inFlight reads the holds in flight of a partner.
func (s *site) inFlight(partner string) (ops []authz.ID, err error) {
	fields, err := s.redis.say("HGETALL", s.prefix()+"{p"+partner+"}:f")
	for i := 0; i+1 < len(fields); i += 2 {
		if op, err := strconv.ParseInt(fields[i], 10, 64); err == nil && strings.Contains(fields[i+1], ":") {
			ops = append(ops, authz.ID(op))
		}
	}
	return ops, err
}
