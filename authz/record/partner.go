package record

import (
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// PartnerState says whether a partner takes part.
type PartnerState string

// The states of a partner. A suspended partner's cards are declined and its certificates refused.
const (
	PartnerActive    PartnerState = "ACTIVE"
	PartnerSuspended PartnerState = "SUSPENDED"
)

// Partner is an institution that issues cards with us; the seed calls it Customer.
type Partner struct {
	ID          authz.PartnerID
	Version     int64
	Name        string
	State       PartnerState
	Networks    []string // addresses or networks that its calls may come from; empty: all
	ResponseKey []byte   // SPKI DER of the key that answers are encrypted for; nil: none registered
	UnboundKeys bool     // answers may be encrypted for another key that a call brings
	CreatedAt   time.Time
}

// networksMax bounds a partner's list of networks.
const networksMax = 32

// Check finds a field that must not be as it is.
func (p *Partner) Check() error {
	var c checks
	c.text("name", p.Name, true, 100)
	c.networks("networks", p.Networks, networksMax)
	if len(p.ResponseKey) > 1024 {
		c.fail("responseKey", "is too long")
	}
	if p.State != PartnerActive && p.State != PartnerSuspended {
		c.fail("state", "is unknown")
	}
	return c.err
}

// Funding says which of the partner's balances bounds what its users spend.
type Funding string

// The fundings. With CREDIT each top-up of a user is charged to the partner's CREDIT balance first, with DEPOSIT
// each authorization is charged to the DEPOSIT balance.
const (
	FundingCredit  Funding = "CREDIT"
	FundingDeposit Funding = "DEPOSIT"
)

// Holder says who keeps the users' balances.
type Holder string

// The holders. With HolderPartner the partner is asked at each authorization.
const (
	HolderUs      Holder = "US"
	HolderPartner Holder = "PARTNER"
)

// Program is a card program of a partner.
type Program struct {
	ID              authz.ProgramID
	Version         int64
	Partner         authz.PartnerID
	Name            string
	BINLow, BINHigh int32 // first eight digits of its cards, inclusive
	Currency        money.Currency
	Funding         Funding
	Holder          Holder
	RemoteURL       string // of the partner who holds the balances
	DigitalFirst    bool   // virtual cards may be printed, after Mastercard's program of that name
	PartnerBalances bool   // the partner may open its own CREDIT and DEPOSIT balances
	OutsideOnly     bool   // a lock from outside for reason 6 or 7 is undone by operators only
	HoldHours       int64  // how long a hold lives; 0: as the journal's own table says
	MarkUp          int64  // on exchange, in hundredths of a percent
	FXToUser        bool   // differences of exchange at clearing stay with the user, not with the COMPANY balance
	CardMonths      int64  // how long a new card is valid
	// ActionCodes replaces answers to the network by the name of the reason, such as LOCKED_LOST: a code of two
	// characters for ISO 8583:1987, of three for 1993, of four for 2003, or several with blanks between them.
	ActionCodes map[string]string
	CreatedAt   time.Time
}

// Bounds of a program, and what a new one has unless it says otherwise.
const (
	HoldHoursMax    = 24 * 365
	MarkUpMax       = 20_00
	CardMonthsMax   = 120
	CardMonthsUsual = 36
	actionCodesMax  = 64
)

// Check finds a field that must not be as it is.
func (p *Program) Check() error {
	var c checks
	c.text("name", p.Name, true, 100)
	c.link("remoteUrl", p.RemoteURL, p.Holder == HolderPartner)
	switch {
	case p.BINLow < 10_000_000 || p.BINHigh > 99_999_999 || p.BINLow > p.BINHigh:
		c.fail("bins", "want two times eight digits, the lower first")
	case p.Currency.IsZero():
		c.fail("currency", "is missing")
	case p.Funding != FundingCredit && p.Funding != FundingDeposit:
		c.fail("funding", "want CREDIT or DEPOSIT")
	case p.Holder != HolderUs && p.Holder != HolderPartner:
		c.fail("holder", "want US or PARTNER")
	case p.Holder == HolderUs && p.RemoteURL != "":
		c.fail("remoteUrl", "only a partner who holds the balances has one")
	case p.HoldHours < 0 || p.HoldHours > HoldHoursMax:
		c.fail("holdHours", "is out of bounds")
	case p.MarkUp < 0 || p.MarkUp > MarkUpMax:
		c.fail("markUp", "is out of bounds")
	case p.CardMonths < 1 || p.CardMonths > CardMonthsMax:
		c.fail("cardMonths", "is out of bounds")
	}
	c.codes(p.ActionCodes)
	return c.err
}

// codes finds action codes that are none: a reason has at most one of each length.
func (c *checks) codes(all map[string]string) {
	if len(all) > actionCodesMax {
		c.fail("actionCodes", "has too many entries")
	}
	for reason, codes := range all {
		lengths := map[int]bool{}
		for _, code := range strings.Fields(codes) {
			if len(code) < 2 || len(code) > 4 || lengths[len(code)] {
				c.fail("actionCodes", "want one code of two, three and four characters each")
			}
			lengths[len(code)] = true
		}
		if !knownReason(reason) || len(lengths) == 0 {
			c.fail("actionCodes", "want reasons with their codes")
		}
		c.text("actionCodes", codes, true, len("05 100 1000"))
	}
}

func knownReason(name string) bool {
	for r := range authz.Reason(authz.ReasonCount) {
		if r.String() == name {
			return true
		}
	}
	return false
}
