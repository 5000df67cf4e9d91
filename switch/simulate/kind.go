package simulate

import (
	"maps"
	"slices"

	"holdfast/switch/iso"
)

// kind is what a step sends: what the dialects write differently is found in the profile.
type kind struct {
	about             string
	class, function   byte   // of the message type
	origin            byte   // 0 is an acquirer
	processing        string // DE 3
	phase             iso.Phase
	function93        string // the function code (DE 24) of 1993 and later
	reason93          string // the reason (DE 25) of 1993 and later
	code87            string // DE 70 or DE 91 of 1987
	expect            string // the word that is expected unless the step says otherwise
	amount, of        need
	keeps, reconciles bool // takes "keep", and is a reconciliation
	locks             bool // is about a card's lock
}

// need says whether a step of a kind has something.
type need uint8

const (
	never need = iota
	may
	must
)

// The kinds that are made in another way: a message as it is, one sent again, and one that was prepared.
const (
	kindMessage  = "message"
	kindRepeat   = "repeat"
	kindPrepared = "prepared"
)

var kinds = map[string]kind{
	"sign-on":  {about: "network management: we are there", class: '8', code87: "001", function93: "801", expect: "accepted"},
	"sign-off": {about: "network management: we leave", class: '8', code87: "002", function93: "802", expect: "accepted"},
	"echo":     {about: "network management: are you there?", class: '8', code87: "301", function93: "831", expect: "accepted"},
	"cut-over": {about: "network management: the next business day", class: '8', code87: "201", function93: "821", expect: "accepted"},

	"purchase": {about: "authorization of a purchase", class: '1', processing: "000000", function93: "100",
		amount: must, expect: "approved"},
	"cash":    {about: "authorization of cash", class: '1', processing: "010000", function93: "100", amount: must, expect: "approved"},
	"refund":  {about: "authorization of a refund", class: '1', processing: "200000", function93: "100", amount: must, expect: "approved"},
	"inquiry": {about: "what can be spent (DE 54)", class: '1', processing: "310000", function93: "100", expect: "approved"},
	"verification": {about: "is the card good? An authorization of nothing", class: '1', processing: "000000", function93: "108",
		expect: "verified"},
	"preauth": {about: "authorization of an estimated amount", class: '1', processing: "000000", function93: "101",
		phase: iso.PhasePreAuthorization, amount: must, expect: "approved"},
	"increment": {about: "more for an earlier authorization", class: '1', processing: "000000", function93: "106",
		phase: iso.PhaseIncremental, amount: must, of: must, expect: "approved"},
	"replacement": {about: "another total for an earlier authorization", class: '1', processing: "000000", function93: "102",
		phase: iso.PhaseReplacement, amount: must, of: must, expect: "approved"},
	"financial": {about: "a purchase that is posted at once", class: '2', processing: "000000", function93: "200", amount: must,
		expect: "approved"},

	"advice": {about: "a purchase that somebody approved for us", class: '1', function: '2', processing: "000000", function93: "100",
		reason93: "1003", amount: must, of: may, expect: "acknowledged"},
	"completion": {about: "clears an earlier authorization, or a sale that had none", class: '2', function: '2', processing: "000000",
		function93: "202", amount: must, of: may, expect: "acknowledged"},
	"refund-completion": {about: "clears a refund: the money goes back", class: '2', function: '2', processing: "200000",
		function93: "200", amount: must, of: may, expect: "acknowledged"},
	"reversal": {about: "undoes an earlier message, all of it or down to keep", class: '4', function: '2', processing: "000000",
		function93: "400", reason93: "4000", of: must, keeps: true, expect: "reversed"},
	"reversal-request": {about: "the same, sent as a request", class: '4', processing: "000000", function93: "400",
		reason93: "4000", of: must, keeps: true, expect: "reversed"},

	"lock": {about: "file action: lock the card (LOST, STOLEN, QUERY, CONSOLIDATION, INACTIVE, PIN_TRIES, FRAUD, REPLACED)", class: '3',
		origin: '4', code87: "1", function93: "301", locks: true, expect: "changed"},
	"unlock": {about: "file action: unlock the card", class: '3', origin: '4', code87: "3", function93: "303", expect: "changed"},
	"reconciliation": {about: "our totals of the day, which are none: do they agree?", class: '5', function93: "500", reconciles: true,
		expect: "reconciled"},

	kindMessage:  {about: "any message: a type and elements"},
	kindRepeat:   {about: "an earlier message again", of: must},
	kindPrepared: {about: "a message that was only prepared before", of: must},
}

// Kinds lists what a step can send, and what that is.
func Kinds() (names []string, about map[string]string) {
	about = map[string]string{}
	for name, k := range kinds {
		about[name] = k.about
	}
	return slices.Sorted(maps.Keys(kinds)), about
}

// locks are the reasons of the seed, by name.
var locks = map[string]int{"LOST": 1, "STOLEN": 2, "QUERY": 3, "CONSOLIDATION": 4, "INACTIVE": 5, "PIN_TRIES": 6, "FRAUD": 7,
	"REPLACED": 8}

// usual is the word that a step of a kind expects when it says nothing.
func (k *kind) usual() string {
	if k.expect == "" {
		return "answered"
	}
	return k.expect
}
