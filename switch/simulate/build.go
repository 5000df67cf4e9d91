package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// errUnsaid says that a dialect has no way to say what a step means.
var errUnsaid = errors.New("the dialect cannot say it")

func unsaid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errUnsaid)...)
}

// sent is a message that was made, and the answer to it.
type sent struct {
	message *iso.Message
	answer  *iso.Message // nil while none has come
	root    *sent        // the first message of its life, perhaps itself
	total   money.Amount // of the life, kept by the root
	becomes money.Amount // the life's total once the message is taken; zero leaves it
	mcc     string
	rrn     string
	trace   string // the network's name of the life
}

// builder makes messages that no earlier run has sent: its numbers begin anywhere.
type builder struct {
	dialect  *iso.Dialect
	currency money.Currency
	cards    map[string]Card
	now      func() time.Time
	stan     uint64
	rrn      uint64
	steps    map[string]*sent // by id
}

func newBuilder(c *Config) *builder {
	return &builder{dialect: c.Dialect, currency: c.Currency, cards: c.Cards, now: time.Now, stan: rand.Uint64N(999_999),
		rrn: rand.Uint64N(900_000_000_000), steps: map[string]*sent{}}
}

// The acquirer that is played.
const (
	acquirer = "990001"
	terminal = "SIMTERM1"
	merchant = "SIMULATED SHOP1"
	shop     = "SIMULATED SHOP           LUBLIN       PL" // DE 43 of 1987; a text like any other in 1993
	usualMCC = "5999"
)

// build makes the message of a step. An error that wraps errUnsaid is about the dialect.
func (b *builder) build(s *Step) (*sent, error) {
	k := kinds[s.Send]
	var out *sent
	var err error
	switch s.Send {
	case kindPrepared:
		return b.steps[s.Of], nil
	case kindRepeat:
		out, err = b.repeat(b.steps[s.Of])
	case kindMessage:
		out = &sent{message: b.dialect.New(s.MTI)}
		b.numbers(out.message)
	default:
		out, err = b.make(s, &k)
	}
	if err != nil {
		return nil, err
	}
	for key, v := range s.Set {
		de, err := element(key)
		if err != nil {
			return nil, err
		}
		if err := out.message.Set(de, v); err != nil {
			return nil, unsaid("set: %w", err)
		}
	}
	for _, de := range s.Unset {
		out.message.Unset(de)
	}
	if out.root == nil {
		out.root = out
	}
	return out, nil
}

// repeat is a message again: the same but for its type.
func (b *builder) repeat(of *sent) (*sent, error) {
	raw, err := of.message.Append(nil)
	if err != nil {
		return nil, err
	}
	m, err := b.dialect.Decode(raw)
	if err != nil {
		return nil, err
	}
	mti := []byte(m.MTI())
	mti[3] |= 1
	m.SetMTI(string(mti))
	return &sent{message: m, root: of.root}, nil
}

// versionDigit is the first digit of the dialect's message types.
func versionDigit(d *iso.Dialect) byte {
	return map[iso.Version]byte{iso.V1987: '0', iso.V1993: '1', iso.V2003: '2'}[d.Version()]
}

