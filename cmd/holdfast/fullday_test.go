package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz/pan"
	"holdfast/store/records"
	"holdfast/testdata/worlds"
)

// The day of the demo, its links spread over two nodes, and again with the nodes exchanged: nothing in the
// answers tells that there are two.
func TestTwoNodesPlayTheDay(t *testing.T) {
	t.Parallel()
	s := openSite(t, sharedServers(t), patient(demoListeners), writeWorld(t, string(worlds.Demo)))
	keys, err := openKeys(s.folder(1))
	if err == nil {
		err = demoExchange(t.Context(), s.open(t), keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, b := s.start(t, 1), s.start(t, 2)
	for _, nodes := range [][2]*fullNode{{a, b}, {b, a}} {
		args := []string{"replay", "--trace", filepath.Join("..", "..", "testdata", "traces", "day.jsonl")}
		node := 0
		for _, link := range []string{"pos", "atm", "noise", "shop", "bcd"} {
			args = append(args, "--addr", link+"="+nodes[node%2].addresses[demoLinks[link]])
			node++
		}
		status, out, errs := runHoldfast(t, args...)
		if status != exitOK {
			t.Errorf("replay ended with %d\n%s%s", status, out, errs)
		}
		if !strings.Contains(out, "every answer was the expected one") {
			t.Errorf("the report does not say that nothing differs:\n%s", out)
		}
	}
	store := s.open(t)
	s.verify(t)
	s.cacheHeals(t, store)
}

// Ten copies of one request, half of them marked as repeats, come on the links of both nodes at once: one hold,
// and everyone is told the same approval code.
func TestCopiesOnTwoNodesHaveOneEffect(t *testing.T) {
	t.Parallel()
	const cards, rounds, copies = 5, 20, 10
	s := openSite(t, sharedServers(t), patient(plainListener), "--cards", fmt.Sprint(cards))
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	var wires [copies]*wire
	for i := range wires {
		wires[i] = s.dial(t, nodes[i%2])
	}
	for round := range rounds {
		number, err := loadCard(round % cards)
		if err != nil {
			t.Fatal(err)
		}
		p := s.payment(number, 100)
		var answers [copies]answer
		together(copies, func(i int) {
			mti := "0100"
			if i/2%2 == 1 {
				mti = "0101"
			}
			answers[i] = wires[i].must(t, s.message(t, p, mti))
		})
		for _, a := range answers {
			if a != answers[0] || a.code != "00" || a.approval == "" {
				t.Errorf("round %d: one copy was answered %+v, another %+v", round, answers[0], a)
			}
		}
	}
	store := s.open(t)
	var rows, held int64
	if err := query(t.Context(), store, func(r records.Row) { rows, held = r.Int(0), r.Int(1) },
		"SELECT count(*), sum(held) FROM authorizations"); err != nil {
		t.Fatal(err)
	}
	if rows != rounds || held != rounds*100 {
		t.Errorf("%d rows hold %d, want %d and %d", rows, held, rounds, rounds*100)
	}
	s.verify(t)
	s.cacheHeals(t, store)
}

// together runs so many goroutines that begin at one moment, and waits for them.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-begin; f(i) })
	}
	close(begin)
	wg.Wait()
}

