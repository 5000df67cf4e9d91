package gateway

import (
	"time"

	"holdfast/authz"
	"holdfast/switch/iso"
)

func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// digits reports whether s is n digits. Elements of class n are, parts of others need not be.
func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// monthDay reports whether s begins with MMDD. Without a year, 29 February is a date.
func monthDay(s string) bool {
	return len(s) >= 4 && date(2024, two(s), two(s[2:]))
}

// daysOf are the days of the months, in a leap year.
var daysOf = [...]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func date(year, month, day int) bool {
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	return month >= 1 && month <= 12 && day >= 1 && day <= daysOf[month] && (leap || month != 2 || day < 29)
}

// clock takes a leap second.
func clock(s string) bool { return len(s) == 6 && two(s) < 24 && two(s[2:]) < 60 && two(s[4:]) <= 60 }

// local reads the terminal's time as MMDDhhmmss, whatever the version, so that the messages of one transaction agree.
// 1987 has it in DE 13 and 12 without a year; 1993 and 2003 have it in DE 12 behind two or four digits of the year. It
// is kept as characters: nobody says in which zone the terminal is. A fault comes with what there is.
func local(m *iso.Message, form iso.Version) (string, error) {
	when := m.Get(12)
	if form == iso.V1987 {
		day := m.Get(13)
		switch {
		case when != "" && !clock(when):
			return day + when, wrong(12, iso.KindDate)
		case day != "" && !monthDay(day):
			return day + when, wrong(13, iso.KindDate)
		}
		return day + when, nil
	}
	if when == "" {
		return "", nil
	}
	short, ok := withoutYear(when, form)
	if !ok {
		return "", wrong(12, iso.KindDate)
	}
	return short, nil
}

// withoutYear checks a time of 1993 (YYMMDDhhmmss) or 2003 (CCYYMMDDhhmmss) and cuts its year off.
func withoutYear(s string, form iso.Version) (string, bool) {
	yearDigits, century := 2, 2000
	if form == iso.V2003 {
		yearDigits, century = 4, 0
	}
	if !digits(s, yearDigits+10) {
		return "", false
	}
	year := century
	if yearDigits == 4 {
		year = two(s)*100 + two(s[2:])
	} else {
		year += two(s)
	}
	rest := s[yearDigits:]
	return rest, date(year, two(rest), two(rest[2:])) && clock(rest[4:])
}

// settlementWindow is how far from the moment of a message its settlement date may be.
const settlementWindow = 10 * 24 * time.Hour

// settlementDay reads DE 15: MMDD in 1987, YYMMDD in 1993, CCYYMMDD in 2003. A date without a year is in the year that
// puts it nearest to now; one that is far from now is a mistake, and no day.
func settlementDay(s string, now time.Time) (authz.Day, bool) {
	now = now.UTC()
	var candidates [3]time.Time
	switch {
	case digits(s, 4):
		for i := range candidates {
			candidates[i] = day(now.Year()-1+i, two(s), two(s[2:]))
		}
	case digits(s, 6):
		candidates[0] = day(2000+two(s), two(s[2:]), two(s[4:]))
	case digits(s, 8):
		candidates[0] = day(two(s)*100+two(s[2:]), two(s[4:]), two(s[6:]))
	}
	for _, c := range candidates {
		if !c.IsZero() && now.Sub(c).Abs() <= settlementWindow {
			return authz.DayOf(c), true
		}
	}
	return 0, false
}

// day is noon of a date, so that both ends of the day are equally near; the zero time when there is no such date.
func day(year, month, d int) time.Time {
	if !date(year, month, d) {
		return time.Time{}
	}
	return time.Date(year, time.Month(month), d, 12, 0, 0, 0, time.UTC)
}
