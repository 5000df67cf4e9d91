package record

import (
	"cmp"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// LimitScope is what a limit counts.
type LimitScope string

// The scopes. A cash withdrawal abroad counts in GENERAL, ATM and FOREIGN.
const (
	LimitGeneral   LimitScope = "GENERAL"
	LimitEcommerce LimitScope = "ECOMMERCE"
	LimitATM       LimitScope = "ATM"
	LimitForeign   LimitScope = "FOREIGN" // in another currency than the card's
)

// LimitWindow is the time that a limit sums up over.
type LimitWindow string

// The windows: one transaction, or a day, week (from Monday) or month of the calendar in UTC.
const (
	LimitTransaction LimitWindow = "TRANSACTION"
	LimitDay         LimitWindow = "DAY"
	LimitWeek        LimitWindow = "WEEK"
	LimitMonth       LimitWindow = "MONTH"
)

var (
	limitScopes  = []LimitScope{LimitGeneral, LimitEcommerce, LimitATM, LimitForeign}
	limitWindows = []LimitWindow{LimitTransaction, LimitDay, LimitWeek, LimitMonth}
)

// Limit bounds what a card may spend, in the card's currency. Amount 0 allows nothing.
type Limit struct {
	Scope  LimitScope
	Window LimitWindow
	Amount int64
}

// LimitUse is what of a limit's window is used: what was approved in it, less what was given back of it.
type LimitUse struct {
	Card   authz.CardID
	Scope  LimitScope
	Window LimitWindow
	Start  time.Time
	Used   int64
}

// CheckLimits finds what is wrong with a card's limits: an unknown or repeated one, or one that a shorter window
// exceeds, which could never be reached and is more likely a slip of the pen.
func CheckLimits(limits []Limit) error {
	most := map[LimitScope]map[LimitWindow]int64{}
	for _, l := range limits {
		switch _, twice := most[l.Scope][l.Window]; {
		case !slices.Contains(limitScopes, l.Scope), !slices.Contains(limitWindows, l.Window), twice:
			return Invalid("limits", "want each scope and window once")
		case l.Amount < 0 || l.Amount > money.MinorMax:
			return Invalid("limits", "an amount is out of bounds")
		}
		if most[l.Scope] == nil {
			most[l.Scope] = map[LimitWindow]int64{}
		}
		most[l.Scope][l.Window] = l.Amount
	}
	for _, of := range most {
		last := int64(-1)
		for _, w := range limitWindows {
			amount, there := of[w]
			if there && amount < last {
				return ErrLimit
			}
			if there {
				last = amount
			}
		}
	}
	return nil
}

// Start is the beginning of the window that a moment lies in; zero for one transaction.
func (w LimitWindow) Start(at time.Time) time.Time {
	at = at.UTC()
	day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	switch w {
	case LimitDay:
		return day
	case LimitWeek:
		return day.AddDate(0, 0, -(int(at.Weekday())+6)%7)
	case LimitMonth:
		return day.AddDate(0, 0, 1-at.Day())
	}
	return time.Time{}
}

// Scopes are the limits' scopes that an authorization counts in.
func Scopes(channel authz.Channel, foreign bool) []LimitScope {
	scopes := []LimitScope{LimitGeneral}
	switch channel {
	case authz.ChannelECommerce:
		scopes = append(scopes, LimitEcommerce)
	case authz.ChannelATM:
		scopes = append(scopes, LimitATM)
	}
	if foreign {
		scopes = append(scopes, LimitForeign)
	}
	return scopes
}

// SortLimits puts limits in the order of their scopes, then of their windows.
func SortLimits(limits []Limit) {
	slices.SortFunc(limits, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(slices.Index(limitScopes, a.Scope), slices.Index(limitScopes, b.Scope)),
			cmp.Compare(slices.Index(limitWindows, a.Window), slices.Index(limitWindows, b.Window)))
	})
}