// The original is node A's, its reversal node B's: before it, with it and after it. It is always accepted, and
// nothing stays held.
func TestReversalOnTheOtherNode(t *testing.T) {
	t.Parallel()
	const rounds = 20
	s := openSite(t, sharedServers(t), patient(plainListener), "--cards", "1")
	a, b := s.dial(t, s.start(t, 1)), s.dial(t, s.start(t, 2))
	number, err := loadCard(0)
	if err != nil {
		t.Fatal(err)
	}
	together := map[string]int{}
	for round := range rounds {
		before, with, after := s.payment(number, 100), s.payment(number, 200), s.payment(number, 300)
		if got := b.must(t, s.reversal(t, before, "0400")); got.code != "00" {
			t.Errorf("a reversal before its original was answered %s", got.code)
		}
		if got := a.must(t, s.message(t, before, "0100")); got.code == "00" {
			t.Errorf("round %d: an original was approved after its reversal", round)
		}
		var original, reversal answer
		var wg sync.WaitGroup
		wg.Go(func() { original = a.must(t, s.message(t, with, "0100")) })
		wg.Go(func() { reversal = b.must(t, s.reversal(t, with, "0400")) })
		wg.Wait()
		together[original.code]++
		if reversal.code != "00" {
			t.Errorf("a reversal beside its original was answered %s", reversal.code)
		}
		if got := a.must(t, s.message(t, after, "0100")); got.code != "00" {
			t.Errorf("an original was answered %s", got.code)
		}
		undo := s.reversal(t, after, "0400")
		for range 2 {
			if got := b.must(t, undo); got.code != "00" {
				t.Errorf("a reversal after its original was answered %s", got.code)
			}
		}
	}
	t.Logf("originals beside their reversals were answered %v", together)
	store := s.open(t)
	var held, open int64
	if err := query(t.Context(), store, func(r records.Row) { held, open = r.Int(0), r.Int(1) },
		"SELECT (SELECT sum(held) FROM balances), (SELECT count(*) FROM authorizations WHERE held <> 0)"); err != nil {
		t.Fatal(err)
	}
	if held != 0 || open != 0 {
		t.Errorf("%d are held by %d rows, want nothing", held, open)
	}
	s.verify(t)
	s.cacheHeals(t, store)
}

// Both nodes spend one user's balance with two cards, and one partner's deposit with ten: each is spent to its
// end and not beyond.
func TestTwoNodesSpendOneBalance(t *testing.T) {
	t.Parallel()
	s := openSpending(t)
	undecided := s.spend(t, "a user's balance", s.alone, spendingFunds)
	undecided += s.spend(t, "a partner's deposit", s.many, 3*spendingFunds)
	// The last of the funds may be with the other node's commit twice in a row.
	if undecided > spendingFunds/5 {
		t.Errorf("%d payments were not decided", undecided)
	}
	s.spent(t)
	s.cacheHeals(t, s.open(t))
}

// The same while the cache forgets everything, and tells now much more than there is and now nothing: it costs
// answers, and never money.
func TestTwoNodesSpendOnceThoughTheCacheLies(t *testing.T) {
	t.Parallel()
	s := openSpending(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	lies := 0
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if err := s.lie(lies); err != nil {
				t.Error(err)
			}
			lies++
		}
	})
	s.spend(t, "a user's balance", s.alone, spendingFunds)
	s.spend(t, "a partner's deposit", s.many, 3*spendingFunds)
	close(done)
	wg.Wait()
	if lies < 20 {
		t.Errorf("only %d lies: the test is not looking", lies)
	}
	w := s.dial(t, s.nodes[0])
	for _, card := range append(s.alone, s.many...) {
		if got := w.must(t, s.message(t, s.payment(card, 100), "0100")); got.code != "51" {
			t.Errorf("after the last lie a payment was answered %s", got.code)
		}
	}
	s.spent(t)
}

const (
	spendingFunds = 100 // payments of 1.00
	spendingUsers = 10
)

// spending is a site whose funds come to an end.
type spending struct {
	*site
	nodes       []*fullNode
	alone, many []pan.Number
}

func openSpending(t *testing.T) *spending {
	t.Helper()
	world, alone, many := spendingWorld(t, spendingFunds, spendingUsers)
	s := openSite(t, sharedServers(t), patient(plainListener), writeWorld(t, world))
	return &spending{s, []*fullNode{s.start(t, 1), s.start(t, 2)}, alone, many}
}

