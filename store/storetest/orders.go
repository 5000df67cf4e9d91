package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// The messages of a life, by a letter. They were sent in this order, one a second.
//
//	Q  the request, 30.00          I J  increments, 20.00 and 7.00       A  approved in stand-in, 37.20
//	D  declined in stand-in        X  a replacement, 50.00               P  reversal of Q down to 12.50
//	R  reversal of Q               K  reversal of I                      W  reversal of all, by its amount
//	B  clearing 1 of 2, 10.00      C  clearing 2 of 2, 25.00             S  the one clearing, 28.00
const letters = "QIJADXPRKWBCS"

var amounts = map[byte]int64{'Q': 30_00, 'I': 20_00, 'J': 7_00, 'A': 37_20, 'D': 30_00, 'X': 50_00, 'P': 30_00, 'R': 30_00,
	'K': 20_00, 'W': 900_00, 'B': 10_00, 'C': 25_00, 'S': 28_00}

// link is how the messages of a life know of each other.
type link int

const (
	byReference link = iota // one RRN for all
	byNetwork               // the network's id for all, an RRN each
	byParts                 // the RRN, but reversals only name the STAN of what they undo
	links
)

// Orders commits sets of messages in all their orders, each on a card of its own and each message three times, and
// compares what is held, what is posted, the rows' states and the open exceptions: between the orders, and with a
// model that shares no code with the arbiter. What the order decides all the same, by the reference or because an answer
// cannot be called back, is in excused and mistaken.
//
// Many entries share a commit; batch says how many.
func Orders(t *testing.T, open func(testing.TB) Store, batch int, sets []string) {
	for by := range links {
		t.Run(fmt.Sprintf("link %d", by), func(t *testing.T) {
			w := NewWorld(t, open(t))
			o := &orders{World: w, by: by, batch: batch, labels: make(map[authz.ID]byte)}
			for _, set := range sets {
				for _, order := range permutations(set) {
					o.runs = append(o.runs, &run{set: set, order: order})
				}
			}
			o.enrol()
			o.play()
			o.read()
			o.compare()
			w.Verify()
		})
	}
}

// Sets lists the sets of up to so many of the letters.
func Sets(most int) []string {
	sets := []string{""}
	for _, l := range letters {
		for _, s := range slices.Clone(sets) {
			if len(s) < most {
				sets = append(sets, s+string(l))
			}
		}
	}
	return sets[1:]
}

// Long are sets of more messages whose orders are worth their time.
var Long = []string{"QJRK", "QIARB", "QIPBC", "QAPRS", "QIARBC", "QIJPBC", "QADRWS", "QIXPRS", "QIKPBC", "QAPRBC"}

func permutations(set string) []string {
	if len(set) <= 1 {
		return []string{set}
	}
	var all []string
	for i := range set {
		for _, rest := range permutations(set[:i] + set[i+1:]) {
			all = append(all, set[i:i+1]+rest)
		}
	}
	return all
}

type run struct {
	set, order string
	holder     Holder
	card       authz.Card
	messages   map[byte]*authz.Request

	end    outcome
	states map[byte]authz.State
}

// outcome is how a run ended.
type outcome struct {
	held, posted int64
	used         int64 // of the limits, where the card has any
	cases        string
}

// limited reports whether the set's cards have limits, which are high enough.
func (r *run) limited() bool { return len(r.set)%2 == 0 }

type orders struct {
	*World
	by     link
	batch  int
	runs   []*run
	labels map[authz.ID]byte
	id     authz.ID
}

// enrol makes a card for each run.
func (o *orders) enrol() {
	o.t.Helper()
	ctx := context.Background()
	err := o.Store.Update(ctx, func(q records.Querier) (err error) {
		for i, r := range o.runs {
			name, number := fmt.Sprint("run ", i), fmt.Sprintf("99999912%07d", i)
			if r.holder, err = o.holder(ctx, q, o.Carol.Partner, o.without, name, number); err != nil {
				return err
			}
		}
		return o.limit(ctx, q)
	})
	if err != nil {
		o.t.Fatal(err)
	}
	tags := make([]authz.Tag, len(o.runs))
	for i, r := range o.runs {
		tags[i] = r.holder.Tag
	}
	if err := o.Store.Find(ctx, tags, func(i int, c authz.Card) { o.runs[i].card = c }); err != nil {
		o.t.Fatal(err)
	}
	o.id = 1 << 40
	for i, r := range o.runs {
		r.messages = make(map[byte]*authz.Request)
		for _, l := range []byte(letters) {
			r.messages[l] = o.message(i, r.holder, l)
		}
	}
}

