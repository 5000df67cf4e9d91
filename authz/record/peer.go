package record

import "strings"

// PeerChange is what is to count of a network or simulator instead of what the configuration has of it, or will have when
// it names it; nil leaves that.
type PeerChange struct {
	Name        string
	FileActions *bool             // it may lock and unlock cards
	BINs        *[]string         // the cards that it may ask for, by the beginning of their numbers; none: all
	ActionCodes map[string]string // as those of a [Program]
}

const binsMax = 100

// PeersMax bounds the changes that are kept: the switch reads all of them again and again.
const PeersMax = 500

// Check finds a field that must not be as it is.
func (p *PeerChange) Check() error {
	var c checks
	c.text("name", p.Name, true, 100)
	if p.BINs != nil {
		if len(*p.BINs) > binsMax {
			c.fail("bins", "has too many entries")
		}
		for _, b := range *p.BINs {
			if len(b) < 1 || len(b) > 8 || strings.Trim(b, "0123456789") != "" {
				c.fail("bins", "want one to eight digits each")
			}
		}
	}
	c.codes(p.ActionCodes)
	return c.err
}
