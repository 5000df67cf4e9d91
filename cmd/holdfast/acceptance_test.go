package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/iso"
)

// TestAcceptance is what an expert of the domain would run: the tests of the reference's section 6 by their numbers,
// over TCP, with a switch in this process. Each looks at every element of the answers and at the books.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number string
		test   func(*testing.T, mode)
		full   bool // in full mode, too
	}{
		{"01", acceptRepeats, true}, {"02", acceptLostAnswer, true}, {"03", acceptLateDecision, true},
		{"04", acceptStandInOnLostCard, false}, {"05", acceptReversalOfUnknown, true}, {"06", acceptPartialReversals, false},
		{"07", acceptTolerances, false}, {"08", acceptFuelPump, false}, {"09", acceptWholeLife, true},
		{"10", acceptPartsAndCurrencies, false}, {"11", acceptPINTries, false}, {"12", acceptLocks, false},
		{"13", acceptActivation, false}, {"14", acceptVerification, false}, {"15", acceptRefund, false},
		{"16", acceptReconciliation, true}, {"17", acceptNetworkManagement, true}, {"18", acceptEcho, false},
		{"19", acceptChip, false}, {"20", acceptDamage, false}, {"21", acceptReferee, false},
	} {
		t.Run(c.number, func(t *testing.T) {
			t.Parallel()
			if !c.full {
				c.test(t, storeEmbedded)
				return
			}
			for _, m := range []mode{storeEmbedded, storeFull} {
				t.Run(string(m), func(t *testing.T) { t.Parallel(); c.test(t, m) })
			}
		})
	}
}

// mode is storeEmbedded or storeFull.
type mode string

// holder is a user with one balance and one card.
type holder struct {
	ref, currency, amount, more string // more of the card, as in a world file
	state                       string // ACTIVE unless it says otherwise
}

// digits of cards of a program in a currency: the first eight.
var stageBINs = map[string]string{"EUR": "99999910", "JPY": "99999912", "KWD": "99999913"}

// stage is a switch that is served, and its world.
type stage struct {
	t     *testing.T
	node  *node
	stop  func()
	log   *sink
	peers map[string]listenerSetup // by listener
	cards map[string]string        // numbers, by the holder's ref
	check func() string            // what holdfast verify says, empty when it is clean
	api   *estate                  // who calls the management API; nil without one
	site  *site                    // of the servers; nil in embedded mode

	start time.Time // by which messages are dated

	mu   sync.Mutex
	stan int
}

// began is when the first message of the stage was sent, by its own time.
func (s *stage) began() time.Time { return s.start }

// script is what a stage is opened with.
type script struct {
	mode      mode
	holders   []holder
	terms     string // of the programs
	listeners []listenerConfig
	keys      func(path string) error // puts keys into the key file
	stops     bool                    // the test stops the servers, so they must be its own
	manages   bool                    // the test calls the management API
	patient   bool                    // links may send any number of messages that cannot be read
}

// listenersIn are listeners named after their dialects, without sign-on.
func listenersIn(dialects ...string) (all []listenerConfig) {
	for _, d := range dialects {
		all = append(all, listenerConfig{Name: d, Address: "127.0.0.1:0", Framing: "bin2",
			Settings: peerSettings{Dialect: d, FileActions: true, Deadline: 5 * time.Second}})
	}
	return all
}

