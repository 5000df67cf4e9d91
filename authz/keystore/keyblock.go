package keystore

import (
	"strings"

	"holdfast/authz/keystore/retail"
)

// blockUses are the usages of TR-31 that a zone key may have been made for. ISO 9797-1 algorithms 1 and 3, and CMAC, are
// M1, M3 and M6; M0 is what algorithm 1 was called before.
var blockUses = map[ZoneUse][]string{ZonePIN: {"P0"}, ZoneMAC: {"M0", "M1", "M3", "M6"}}

// blockModes are the modes of use that allow what a zone key is for here: PIN blocks are opened, codes are made and
// verified.
var blockModes = map[ZoneUse]string{ZonePIN: "BDN", ZoneMAC: "CN"}

// keyBytesWrapped is the greatest length of a key that is wrapped and no key block: any block is longer.
const keyBytesWrapped = 40

// openKeyBlock opens a key block that a peer sent for a use. What it was not made for it is not taken for. The error is
// ErrInput.
func (r *record) openKeyBlock(block []byte, use ZoneUse) ([]byte, error) {
	version, algorithm := byte('B'), byte('T')
	if r.attribute(attrAlgorithm) == algorithmAES {
		version, algorithm = 'D', 'A'
	}
	b, err := retail.OpenKeyBlock(r.key, string(block))
	if err != nil || b.Version != version || b.Algorithm != algorithm || !strings.ContainsRune(blockModes[use], rune(b.Mode)) {
		return nil, ErrInput
	}
	for _, usage := range blockUses[use] {
		if usage == b.Usage {
			return b.Key, checkKey(b.Key, r.attribute(attrAlgorithm))
		}
	}
	return nil, ErrInput
}
