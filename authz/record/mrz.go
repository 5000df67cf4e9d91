package record

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// MRZ is the machine readable zone of a passport or identity card, ICAO Doc 9303 parts 4 to 6, as far as the
// rules ask. Dates are six digits YYMMDD.
type MRZ struct {
	Issuer, Nationality string // alpha-3, or shorter for the few that ICAO has shorter
	Names               []string
	Birth, Expiry       string
}

// ErrMRZ says that a text is no machine readable zone, or one that contradicts its own check digits.
var ErrMRZ = errors.New("parse machine readable zone: its form or a check digit is wrong")

// zoneForm says where things are in a zone whose lines stand behind one another.
type zoneForm struct {
	lines, columns int
	names          [2]int
	nationality    int
	birth, expiry  int      // each followed by its check digit
	checked        [][2]int // fields of their own, followed by a check digit
	composite      [][2]int // taken together, checked by the last
	last           int
}

// The three sizes of documents.
var (
	zoneTD3 = zoneForm{2, 44, [2]int{5, 44}, 54, 57, 65, [][2]int{{44, 53}, {72, 86}}, [][2]int{{44, 54}, {57, 64}, {65, 87}}, 87}
	zoneTD2 = zoneForm{2, 36, [2]int{5, 36}, 46, 49, 57, [][2]int{{36, 45}}, [][2]int{{36, 46}, {49, 56}, {57, 71}}, 71}
	zoneTD1 = zoneForm{3, 30, [2]int{60, 90}, 45, 30, 38, [][2]int{{5, 14}}, [][2]int{{5, 30}, {30, 37}, {38, 45}, {48, 59}}, 59}
)

// ParseMRZ reads two lines of 44 (passport) or 36 characters, or three of 30, and checks every check digit. The
// error is [ErrMRZ].
func ParseMRZ(text string) (MRZ, error) {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, form := range []zoneForm{zoneTD3, zoneTD2, zoneTD1} {
		if len(lines) == form.lines && !slices.ContainsFunc(lines, func(l string) bool { return len(l) != form.columns }) {
			return form.read(strings.Join(lines, ""))
		}
	}
	return MRZ{}, ErrMRZ
}

func (f *zoneForm) read(z string) (MRZ, error) {
	if strings.Trim(z, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<") != "" {
		return MRZ{}, ErrMRZ
	}
	fields := append([][2]int{{f.birth, f.birth + 6}, {f.expiry, f.expiry + 6}}, f.checked...)
	for _, at := range fields {
		if !checkDigit(z[at[0]:at[1]], z[at[1]]) {
			return MRZ{}, ErrMRZ
		}
	}
	all := ""
	for _, at := range f.composite {
		all += z[at[0]:at[1]]
	}
	if !checkDigit(all, z[f.last]) {
		return MRZ{}, ErrMRZ
	}
	m := MRZ{Issuer: strings.TrimRight(z[2:5], "<"), Nationality: strings.TrimRight(z[f.nationality:f.nationality+3], "<"),
		Names: nameWords(strings.ReplaceAll(z[f.names[0]:f.names[1]], "<", " ")),
		Birth: z[f.birth : f.birth+6], Expiry: z[f.expiry : f.expiry+6]}
	if _, err := time.Parse("060102", m.Expiry); err != nil {
		return MRZ{}, ErrMRZ
	}
	return m, nil
}

// checkDigit is modulus 10 with the weights 7, 3, 1 (Doc 9303 part 3, section 4.9). An empty optional field may have a filler.
func checkDigit(field string, digit byte) bool {
	sum := 0
	for i := range len(field) {
		v := 0
		switch c := field[i]; {
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'A' && c <= 'Z':
			v = int(c-'A') + 10
		}
		sum += v * [...]int{7, 3, 1}[i%3]
	}
	if digit == '<' && strings.Trim(field, "<") == "" {
		return true
	}
	return digit == byte('0'+sum%10)
}

// names reports whether the zone may be the user's: every word of the shorter name is in the other (zones cut
// long names off), the date of birth and the nationality agree.
func (m *MRZ) names(u *User) bool {
	words, zone := nameWords(u.Name()), m.Names
	if len(zone) < len(words) {
		words, zone = zone, words
	}
	born := len(u.BirthDate) != len(time.DateOnly) || u.BirthDate[2:4]+u.BirthDate[5:7]+u.BirthDate[8:] == m.Birth
	return len(words) > 0 && born && (u.Nationality == "" || u.Nationality == m.Nationality) &&
		!slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(zone, w) })
}

// expired reports whether the last day of validity is past. Two digits of a year are those within 50 years.
func (m *MRZ) expired(at time.Time) bool {
	day, err := time.Parse("060102", m.Expiry)
	if err != nil {
		return true
	}
	at = at.UTC()
	century := at.Year() / 100 * 100
	year := century + day.Year()%100
	switch {
	case year-at.Year() > 50:
		year -= 100
	case at.Year()-year > 50:
		year += 100
	}
	end := time.Date(year, day.Month(), day.Day()+1, 0, 0, 0, 0, time.UTC)
	return !at.Before(end)
}
