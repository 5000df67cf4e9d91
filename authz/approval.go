package authz

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"holdfast/authz/keystore"
)

const approvalAlphabet = "0123456789ABCDEFGHJKLMNPQRSTUVWX" // 32 characters; I and O are left out

// Six characters of the alphabet are 30 bits, which count four milliseconds for 49 days.
const (
	approvalBits = 30
	approvalHalf = approvalBits / 2
	approvalTick = 4 * time.Millisecond
	halfMask     = 1<<approvalHalf - 1
	approvalMask = 1<<approvalBits - 1
)

// approvalCodes turn the moment of a decision into the six characters of DE 38 and back. The code of one decision
// tells nothing of the next one's without the key; with the key it says when the decision was made, so that a
// clearing that names nothing but the code is found without an index of codes.
type approvalCodes struct{ rounds [4][1 << approvalHalf]uint16 }

// newApprovalCodes fills the rounds of a Feistel network with the key's own numbers.
func newApprovalCodes(keys *keystore.Store) *approvalCodes {
	c := &approvalCodes{}
	for r := range c.rounds {
		row := c.rounds[r][:]
		for at := 0; at < len(row); at += 8 {
			some := keys.Keyed(keystore.LabelApproval, []byte{byte(r), byte(at >> 8), byte(at)})
			for i := range 8 {
				row[at+i] = binary.BigEndian.Uint16(some[2*i:]) & halfMask
			}
		}
	}
	return c
}

func (c *approvalCodes) mix(v uint32) uint32 {
	left, right := v>>approvalHalf, v&halfMask
	for r := range c.rounds {
		left, right = right, left^uint32(c.rounds[r][right])
	}
	return left<<approvalHalf | right
}

func (c *approvalCodes) unmix(v uint32) uint32 {
	left, right := v>>approvalHalf, v&halfMask
	for r := len(c.rounds) - 1; r >= 0; r-- {
		left, right = right^uint32(c.rounds[r][left]), left
	}
	return left<<approvalHalf | right
}

// of is the code of a decision: never all zeros, which some acquirers read as none. A code of digits only has no room
// for the moment; nothing is found by it.
func (c *approvalCodes) of(id ID, digitsOnly bool) string {
	if digitsOnly {
		v := c.mix(c.mix(uint32(id)&approvalMask) ^ uint32(id>>approvalBits)&approvalMask)
		return fmt.Sprintf("%06d", v%999_999+1)
	}
	v := c.mix(uint32(id.Time().UnixMilli()/approvalTick.Milliseconds()) & approvalMask)
	if v == 0 {
		v = c.mix(0)
	}
	var code [6]byte
	for i := range code {
		code[i] = approvalAlphabet[v>>(approvalBits-5*(i+1))&31]
	}
	return string(code[:])
}

// window is where the decisions with a code are, the latest before a moment. False: the code is not of ours.
func (c *approvalCodes) window(code string, before time.Time) (from, to ID, ok bool) {
	if len(code) != 6 {
		return 0, 0, false
	}
	var v uint32
	for i := range len(code) {
		n := strings.IndexByte(approvalAlphabet, code[i])
		if n < 0 {
			return 0, 0, false
		}
		v = v<<5 | uint32(n)
	}
	v = c.unmix(v)
	last := before.UnixMilli()/approvalTick.Milliseconds() + 1 // ids may run a little ahead of the clock
	tick := last - int64((uint32(last)-v)&approvalMask)
	const shift = sequenceBits + nodeBits
	return ID(tick * approvalTick.Milliseconds() << shift), ID((tick + 1) * approvalTick.Milliseconds() << shift), tick > 0
}
