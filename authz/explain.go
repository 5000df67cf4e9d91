package authz

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"holdfast/authz/money"
)

// Facts are what the journal keeps of a message and of the decision on it. Of the evidence, and of the card beside its
// version, it keeps nothing: what those said is known by which check failed.
type Facts struct {
	Kind        Kind
	Transaction Transaction
	ReceivedAt  time.Time
	Channel     Channel
	Amount      money.Amount
	Billing     money.Amount

	BIN, Processing, EntryMode, STAN, RRN string

	Card        CardID // 0: unknown
	CardVersion int64
	Expiry      Month          // of the card
	Currency    money.Currency // of its balance
	Limited     bool           // it counts towards limits of the card

	Reason                    Reason // as it was decided
	Passed                    int    // as [Check] counts
	Placed                    int64  // held or posted, in Currency
	UserBefore, DepositBefore int64  // available
	UserKnown, DepositKnown   bool   // they were looked at
}

// Step is a check of a decision, with what it looked at.
type Step struct {
	Check   string
	Passed  bool
	Skipped bool    // an earlier one had failed, or there was nothing to cover
	Inputs  []Input // as far as the journal keeps them; none of what was skipped
}

// Input is one thing that a check looked at, by its name.
type Input struct{ Name, Value string }

// explained is a check as it is explained. What has a reason is made beside [Check], which counts the others.
type explained struct {
	name   string
	reason Reason
	inputs func(*Facts) []Input
}

var (
	routing = explained{"a program has the BIN", BINUnknown, func(f *Facts) []Input { return []Input{{"BIN", f.BIN}} }}
	// inTheJournal are made after those of Check: what came before, the card's limits, then the funds, deposit first as
	// the seed draws it.
	inTheJournal = []explained{
		{"a repeat says the same", RepeatMismatch, (*Facts).numbers},
		{"its reversal did not come first", ReversedBefore, (*Facts).numbers},
		{"limits allow it", AmountLimit, func(f *Facts) []Input {
			counts, amount := "no", f.wanted()
			if f.Limited {
				counts = "yes"
			}
			if f.Reason == ApprovedPart { // which a limit must allow whole
				amount = f.requested()
			}
			return []Input{{"counts towards limits", counts}, {"amount", amount.String()}, {"channel", f.Channel.String()}}
		}},
		{"deposit covers it", DepositShort, func(f *Facts) []Input {
			if f.UserKnown && !f.DepositKnown {
				return []Input{{"deposit", "none"}}
			}
			return f.funds(f.DepositBefore, f.DepositKnown)
		}},
		{"balance covers it", FundsShort, func(f *Facts) []Input { return f.funds(f.UserBefore, f.UserKnown) }},
	}
)

// looksAt names the inputs of the checks of [Check].
var looksAt = map[string]func(*Facts) []Input{
	"transaction is served": func(f *Facts) []Input {
		return []Input{{"transaction", f.Transaction.String()}, {"processing code", f.Processing}}
	},
	"card is known":       (*Facts).card,
	"card is not removed": (*Facts).card,
	"card is not locked": func(f *Facts) []Input {
		in := append(f.card(), Input{"transaction", f.Transaction.String()})
		if lock := slices.Index(lockReasons[:], f.Reason); lock > int(LockNone) {
			in = append(in, Input{"lock", strconv.Itoa(lock)})
		}
		return in
	},
	"card is activated": (*Facts).card,
	"card has not expired": func(f *Facts) []Input {
		return []Input{{"expiry", month(f.Expiry)}, {"received in", month(MonthOf(f.ReceivedAt))}}
	},
	"expiry agrees":            func(f *Facts) []Input { return []Input{{"expiry", month(f.Expiry)}} },
	"track is the card's":      (*Facts).entry,
	"chip data can be read":    (*Facts).entry,
	"cryptogram is the card's": (*Facts).entry,
	"cryptogram is new":        (*Facts).entry,
	"CVV2 is the card's":       (*Facts).entry,
	"PIN is there where it must be": func(f *Facts) []Input {
		return []Input{{"channel", f.Channel.String()}, {"transaction", f.Transaction.String()}}
	},
	"card has a PIN":                (*Facts).entry,
	"PIN block can be read":         (*Facts).entry,
	"PIN tries are left":            (*Facts).entry,
	"PIN is the card's":             (*Facts).entry,
	"user and partner may transact": (*Facts).card,
	"balance allows debits": func(f *Facts) []Input {
		return append(f.card(), Input{"transaction", f.Transaction.String()})
	},
	"currency is the balance's": func(f *Facts) []Input {
		in := []Input{{"amount", f.Amount.String()}, {"balance in", f.Currency.String()}}
		if !f.Billing.Currency.IsZero() {
			in = append(in, Input{"billed", f.Billing.String()})
		}
		return in
	},
	"amount is above zero": func(f *Facts) []Input {
		return []Input{{"amount", f.requested().String()}, {"transaction", f.Transaction.String()}}
	},
}

