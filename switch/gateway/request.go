package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// request is an authz.Request that reads itself from a message of 1987. It refuses as little as it can:
// what is not needed to decide is passed on as it came.
type request struct {
	authz.Request
	odd error // what was passed over because the message only tells what has happened
}

// fault says which element is at fault and how, never what it holds.
type fault struct {
	de   int
	what string
}

func (f fault) Error() string { return fmt.Sprintf("element %d %s", f.de, f.what) }

// The elements without which a message cannot be decided or found again. What only tells is not refused for
// the others; see pardon.
var mandatory = map[authz.Kind][]int{
	authz.Authorization:       {3, 4, 7, 11, 49},
	authz.AuthorizationAdvice: {11},
	authz.Financial:           {3, 4, 7, 11, 49},
	authz.Reversal:            {11},
}

func (r *request) read(m *iso.Message, kind authz.Kind, receivedAt time.Time) error {
	for _, de := range mandatory[kind] {
		if !m.Has(de) {
			return fault{de, "is missing"}
		}
	}
	r.Kind, r.ReceivedAt = kind, receivedAt
	r.trace(m)
	if err := r.number(m); err != nil {
		return err
	}
	for _, step := range []func(*iso.Message) error{r.times, r.expiry, r.amounts} {
		if err := step(m); err != nil && !r.pardon(err, m) {
			return err
		}
	}
	if kind == authz.Authorization || kind == authz.Financial {
		r.Evidence = evidence(m)
	}
	r.Transaction = transactionOf(m.Get(3), max(r.Amount.Minor, r.Billing.Minor)) // what is billed is not nothing
	switch kind {
	case authz.AuthorizationAdvice:
		r.ApprovalCode = m.Get(38)
		r.StoodIn = !m.Has(39) || approving(m.Get(39))
	case authz.Reversal:
		return r.reversal(m)
	}
	return nil
}

// evidence takes what proves that card or holder are there.
func evidence(m *iso.Message) authz.Evidence {
	return authz.Evidence{PINBlock: pan.NewSecret(m.Get(52)), PINForm: m.Get(53), Track2: pan.NewSecret(m.Get(35)),
		Chip: pan.NewSecret(m.Get(55)), Sequence: m.Get(23)}
}

// pardon passes over what is wrong with an advice or a reversal whose card and time are known: it has
// happened, so refusing it would leave our books wrong and have it sent for ever. A request is decided on all
// that it says, and is not pardoned.
func (r *request) pardon(fault error, m *iso.Message) bool {
	told := r.Kind == authz.AuthorizationAdvice || r.Kind == authz.Reversal
	if !told || !m.Has(7) && !m.Has(12) {
		return false
	}
	r.odd = errors.Join(r.odd, fault)
	return true
}

func (r *request) trace(m *iso.Message) {
	r.Trace = authz.Trace{STAN: m.Get(11), RRN: m.Get(37), Acquirer: m.Get(32), Forwarder: m.Get(33),
		Terminal: m.Get(41), Merchant: m.Get(42), Transmitted: m.Get(7), Local: m.Get(13) + m.Get(12),
		ProcessingCode: m.Get(3), MCC: m.Get(18), EntryMode: m.Get(22)}
}

// times checks the dates that are there. They are kept as characters: 1987 has no year, and DE 12 and 13
// are the terminal's local time.
func (r *request) times(m *iso.Message) error {
	if t := m.Get(7); !monthDay(t) || !clock(t[4:]) {
		return fault{7, "is not MMDDhhmmss"}
	}
	if t := m.Get(12); t != "" && !clock(t) {
		return fault{12, "is not hhmmss"}
	}
	if t := m.Get(13); t != "" && !monthDay(t) {
		return fault{13, "is not MMDD"}
	}
	return nil
}

func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

