package isotest

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"holdfast/switch/iso"
)

// Bad is a message that no host should act upon as it stands.
type Bad struct {
	// What says what was done to a good message.
	What string
	// Decodes says that its form is meant to be good: its content is what is wrong.
	Decodes bool
	Raw     []byte
}

// BadMessages makes n bad messages of the dialect: first the good one cut at every offset, then every kind of damage in
// turn with what chance picks by the seed. The same arguments make the same messages. A few may be good by accident, such
// as those whose damage hit a place where anything may stand.
func BadMessages(d *iso.Dialect, seed uint64, n int) iter.Seq[Bad] {
	good := Purchase(d)
	return BadMessagesLike(func(int) *iso.Message { return good }, seed, n)
}

// BadMessagesLike is [BadMessages] made of other good messages, so that their answers can be told apart. good gives the
// n-th, from 0. All have the same elements, below 65, and are of the same length.
func BadMessagesLike(good func(n int) *iso.Message, seed uint64, n int) iter.Seq[Bad] {
	return func(yield func(Bad) bool) {
		b := newBreaker(good(0), seed)
		for made := range n {
			b.message = good(made)
			b.raw = encode(b.message)
			if made < len(b.raw) {
				if !yield(Bad{What: fmt.Sprintf("cut at %d", made), Raw: bytes.Clone(b.raw[:made])}) {
					return
				}
				continue
			}
			kind := kinds[made%len(kinds)]
			if !yield(Bad{What: kind.what, Decodes: kind.decodes, Raw: kind.make(b)}) {
				return
			}
		}
	}
}

// breaker knows where the elements of a good message stand.
type breaker struct {
	message *iso.Message // never changed
	chance  *rand.Rand
	raw     []byte
	head    int   // where the first element begins
	mti     int   // where the bitmap begins
	des     []int // the elements, ascending
	ends    []int // where each ends
}

func newBreaker(good *iso.Message, seed uint64) *breaker {
	d := good.Dialect()
	b := &breaker{message: good, chance: rand.New(rand.NewPCG(seed, uint64(len(d.Name())))), des: good.Elements()}
	part := d.New(good.MTI())
	b.raw = encode(part)
	b.head = len(b.raw)
	b.mti = 4
	if b.raw[0] < '0' {
		b.mti = 2
	}
	for _, de := range b.des { // all are in the first bitmap, so the head stays as long as it is
		part.Copy(good, de)
		b.raw = encode(part)
		b.ends = append(b.ends, len(b.raw))
	}
	return b
}

// good is a copy of the good message.
func (b *breaker) good() *iso.Message {
	m := b.message.Dialect().New(b.message.MTI())
	m.Copy(b.message, b.des...)
	return m
}

func encode(m *iso.Message) []byte {
	raw, err := m.Append(nil)
	if err != nil {
		panic("isotest: internal error: " + err.Error())
	}
	return raw
}

// element picks an element and says where it stands.
func (b *breaker) element() (from, to int) {
	i := b.chance.IntN(len(b.des))
	from = b.head
	if i > 0 {
		from = b.ends[i-1]
	}
	return from, b.ends[i]
}