func (f *Facts) card() []Input {
	if f.Card == 0 {
		return []Input{{"card", "unknown"}}
	}
	return []Input{{"card", fmt.Sprintf("%d in version %d", f.Card, f.CardVersion)}}
}

func month(m Month) string { return fmt.Sprintf("%d-%02d", 2000+m/12, m%12+1) }

func (f *Facts) entry() []Input { return []Input{{"entry mode", f.EntryMode}} }

func (f *Facts) numbers() []Input { return []Input{{"STAN", f.STAN}, {"RRN", f.RRN}} }

// funds are what was asked of a balance and what it had, when it was asked.
func (f *Facts) funds(before int64, known bool) []Input {
	in := []Input{{"amount", f.wanted().String()}}
	if known {
		in = append(in, Input{"available", money.Amount{Minor: before, Currency: f.Currency}.String()})
	}
	return in
}

// requested is the amount of the message in the balance's currency, or as it came where it has none in it.
func (f *Facts) requested() money.Amount {
	r := Request{Amount: f.Amount, Billing: f.Billing}
	if minor, ok := r.Hold(f.Currency); ok {
		return money.Amount{Minor: minor, Currency: f.Currency}
	}
	return f.Amount
}

// wanted is what was asked of the funds: what was placed, which may be a part, or more than was requested.
func (f *Facts) wanted() money.Amount {
	if f.Reason.Funded() && f.Placed > 0 {
		return money.Amount{Minor: f.Placed, Currency: f.Currency}
	}
	return f.requested()
}

// Steps lists the checks of a decision in their order. A message that tells what has happened is not checked, and has none;
// nor has a row that only keeps a repeat from being approved.
func (f *Facts) Steps() []Step {
	if f.Kind != Authorization && f.Kind != Financial || f.Reason.Undecided() {
		return nil
	}
	all := append(make([]explained, 0, len(checks)+6), routing)
	for i := range checks {
		all = append(all, explained{name: checks[i].name, inputs: looksAt[checks[i].name]})
	}
	first, last := 1, len(checks) // those of Check
	all = append(all, inTheJournal...)
	end := slices.IndexFunc(all, func(c explained) bool { return c.reason == f.Reason })
	switch {
	case f.Reason.Approval():
		end = len(all)
	case end < 0:
		end = first + f.Passed
	}
	steps := make([]Step, len(all))
	for i, c := range all {
		own := i >= first && i <= last
		failed := i == end || i < end && own && i == first+f.Passed // the journal's reason may replace that of a check
		skipped := i > end || own && i > first+f.Passed
		if reason := c.reason; !f.Transaction.Debit() && (reason == AmountLimit || reason.Short()) {
			skipped = true
		}
		steps[i] = Step{Check: c.name, Passed: !failed && !skipped, Skipped: skipped}
		if !skipped {
			steps[i].Inputs = c.inputs(f)
		}
	}
	return steps
}
