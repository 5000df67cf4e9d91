package replay

import (
	"math/rand/v2"
	"strconv"
	"time"

	"holdfast/switch/iso"
)

// fresh renews what tells transactions apart. Times are those of the first use of a recorded time, so a reversal and
// its original agree whichever comes first; numbers are shifted, so numbers that differed still differ.
type fresh struct {
	shift uint64
	now   func() time.Time
	times map[string]time.Time // by element and recorded value
}

func newFresh(now func() time.Time) *fresh {
	return &fresh{shift: rand.Uint64N(1_000_000_000_000), now: now, times: map[string]time.Time{}}
}

// elements gives renewed elements; nothing of the argument changes. The date to a time, and the time to a date, are
// found in message, the recorded one that these elements belong to.
func (f *fresh) elements(version iso.Version, recorded, message map[int]string) map[int]string {
	out := make(map[int]string, len(recorded))
	for de, v := range recorded {
		out[de] = v
		if _, refers := reference(v); !refers && v != present {
			out[de] = f.element(version, de, v, message)
		}
	}
	return out
}

func (f *fresh) element(version iso.Version, de int, v string, all map[int]string) string {
	switch {
	case de == 7 && len(v) == 10:
		return f.time("7", v).Format("0102150405")
	case de == 11:
		return f.stan(v)
	case de == 37:
		return f.digits(v)
	case de == 12 && len(v) == 6:
		return f.time("12", all[13]+v).Format("150405")
	case de == 12 && len(v) == 12:
		return f.time("12", v).Format("060102150405")
	case de == 12 && len(v) == 14:
		return f.time("12", v).Format("20060102150405")
	case de == 13 && len(v) == 4 && version == iso.V1987:
		return f.time("12", v+all[12]).Format("0102")
	case (de == 15 || de == 17) && len(v) == 4 && version == iso.V1987:
		return f.now().UTC().Format("0102")
	case de == 90 && len(v) == 42 && version == iso.V1987:
		return v[:4] + f.stan(v[4:10]) + f.sent(v[10:20]) + v[20:]
	case de == 56 && version == iso.V1993 && len(v) >= 22:
		return v[:4] + f.stan(v[4:10]) + f.time("12", v[10:22]).Format("060102150405") + v[22:]
	case de == 56 && version == iso.V2003 && len(v) >= 30:
		return v[:4] + f.stan(v[4:16]) + f.time("12", v[16:30]).Format("20060102150405") + v[30:]
	}
	return v
}

// sent renews DE 7 inside DE 90, where zeros say that it is not known.
func (f *fresh) sent(v string) string {
	if v == "0000000000" {
		return v
	}
	return f.time("7", v).Format("0102150405")
}

func (f *fresh) time(element, recorded string) time.Time {
	key := element + " " + recorded
	t, ok := f.times[key]
	if !ok {
		t = f.now().UTC()
		f.times[key] = t
	}
	return t
}

// stan shifts a number around the circle from 1 to its greatest; zero says nothing and stays.
func (f *fresh) stan(v string) string {
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil || n == 0 {
		return v
	}
	greatest := power(len(v)) - 1
	return pad((n-1+f.shift)%greatest+1, len(v))
}

// digits shifts the digits of a text around and leaves its other characters in their places.
func (f *fresh) digits(v string) string {
	var number []byte
	for i := range len(v) {
		if v[i] >= '0' && v[i] <= '9' {
			number = append(number, v[i])
		}
	}
	n, err := strconv.ParseUint(string(number), 10, 63)
	if err != nil {
		return v
	}
	shifted := pad((n+f.shift)%power(len(number)), len(number))
	out := []byte(v)
	for i, next := 0, 0; i < len(out); i++ {
		if out[i] >= '0' && out[i] <= '9' {
			out[i] = shifted[next]
			next++
		}
	}
	return string(out)
}

// power is ten to the n; more than 18 digits do not occur in the elements that are shifted.
func power(n int) uint64 {
	p := uint64(1)
	for range min(n, 18) {
		p *= 10
	}
	return p
}

func pad(n uint64, width int) string {
	s := strconv.FormatUint(n, 10)
	for len(s) < width {
		s = "0" + s
	}
	return s
}
