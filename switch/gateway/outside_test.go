package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// file makes a file action about a card: by DE 91 and a record in 1987, by function code and reason after it.
func (c *counter) file(rest, action string, lock authz.LockReason) *iso.Message {
	c.t.Helper()
	c.stan++
	d := c.peer.Dialect
	m := d.New(isotest.MTI(d, rest))
	switch d.Version() {
	case iso.V1987:
		c.set(m, elements{7: "1122120001", 11: fmt.Sprintf("%06d", c.stan), 33: "654321", 73: "261122", 91: action})
		if lock != authz.LockNone {
			c.set(m, elements{120: fmt.Sprintf("LOCK=%d", lock)})
		}
	default:
		width, when := 6, "261122130001"
		if d.Version() == iso.V2003 {
			width, when = 12, "20261122130001"
		}
		c.set(m, elements{11: fmt.Sprintf("%0*d", width, c.stan), 12: when, 24: "30" + action, 33: "654321"})
		if lock != authz.LockNone {
			c.set(m, elements{25: fmt.Sprintf("370%d", lock)})
		}
	}
	c.set(m, elements{2: c.Alice.Number.Reveal(), 101: "CARDSTATUS"})
	return m
}

// The seed's "Lock outside": each of the eight reasons in each version, effective when it is answered; the locks that are
// not for ever can be lifted by whoever may set them, the others by nobody.
func TestPeersLockCardsForEachReason(t *testing.T) {
	for _, name := range threeVersions {
		t.Run(name, func(t *testing.T) {
			c := open(t, name)
			for lock := authz.LockLost; lock <= authz.LockReplaced; lock++ {
				c.Lock(c.Alice.Card, authz.LockNone)
				code := func(a, b, d string) string { return codeOf(c.peer.Dialect, a, b, d) }
				a := c.expect(c.file("304", "1", lock), code("00", "300", "3000"))
				if a.MTI() != isotest.MTI(c.peer.Dialect, "314") || a.Get(101) != "CARDSTATUS" || a.Has(120) {
					t.Errorf("lock %d is answered by %s", lock, a.MTI())
				}
				reason := gateway.ActionCode(lock.Reason(), c.peer.Dialect.Version())
				c.expect(c.next("100", 1_00), reason)
				c.expect(c.file("304", "1", lock), code("26", "308", "3008"))
				c.expect(c.file("305", "1", lock), code("00", "300", "3000")) // a repeat: the first answer may have been lost
				inquiry := c.expect(c.file("304", "5", authz.LockNone), code("00", "300", "3000"))
				at := c.peer.Dialect.Profile().Places.FileData.DE()
				if got := inquiry.Get(at); got != fmt.Sprintf("LOCK=%d", lock) {
					t.Errorf("the record is %q", got)
				}
				if lock.Irreversible() {
					c.expect(c.file("302", "3", authz.LockNone), code("29", "306", "3006"))
					c.expect(c.next("100", 1_00), reason)
				} else {
					c.expect(c.file("302", "3", authz.LockNone), code("00", "300", "3000"))
					c.expect(c.next("100", 1_00), code("00", "000", "0000"))
				}
			}
		})
	}
}

func TestFileActionsThatAreRefused(t *testing.T) {
	for _, name := range threeVersions {
		c := open(t, name)
		code := func(a, b, d string) string { return codeOf(c.peer.Dialect, a, b, d) }
		unknown := c.file("300", "1", authz.LockLost)
		c.set(unknown, elements{2: "9999991000009998"})
		c.expect(unknown, code("25", "302", "3002"))
		other := c.file("300", "1", authz.LockLost)
		c.set(other, elements{101: "STOPLIST"})
		c.expect(other, code("27", "309", "3009"))
		c.expect(c.file("300", "9", authz.LockLost), code("27", "304", "3004"))
		c.expect(c.file("300", "1", authz.LockNone), code("27", "304", "3004"))
		c.expect(c.file("300", "1", 9), code("27", "304", "3004"))
		none := c.file("300", "1", authz.LockLost)
		none.Unset(2)
		c.expect(none, code("30", "307", "3007"))
		c.expect(c.file("300", "2", authz.LockFraud), code("00", "300", "3000"))
		c.expect(c.file("300", "2", authz.LockLost), code("26", "303", "3003")) // a graver one takes its place
		c.expect(c.file("300", "2", authz.LockFraud), code("29", "306", "3006"))
		no := false
		for _, codes := range []gateway.Codes{nil, {"LOCKED_LOST": "00 000 0000"}} { // with codes that nobody can use it counts all the same
			err := errors.Join(c.gateway.SetPeers(nil), c.gateway.SetPeers(map[string]gateway.PeerChange{"network": {FileActions: &no, ActionCodes: codes}}))
			if (err != nil) != (codes != nil) {
				t.Errorf("set with the codes %v: %v", codes, err)
			}
			c.expect(c.file("300", "2", authz.LockStolen), code("24", "301", "3001"))
		}
	}
}