// kinds are the kinds of damage, taken in turn.
var kinds = []struct {
	what    string
	decodes bool
	make    func(b *breaker) []byte
}{
	{"bits turned", false, (*breaker).flipped},
	{"an element is short", false, func(b *breaker) []byte {
		from, to := b.element()
		at := from + b.chance.IntN(to-from)
		return slices.Delete(bytes.Clone(b.raw), at, min(to, at+1+b.chance.IntN(3)))
	}},
	{"an element is long", false, func(b *breaker) []byte {
		from, to := b.element()
		return slices.Insert(bytes.Clone(b.raw), from+b.chance.IntN(to-from), b.noise(1+b.chance.IntN(3))...)
	}},
	{"an element is of another class", false, func(b *breaker) []byte {
		from, to := b.element()
		raw := bytes.Clone(b.raw)
		for i := from; i < to; i++ {
			raw[i] = "X\x00\xff\xaa-+ \x40\xe7"[b.chance.IntN(9)]
		}
		return raw
	}},
	{"a length is wrong", false, func(b *breaker) []byte {
		from, to := b.element()
		raw := bytes.Clone(b.raw)
		copy(raw[from:to], []string{"99", "\x99\x99", "\xff\xff", "00", "\x00", "\xf9\xf9", "-1", "+5", "  "}[b.chance.IntN(9)])
		return raw
	}},
	{"the bitmap is another", false, func(b *breaker) []byte {
		raw := bytes.Clone(b.raw)
		for range 1 + b.chance.IntN(3) {
			at := b.mti + b.chance.IntN(b.head-b.mti)
			raw[at] = []byte{0xff, 0x00, 'F', '0', '8', raw[at] ^ 1, raw[at] ^ 0x80, 'G', 0xc6}[b.chance.IntN(9)]
		}
		return raw
	}},
	{"the message type is another", false, func(b *breaker) []byte {
		raw := bytes.Clone(b.raw)
		copy(raw[:b.mti], b.noise(b.mti))
		return raw
	}},
	{"bytes behind the end", false, func(b *breaker) []byte {
		return append(bytes.Clone(b.raw), b.noise(1+b.chance.IntN(40))...)
	}},
	{"two messages in one", false, func(b *breaker) []byte { return append(bytes.Clone(b.raw), b.raw...) }},
	{"noise", false, func(b *breaker) []byte { return b.noise(b.chance.IntN(300)) }},
	{"an element is absent", true, func(b *breaker) []byte {
		m := b.good()
		for range 1 + b.chance.IntN(len(b.des)) {
			m.Unset(b.des[b.chance.IntN(len(b.des))])
		}
		return encode(m)
	}},
	{"an impossible date", true, func(b *breaker) []byte {
		return b.with([]int{7, 12, 13, 14}, "9", "13", "0230", "0000000000", "99999999999999", "1232", "0001")
	}},
	{"an impossible amount", true, func(b *breaker) []byte {
		return b.with([]int{4, 5, 6, 49}, "9", "000", "9999999999999999", "9780000000001234", "9789000000001234", "0002000000001234")
	}},
	{"a bomb of parts", true, (*breaker).bomb},
}

// flipped turns one to eight bits.
func (b *breaker) flipped() []byte {
	raw := bytes.Clone(b.raw)
	for range 1 + b.chance.IntN(8) {
		raw[b.chance.IntN(len(raw))] ^= 1 << b.chance.IntN(8)
	}
	return raw
}

func (b *breaker) noise(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(b.chance.Uint32())
	}
	return out
}

// with gives one of the elements one of the values, repeated or cut to the length that the element has.
func (b *breaker) with(des []int, values ...string) []byte {
	m := b.good()
	de := des[b.chance.IntN(len(des))]
	field := b.message.Dialect().Spec().Fields[de]
	if field == nil {
		return b.flipped()
	}
	v := values[b.chance.IntN(len(values))]
	length := field.Spec().Length
	if m.Set(de, (strings.Repeat(v, length))[:length]) != nil {
		return b.flipped()
	}
	return encode(m)
}

// bomb fills an element that is made of parts with tags in tags, lengths that nothing has and parts without number.
func (b *breaker) bomb() []byte {
	bombs := []string{"\x70\x82\xff\xff", "\x61\x80", "\x9f\xff\xff\xff", "\x5a\x88" + strings.Repeat("\xff", 8), "\x00",
		"\x77\x02\x70\x00", "9999", "0000", "\xff\xff\xff", "\xf9\xf9\xf9\xf9"}
	m := b.good()
	des := []int{55, 48, 62, 63, 126, 127, 34}
	for _, de := range des[b.chance.IntN(len(des)):] {
		v := strings.Repeat(bombs[b.chance.IntN(len(bombs))], 1+b.chance.IntN(500))
		for ; len(v) > 0; v = v[:len(v)/2] {
			if m.Set(de, v) == nil {
				return encode(m)
			}
		}
	}
	return b.flipped()
}
