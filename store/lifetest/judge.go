package lifetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"holdfast/authz"
)

// End is how an order ended.
type End struct {
	Held, Posted int64
	Used         int64 // of the card's limits
	Cases        Cases // the open ones
	States       [len(Letters)]authz.State
}

// Cases are the kinds of open exceptions, a bit for each.
type Cases uint32

// Add puts one more into the set.
func (c *Cases) Add(x authz.Case) { *c |= 1 << x }

func (c Cases) String() string {
	var names []string
	for x := authz.Case(0); x < 32; x++ {
		if c>>x&1 != 0 {
			names = append(names, x.String())
		}
	}
	return strings.Join(names, " ")
}

// Judge compares the ends of orders: with what the model says of their set, and with the first order of it that it saw.
// It is safe for concurrent use.
type Judge struct {
	By Link

	mu     sync.Mutex
	seen   map[set]*verdict
	orders int
	wrongs int
	wrong  []string // the first of them
}

// set has a bit for each letter.
type set uint16

type verdict struct {
	held, posted int64 // by the model
	order        string
	end          End                       // of that order
	states       [len(Letters)]authz.State // but for refusals; 0: not seen yet
	refused      [len(Letters)]bool
}

// refusals says which messages have a request refused that comes after them, and nothing else may: "original request
// arrives after its tombstone: no hold; refuse" (iso8583.md, 3.8; W is of the whole), and of D "the advice supersedes"
// what we would say of the request (1.5). One that came before them was approved, and then undone. Nothing else of what
// a message does may depend on the order.
var refusals = map[byte]string{'Q': "RWD", 'I': "KW", 'J': "W", 'X': "WY"}

// undone are the states of a request in place of which another order may have refused it.
func undone(s authz.State) bool {
	return s == authz.StateReversed || s == authz.StateReplaced || s == authz.StateCleared
}

// See takes the end of an order.
func (j *Judge) See(order string, end *End) {
	var of set
	for _, l := range []byte(order) {
		of |= 1 << strings.IndexByte(Letters, l)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.orders++
	if j.seen == nil {
		j.seen = make(map[set]*verdict)
	}
	v := j.seen[of]
	if v == nil {
		v = &verdict{order: order, end: *end}
		v.held, v.posted = model(order, j.By)
		j.seen[of] = v
	}
	first := &v.end
	ok := end.Held == v.held && end.Posted == v.posted && end.Used == first.Used && end.Cases == first.Cases
	for _, l := range []byte(order) {
		ok = v.state(order, l, end) && ok
	}
	if ok {
		return
	}
	j.wrongs++
	if len(j.wrong) < 20 {
		j.wrong = append(j.wrong, fmt.Sprintf("link %d, %s: %s; %s: %s; the model holds %d and posts %d", j.By, order, end.of(order),
			v.order, first.of(v.order), v.held, v.posted))
	}
}

// state compares the state of one message.
func (v *verdict) state(order string, l byte, end *End) bool {
	i := strings.IndexByte(Letters, l)
	s, known := end.States[i], &v.states[i]
	if before := order[:strings.IndexByte(order, l)]; s == authz.StateDeclined && strings.ContainsAny(before, refusals[l]) {
		v.refused[i] = true
		return *known == 0 || undone(*known)
	}
	if *known == 0 {
		*known = s
	}
	return s == *known && (!v.refused[i] || undone(s))
}

func (e *End) of(order string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "held %d, posted %d, used %d, %s", e.Held, e.Posted, e.Used, e.Cases)
	for _, l := range []byte(order) {
		fmt.Fprintf(&b, " %c %s", l, e.States[strings.IndexByte(Letters, l)])
	}
	return b.String()
}

// Report fails the test for the orders that ended otherwise, and says how many there were.
func (j *Judge) Report(t testing.TB) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, what := range j.wrong {
		t.Error(what)
	}
	t.Logf("link %d: %d orders of %d sets, %d of them wrong", j.By, j.orders, len(j.seen), j.wrongs)
}