func (o *orders) limit(ctx context.Context, q records.Querier) error {
	for _, r := range o.runs {
		if !r.limited() {
			continue
		}
		id := int64(r.holder.Card)
		if _, err := q.Exec(ctx, "INSERT INTO limits (card_id, scope, span, amount) VALUES ($1, 'GENERAL', 'DAY', 1000000)",
			id); err != nil {
			return err
		}
		if _, err := q.Exec(ctx, "UPDATE cards SET limited = 1 WHERE id = $1", id); err != nil {
			return err
		}
	}
	return nil
}

func (o *orders) message(run int, h Holder, l byte) *authz.Request {
	kind := map[byte]authz.Kind{'A': authz.AuthorizationAdvice, 'D': authz.AuthorizationAdvice, 'P': authz.Reversal,
		'R': authz.Reversal, 'K': authz.Reversal, 'W': authz.Reversal, 'B': authz.FinancialAdvice, 'C': authz.FinancialAdvice,
		'S': authz.FinancialAdvice}[l]
	if kind == 0 {
		kind = authz.Authorization
	}
	n := strings.IndexByte(letters, l)
	r := o.Request(h, kind, amounts[l])
	r.StoodIn = kind == authz.FinancialAdvice
	sent := Epoch.Add(time.Duration(n) * time.Second)
	r.Trace.Transmitted, r.Trace.Local = sent.Format("0102150405"), sent.Format("0102150405")
	r.Trace.STAN = fmt.Sprintf("%06d", 100+n)
	r.Trace.RRN = fmt.Sprintf("%012d", 1_000_000+run)
	if o.by == byNetwork {
		r.NetworkID, r.Trace.RRN = fmt.Sprintf("T%014d", run), fmt.Sprintf("%012d", 1_000_000+100*run+n)
	}
	names := byte('Q')
	switch l {
	case 'I', 'J':
		r.Phase = authz.PhaseIncremental
	case 'X':
		r.Phase = authz.PhaseReplacement
	case 'A', 'D':
		r.StoodIn, r.ApprovalCode = l == 'A', "STAND1"
	case 'P':
		r.Partial, r.Final = true, 12_50
	case 'K':
		names = 'I'
	case 'B':
		r.Part, r.Parts = 1, 2
	case 'C':
		r.Part, r.Parts = 2, 2
	}
	if kind == authz.Reversal {
		k := strings.IndexByte(letters, names)
		r.Original = authz.Original{Kind: authz.Authorization, STAN: fmt.Sprintf("%06d", 100+k),
			Transmitted: Epoch.Add(time.Duration(k) * time.Second).Format("0102150405")}
		if o.by == byParts {
			r.Trace.RRN = ""
		}
	}
	r.Dup = authz.DupKey(o.Keys.Keyed("dup", []byte(fmt.Sprint(run, string(l)))))
	return r
}

// play commits the first messages of all runs, then the second ones, each twice; at the end everything again.
func (o *orders) play() {
	o.t.Helper()
	for step := range 6 {
		var batch []*authz.Entry
		for _, r := range o.runs {
			if step < len(r.order) {
				batch = append(batch, o.entry(r, r.order[step]), o.entry(r, r.order[step]))
			}
		}
		o.commit(batch)
	}
	var again []*authz.Entry
	for _, r := range o.runs {
		for _, l := range []byte(r.order) {
			again = append(again, o.entry(r, l))
		}
	}
	o.commit(again)
	for _, e := range again {
		if e.Outcome != authz.Duplicate {
			o.t.Fatalf("a repeat has outcome %d", e.Outcome)
		}
	}
}

func (o *orders) commit(batch []*authz.Entry) {
	o.t.Helper()
	for part := range slices.Chunk(batch, o.batch) {
		if _, err := o.Store.Commit(context.Background(), part); err != nil {
			o.t.Fatal(err)
		}
		for _, e := range part {
			if e.Outcome == authz.Stale {
				o.t.Fatalf("%c is stale", o.labels[e.Request.ID])
			}
		}
	}
}

