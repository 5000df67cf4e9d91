package gateway

import (
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// request is an authz.Request that reads itself from a message, where the dialect's profile says. It refuses as little
// as it can: what is not needed to decide is passed on as it came.
type request struct {
	authz.Request
	profile *iso.Profile
	fee     int64 // of DE 28, in the amount and not in DE 4
	odd     error // what was passed over because the message only tells what has happened
}

// The elements without which a message cannot be decided or found again, beside the card and the amount. What only
// tells is not refused for them; see pardon.
var mandatory = map[iso.Version][]int{iso.V1987: {3, 7, 11}, iso.V1993: {3, 11, 12}, iso.V2003: {3, 11, 12}}

func (r *request) read(m *iso.Message, kind authz.Kind, receivedAt time.Time) error {
	r.Kind, r.ReceivedAt, r.profile = kind, receivedAt, m.Dialect().Profile()
	needed := mandatory[m.Dialect().Version()]
	if r.told() {
		needed = []int{11}
	}
	for _, de := range needed {
		if !m.Has(de) {
			return wrong(de, iso.KindMissing)
		}
	}
	if err := r.number(m); err != nil {
		return err
	}
	r.trace(m)
	for _, step := range []func(*iso.Message) error{r.times, r.expiry, r.amounts, r.life} {
		if err := step(m); err != nil && !r.pardon(err, m) {
			return err
		}
	}
	r.present(m)
	return nil
}

// told reports whether the message says what has happened.
func (r *request) told() bool { return r.Kind != authz.Authorization && r.Kind != authz.Financial }

// pardon passes over what is wrong with an advice or a reversal whose card and time are known: it has
// happened, so refusing it would leave our books wrong and have it sent for ever. A request is decided on all
// that it says, and is not pardoned.
func (r *request) pardon(fault error, m *iso.Message) bool {
	if !r.told() || !m.Has(7) && !m.Has(12) {
		return false
	}
	r.odd = errors.Join(r.odd, fault)
	return true
}

func (r *request) trace(m *iso.Message) {
	at := &r.profile.Places
	r.Trace = authz.Trace{STAN: m.Get(11), RRN: r.hide(m.Get(37)), Acquirer: m.Get(32), Forwarder: m.Get(33),
		Terminal: r.hide(m.Get(41)), Merchant: r.hide(m.Get(42)), Transmitted: m.Get(7), ProcessingCode: m.Get(3), MCC: m.At(at.MCC)}
	if r.profile.Forms.Entry == iso.V1987 {
		r.Trace.EntryMode = m.Get(22)
	} else if r.profile.Forms.Entry == iso.V1993 {
		r.Trace.EntryMode = cut(m.Get(22), 6, 7)
	}
	r.NetworkID = m.At(at.NetworkTraceOf)
	if r.NetworkID == "" {
		r.NetworkID = m.At(at.NetworkTrace)
	}
	r.NetworkID = r.hide(printable(r.NetworkID))
	r.Acceptor = r.hide(oneLine(m.Acceptor()))
}

// hide keeps a card number out of the journal and of what partners are told, where an acquirer put it into a name. The same
// name is hidden in the same way in a repeat and in a reversal.
func (r *request) hide(name string) string {
	if r.PAN.Within(name) {
		return strings.Repeat("*", len(name))
	}
	return name
}

// networkIDMax is longer than any network's own name of a transaction.
const networkIDMax = 32

// printable is a name as text: what stands in a binary element, as DE 21 of 2003, is written in hexadecimal.
func printable(id string) string {
	id = cut(id, 0, networkIDMax)
	if word(id) == "" || strings.IndexFunc(id, func(c rune) bool { return c < ' ' || c > '~' }) < 0 {
		return strings.Clone(word(id))
	}
	return hexadecimal(id)
}

func hexadecimal(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = append(b, hex[s[i]>>4], hex[s[i]&15])
	}
	return string(b)
}

// times checks the times that are there and keeps the terminal's without its year.
func (r *request) times(m *iso.Message) error {
	var err error
	r.Trace.Local, err = local(m, r.profile.Forms.LocalTime)
	if t := m.Get(7); m.Has(7) || m.Dialect().Version() == iso.V1987 {
		if !monthDay(t) || !clock(t[4:]) {
			err = errors.Join(wrong(7, iso.KindDate), err)
		}
	}
	return err
}

// number takes the card's number from DE 2 or the track.
func (r *request) number(m *iso.Message) error {
	number, ok := m.PAN()
	if !ok {
		return wrong(2, iso.KindMissing)
	}
	r.PAN = number
	return nil
}

// expiry takes the expiry from DE 14 or the track, which must be of the same card.
func (r *request) expiry(m *iso.Message) error {
	rest := ""
	if track := m.Get(35); track != "" {
		digits, after, found := cutTrack(track)
		if !found {
			return wrong(35, iso.KindValue)
		}
		onTrack, err := pan.Parse(digits)
		if err != nil || !onTrack.Equal(r.PAN) {
			return wrong(35, iso.KindValue)
		}
		rest = after
	}
	switch {
	case m.Has(14):
		if r.Expiry, r.ExpiryGiven = authz.ParseMonth(m.Get(14)); !r.ExpiryGiven {
			return wrong(14, iso.KindDate)
		}
	case len(rest) >= 4 && !strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "D"):
		if r.Expiry, r.ExpiryGiven = authz.ParseMonth(rest[:4]); !r.ExpiryGiven {
			return wrong(35, iso.KindDate)
		}
	}
	return nil
}

