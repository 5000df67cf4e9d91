package authz

import (
	"encoding/binary"
	"sort"
	"strconv"
	"sync"
	"time"

	"holdfast/authz/keystore"
)

const (
	sequenceBits = 12
	nodeBits     = 9
	nodeMax      = 1<<nodeBits - 1
)

// ids makes operation ids: 42 bits of milliseconds, 9 of node, 12 of sequence. They grow even when the
// clock does not.
type ids struct {
	mu   sync.Mutex
	last int64 // milliseconds<<sequenceBits | sequence
	node int64
}

func (g *ids) next(now time.Time) ID {
	g.mu.Lock()
	at := now.UnixMilli() << sequenceBits
	if at <= g.last {
		at = g.last + 1
	}
	g.last = at
	g.mu.Unlock()
	return ID(at>>sequenceBits<<(sequenceBits+nodeBits) | g.node<<sequenceBits | at&(1<<sequenceBits-1))
}

// tick is where the generator stands after the id.
func (id ID) tick() int64 {
	return int64(id)>>(sequenceBits+nodeBits)<<sequenceBits | int64(id)&(1<<sequenceBits-1)
}

// Node is the number of the node that made the id.
func (id ID) Node() int { return int(id >> sequenceBits & nodeMax) }

// Time is the moment in the id, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(id) >> (sequenceBits + nodeBits)).UTC()
}

// FirstID is below every id of a moment and above every id before it.
func FirstID(at time.Time) ID { return ID(at.UnixMilli() << (sequenceBits + nodeBits)) }

// dupKey hashes what makes a transaction itself, behind its time: keys that come together lie together in
// an index. A message without local time is told apart by DE 7. Neither has a year, so the nearest one is added.
func dupKey(keys *keystore.Store, r *Request) DupKey {
	t := &r.Trace
	when := t.Local
	if len(when) != len("MMDDhhmmss") { // DE 13 or 12 is missing
		when = t.Transmitted
	}
	var scratch [256]byte
	b := scratch[:0]
	class := r.Kind
	for _, s := range [...]string{r.Peer, t.STAN, when, t.Acquirer, t.Terminal, t.RRN, t.ProcessingCode,
		r.Amount.Currency.Numeric()} {
		b = append(b, s...)
		b = append(b, 0)
	}
	b = append(b, byte(class), byte(yearOf(when, r.ReceivedAt)))
	b = append(b, r.Tag[:]...)
	b = strconv.AppendInt(b, r.Amount.Minor, 10)
	key := DupKey(keys.Keyed("dup", b))
	var second uint32 // of the year, as the digits MMDDhhmmss
	for _, c := range []byte(when) {
		second = second*10 + uint32(c-'0')
	}
	binary.BigEndian.PutUint32(key[:4], second)
	return key
}

// yearOf is the year in which a time that begins with MMDD is nearest to the moment it was received; 0 when
// it does not begin so. Repeats come within days, so they agree.
func yearOf(when string, received time.Time) int {
	received = received.UTC()
	if len(when) != len("MMDD") && len(when) != len("MMDDhhmmss") {
		return 0
	}
	date, err := time.Parse("20060102", "2000"+when[:4]) // a leap year: it takes 29 February
	if err != nil {
		return 0
	}
	best, least := received.Year(), time.Duration(1<<63-1)
	for year := received.Year() - 1; year <= received.Year()+1; year++ {
		if d := received.Sub(time.Date(year, date.Month(), date.Day(), 0, 0, 0, 0, time.UTC)).Abs(); d < least {
			best, least = year, d
		}
	}
	return best
}

// SentAt is when a message was sent by its own DE 7, which has no year; without one, when it was received. It puts
// the messages of a life in their order whatever the order that they arrive in.
func SentAt(t *Trace, received time.Time) time.Time {
	year := yearOf(t.Transmitted, received)
	if year == 0 || len(t.Transmitted) != len("MMDDhhmmss") {
		return received
	}
	sent, err := time.Parse("20060102150405", strconv.Itoa(year)+t.Transmitted)
	if err != nil {
		return received
	}
	return sent
}

// routes finds the program of a card by the first eight digits of its number.
type routes struct{ programs []Program } // by BINLow, not overlapping

func newRoutes(programs []Program) *routes {
	sorted := append([]Program(nil), programs...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].BINLow < sorted[j].BINLow })
	return &routes{programs: sorted}
}

func (t *routes) find(bin string) (Program, bool) {
	n, err := strconv.ParseInt(bin, 10, 32)
	if err != nil || len(bin) != 8 {
		return Program{}, false
	}
	i := sort.Search(len(t.programs), func(i int) bool { return t.programs[i].BINHigh >= int32(n) })
	if i == len(t.programs) || t.programs[i].BINLow > int32(n) {
		return Program{}, false
	}
	return t.programs[i], true
}
