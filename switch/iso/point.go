package iso

import "encoding/binary"

// Input is how the card's data came to the terminal.
type Input uint8

// The ways. InputUnknown says that the message does not tell.
const (
	InputUnknown Input = iota
	InputKeyed
	InputStripe
	InputChip
	InputContactless       // a contactless chip
	InputContactlessStripe // a contactless card that acts as a stripe
	InputECommerce
	InputOnFile // a credential that the merchant keeps
	InputOptical
)

// Known is yes, no, or not said.
type Known uint8

// The three answers.
const (
	NotSaid Known = iota
	No
	Yes
)

// Point is what a message says of the point of service, from DE 22 of any edition and DE 25 of 1987.
type Point struct {
	Input Input
	// Fallback says that a chip could not be read and something else was.
	Fallback bool
	// CardPresent and HolderPresent say who and what is at the point; PINCapable whether a PIN can be entered there.
	CardPresent, HolderPresent, PINCapable Known
	// Recurring says that the holder agreed to this payment before.
	Recurring bool
}

// entryModes are positions 1 and 2 of DE 22 of 1987, as the networks use them.
var entryModes = map[string]Point{
	"01": {Input: InputKeyed}, "02": {Input: InputStripe, CardPresent: Yes}, "03": {Input: InputOptical}, "04": {Input: InputOptical},
	"05": {Input: InputChip, CardPresent: Yes}, "06": {Input: InputContactless, CardPresent: Yes},
	"07": {Input: InputContactless, CardPresent: Yes}, "09": {Input: InputECommerce, CardPresent: No},
	"10": {Input: InputOnFile, CardPresent: No}, "79": {Input: InputKeyed, Fallback: true, CardPresent: Yes},
	"80": {Input: InputStripe, Fallback: true, CardPresent: Yes}, "81": {Input: InputECommerce, CardPresent: No},
	"82": {Input: InputECommerce, CardPresent: No}, "90": {Input: InputStripe, CardPresent: Yes},
	"91": {Input: InputContactlessStripe, CardPresent: Yes}, "95": {Input: InputChip, CardPresent: Yes},
}

// inputs93 is position 7 of DE 22 of 1993: the way in which the data was read.
var inputs93 = map[byte]Input{
	'1': InputKeyed, '2': InputStripe, '3': InputOptical, '4': InputOptical, '5': InputChip, '6': InputKeyed,
	'M': InputContactless, 'N': InputContactless, 'A': InputContactlessStripe, 'P': InputContactlessStripe,
	'S': InputECommerce, 'T': InputECommerce, 'V': InputECommerce, 'U': InputECommerce, 'R': InputECommerce,
}

// condition takes from DE 25 of 1987 who is there, and leaves the rest as it was.
func (p Point) condition(code string) Point {
	switch code {
	case "01":
		p.HolderPresent = No
	case "05":
		p.HolderPresent, p.CardPresent = Yes, No
	case "08":
		p.HolderPresent, p.CardPresent = No, No
	case "59":
		p.Input, p.HolderPresent, p.CardPresent = InputECommerce, No, No
	case "40":
		p.Recurring, p.HolderPresent, p.CardPresent = true, No, No
	}
	return p
}

// Point reads the point of service. What it cannot make sense of it does not say: an element that only tells must not
// fail a request.
func (m *Message) Point() Point {
	v := m.Get(22)
	switch m.Dialect().profile.Forms.Entry {
	case V1987:
		return point87(v).condition(m.At(m.Dialect().profile.Places.Reason))
	case V1993:
		return Point93(v)
	}
	return Point2003(v)
}

// point87 reads three digits, or four where the peer sends a zero in front or a character behind: the mode is then
// taken from where it makes sense.
func point87(v string) Point {
	if len(v) == 4 && v[0] == '0' {
		v = v[1:]
	}
	if len(v) < 3 {
		return Point{}
	}
	p := entryModes[v[:2]]
	switch v[2] {
	case '1', '3', '9':
		p.PINCapable = Yes
	case '2', '8':
		p.PINCapable = No
	}
	return p
}

// Point93 reads the twelve positions of DE 22 of 1993.
func Point93(v string) Point {
	if len(v) != 12 {
		return Point{}
	}
	p := Point{Input: inputs93[v[6]], Recurring: v[4] == '4'}
	switch {
	case v[4] == '0':
		p.HolderPresent = Yes
	case v[4] >= '1' && v[4] <= '5' || v[4] == '9' || v[4] == 'S':
		p.HolderPresent = No
	}
	switch v[5] {
	case '0':
		p.CardPresent = No
	case '1':
		p.CardPresent = Yes
	}
	switch v[1] {
	case '0':
		p.PINCapable = No
	case '1':
		p.PINCapable = Yes
	}
	if p.HolderPresent == No && p.CardPresent == No && p.Input == InputUnknown {
		p.Input = InputECommerce
	}
	return p
}

// The bits of DE 22 of 2003 as jPOS numbers them: four groups of 32, the lowest bits in the first byte. The first
// group tells how the card was read, the second how its holder was verified, the third in what surroundings.
const (
	readContactless = 1 << 1
	readByHand      = 1 << 2
	readOptically   = 1 << 3
	readStripe      = 1 << 4
	readChip        = 1 << 5
	readFromFile    = 1 << 6
	readAfterChip   = 1<<11 | 1<<13 // the chip failed, or the terminal fell back

	verifiedByPIN = 1<<3 | 1<<4 | 1<<5

	aroundAttended  = 1 << 1
	aroundMailPhone = 1 << 3
	aroundECommerce = 1<<4 | 1<<5
	aroundRecurring = 1 << 6
	aroundStored    = 1 << 7
	aroundATM       = 1<<9 | 1<<10
)

// inputs2003 are tried in order: the last bit that is set in the message and stands here counts.
var inputs2003 = []struct {
	bits  uint32
	input Input
}{
	{readByHand, InputKeyed}, {readOptically, InputOptical}, {readStripe, InputStripe}, {readChip, InputChip},
	{readContactless, InputContactless}, {readFromFile, InputOnFile},
}

// Point2003 reads the sixteen bytes of DE 22 of 2003.
func Point2003(v string) Point {
	if len(v) != 16 {
		return Point{}
	}
	group := func(n int) uint32 { return binary.LittleEndian.Uint32([]byte(v[4*n : 4*n+4])) }
	read, verified, around := group(0), group(1), group(2)
	p := Point{Fallback: read&readAfterChip != 0, Recurring: around&aroundRecurring != 0}
	for _, row := range inputs2003 {
		if read&row.bits != 0 {
			p.Input = row.input
		}
	}
	switch {
	case around&aroundECommerce != 0:
		p.Input, p.CardPresent, p.HolderPresent = InputECommerce, No, No
	case around&(aroundMailPhone|aroundRecurring|aroundStored) != 0:
		p.CardPresent, p.HolderPresent = No, No
	case around&(aroundAttended|aroundATM) != 0:
		p.CardPresent, p.HolderPresent = Yes, Yes
	}
	if verified&verifiedByPIN != 0 {
		p.PINCapable = Yes
	}
	return p
}