// cutTrack cuts track 2 at its separator: = in characters, D in nibbles.
func cutTrack(track string) (digits, rest string, found bool) {
	i := strings.IndexAny(track, "=D")
	if i < 0 {
		return "", "", false
	}
	return track[:i], track[i+1:], true
}

// amounts reads what is asked for, and what the network converted it to. A reversal may leave the amount out.
func (r *request) amounts(m *iso.Message) error {
	var given bool
	var err error
	r.Amount, given, err = m.Amount(iso.AmountTransaction)
	switch {
	case err != nil:
		r.Amount = money.Amount{}
	case !given && r.Kind != authz.Reversal && m.Has(4):
		err = wrong(49, iso.KindMissing)
	case !given && r.Kind != authz.Reversal:
		err = wrong(4, iso.KindMissing)
	}
	billing, given, e := m.Amount(iso.AmountBilling)
	if given && e == nil {
		r.Billing = billing
	}
	err = errors.Join(err, e, r.surcharge(m))
	// What is billed is not nothing, and what has happened has happened on whatever account.
	r.Transaction = transactionOf(r.Trace.ProcessingCode, max(r.Amount.Minor, r.Billing.Minor))
	if !r.told() && !accountsKnown(r.Trace.ProcessingCode) {
		r.Transaction = authz.TransactionUnsupported
	}
	if r.Transaction == authz.Cashback {
		r.Cash = cashOf(m, r.Amount)
	}
	return err
}

// surcharge adds the acquirer's fee of 1987 (DE 28) where the peer does not count it into the amount already.
func (r *request) surcharge(m *iso.Message) error {
	fee := m.Get(28)
	if r.profile.SurchargeIncluded || m.Dialect().Version() != iso.V1987 || len(fee) < 2 || r.Amount.Currency.IsZero() {
		return nil
	}
	minor, err := money.ParseMinor(fee[1:])
	if err != nil {
		return wrong(28, iso.KindAmount)
	}
	if fee[0] == 'C' {
		minor = -minor
	}
	total, err := money.Add64(r.Amount.Minor, minor)
	if err != nil || total < 0 {
		return wrong(28, iso.KindAmount)
	}
	r.Amount.Minor, r.fee = total, minor
	return nil
}

// kindCash is the amount type of the cash in DE 54.
const kindCash = "40"

// cashOf is how much of a purchase is handed out in cash. Where the message does not say it, nothing of it may be
// approved in part.
func cashOf(m *iso.Message, total money.Amount) int64 {
	sets, _ := m.AdditionalAmounts() // those before a fault are good, and nothing else depends on them
	for _, set := range sets {
		if set.Kind == kindCash && set.Amount.Currency == total.Currency {
			return min(max(set.Amount.Minor, -set.Amount.Minor), total.Minor)
		}
	}
	return total.Minor
}

// transactions by positions 1 and 2 of DE 3.
var transactions = map[string]authz.Transaction{
	"00": authz.Purchase, "01": authz.Cash, "17": authz.Cash, "09": authz.Cashback, "10": authz.Funding, "11": authz.QuasiCash,
	"20": authz.Refund, "21": authz.Deposit, "26": authz.OriginalCredit, "28": authz.OriginalCredit,
	"30": authz.Inquiry, "31": authz.Inquiry, "33": authz.Verification, "50": authz.Payment,
}

// accounts are the types of account in positions 3 to 6 of DE 3: default, savings, cheque or debit, credit, universal,
// investment, purse.
var accounts = []string{"00", "10", "20", "30", "40", "50", "60"}

// accountsKnown reports whether both accounts are of types that we know.
func accountsKnown(processing string) bool {
	return len(processing) == 6 && slices.Contains(accounts, processing[2:4]) && slices.Contains(accounts, processing[4:])
}

// transactionOf tells what the cardholder does. A purchase of nothing asks whether the card is good.
func transactionOf(processing string, minor int64) authz.Transaction {
	if len(processing) < 2 {
		return authz.TransactionUnsupported
	}
	t := transactions[processing[:2]]
	if t == authz.Purchase && minor == 0 {
		return authz.Verification
	}
	return t
}

// evidence takes what proves that card or holder are there.
func evidence(m *iso.Message, at iso.Place) authz.Evidence {
	return authz.Evidence{CVV2: pan.NewSecret(strings.TrimSpace(m.At(at))), PINBlock: pan.NewSecret(m.Get(52)),
		PINForm: pinForm(m), Track2: pan.NewSecret(m.Get(35)), Chip: pan.NewSecret(m.Get(55)), Sequence: m.Get(23)}
}

// pinForm is what the message says of its PIN block: DE 53 of 1987, which is no secret.
func pinForm(m *iso.Message) string {
	if m.Has(52) && m.Dialect().Version() == iso.V1987 {
		return strings.Clone(m.Get(53))
	}
	return ""
}
