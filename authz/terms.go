package authz

import (
	"math/bits"
	"time"

	"holdfast/authz/money"
)

// Terms are what a program agrees to beyond plain authorizations, for the cards of the program.
type Terms struct {
	PumpHold     int64         // held for a status check at a fuel pump, minor units of the card's currency; 0: what it asks
	PartApproval bool          // a part may be approved where the terminal takes it
	CreditAtOnce bool          // deposits and original credits are spendable at once, not at clearing
	OwnRates     bool          // we convert what the network did not
	MarkUp       int64         // on our own rates, in hundredths of a percent
	FXToUser     bool          // differences of foreign exchange at clearing stay with the user, not with the COMPANY balance
	HoldLife     time.Duration // of holds that no rule of the network's says otherwise of; 0: seven days
}

// LifeRule says how long a hold lives. Of the rules in their order the first that fits counts; a zero field fits all.
type LifeRule struct {
	Peer            string
	MCCLow, MCCHigh string // inclusive, of DE 18 in 1987
	Estimated       bool   // only what may still change: every phase but the final one
	Channel         Channel
	Credit          bool // only promises of a credit; the others fit debits only
	Life            time.Duration
	Restart         bool // an increment starts the life of all that is held anew
}

const day = 24 * time.Hour

// The lives that hold unless a network's own rules say otherwise: a week for what is final, a month for an estimate
// or a refund's promise, a day at a pump.
const (
	lifeFinal     = 7 * day
	lifeEstimated = 30 * day
	lifePump      = day
)

// pumpMCC is an automated fuel dispenser.
const pumpMCC = "5542"

// networkLives are the public rules of networks, as issuers print them (2024 to 2026).
var networkLives = map[string][]LifeRule{
	"visa": {
		{Estimated: true, Life: 30 * day},
		{Channel: ChannelECommerce, Life: 10 * day},
		{Life: 5 * day},
	},
	"mastercard": {
		{Estimated: true, Life: 30 * day, Restart: true},
		{Life: 7 * day, Restart: true},
	},
	"amex": {{Life: 7 * day}},
}

// NetworkLives are the rules of a network for a peer: "visa", "mastercard" or "amex" in likeness. False: unknown.
func NetworkLives(network, peer string) ([]LifeRule, bool) {
	rules, ok := networkLives[network]
	if !ok {
		return nil, false
	}
	all := []LifeRule{{Peer: peer, MCCLow: pumpMCC, MCCHigh: pumpMCC, Life: lifePump},
		{Peer: peer, Credit: true, Life: lifeEstimated}}
	for _, r := range rules {
		r.Peer = peer
		all = append(all, r)
	}
	return all, true
}

func (l *LifeRule) fits(r *Request) bool {
	return (l.Peer == "" || l.Peer == r.Peer) && within(l.MCCLow, l.MCCHigh, r.Trace.MCC) &&
		(!l.Estimated || r.Phase != PhaseFinal) && (l.Channel == ChannelUnknown || l.Channel == r.Channel) &&
		l.Credit == r.Transaction.Credit()
}

// life is how long the hold of a request lives, and whether as an increment it restarts those before it.
func life(rules []LifeRule, t *Terms, r *Request) (time.Duration, bool) {
	for i := range rules {
		if rules[i].fits(r) {
			return rules[i].Life, rules[i].Restart
		}
	}
	switch {
	case r.Trace.MCC == pumpMCC:
		return lifePump, false
	case r.Phase != PhaseFinal || r.Transaction.Credit():
		return lifeEstimated, false
	case t.HoldLife > 0:
		return t.HoldLife, false
	}
	return lifeFinal, false
}

// Tolerance is how much more than authorized may be cleared before people are asked to look: a percentage, or
// in its currency the greater of that and an amount. Of the rows in their order the first that fits a clearing counts; a
// zero field fits all.
type Tolerance struct {
	Peer            string
	MCCLow, MCCHigh string
	Channel         Channel
	Percent         int64
	AtLeast         money.Amount
}

// Tolerances are the usual ones (public tables of networks and processors). What has no row tolerates nothing.
func Tolerances() []Tolerance {
	usd, _ := money.ByAlpha("USD") // ISO 4217 has it
	car := money.Amount{Minor: 75_00, Currency: usd}
	return []Tolerance{
		{MCCLow: "5812", MCCHigh: "5814", Percent: 20},
		{MCCLow: "4121", MCCHigh: "4121", Percent: 20},
		{MCCLow: "7230", MCCHigh: "7230", Percent: 20},
		{MCCLow: "7298", MCCHigh: "7298", Percent: 20},
		{MCCLow: "3501", MCCHigh: "3999", Percent: 15},
		{MCCLow: "7011", MCCHigh: "7011", Percent: 15},
		{MCCLow: "4411", MCCHigh: "4411", Percent: 15},
		{MCCLow: "3351", MCCHigh: "3500", Percent: 15, AtLeast: car},
		{MCCLow: "7512", MCCHigh: "7513", Percent: 15, AtLeast: car},
		{MCCLow: "7519", MCCHigh: "7519", Percent: 15, AtLeast: car},
		{Channel: ChannelECommerce, Percent: 15},
	}
}

// tolerance is the one for a clearing.
func tolerance(rows []Tolerance, r *Request) Tolerance {
	for _, t := range rows {
		if (t.Peer == "" || t.Peer == r.Peer) && within(t.MCCLow, t.MCCHigh, r.Trace.MCC) &&
			(t.Channel == ChannelUnknown || t.Channel == r.Channel) {
			return t
		}
	}
	return Tolerance{}
}

// Allows reports whether so much may be cleared of what was authorized, both in minor units of the currency.
func (t Tolerance) Allows(cleared, authorized int64, c money.Currency) bool {
	if cleared <= authorized {
		return true
	}
	if authorized <= 0 || t.Percent < 0 {
		return false
	}
	if t.AtLeast.Currency == c && cleared-authorized <= t.AtLeast.Minor {
		return true
	}
	clearedHigh, clearedLow := bits.Mul64(uint64(cleared), 100)
	high, low := bits.Mul64(uint64(authorized), uint64(100+t.Percent))
	return clearedHigh < high || clearedHigh == high && clearedLow <= low
}

// within reports whether a four-digit code is in a range; an empty range holds all.
func within(low, high, code string) bool {
	return low == "" && high == "" || len(code) == 4 && code >= low && code <= high
}