// stuck are card actions of a store that answers nothing in time.
type stuck struct {
	begun chan struct{}
	free  chan struct{}
}

func (s stuck) LockOutside(ctx context.Context, _ gateway.CardAction) (authz.LockOutcome, authz.LockReason, error) {
	s.begun <- struct{}{}
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-s.free:
		return authz.LockChanged, authz.LockLost, nil
	}
}

// A store that hangs holds up a bounded number of file actions, each until its deadline, and no authorization.
func TestFileActionsNeverHoldUpTheLink(t *testing.T) {
	s := stuck{make(chan struct{}, 100), make(chan struct{})}
	c := open(t, "iso87-ascii", func(c *counter) {
		c.peer.Deadline = 2 * time.Second
		c.config.Cards, c.config.Books = s, desk{c}
	})
	var waiting []*exchange
	send := func() *exchange {
		x := &exchange{body: c.bytes(c.file("304", "1", authz.LockLost)), done: make(chan struct{}), at: time.Now()}
		c.session.Frame(x)
		return x
	}
	for range 8 {
		waiting = append(waiting, send())
		<-s.begun
	}
	x := send() // no clerk is free
	select {
	case <-x.done:
	default:
		t.Fatal("a ninth file action waits, too")
	}
	if a := c.decode(x); a.Get(39) != "28" {
		t.Errorf("answered %s, want 28: to be sent again", a.Get(39))
	}
	c.expect(c.next("100", 1_00), "00") // in the meantime
	for _, x := range waiting {
		<-x.done
		if a := c.decode(x); a.Get(39) != "28" {
			t.Errorf("answered %s after its deadline, want 28", a.Get(39))
		}
	}
	go func() { <-s.begun; close(s.free) }() // owned by the test: ends with the next file action
	x = send()
	<-x.done
	if a := c.decode(x); a.Get(39) != "00" {
		t.Errorf("answered %s when the store is back, want 00", a.Get(39))
	}
}

// day is a settlement date in the form of the dialect.
func (c *counter) day(at time.Time) string {
	switch c.peer.Dialect.Version() {
	case iso.V1993:
		return at.Format("060102")
	case iso.V2003:
		return at.Format("20060102")
	}
	return at.Format("0102")
}

// totals makes a reconciliation of a day.
func (c *counter) totals(day time.Time, claims elements) *iso.Message {
	c.t.Helper()
	c.stan++
	m := c.peer.Dialect.New(isotest.MTI(c.peer.Dialect, "500"))
	c.set(m, elements{7: "1122235900", 11: fmt.Sprintf("%06d", c.stan), 15: c.day(day), 32: "400001", 50: "978"})
	if c.peer.Dialect.Version() == iso.V1993 {
		c.set(m, elements{12: "261122235900"})
	}
	c.set(m, claims)
	return m
}

// today is a moment of a day that does not end soon: shortly before midnight it is the next one's, which is waited for.
func today() time.Time {
	now := time.Now().UTC()
	if left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now); left < 20*time.Second {
		<-time.After(left)
	}
	return time.Now().UTC()
}