// make makes a message of a kind, and of the life that it belongs to.
func (b *builder) make(s *Step, k *kind) (*sent, error) {
	mti := []byte{versionDigit(b.dialect), k.class, max(k.function, '0'), max(k.origin, '0')}
	out := &sent{message: b.dialect.New(string(mti)), mcc: s.MCC}
	m := out.message
	b.numbers(m)
	if of := b.steps[s.Of]; of != nil {
		out.root = of.root
		out.mcc = cmp.Or(s.MCC, of.root.mcc)
	}
	steps := []func(*sent, *Step, *kind) error{b.function}
	switch k.class {
	case '8':
	case '3':
		steps = append(steps, b.card, b.file)
	case '5':
		steps = append(steps, b.reconciliation)
	default:
		steps = append(steps, b.card, b.place, b.amount, b.life, b.phase)
	}
	for _, step := range steps {
		if err := step(out, s, k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numbers gives a message its times and its STAN, which every message has.
func (b *builder) numbers(m *iso.Message) {
	b.stan = b.stan%999_999 + 1
	now := b.now().UTC()
	put(m, 7, now.Format("0102150405"))
	put(m, 11, strconv.FormatUint(1_000_000+b.stan, 10)[1:])
	switch b.dialect.Profile().Forms.LocalTime {
	case iso.V1987:
		if m.MTI()[1] != '8' {
			put(m, 12, now.Format("150405"))
			put(m, 13, now.Format("0102"))
		}
	case iso.V1993:
		put(m, 12, now.Format("060102150405"))
	default:
		put(m, 12, now.Format("20060102150405"))
	}
}

// function says what the message is about, where the edition has a place for it.
func (b *builder) function(out *sent, _ *Step, k *kind) error {
	m, places := out.message, &b.dialect.Profile().Places
	if b.dialect.Version() != iso.V1987 {
		put(m, 24, k.function93)
		put(m, 25, k.reason93)
		return nil
	}
	at := places.FileCode
	if k.class == '8' {
		at = places.NetworkCode
	}
	if k.code87 == "" {
		return nil
	}
	if err := m.SetAt(at, k.code87); err != nil {
		return unsaid("its code: %w", err)
	}
	return nil
}

// card puts the card on the message.
func (b *builder) card(out *sent, s *Step, k *kind) error {
	if out.root != nil && s.Card == "" {
		out.message.Copy(out.root.message, 2, 14)
		return nil
	}
	card, known := b.cards[cmp.Or(s.Card, MainCard)]
	if !known {
		return fmt.Errorf("there is no card %s: name its number", quotable(cmp.Or(s.Card, MainCard)))
	}
	if err := out.message.Set(2, card.Number.Reveal()); err != nil {
		return err
	}
	if card.Expiry != "" && k.class != '3' {
		put(out.message, 14, card.Expiry)
	}
	return nil
}

// place says where the payment is made.
func (b *builder) place(out *sent, _ *Step, k *kind) error {
	m := out.message
	if out.root == nil {
		b.rrn++
		out.rrn = fmt.Sprintf("%012d", b.rrn)
	} else {
		out.rrn = out.root.rrn
	}
	put(m, 3, k.processing)
	put(m, 32, acquirer)
	put(m, 37, out.rrn)
	put(m, 41, terminal)
	put(m, 42, merchant)
	if b.dialect.Version() != iso.V2003 { // which has parts in it
		put(m, 43, shop)
	}
	if k.class == '4' {
		m.Copy(out.root.message, 3)
		return nil
	}
	_ = m.SetAt(b.dialect.Profile().Places.MCC, cmp.Or(out.mcc, usualMCC)) // a peer without a category of merchants does without
	switch b.dialect.Version() {
	case iso.V1987:
		put(m, 22, "051")
		put(m, 25, "00")
	case iso.V1993:
		put(m, 22, "21010121314C")
	default:
		put(m, 22, "\x10\x00\x00\x00\x10\x00\x00\x00\x40\x00\x00\x00\x10\x00\x00\x00")
	}
	return nil
}

// file says which lock.
func (b *builder) file(out *sent, s *Step, k *kind) error {
	switch {
	case !k.locks:
		return nil
	case b.dialect.Version() != iso.V1987:
		return out.message.SetAt(b.dialect.Profile().Places.Reason, fmt.Sprintf("370%d", locks[s.Lock]))
	}
	if err := out.message.SetAt(b.dialect.Profile().Places.FileData, fmt.Sprintf("LOCK=%d", locks[s.Lock])); err != nil {
		return unsaid("the record: %w", err)
	}
	return nil
}

// reconciliation states that nothing has passed.
func (b *builder) reconciliation(out *sent, _ *Step, _ *kind) error {
	m := out.message
	day := b.now().UTC().Format(map[iso.Version]string{iso.V1987: "0102", iso.V1993: "060102", iso.V2003: "20060102"}[b.dialect.Version()])
	elements := map[int]string{15: day, 50: b.currency.Numeric(), 97: "D" + strings.Repeat("0", 16)}
	for de := 74; de <= 77; de++ {
		elements[de], elements[de+12] = strings.Repeat("0", 10), strings.Repeat("0", 16)
	}
	for de, v := range elements {
		if err := m.Set(de, v); err != nil {
			return unsaid("totals: %w", err)
		}
	}
	return nil
}

// put gives an element a value, filled up to the length that the dialect has for it. An element for which there is no
// room is left out: no host may need it in that dialect.
func put(m *iso.Message, de int, v string) {
	if v == "" || m.Set(de, v) == nil {
		return
	}
	for n := 1; n <= 20; n++ {
		if m.Set(de, strings.Repeat("0", n)+v) == nil || m.Set(de, v+strings.Repeat(" ", n)) == nil {
			return
		}
	}
}