func monthDay(s string) bool {
	if len(s) < 4 {
		return false
	}
	month, day := two(s), two(s[2:])
	return month >= 1 && month <= 12 && day >= 1 && day <= time.Date(2024, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// clock takes a leap second.
func clock(s string) bool { return len(s) == 6 && two(s) < 24 && two(s[2:]) < 60 && two(s[4:]) <= 60 }

// number takes the card's number from DE 2 or the track.
func (r *request) number(m *iso.Message) error {
	number, ok := m.PAN()
	if !ok {
		return fault{2, "is missing or not a card number"}
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
			return fault{35, "has no separator"}
		}
		onTrack, err := pan.Parse(digits)
		if err != nil || !onTrack.Equal(r.PAN) {
			return fault{35, "is not of the card in element 2"}
		}
		rest = after
	}
	switch {
	case m.Has(14):
		if r.Expiry, r.ExpiryGiven = authz.ParseMonth(m.Get(14)); !r.ExpiryGiven {
			return fault{14, "is not YYMM"}
		}
	case len(rest) >= 4 && !strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "D"):
		if r.Expiry, r.ExpiryGiven = authz.ParseMonth(rest[:4]); !r.ExpiryGiven {
			return fault{35, "has an expiry that is not YYMM"}
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

// amounts reads DE 4 in DE 49, and DE 6 in DE 51 when the network converted. A reversal may leave them out.
func (r *request) amounts(m *iso.Message) (err error) {
	for _, de := range [...]int{4, 49} {
		if !m.Has(de) && r.Kind == authz.AuthorizationAdvice {
			err = errors.Join(err, fault{de, "is missing"})
		}
	}
	if m.Has(4) && m.Has(49) {
		r.Amount, err = amount(m, 4, 49)
	}
	if m.Has(6) && m.Has(51) {
		var e error
		if r.Billing, e = amount(m, 6, 51); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

func amount(m *iso.Message, de, currencyDE int) (money.Amount, error) {
	minor, err := money.ParseMinor(m.Get(de))
	if err != nil {
		return money.Amount{}, fault{de, "is not an amount"}
	}
	currency, err := money.ByNumeric(m.Get(currencyDE))
	if err != nil {
		return money.Amount{}, fault{currencyDE, "is not a currency of ISO 4217"}
	}
	return money.Amount{Minor: minor, Currency: currency}, nil
}

// transactions by positions 1 and 2 of DE 3.
var transactions = map[string]authz.Transaction{
	"00": authz.Purchase, "01": authz.Cash, "17": authz.Cash, "09": authz.Cashback, "10": authz.Funding,
	"11": authz.QuasiCash, "20": authz.Refund, "30": authz.Inquiry, "31": authz.Inquiry, "33": authz.Verification,
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

// approving reports whether a two-character response code lets the cardholder go ahead: in an advice it
// is the decision of who stood in for us.
func approving(code string) bool {
	switch code {
	case "00", "08", "10", "11", "16", "85", "87":
		return true
	}
	return false
}

// reversal reads the original data elements (DE 90: type 4, STAN 6, DE 7 10, DE 32 11, DE 33 11) and the
// replacement amounts (DE 95: transaction 12, settlement or billing 12, fees). Zeros in DE 90 say nothing;
// zeros in DE 95 say that nothing stays.
func (r *request) reversal(m *iso.Message) error {
	r.ApprovalCode = m.Get(38)
	if o := m.Get(90); len(o) == 42 {
		r.Original = authz.Original{Kind: originalKind(mti(o[:4])), STAN: word(o[4:10]), Transmitted: word(o[10:20]),
			Acquirer: word(o[20:31]), Forwarder: word(o[31:42])}
	}
	if a := m.Get(95); len(a) >= 24 {
		var err error
		if r.Final, err = replacement(a[:12]); err != nil {
			return fault{95, "is not an amount"}
		}
		if r.FinalBilling, err = replacement(a[12:24]); err != nil {
			return fault{95, "is not an amount"}
		}
		r.Partial = r.Final > 0
	}
	return nil
}

// replacement reads a part of DE 95, which is text: blanks say as little as zeros.
func replacement(part string) (int64, error) {
	if word(part) == "" {
		return 0, nil
	}
	return money.ParseMinor(part)
}

func originalKind(t mti) authz.Kind {
	if !t.valid('0') {
		return 0
	}
	kind, _ := kindOf(t)
	return kind
}

// word is empty when a part of DE 90 or DE 95 is zeros or blanks.
func word(s string) string {
	if strings.Trim(s, "0 ") == "" {
		return ""
	}
	return s
}
