package gateway

import (
	"errors"
	"strconv"
	"strings"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// phases are where the profile's words for the life of a transaction lead. The others say nothing that the message's
// type does not.
var phases = map[iso.Phase]authz.Phase{iso.PhasePreAuthorization: authz.PhaseEstimated, iso.PhaseIncremental: authz.PhaseIncremental,
	iso.PhaseReplacement: authz.PhaseReplacement, iso.PhaseResubmission: authz.PhaseResubmission}

// life reads where in its life the transaction stands, and which message an advice or a reversal is about.
func (r *request) life(m *iso.Message) error {
	phase := m.Phase()
	r.Phase = phases[phase]
	if phase == iso.PhaseVerification {
		r.Transaction = authz.Verification
	}
	r.PartialOK = !r.told() && m.PartialApproval()
	if !r.told() {
		return nil
	}
	r.ApprovalCode = m.Get(38)
	if r.Kind == authz.Reversal {
		return errors.Join(r.original(m), r.reversal(m))
	}
	r.StoodIn = !m.Has(39) || approving(m.Get(39), r.profile.Forms.ActionCodes)
	return errors.Join(r.original(m), r.part(m))
}

// part reads which part of a clearing in parts an advice is. Zeros, or blanks, say that it is the only one.
func (r *request) part(m *iso.Message) error {
	at := &r.profile.Places
	part, parts := word(m.At(at.Part)), word(m.At(at.Parts))
	if r.Kind != authz.FinancialAdvice || part == "" && parts == "" {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(part))
	of, e := strconv.Atoi(strings.TrimSpace(parts))
	if err != nil || e != nil || n < 1 || of < n || of > partsMax {
		return wrong(at.Part.DE(), iso.KindValue)
	}
	r.Part, r.Parts = n, of
	return nil
}

// partsMax is in how many parts networks let a transaction be cleared, in two digits.
const partsMax = 99

// approving reports whether an action code lets the cardholder go ahead: in an advice it is the decision of who stood
// in for us. From 1993 on the first digit tells; 1987 has a list.
func approving(code string, form iso.Version) bool {
	if form != iso.V1987 {
		return strings.HasPrefix(code, "0")
	}
	switch code {
	case "00", "08", "10", "11", "16", "85", "87":
		return true
	}
	return false
}

// original reads which message this one is about, its time in the form of Trace.Local.
func (r *request) original(m *iso.Message) error {
	o, given, err := m.Original()
	if err != nil || !given {
		return err
	}
	r.Original = authz.Original{STAN: o.STAN, Transmitted: o.Transmitted, Acquirer: o.Acquirer, Forwarder: o.Forwarder}
	if when, ok := withoutYear(o.Local, r.profile.Forms.Original); ok {
		r.Original.Local = when
	}
	if t := mti(o.MTI); len(t) == 4 && t.valid(t[0]) {
		r.Original.Kind, _ = t.kind()
	}
	return nil
}

// reversal reads what stays of the transaction, or what goes back, in the style of the peer.
func (r *request) reversal(m *iso.Message) error {
	stated, partial, err := m.Replacement()
	if err != nil || !partial {
		return err
	}
	r.Partial = true
	if stated.GivesBack {
		r.Returned = stated.Amount.Minor
	} else {
		r.Final, r.FinalBilling = stated.Amount.Minor, stated.Billing.Minor
	}
	if r.profile.Reversal.Field != iso.ReversalDE30 {
		return nil
	}
	was, _, err := m.OriginalAmounts()
	if err == nil && !was.Currency.IsZero() {
		r.Amount, r.Billing = was, money.Amount{} // the transaction is found by what it was
	}
	return err
}

// signed reads a fee, C or D and digits: D is what the cardholder's side pays. One that cannot be read is none.
func signed(fee string) int64 {
	if len(fee) < 2 {
		return 0
	}
	minor, err := money.ParseMinor(fee[1:])
	if err != nil || fee[0] == 'D' {
		return minor
	}
	return -minor
}

// word is empty when a part of DE 90, 56 or 95 is zeros or blanks: then it says nothing.
func word(s string) string {
	if strings.Trim(s, "0 ") == "" {
		return ""
	}
	return s
}

// cut is a part of a text, or as much of it as there is.
func cut(s string, from, to int) string {
	if from >= len(s) || from >= to {
		return ""
	}
	return s[from:min(to, len(s))]
}

// settle says what the message moves between the peer and us, and on which day: that of the message when it says one,
// else the peer's. Authorizations, and what undoes them, only hold.
func (r *request) settle(m *iso.Message, l *place) {
	held := r.Kind == authz.Reversal && (r.Original.Kind == authz.Authorization || r.Original.Kind == authz.AuthorizationAdvice)
	if r.Kind == authz.Authorization || r.Kind == authz.AuthorizationAdvice || held {
		return
	}
	s := authz.Settlement{Amount: r.Amount}
	var stated bool
	if s.Day, stated = settlementDay(m.Get(15), r.ReceivedAt); !stated {
		s.Day = l.today(r.ReceivedAt)
	}
	fee, processing := 28, 30
	converted, given, err := m.Amount(iso.AmountSettlement)
	if given && err == nil {
		s.Amount, fee, processing = converted, 29, 31
	}
	if r.profile.Forms.Amounts == iso.V1987 {
		s.Fee, s.Processing = signed(m.Get(fee)), signed(m.Get(processing))
	}
	switch {
	case r.Kind != authz.Reversal || s.Amount.Currency.IsZero() || !r.Partial:
	case r.Returned > 0:
		s.Amount.Minor = money.Share(s.Amount.Minor, r.Returned, r.Amount.Minor)
	default:
		s.Amount.Minor = money.Share(s.Amount.Minor, r.Amount.Minor-r.Final, r.Amount.Minor)
	}
	r.Settlement = s
}
