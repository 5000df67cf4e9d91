package iso

import (
	"slices"

	"holdfast/switch/frame"
)

// Profile is what a kind of peer means by its elements and how it wants to be answered: everything about a dialect
// that is not how bytes are written. The edition gives the defaults, the section "profile" of a dialect file changes
// them; dialects/README.md explains the keys. A Profile is read-only.
type Profile struct {
	// Framing is how the peer's links are framed, its header and how the answer's header is made included, unless
	// a listener says otherwise.
	Framing frame.Format
	// RequireSignOn says that traffic before a sign-on is refused.
	RequireSignOn bool
	// OwnTime says that DE 7 of an answer is our own time. Otherwise the request's comes back.
	OwnTime bool
	// ApprovalAlphabet is what approval codes are made of.
	ApprovalAlphabet string
	// SurchargeIncluded says that the fee of the acquirer (DE 28 of 1987) is a part of the amount already.
	SurchargeIncluded bool

	Forms  Forms
	Places Places

	// Acceptor names the parts of the card acceptor's name and location that are kept; see [Message.Acceptor].
	Acceptor []Place

	// Phases are tried in order; see [Message.Phase].
	Phases []PhaseRule
	// PartialApproval holds when one of its conditions does: the terminal takes an approval of a part.
	PartialApproval []Condition
	// Reversal is how the peer reverses a part.
	Reversal PartialReversal

	// ChipResponseCode says that the answer to a chip has the response code (tag 8A) beside the issuer's authentication data.
	ChipResponseCode bool
	// CVV2Result is how an answer tells what became of a typed verification value.
	CVV2Result ResultForm

	// ActionCodes gives the peer's own DE 39 for an action code of 2003, where it is not that of the edition, or for one
	// reason alone by its name.
	ActionCodes map[string]string
	// LockCodes gives the peer's own DE 39 for a lock reason, 1 (lost) to 8 (replaced).
	LockCodes map[int]string
	// Exponents gives the decimals of a currency, by its three digits, where the peer has its own.
	Exponents map[string]int

	// Echo are elements that come back in answers beyond those that the edition wants echoed, and NoEcho are
	// those that must not.
	Echo, NoEcho []int
}

// Forms says, for what the editions write differently, whose form the peer uses.
type Forms struct {
	// Amounts of 1987 and 1993 have their currencies in DE 49 to 51, those of 2003 begin with it.
	Amounts Version
	// LocalTime of 1987 is in DE 13 and 12 without a year, of 1993 and 2003 in DE 12 with two or four digits of it.
	LocalTime Version
	// Original names the message that another one is about: DE 90, or the two forms of DE 56.
	Original Version
	// Entry is DE 22: three digits, twelve characters or sixteen bytes.
	Entry Version
	// ActionCodes have two characters, three digits or four.
	ActionCodes Version
}

// Places says where in a message a value stands; a zero [Place] that the peer does not send it.
type Places struct {
	MCC             Place // the merchant's category
	Function        Place // the function code of 1993 and later
	Reason          Place // the reason of the message; 1987 has the condition of the point of service there
	ReversalReason  Place // why a reversal was sent
	NetworkCode     Place // what a message of network management is about
	FileCode        Place // what a file action does
	FileData        Place // the record that a file action is about
	OriginalAmounts Place // what an amount was before it was changed
	NetworkTrace    Place // the network's own name of the transaction's life
	NetworkTraceOf  Place // the same name in later messages, where it stands elsewhere
	CVV2            Place // the three digits on the back of the card
	KeyBlock        Place // a new key, in a message of network management
	Part, Parts     Place // of a transaction that is cleared in parts: which of how many this is
}

// ResultForm is where and how an answer tells the result of a check. The zero value tells none.
type ResultForm struct {
	At                           Place
	Match, NoMatch, NotProcessed string // an empty one is not told
}

// Condition holds when what stands at a place is one of some values, or, without values, is there at all.
type Condition struct {
	At Place
	Is []string
}

// Holds reports whether the message meets the condition.
func (c Condition) Holds(m *Message) bool {
	v := m.At(c.At)
	if len(c.Is) == 0 {
		return v != ""
	}
	return slices.Contains(c.Is, v)
}

// Phase is where in a transaction's life a message stands by what it says itself.
type Phase uint8