func (o *orders) entry(r *run, l byte) *authz.Entry {
	o.id++
	sent := *r.messages[l]
	sent.ID, sent.Tag = o.id, r.holder.Tag
	o.labels[o.id] = l
	e := &authz.Entry{Request: &sent, Card: &r.card, Decision: authz.Decision{ID: sent.ID, Currency: EUR(o.t)}}
	switch {
	case sent.Kind == authz.Reversal:
		e.Decision.Reason = authz.ReversalAccepted
	case l == 'D':
		e.Decision.Reason = authz.AdviceRecorded
	case sent.Kind == authz.Authorization:
		e.Decision.Reason, e.Decision.ApprovalCode, e.Hold = authz.Approved, "ABC123", sent.Amount.Minor
		e.Deferred = sent.Phase.Continues()
	default:
		e.Decision.Reason, e.Hold = authz.AdviceAccepted, sent.Amount.Minor
	}
	return e
}

// read takes the ends of all runs from the store.
func (o *orders) read() {
	o.t.Helper()
	byCard, byBalance := make(map[int64]*run), make(map[int64]*run)
	for _, r := range o.runs {
		r.states = make(map[byte]authz.State)
		byCard[int64(r.holder.Card)], byBalance[int64(r.holder.Balance)] = r, r
	}
	cases := make(map[*run]map[string]bool)
	err := o.Store.View(context.Background(), func(q records.Querier) error {
		ctx := context.Background()
		if err := q.Query(ctx, func(row records.Row) error {
			if r := byBalance[row.Int(0)]; r != nil {
				r.end.posted, r.end.held = UserFunds-row.Int(1), row.Int(2)
			}
			return nil
		}, "SELECT id, ledger, held FROM balances"); err != nil {
			return err
		}
		if err := q.Query(ctx, func(row records.Row) error {
			byCard[row.Int(1)].states[o.labels[authz.ID(row.Int(0))]] = authz.State(row.Int(2))
			return nil
		}, "SELECT id, card_id, state FROM authorizations"); err != nil {
			return err
		}
		if err := q.Query(ctx, func(row records.Row) error {
			byCard[row.Int(0)].end.used = row.Int(1)
			return nil
		}, "SELECT card_id, used FROM limit_use WHERE scope = 'GENERAL' AND span = 'DAY'"); err != nil {
			return err
		}
		return q.Query(ctx, func(row records.Row) error {
			r := byCard[row.Int(0)]
			if cases[r] == nil {
				cases[r] = make(map[string]bool)
			}
			cases[r][authz.Case(row.Int(1)).String()] = true
			return nil
		}, `SELECT a.card_id, x.kind FROM exceptions x JOIN authorizations a ON a.id = x.authorization_id WHERE x.state = 'OPEN'`)
	})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, r := range o.runs {
		r.end.cases = strings.Join(slices.Sorted(maps.Keys(cases[r])), " ")
	}
}

// excused makes equal what the reference has the order decide: a request that comes after what undid it is declined,
// and so has held nothing, where one that came before was undone.
func excused(l byte, s authz.State) authz.State {
	request := strings.IndexByte("QIJX", l) >= 0
	if request && (s == authz.StateReversed || s == authz.StateReplaced || s == authz.StateCleared) {
		return authz.StateDeclined
	}
	return s
}

func (o *orders) compare() {
	o.t.Helper()
	first := make(map[string]*run)
	bad := 0
	for _, r := range o.runs {
		f, ok := first[r.set]
		if !ok {
			first[r.set], f = r, r
		}
		held, posted := model(r.set, o.by)
		same := r.end == f.end && r.end.held == held && r.end.posted == posted
		for l, s := range r.states {
			same = same && excused(l, s) == excused(l, f.states[l])
		}
		if same {
			continue
		}
		if bad++; bad <= 20 {
			o.t.Errorf("%s: %+v %s; %s: %+v %s; the model holds %d and posts %d", r.order, r.end, r.ends(), f.order, f.end, f.ends(),
				held, posted)
		}
	}
	if bad > 20 {
		o.t.Errorf("%d more of %d orders", bad-20, len(o.runs))
	}
}

func (r *run) ends() string {
	var b strings.Builder
	for _, l := range slices.Sorted(maps.Keys(r.states)) {
		fmt.Fprintf(&b, "%c %s ", l, r.states[l])
	}
	return b.String()
}
