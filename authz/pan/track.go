package pan

import (
	"errors"
	"strings"
)

// ErrTrack says that a text is no track 2. It never tells the text.
var ErrTrack = errors.New("read track 2: want a card number, a separator and at most 37 characters")

// trackMax is the longest track 2, in characters (ISO/IEC 7813).
const trackMax = 37

// Track is a track 2 in its parts. What the track leaves out is empty.
type Track struct {
	Number        Number
	Expiry        string // YYMM
	Service       string // three digits
	Discretionary Secret
}

// ParseTrack2 reads a track 2 as networks send it: the number, = or D, the expiry, the service code, and what the
// issuer added, perhaps with F as padding and with the sentinels of the stripe. Where the expiry or the service code
// is missing, a separator stands in its place. The error is ErrTrack.
func ParseTrack2(track string) (Track, error) {
	track = strings.TrimSuffix(strings.TrimPrefix(strings.TrimRight(track, "Ff "), ";"), "?")
	at := strings.IndexAny(track, "=Dd")
	if len(track) > trackMax || at < 0 {
		return Track{}, ErrTrack
	}
	number, err := Parse(track[:at])
	if err != nil {
		return Track{}, ErrTrack
	}
	t, rest := Track{Number: number}, track[at+1:]
	if t.Expiry, rest, err = cutField(rest, 4); err != nil {
		return Track{}, err
	}
	if t.Service, rest, err = cutField(rest, 3); err != nil {
		return Track{}, err
	}
	t.Discretionary = NewSecret(rest)
	return t, nil
}

// cutField takes so many digits, or one separator in their place.
func cutField(rest string, size int) (field, after string, err error) {
	switch {
	case rest == "":
		return "", "", nil
	case strings.ContainsRune("=Dd", rune(rest[0])):
		return "", rest[1:], nil
	case len(rest) < size || !allDigits(rest[:size]):
		return "", "", ErrTrack
	}
	return strings.Clone(rest[:size]), rest[size:], nil
}