// dialectLike writes a dialect of a test's own, the named one with more text, and returns its path.
func dialectLike(t *testing.T, name, text string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "switch", "iso", "dialects", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(path, append(source, text...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// cardOf makes a number of a program that passes Luhn.
func cardOf(bin string, serial int) string {
	body := fmt.Sprintf("%s%07d", bin, serial)
	sum := 0
	for i := range body {
		d := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return fmt.Sprintf("%s%d", body, (10-sum%10)%10)
}

// world writes the holders down as a world file.
func (s *stage) world(c *script) string {
	var b strings.Builder
	b.WriteString("partners:\n  - name: Aurora Bank\n    deposits:\n")
	for _, currency := range slices.Sorted(maps.Keys(stageBINs)) {
		fmt.Fprintf(&b, "      - {currency: %s, amount: 1000000}\n", currency)
	}
	b.WriteString("    company:\n      - {currency: EUR, amount: 1000}\n    programs:\n")
	for _, currency := range slices.Sorted(maps.Keys(stageBINs)) {
		fmt.Fprintf(&b, "      - {name: %s, bins: %s, currency: %s, funding: DEPOSIT%s}\n", currency, stageBINs[currency], currency, c.terms)
	}
	b.WriteString("    users:\n")
	for i, h := range c.holders {
		s.cards[h.ref] = cardOf(stageBINs[h.currency], 1000+i)
		if h.state == "" {
			h.state = "ACTIVE"
		}
		fmt.Fprintf(&b, "      - name: User %d\n        kyc: ACCEPTED\n        balances:\n          - currency: %s\n            amount: %s\n"+
			"            cards:\n              - {ref: %s, program: %s, number: %q, expiry: 2049-12, state: %s%s}\n",
			i, h.currency, h.amount, h.ref, h.currency, s.cards[h.ref], h.state, h.more)
	}
	return b.String()
}

// open serves a world. The books are verified when the test has ended.
func (c script) open(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, start: time.Now().UTC().Add(-time.Hour).Truncate(time.Second), log: &sink{}, peers: map[string]listenerSetup{}, cards: map[string]string{}}
	path := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(path, []byte(s.world(&c)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := s.prepare(&c, path)
	cfg.Listeners = c.listeners
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	for i := range setups {
		if c.patient {
			setups[i].server.MalformedMax, setups[i].server.InFlightMax = patience, 64 // none waits long for those before it
		}
	}
	if c.manages {
		if _, _, err := cfg.completeKeys(); err != nil {
			t.Fatal(err)
		}
	}
	if s.node, err = openSwitch(t.Context(), cfg, slog.New(newQuietHandler(slog.NewTextHandler(s.log, nil)))); err != nil {
		t.Fatal(err)
	}
	if err := s.node.listen(setups); err != nil {
		t.Fatal(err)
	}
	for i, setup := range setups {
		setup.address = s.node.listeners[i].Addr().String()
		s.peers[setup.server.Name] = setup
	}
	if c.manages {
		cfg.Management = &managementConfig{Public: "127.0.0.1:0", Secure: "127.0.0.1:0", Ops: "127.0.0.1:0"}
		if s.node.management, err = s.node.openManagement(cfg); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.node.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(func() {
		s.stop()
		if said := s.check(); said != "" {
			t.Errorf("verify says:\n%s", said)
		}
	})
	s.until("ready", func() bool { return s.node.ready.Load() })
	if c.manages {
		s.invite(&c, cfg.Data)
	}
	return s
}

// prepare makes the folder or the database, and seeds it.
func (s *stage) prepare(c *script, world string) *config {
	s.t.Helper()
	verify := func(args ...string) {
		s.check = func() string {
			status, out, errs := runHoldfastFor(append([]string{"verify"}, args...)...)
			if status == exitOK {
				return ""
			}
			return out + errs
		}
	}
	if c.mode == storeFull {
		servers := sharedServers(s.t)
		if c.stops {
			servers = ownServers(s.t)
		}
		s.site = openSite(s.t, servers, plainListener, world)
		path := s.site.config(s.t, 1)
		if c.keys != nil {
			if err := c.keys(filepath.Join(s.site.folder(1), keysFile)); err != nil {
				s.t.Fatal(err)
			}
		}
		verify("--config", path)
		cfg, err := (&bookFlags{Config: path}).config()
		if err != nil {
			s.t.Fatal(err)
		}
		return &cfg
	}
	dir := s.t.TempDir()
	verify("--data", dir)
	if c.keys != nil {
		if _, err := keystore.Create(filepath.Join(dir, keysFile), nil); err != nil {
			s.t.Fatal(err)
		}
		if err := c.keys(filepath.Join(dir, keysFile)); err != nil {
			s.t.Fatal(err)
		}
	}
	if status, _, errs := runHoldfast(s.t, "seed", "--data", dir, world); status != exitOK {
		s.t.Fatal(errs)
	}
	return &config{Data: dir, Store: storeEmbedded}
}

// runHoldfastFor runs the program where the test's context may have ended.
func runHoldfastFor(args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	status = run(&env{ctx: context.Background(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args)
	return status, out.String(), errs.String()
}

// until waits for a condition, and fails the test when it does not come.
func (s *stage) until(what string, done func() bool) {
	s.t.Helper()
	eventually(s.t, 20*time.Second, what, func() error {
		if !done() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

// serial is the next number of a message.
func (s *stage) serial() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stan++
	return s.stan
}

// purse is the money of a balance.
type purse struct{ ledger, held int64 }

// rows reads what a statement finds.
func (s *stage) rows(read func(records.Row), sql string, args ...any) {
	s.t.Helper()
	if err := query(context.Background(), s.node.store, read, sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// tag is the name of a holder's card in the records.
func (s *stage) tag(ref string) []byte {
	number := panOf(s.cards[ref])
	tag := s.node.keys.Tag(number)
	return tag[:]
}

// purse reads a holder's balance.
func (s *stage) purse(ref string) (p purse) {
	s.t.Helper()
	s.rows(func(r records.Row) { p = purse{r.Int(0), r.Int(1)} },
		"SELECT ledger, held FROM balances WHERE id = (SELECT balance_id FROM cards WHERE tag = $1)", s.tag(ref))
	return p
}

// has holds a holder's balance against what it must be, and the deposit, of which only this holder's money may be held.
func (s *stage) has(ref string, want purse) {
	s.t.Helper()
	if got := s.purse(ref); got != want {
		s.t.Errorf("%s has ledger %d and held %d, want %d and %d", ref, got.ledger, got.held, want.ledger, want.held)
	}
}

// deposit reads the partner's deposit in a currency.
func (s *stage) deposit(numeric int) (p purse) {
	s.t.Helper()
	s.rows(func(r records.Row) { p = purse{r.Int(0), r.Int(1)} },
		"SELECT ledger, held FROM balances WHERE kind = 'DEPOSIT' AND currency = $1", int64(numeric))
	return p
}

// states are the rows of a card in the order of the journal, as KIND STATE placed.
func (s *stage) states(ref string) (all []string) {
	s.t.Helper()
	s.rows(func(r records.Row) {
		all = append(all, fmt.Sprintf("%v %v %d", authz.Kind(r.Int(0)), authz.State(r.Int(1)), r.Int(2)))
	}, "SELECT kind, state, placed FROM authorizations WHERE card_id = (SELECT id FROM cards WHERE tag = $1) ORDER BY id", s.tag(ref))
	return all
}

// lives holds the rows of a card against what they must be.
func (s *stage) lives(ref string, want ...string) {
	s.t.Helper()
	if got := s.states(ref); !slices.Equal(got, want) {
		s.t.Errorf("the rows of %s are\n%s\nwant\n%s", ref, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// cases are the open exceptions of a card, by their names.
func (s *stage) cases(ref string, want ...string) {
	s.t.Helper()
	var got []string
	s.rows(func(r records.Row) { got = append(got, authz.Case(r.Int(0)).String()) },
		`SELECT e.kind FROM exceptions e JOIN authorizations a ON a.id = e.authorization_id
WHERE e.state = 'OPEN' AND a.card_id = (SELECT id FROM cards WHERE tag = $1) ORDER BY e.authorization_id, e.kind`, s.tag(ref))
	if !slices.Equal(got, want) {
		s.t.Errorf("the exceptions of %s are %v, want %v", ref, got, want)
	}
}

// line is a link of a test's own.
type line struct {
	s       *stage
	raw     *client.Raw
	dialect *iso.Dialect
}

// dial opens a link to a listener.
func (s *stage) dial(listener string) *line {
	s.t.Helper()
	setup, ok := s.peers[listener]
	if !ok {
		s.t.Fatalf("there is no listener %s", listener)
	}
	raw, err := client.DialRaw(s.t.Context(), setup.address, setup.server.Format)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = raw.Close() })
	return &line{s, raw, setup.peer.Dialect}
}

// send writes a message.
func (l *line) send(m *iso.Message) {
	l.s.t.Helper()
	body, err := m.Append(nil)
	if err == nil {
		err = l.raw.Write(body)
	}
	if err != nil {
		l.s.t.Fatalf("send %s: %v", m.MTI(), err)
	}
}

// read reads the next message, and its bytes.
func (l *line) read() (*iso.Message, []byte) {
	l.s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	raw, err := l.raw.Read(ctx)
	if err != nil {
		l.s.t.Fatalf("read an answer: %v", err)
	}
	raw = slices.Clone(raw)
	m, err := l.dialect.Decode(raw)
	if err != nil {
		l.s.t.Fatalf("an answer does not decode: %v", err)
	}
	return m, raw
}

// ask sends a message and holds every element of its answer against what it must be.
func (l *line) ask(m *iso.Message, code string, more ...fields) *iso.Message {
	l.s.t.Helper()
	l.send(m)
	a, _ := l.read()
	compareAnswer(l.s.t, m, a, code, more...)
	return a
}