// spend pays 1.00 with cards at random, through both nodes at once, more often than there are funds for. What is
// not decided does not count as tried, and how often that was is the result.
func (s *spending) spend(t *testing.T, what string, cards []pan.Number, want int64) int {
	t.Helper()
	const links = 16
	var approved, undecided atomic.Int64
	var wires [links]*wire
	for i := range wires {
		wires[i] = s.dial(t, s.nodes[i%2])
	}
	tries, late := int(want)*8/5/links+1, time.Now().Add(time.Minute)
	together(links, func(i int) {
		for tried := 0; tried < tries && time.Now().Before(late); {
			got := wires[i].must(t, s.message(t, s.payment(cards[rand.IntN(len(cards))], 100), "0100"))
			switch got.code {
			case "00":
				approved.Add(1)
				tried++
			case "51":
				tried++
			case "91":
				undecided.Add(1)
			default:
				t.Errorf("%s: a payment was answered %q", what, got.code)
				return
			}
		}
	})
	if approved.Load() != want {
		t.Errorf("%s: %d payments were approved, want %d", what, approved.Load(), want)
	}
	t.Logf("%s: %d not decided", what, undecided.Load())
	return int(undecided.Load())
}

// spent holds that nothing is left of what was to be spent, and no more than that was.
func (s *spending) spent(t *testing.T) {
	t.Helper()
	store := s.open(t)
	left := int64(-1)
	if err := query(t.Context(), store, func(r records.Row) { left = r.Int(0) }, `SELECT sum(abs(ledger - held)) FROM balances
WHERE kind = 'DEPOSIT' OR partner_id = (SELECT id FROM partners WHERE name = 'Alone')`); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d are left of what was to be spent", left)
	}
	s.verify(t)
}

// lie damages what the cache has of the site's two partners, and of nobody else.
func (s *spending) lie(n int) error {
	script := `for _, k in ipairs(KEYS) do
  if ARGV[1] == '0' then redis.call('UNLINK', k, (string.gsub(k, ':b$', ':f'))) else
    for _, f in ipairs(redis.call('HKEYS', k)) do
      if string.sub(f, 1, 1) == 't' then redis.call('HSET', k, f, ARGV[1]) end
    end
  end
end`
	_, err := s.redis.say("EVAL", script, "2", s.prefix()+"{p1}:b", s.prefix()+"{p2}:b", []string{"0", "100000000", "1"}[n%3])
	return err
}

// spendingWorld has a user with two cards on one balance, without a deposit, and users with a card each whose
// partner's deposit is worth three of them.
func spendingWorld(t *testing.T, funds, users int) (text string, alone, many []pan.Number) {
	t.Helper()
	serial := 0
	card := func(program, bin string) (pan.Number, string) {
		serial++
		prefix := fmt.Sprintf("%s%07d", bin, serial)
		check, err := pan.CheckDigit(prefix)
		if err != nil {
			t.Fatal(err)
		}
		number, err := pan.Parse(prefix + string(check))
		if err != nil {
			t.Fatal(err)
		}
		return number, fmt.Sprintf("{program: %s, number: \"%s\", expiry: 2049-12, state: ACTIVE}", program, number.Reveal())
	}
	one, first := card("credit", "99999930")
	two, second := card("credit", "99999930")
	alone = []pan.Number{one, two}
	var b strings.Builder
	fmt.Fprintf(&b, `partners:
  - name: Alone
    programs: [{name: credit, bins: 99999930, currency: EUR, funding: CREDIT}]
    users:
      - {name: Una, kyc: ACCEPTED, balances: [{currency: EUR, amount: %d.00, cards: [%s, %s]}]}
  - name: Many
    deposits: [{currency: EUR, amount: %d.00}]
    programs: [{name: test, bins: 99999910, currency: EUR, funding: DEPOSIT}]
    users:
`, funds, first, second, 3*funds)
	for range users {
		number, line := card("test", "99999910")
		many = append(many, number)
		fmt.Fprintf(&b, "      - {name: Max, kyc: ACCEPTED, balances: [{currency: EUR, amount: %d.00, cards: [%s]}]}\n", funds, line)
	}
	return b.String(), alone, many
}
