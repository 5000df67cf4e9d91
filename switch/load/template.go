package load

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// CardDigits is the length of the card numbers that are sent.
const CardDigits = 16

const (
	stampDigits  = 10 // MMDDhhmmss, DE 7 and the terminal's local time
	numberDigits = 12 // DE 37
	stanDigits   = 6  // DE 11
	amountMin    = 1
	amountSpread = 99 // small amounts, so that a few cards last for millions of messages
)

// template is a framed 0100 and the places that change from message to message.
type template struct {
	framed []byte

	card, amount, transmitted, stan, clock, day, number patch
}

// patch is the place of an element of decimal digits.
type patch struct {
	at     int
	digits int
	packed bool // two digits a byte
	zero   byte // how the digit 0 is written when it is not packed
}

// errLayout says that an element does not stand where digits can be patched in.
var errLayout = errors.New("the dialect writes it neither as digits of text nor as packed digits")

// newTemplate encodes the 0100 with a value made of the digit 1 in every changing element, and once more for each
// of them with the digit 8 there.
func newTemplate(t *Target) (*template, error) {
	m := t.Dialect.New("0100")
	constant := map[int]string{3: "000000", 14: t.Expiry, 18: "5411", 22: "051", 32: "123456", 41: "LOAD0001",
		42: "LOADGENERATOR01", 49: t.Currency}
	for de, v := range constant {
		if err := m.Set(de, v); err != nil {
			return nil, fmt.Errorf("pack the template: %w", err)
		}
	}
	tpl := &template{}
	changing := []struct {
		de, digits int
		place      *patch
	}{{2, CardDigits, &tpl.card}, {4, 12, &tpl.amount}, {7, stampDigits, &tpl.transmitted}, {11, stanDigits, &tpl.stan},
		{12, 6, &tpl.clock}, {13, 4, &tpl.day}, {37, numberDigits, &tpl.number}}
	for _, c := range changing {
		if err := m.Set(c.de, strings.Repeat("1", c.digits)); err != nil {
			return nil, fmt.Errorf("pack the template: %w", err)
		}
	}
	pack := func() ([]byte, error) {
		body, err := m.Append(nil)
		if err != nil {
			return nil, err
		}
		return t.Format.Append(nil, t.Format.FirstHeader(nil), body)
	}
	var err error
	if tpl.framed, err = pack(); err != nil {
		return nil, fmt.Errorf("pack the template: %w", err)
	}
	for _, c := range changing {
		if *c.place, err = find(m, c.de, c.digits, tpl.framed, pack); err != nil {
			return nil, fmt.Errorf("pack the template: %w", err)
		}
	}
	return tpl, nil
}

// find tells where an element of digits stands: where the encoding differs when its digits do. The message is
// given back with the element as it was.
func find(m *iso.Message, de, digits int, with1 []byte, pack func() ([]byte, error)) (patch, error) {
	was := m.Get(de)
	if err := m.Set(de, strings.Repeat("8", digits)); err != nil {
		return patch{}, err
	}
	with8, err := pack()
	if err == nil {
		err = m.Set(de, was)
	}
	if err != nil {
		return patch{}, err
	}
	if len(with8) != len(with1) {
		return patch{}, fmt.Errorf("element %d: %w", de, errLayout)
	}
	first, count, last := -1, 0, 0
	for i := range with1 {
		if with1[i] != with8[i] {
			if count++; first < 0 {
				first = i
			}
			last = i
		}
	}
	p := patch{at: first, digits: digits}
	switch {
	case last-first != count-1:
		return patch{}, fmt.Errorf("element %d: %w", de, errLayout)
	case count == digits && with8[first]-with1[first] == 7:
		p.zero = with1[first] - 1
	case 2*count == digits && with1[first] == 0x11 && with8[first] == 0x88:
		p.packed = true
	default:
		return patch{}, fmt.Errorf("element %d: %w", de, errLayout)
	}
	return p, nil
}

// put writes digits, given as the characters '0' to '9', into the place.
func (p patch) put(message []byte, digits []byte) {
	if p.packed {
		place := message[p.at : p.at+p.digits/2]
		for i := range place {
			place[i] = digits[2*i]<<4 | digits[2*i+1]&0x0f
		}
		return
	}
	place := message[p.at : p.at+p.digits]
	for i := range place {
		place[i] = digits[i] - '0' + p.zero
	}
}

// get reads the number in the place; it is false when something else than digits stands there.
func (p patch) get(message []byte) (n uint64, ok bool) {
	if p.packed {
		for _, b := range message[p.at : p.at+p.digits/2] {
			if b>>4 > 9 || b&0x0f > 9 {
				return 0, false
			}
			n = n*100 + uint64(b>>4)*10 + uint64(b&0x0f)
		}
		return n, true
	}
	for _, b := range message[p.at : p.at+p.digits] {
		if b -= p.zero; b > 9 {
			return 0, false
		}
		n = n*10 + uint64(b)
	}
	return n, true
}

// decimal writes n with leading zeros over the whole of dst; what does not fit is cut off in front.
func decimal(dst []byte, n uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}

// stamp is the time in the messages, written again only when the second changes.
type stamp struct {
	second int64
	text   [stampDigits]byte
	digits [CardDigits]byte // room to write numbers in, which would escape from the stack
}

func (s *stamp) set(now time.Time) {
	if second := now.Unix(); second != s.second {
		s.second = second
		now.UTC().AppendFormat(s.text[:0], "0102150405")
	}
}

// append writes message number n to the end of dst.
func (t *template) append(dst []byte, n uint64, at *stamp, target *Target) []byte {
	start := len(dst)
	dst = append(dst, t.framed...)
	message := dst[start:]
	digits, mixed := &at.digits, mix(n)
	target.Card(digits, int(mixed%uint64(target.Cards)))
	t.card.put(message, digits[:])
	decimal(digits[:12], amountMin+mixed>>32%amountSpread)
	t.amount.put(message, digits[:12])
	decimal(digits[:numberDigits], n)
	t.number.put(message, digits[:numberDigits])
	t.stan.put(message, digits[numberDigits-stanDigits:numberDigits])
	t.transmitted.put(message, at.text[:])
	t.day.put(message, at.text[:4])
	t.clock.put(message, at.text[4:])
	return dst
}

// mix spreads the numbers over the cards without a pattern, the same way in each run (the finisher of splitmix64).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// signOn encodes the 0800 that begins a link.
func signOn(d *iso.Dialect, f frame.Format, now time.Time) ([]byte, error) {
	m := d.New("0800")
	for de, v := range map[int]string{7: now.UTC().Format("0102150405"), 11: "000001", 70: "001"} {
		if err := m.Set(de, v); err != nil {
			return nil, err
		}
	}
	body, err := m.Append(nil)
	if err != nil {
		return nil, err
	}
	return f.Append(nil, f.FirstHeader(nil), body)
}
