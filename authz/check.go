package authz

import "slices"

// A check looks at one thing and returns the reason to decline, or Approved to go on.
type check struct {
	name string
	test func(*Request, *Card) Reason
}

// checks are in the order of the precedence of their reasons. The funds come after them, in the hold:
// a decline for funds must not tell anything about a card that would be declined anyway.
var checks = slices.Concat(cardChecks, evidenceChecks, productChecks)

// cardChecks come before the evidence: no PIN is tried on a card that is locked or has expired.
var cardChecks = []check{
	{"transaction is served", func(r *Request, _ *Card) Reason {
		return unless(r.Transaction != TransactionUnsupported, TransactionUnknown)
	}},
	{"card is known", func(_ *Request, c *Card) Reason { return unless(c != nil, CardUnknown) }},
	{"card is not removed", func(_ *Request, c *Card) Reason {
		return unless(c.State != CardRemovedState, CardRemoved)
	}},
	{"card is not locked", func(r *Request, c *Card) Reason {
		// Money may come back to a card that is locked for a while, but to none that somebody else may have.
		return unless(c.Lock == LockNone || r.Transaction.Credit() && c.Lock != LockLost && c.Lock != LockStolen, c.Lock.Reason())
	}},
	{"card is activated", func(_ *Request, c *Card) Reason {
		return unless(c.State == CardActive, CardNotActivated)
	}},
	{"card has not expired", func(r *Request, c *Card) Reason {
		return unless(MonthOf(r.ReceivedAt) <= c.Expiry, CardExpired)
	}},
	{"expiry agrees", func(r *Request, c *Card) Reason {
		return unless(!r.ExpiryGiven || r.Expiry == c.Expiry, ExpiryMismatch)
	}},
}

// productChecks come after the evidence.
var productChecks = []check{
	{"user and partner may transact", func(_ *Request, c *Card) Reason {
		return unless(!c.HolderRestricted, HolderRestricted)
	}},
	{"balance allows debits", func(r *Request, c *Card) Reason {
		return unless(!c.BalanceRestricted || !r.Transaction.Debit(), BalanceRestricted)
	}},
	{"currency is the balance's", func(r *Request, c *Card) Reason {
		_, ok := r.Hold(c.Currency)
		return unless(ok || r.Transaction == Inquiry || r.Transaction == Verification, CurrencyRefused)
	}},
	{"amount is above zero", func(r *Request, c *Card) Reason {
		amount, _ := r.Hold(c.Currency)
		moves := r.Transaction.Debit() || r.Transaction.Credit()
		return unless((amount > 0 || r.Fill > 0 || !moves) && r.Cash <= r.Amount.Minor, AmountInvalid)
	}},
}

func unless(ok bool, reason Reason) Reason {
	if ok {
		return Approved
	}
	return reason
}

// sound reports whether the card and the request have come as far as the evidence.
func sound(r *Request, c *Card) bool {
	return !slices.ContainsFunc(cardChecks, func(k check) bool { return k.test(r, c) != Approved })
}

// Check is the pure part of the decision: the first check that fails gives the reason, and passed is
// how many came before it. A nil card is one that the records do not know.
func Check(r *Request, c *Card) (reason Reason, passed int) {
	for i := range checks {
		if reason := checks[i].test(r, c); reason != Approved {
			return reason, i
		}
	}
	if r.Transaction == Verification {
		return NoReasonToRefuse, len(checks)
	}
	return Approved, len(checks)
}
