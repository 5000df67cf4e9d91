package authz

import "holdfast/authz/pan"

// Phase is where in its life a transaction is when an authorization comes.
type Phase uint8

// The phases. The zero value is a final authorization: its amount is what will be cleared.
const (
	PhaseFinal        Phase = iota
	PhaseEstimated          // a pre-authorization: the amount may change before it is cleared
	PhaseIncremental        // adds to the hold of an earlier one
	PhaseReplacement        // states the whole amount in place of an earlier one's
	PhaseResubmission       // asks again for what was declined: a new authorization
)

var phaseNames = [...]string{"FINAL", "ESTIMATED", "INCREMENTAL", "REPLACEMENT", "RESUBMISSION"}

// String is the phase's stable name.
func (p Phase) String() string {
	if int(p) >= len(phaseNames) {
		return "UNDEFINED"
	}
	return phaseNames[p]
}

// Continues reports whether the amount counts in the life of an earlier authorization, so that only the journal,
// which has that life, can tell what is wanted of the balances.
func (p Phase) Continues() bool { return p == PhaseIncremental || p == PhaseReplacement }

// Channel is how a card was presented, as far as limits and controls ask.
type Channel uint8

// The channels. The zero value says that the message does not tell.
const (
	ChannelUnknown   Channel = iota
	ChannelPOS               // card present at a merchant
	ChannelECommerce         // card not present: shop, mail, telephone, stored credential
	ChannelATM               // a cash machine
	channelCount
)

var channelNames = [...]string{"UNKNOWN", "POS", "ECOMMERCE", "ATM"}

// String is the channel's stable name.
func (c Channel) String() string {
	if c >= channelCount {
		return "UNDEFINED"
	}
	return channelNames[c]
}

// Evidence is what a message carries to prove that card or holder are there. It is used for the decision and
// dropped with it: never stored, echoed or printed.
type Evidence struct {
	CVV2     pan.Secret // three digits typed in
	PINBlock pan.Secret // eight bytes of DE 52, or sixteen of ISO format 4, still encrypted
	PINForm  string     // the block's format by the message: its digit, or DE 53 of 1987; empty: by the peer
	Track2   pan.Secret // DE 35 as received
	Chip     pan.Secret // DE 55, BER-TLV
	Sequence string     // DE 23, the card's sequence number
}