// Totals come from the journal: they agree, or the answer has ours.
func TestReconciliationComparesWithTheJournal(t *testing.T) {
	for _, name := range []string{"iso87-ascii", "iso93-ascii"} {
		now := today()
		c := open(t, name)
		ok := codeOf(c.peer.Dialect, "00", "000", "0000")
		c.expect(c.next("200", 30_00), ok)
		m := c.next("200", 20_00)
		c.expect(m, ok)
		undo := c.undo(m, 5_00)
		c.expect(undo, codeOf(c.peer.Dialect, "00", "400", "4000"))
		c.expect(c.next("100", 10_00), ok) // only held
		c.expect(c.next("200", 90_00), codeOf(c.peer.Dialect, "51", "116", "1016"))
		right := elements{74: "0000000000", 75: "0000000000", 76: "0000000002", 77: "0000000001", 86: "0000000000000000",
			87: "0000000000000000", 88: "0000000000005000", 89: "0000000000001500", 97: "D0000000000003500"}
		check := func(m *iso.Message, balanced bool, want elements) {
			t.Helper()
			code, settlement := codeOf(c.peer.Dialect, "00", "500", "5000"), "1"
			if !balanced {
				code, settlement = codeOf(c.peer.Dialect, "00", "501", "5001"), "2"
			}
			a := c.expect(m, code)
			if c.peer.Dialect.Version() == iso.V1987 && a.Get(66) != settlement {
				t.Errorf("%s: DE 66 is %q, want %s", name, a.Get(66), settlement)
			}
			for de, v := range want {
				if a.Get(de) != v {
					t.Errorf("%s: element %d is %q, want %q", name, de, a.Get(de), v)
				}
			}
		}
		check(c.totals(now, right), true, right)
		for de, wrong := range (elements{76: "0000000003", 77: "0000000000", 86: "0000000000000001", 88: "0000000000005001",
			89: "0000000000000000", 97: "C0000000000003500"}) {
			claims := elements{}
			for k, v := range right {
				claims[k] = v
			}
			claims[de] = wrong
			check(c.totals(now, claims), false, right)
		}
		check(c.totals(now, nil), false, right)                  // who says nothing claims nothing
		check(c.totals(now.AddDate(0, 0, 1), nil), true, nil)    // and is right where there was nothing
		check(c.totals(now.AddDate(0, 0, 1), right), false, nil) // totals of one day are not those of another
		bad := c.totals(now, nil)
		bad.Unset(15)
		c.expect(bad, codeOf(c.peer.Dialect, "30", "904", "9100"))
	}
	c := open(t, "cmf-2003") // whose public profile has no totals
	c.expect(c.next("500", 1), "5003")
}

// The net has D when we owe the peer and C when it owes us.
func TestNetOfMoreCreditsThanDebitsIsC(t *testing.T) {
	now := today()
	c := open(t, "iso87-ascii")
	m := c.next("200", 10_00)
	c.set(m, elements{15: c.day(now)})
	c.expect(m, "00")
	undo := c.undo(m, 0)
	c.set(undo, elements{15: c.day(now.AddDate(0, 0, 1))})
	c.expect(undo, "00")
	a := c.expect(c.totals(now.AddDate(0, 0, 1), nil), "00")
	if got := a.Get(97); got != "C0000000000001000" {
		t.Errorf("DE 97 is %q", got)
	}
}

// A cut-over under load: every transaction is on exactly one of the two days, and none is refused.
func TestCutOverUnderLoadLosesNothing(t *testing.T) {
	c := open(t, "iso87-ascii")
	const each, workers = 25, 4
	var wg sync.WaitGroup
	var bodies [workers][][]byte
	for w := range workers {
		for range each {
			bodies[w] = append(bodies[w], c.bytes(c.next("200", 10)))
		}
	}
	refused := make(chan string, each*workers)
	for _, mine := range bodies {
		session := c.gateway.Open(c.peer)
		wg.Go(func() {
			for _, body := range mine {
				x := &exchange{body: body, done: make(chan struct{}), at: time.Now()}
				session.Frame(x)
				<-x.done
				if a := c.decode(x); a.Get(39) != "00" {
					refused <- a.Get(39)
				}
			}
		})
	}
	tomorrow := time.Now().UTC().AddDate(0, 0, 1)
	cut := c.message("0800", storetest.Holder{Number: c.Alice.Number}, nil)
	for _, de := range []int{2, 3, 4, 14, 18, 22, 25, 37, 41, 42, 43, 49, 63} {
		cut.Unset(de)
	}
	c.set(cut, elements{70: "201", 15: tomorrow.Format("0102")})
	c.expect(cut, "00")
	wg.Wait()
	close(refused)
	for code := range refused {
		t.Errorf("refused with %s", code)
	}
	c.expect(c.next("200", 10), "00")
	var days [2]authz.Totals
	for i := range days {
		var err error
		if days[i], err = (desk{c}).Totals(t.Context(), "network", authz.DayOf(tomorrow.AddDate(0, 0, i-1)), storetest.EUR(t), false); err != nil {
			t.Fatal(err)
		}
	}
	if sum := days[0].Debits.Count + days[1].Debits.Count; sum != each*workers+1 || days[1].Debits.Count == 0 {
		t.Errorf("%d on the old day and %d on the new, want %d together", days[0].Debits.Count, days[1].Debits.Count, each*workers+1)
	}
	var kept map[string]authz.Day
	if err := c.Store.View(t.Context(), func(q records.Querier) (err error) {
		kept, err = records.CutOvers(t.Context(), q)
		return err
	}); err != nil || kept["network"] != authz.DayOf(tomorrow) {
		t.Errorf("the store has %v, %v", kept, err)
	}
}