// The phases. PhaseUnsaid means that no rule of the profile holds: the message's type alone counts.
const (
	PhaseUnsaid Phase = iota
	PhaseFinal
	PhasePreAuthorization
	PhaseIncremental  // the amount is added
	PhaseReplacement  // the amount is the new total
	PhaseResubmission // of a request that was declined
	PhaseVerification
	PhaseCompletion
)

var phaseWords = map[string]Phase{
	"final": PhaseFinal, "pre-authorization": PhasePreAuthorization, "incremental": PhaseIncremental,
	"replacement": PhaseReplacement, "resubmission": PhaseResubmission, "verification": PhaseVerification,
	"completion": PhaseCompletion,
}

// PhaseRule gives a message the phase when all the conditions hold.
type PhaseRule struct {
	Phase Phase
	When  []Condition
}

// Phase is that of the first rule of the profile whose conditions all hold, else PhaseUnsaid.
func (m *Message) Phase() Phase {
next:
	for _, rule := range m.Dialect().profile.Phases {
		for _, c := range rule.When {
			if !c.Holds(m) {
				continue next
			}
		}
		return rule.Phase
	}
	return PhaseUnsaid
}

// PartialApproval reports whether the message says that the terminal takes an approval of a part of the amount.
func (m *Message) PartialApproval() bool {
	return slices.ContainsFunc(m.Dialect().profile.PartialApproval, func(c Condition) bool { return c.Holds(m) })
}

// ReversalField is where the amount of a partial reversal stands.
type ReversalField uint8

// The styles in use.
const (
	// ReversalDE95: the replacement amounts of 1987; all zeros, or none, reverse in full.
	ReversalDE95 ReversalField = iota + 1
	// ReversalDE30: DE 4 counts when the function code is 401; DE 30 holds what it was before.
	ReversalDE30
	// ReversalDE4: DE 4 always counts.
	ReversalDE4
)

// PartialReversal is how a peer reverses a part.
type PartialReversal struct {
	Field ReversalField
	// GivesBack says that the amount is what is reversed. Otherwise it is what stays.
	GivesBack bool
	// Billing is where the amount in the cardholder's currency stands.
	Billing Place
}

// alphabets are those that approval codes are made of. Letters that are taken for digits are left out.
var alphabets = map[string]string{
	"alphanumeric": "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", "digits": "0123456789",
}

// defaultProfile is what the edition itself says.
func defaultProfile(v Version) Profile {
	p := Profile{
		ApprovalAlphabet: alphabets["alphanumeric"], SurchargeIncluded: true,
		Forms: Forms{Amounts: v, LocalTime: v, Original: v, Entry: v, ActionCodes: v},
		Places: Places{MCC: whole(26), Function: whole(24), Reason: whole(25), ReversalReason: whole(25), NetworkCode: whole(24),
			FileCode: whole(24), FileData: whole(72), OriginalAmounts: whole(30), KeyBlock: whole(96)},
		Acceptor: []Place{whole(43)},
	}
	p.Reversal = PartialReversal{Field: ReversalDE30, Billing: whole(6)}
	switch v {
	case V1987:
		p.Places = Places{MCC: whole(18), Reason: whole(25), ReversalReason: whole(39), NetworkCode: whole(70),
			FileCode: whole(91), FileData: whole(120), KeyBlock: whole(48)}
		p.Reversal = PartialReversal{Field: ReversalDE95, Billing: Place{de: 95, from: 13, to: 24}}
		p.Acceptor = []Place{{de: 43, from: 1, to: 25}, {de: 43, from: 26, to: 38}, {de: 43, from: 39, to: 40}}
		return p
	case V2003:
		p.Places.NetworkTrace = whole(21)
		p.PartialApproval = []Condition{{whole(24), []string{"181", "185"}}}
		p.OwnTime = true
	}
	for _, row := range []struct {
		phase Phase
		codes []string
	}{
		{PhaseFinal, []string{"100"}}, {PhasePreAuthorization, []string{"101"}}, {PhaseReplacement, []string{"102", "103"}},
		{PhaseResubmission, []string{"104", "105"}}, {PhaseIncremental, []string{"106", "107", "187"}},
		{PhaseVerification, []string{"108", "113"}}, {PhaseCompletion, []string{"201", "202"}},
	} {
		p.Phases = append(p.Phases, PhaseRule{row.phase, []Condition{{whole(24), row.codes}}})
	}
	return p
}

// whole is the place of a whole element.
func whole(de int) Place { return Place{de: de} }
