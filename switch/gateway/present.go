package gateway

import (
	"holdfast/authz"
	"holdfast/switch/iso"
)

// mccATM is the merchant category of cash machines.
const mccATM = "6011"

// present reads how and where the card was presented, and for a request what proves that it is there.
func (r *request) present(m *iso.Message) {
	r.Country = m.Get(19)
	r.Channel = channelOf(m.Point())
	if r.Trace.MCC == mccATM {
		r.Channel = authz.ChannelATM
	}
	if !r.told() {
		r.Evidence = evidence(m, r.profile.Places.CVV2)
	}
}

// channelOf tells card present from card not present. A card that was read was there, whatever else is said.
func channelOf(p iso.Point) authz.Channel {
	switch p.Input {
	case iso.InputStripe, iso.InputChip, iso.InputContactless, iso.InputContactlessStripe:
		return authz.ChannelPOS
	case iso.InputECommerce, iso.InputOnFile:
		return authz.ChannelECommerce
	}
	switch {
	case p.CardPresent == iso.Yes:
		return authz.ChannelPOS
	case p.CardPresent == iso.No || p.HolderPresent == iso.No:
		return authz.ChannelECommerce
	case p.Input == iso.InputKeyed || p.Input == iso.InputOptical || p.HolderPresent == iso.Yes:
		return authz.ChannelPOS
	}
	return authz.ChannelUnknown
}