// vault is a keystore that was told what to say, and notes what it was asked in order.
type vault struct {
	mu   sync.Mutex
	says error
	log  []string
}

func (v *vault) note(what string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.log = append(v.log, what)
	return v.says
}

func (v *vault) Offer(_ context.Context, peer string, use gateway.KeyUse, wrapped, check []byte) ([]byte, error) {
	return []byte{0xab, 0xcd, 0xef}, v.note(fmt.Sprintf("offer %s %d %d %X", peer, use, len(wrapped), check))
}

func (v *vault) Activate(_ context.Context, peer string, use gateway.KeyUse, _ time.Time, overlap time.Duration) error {
	return v.note(fmt.Sprintf("activate %s %d %s", peer, use, overlap))
}

func (v *vault) heard() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.log, ", ")
}

// A new key is pending before the answer and in use only after the answer was written; one with a wrong check value
// never is.
func TestNewZoneKeys(t *testing.T) {
	block := strings.Repeat("0123456789ABCDEF", 2) + "08D7B4"
	for name, key := range map[string]elements{"iso87-ascii": {70: "161", 48: block}, "iso93-ascii": {24: "811", 96: block, 12: "261122130001"},
		"cmf-2003": {24: "811", 96: string(mustHex(t, block)), 12: "20261122130001"}} {
		v := &vault{}
		c := open(t, name, func(c *counter) { c.config.Keys = v })
		ended := func() {
			t.Helper()
			if err := c.gateway.Close(context.Background()); err != nil { // and with it whatever has been begun
				t.Fatal(err)
			}
		}
		m := c.peer.Dialect.New(isotest.MTI(c.peer.Dialect, "800"))
		c.set(m, elements{11: c.next("100", 1).Get(11)})
		c.set(m, key)
		x := c.raw(c.bytes(m))
		want := "offer network 1 16 08D7B4"
		if a := c.decode(x); a.Get(39) != codeOf(c.peer.Dialect, "00", "800", "8000") {
			t.Errorf("%s: answered %s", name, a.Get(39))
		}
		ended()
		if got := v.heard(); got != want {
			t.Errorf("%s: before the answer is written: %s", name, got)
		}

		v = &vault{}
		c = open(t, name, func(c *counter) { c.config.Keys = v })
		x = c.raw(c.bytes(m))
		c.decode(x)
		x.answer.(interface{ Sent() }).Sent()
		ended()
		if got := v.heard(); got != want+", activate network 1 1m0s" {
			t.Errorf("%s: after it: %s", name, got)
		}

		if name == "iso93-ascii" { // there is room for a block, which is passed on whole; our check value comes back
			v = &vault{}
			c = open(t, name, func(c *counter) { c.config.Keys = v })
			inBlock := elements{96: "B0080P0TB00E0000" + strings.Repeat("AB", 32)}
			c.set(m, inBlock)
			if a := c.decode(c.raw(c.bytes(m))); a.Get(96) != "ABCDEF" || v.heard() != "offer network 1 80 " {
				t.Errorf("%s: a key block is answered %q; %s", name, a.Get(96), v.heard())
			}
			c.set(m, key)
		}
		v = &vault{says: fmt.Errorf("import: %w", gateway.ErrKeyCheck)}
		c = open(t, name, func(c *counter) { c.config.Keys = v })
		x = c.raw(c.bytes(m))
		if a := c.decode(x); a.Get(39) != codeOf(c.peer.Dialect, "96", "802", "8002") {
			t.Errorf("%s: a wrong check value is answered %s", name, a.Get(39))
		}
		x.answer.(interface{ Sent() }).Sent()
		v.says = errors.New("the store is away")
		if a := c.decode(c.raw(c.bytes(m))); a.Get(39) != codeOf(c.peer.Dialect, "19", "801", "8001") {
			t.Errorf("%s: a store that is away is answered %s", name, a.Get(39))
		}
		if got := v.heard(); strings.Contains(got, "activate") {
			t.Errorf("%s: what was refused is in use: %s", name, got)
		}
	}
}
