package iso

import "time"

// LocalTime is the local time of the transaction at its place, in the peer's form: DE 13 and 12 of 1987, DE 12 of 1993
// and 2003. It has no zone, so it is given as if it were UTC and must not be compared with one that has. Where the
// year or the century is not sent it is the one that puts the time nearest to now. It is false when the message has
// none. The error is a *FormatError with KindDate.
func (m *Message) LocalTime(now time.Time) (t time.Time, given bool, err error) {
	v, form := m.Get(12), m.Dialect().profile.Forms.LocalTime
	if form == V1987 {
		if m.Has(13) && !m.Has(12) {
			v = "000000"
		}
		date := m.Get(13)
		if v == "" {
			return t, false, nil
		}
		if date == "" { // a time alone is of the nearest day
			return nearestDay(v, now)
		}
		v = date + v
	}
	if v == "" {
		return t, false, nil
	}
	t, ok := ParseTime(v, now)
	if ok {
		return t, true, nil
	}
	if _, dated := ParseTime(m.Get(13)+"000000", now); form == V1987 && !dated {
		return t, true, &FormatError{DE: 13, Kind: KindDate}
	}
	return t, true, &FormatError{DE: 12, Kind: KindDate}
}

// Transmitted is DE 7, the time of transmission in UTC, MMDDhhmmss, in the year that puts it nearest to now. It is
// false when the message has none. The error is a *FormatError with KindDate.
func (m *Message) Transmitted(now time.Time) (t time.Time, given bool, err error) {
	if !m.Has(7) {
		return t, false, nil
	}
	t, ok := ParseTime(m.Get(7), now)
	if !ok {
		return t, true, &FormatError{DE: 7, Kind: KindDate}
	}
	return t, true, nil
}

// nearestDay puts hhmmss into the day that is nearest to now.
func nearestDay(clock string, now time.Time) (time.Time, bool, error) {
	var best time.Time
	for days := -1; days <= 1; days++ {
		day := now.UTC().AddDate(0, 0, days)
		t, ok := ParseTime(day.Format("20060102")+clock, now)
		if !ok {
			return best, true, &FormatError{DE: 12, Kind: KindDate}
		}
		if best.IsZero() || t.Sub(now).Abs() < best.Sub(now).Abs() {
			best = t
		}
	}
	return best, true, nil
}

// ParseTime reads CCYYMMDDhhmmss, YYMMDDhhmmss or MMDDhhmmss. A century or a year that is not there is chosen so that
// the time is nearest to now: at New Year a message of December is of the year before, and 29 February is of a year
// that has it. A leap second is the first of the next minute.
func ParseTime(v string, now time.Time) (t time.Time, ok bool) {
	for i := range len(v) {
		if !digitChars[v[i]] {
			return t, false
		}
	}
	year := now.UTC().Year()
	switch len(v) {
	case 14:
		return at(two(v)*100+two(v[2:]), v[4:])
	case 12:
		century := year - year%100
		return nearest(now, v[2:], century-100+two(v), century+two(v), century+100+two(v))
	case 10:
		if t, ok = nearest(now, v, year, year-1, year+1); ok {
			return t, true
		}
		return nearest(now, v, year-2, year+2, year-3, year+3, year-4, year+4) // 29 February
	}
	return t, false
}

// nearest is the time in that year, of those in which it exists, that is nearest to now.
func nearest(now time.Time, v string, years ...int) (best time.Time, ok bool) {
	for _, year := range years {
		t, exists := at(year, v)
		if exists && (!ok || t.Sub(now).Abs() < best.Sub(now).Abs()) {
			best, ok = t, true
		}
	}
	return best, ok
}

// at is MMDDhhmmss in a year, false when there is no such time.
func at(year int, v string) (time.Time, bool) {
	month, day, hour, minute, second := two(v), two(v[2:]), two(v[4:]), two(v[6:]), two(v[8:])
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, min(second, 59), 0, time.UTC)
	exists := t.Day() == day // a day that the month does not have is one of the next
	if second == 60 {
		t = t.Add(time.Second)
	}
	return t, exists
}

func two(v string) int { return int(v[0]-'0')*10 + int(v[1]-'0') }
