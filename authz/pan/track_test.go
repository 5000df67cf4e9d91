package pan_test

import (
	"errors"
	"strings"
	"testing"

	"holdfast/authz/pan"
)

const trackCard = "9999991000000012"

func TestParseTrack2(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ track, expiry, service, rest string }{
		"in characters":          {trackCard + "=49122011234500000", "4912", "201", "1234500000"},
		"in nibbles, padded":     {trackCard + "D49122011234500000F", "4912", "201", "1234500000"},
		"with its sentinels":     {";" + trackCard + "=49122011?", "4912", "201", "1"},
		"nothing but separators": {trackCard + "===", "", "", ""},
		"no expiry":              {trackCard + "==20112", "", "201", "12"},
		"no service code":        {trackCard + "=4912=12", "4912", "", "12"},
		"nothing behind":         {trackCard + "=", "", "", ""},
	} {
		got, err := pan.ParseTrack2(c.track)
		if err != nil || got.Number.Reveal() != trackCard || got.Expiry != c.expiry || got.Service != c.service ||
			got.Discretionary.Reveal() != c.rest {
			t.Errorf("%s: expiry %q, service %q, %v", name, got.Expiry, got.Service, err)
		}
	}
	for name, track := range map[string]string{
		"nothing":              "",
		"no separator":         trackCard,
		"no number":            "=4912201",
		"letters":              "99999910000000ab=4912201",
		"an expiry of letters": trackCard + "=49a2201",
		"a short expiry":       trackCard + "=491",
		"a short service code": trackCard + "=491220",
		"too long":             trackCard + "=4912201" + strings.Repeat("1", 20),
	} {
		if _, err := pan.ParseTrack2(track); !errors.Is(err, pan.ErrTrack) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseTrack2(f *testing.F) {
	f.Add(trackCard + "=49122011234500000")
	f.Add(trackCard + "D===")
	f.Add(";=?")
	f.Fuzz(func(t *testing.T, track string) {
		got, err := pan.ParseTrack2(track)
		if err != nil {
			if err != pan.ErrTrack {
				t.Fatal("an error that may tell something of the track")
			}
			return
		}
		if got.Number.IsZero() || len(got.Expiry)%4 != 0 || len(got.Service)%3 != 0 {
			t.Fatal("parts of a wrong length")
		}
	})
}
