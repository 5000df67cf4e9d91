package leak

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ValueMin is how long a secret is, in bytes, that is searched for wherever it stands.
const ValueMin = 7

// markMin is how long a form of a secret is at least: shorter ones are found everywhere by chance.
const markMin = 5

// Finding is a secret in a form. Its place is for the caller to say.
type Finding struct{ Secret, Form string }

// String is for a test's output. It holds nothing of the secret.
func (f Finding) String() string { return f.Secret + ", " + f.Form }

// mark is one secret in one form.
type mark struct {
	Finding
	text []byte
}

// tailBits is the size of the filter that most places of a text fail at.
const tailBits = 20

// Searcher knows secrets. It is safe for concurrent use.
type Searcher struct {
	mu sync.RWMutex

	marks  map[uint32][]mark // by their last four bytes
	filter [1 << tailBits / 64]uint64
	seen   map[string]bool // values that are planted
	bins   []string
}

// New is a searcher without secrets.
func New() *Searcher { return &Searcher{marks: map[uint32][]mark{}, seen: map[string]bool{}} }

// Plant adds a secret under a name that findings tell. The same value is taken once. It panics when the value is
// shorter than [ValueMin]: the test would find it by chance.
func (s *Searcher) Plant(name string, value []byte) {
	if len(value) < ValueMin {
		panic(fmt.Sprintf("leak: internal error: %s has %d bytes", name, len(value)))
	}
	s.plant(name, value, Forms(value))
}

// shortNames and shortMarks are what stands before a value of a few digits where somebody writes one.
var (
	shortNames = []string{"cvc", "cvc2", "cvv", "cvv2", "csc", "pin"}
	shortMarks = []string{`":"`, `": "`, `":`, "=", `="`, ":", ": ", " ", `\":\"`, ">"}
)

// PlantShort adds a secret of a few digits, which is found behind one of the names that such values have.
func (s *Searcher) PlantShort(name, value string) {
	var all []Form
	for _, n := range shortNames {
		for _, between := range shortMarks {
			all = append(all, named([]byte(n+between+value))...)
			all = append(all, named([]byte(strings.ToUpper(n)+between+value))...)
		}
	}
	s.plant(name, []byte(name+value), all)
}

func (s *Searcher) plant(name string, value []byte, all []Form) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[string(value)] {
		return
	}
	s.seen[string(value)] = true
	known := map[string]bool{}
	for _, f := range all {
		if len(f.Text) < markMin || known[string(f.Text)] {
			continue
		}
		known[string(f.Text)] = true
		tail := binary.LittleEndian.Uint32(f.Text[len(f.Text)-4:])
		s.marks[tail] = append(s.marks[tail], mark{Finding{name, f.Name}, f.Text})
		at := hashed(tail)
		s.filter[at/64] |= 1 << (at % 64)
	}
}

func hashed(tail uint32) uint32 { return tail * 2654435761 >> (32 - tailBits) }

// PlantBIN has every number of an issuer found, planted or not: 13 to 19 digits by themselves that begin with bin and
// pass the check of Luhn.
func (s *Searcher) PlantBIN(bin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bins = append(s.bins, bin)
}

// Find searches data, and what is compressed in it. Each finding is told once; their order is that of their names.
func (s *Searcher) Find(data []byte) []Finding {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := map[Finding]bool{}
	s.find(found, data, "")
	for member := range members(data) {
		s.find(found, member, " in a compressed part")
	}
	all := make([]Finding, 0, len(found))
	for f := range found {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Form, b.Form)) })
	return all
}

func (s *Searcher) find(found map[Finding]bool, data []byte, more string) {
	if len(data) < 4 {
		return
	}
	tail := binary.BigEndian.Uint32(data) // turned as it goes: the oldest byte leaves at the top
	for at := 4; ; at++ {
		key := swapped(tail)
		if h := hashed(key); s.filter[h/64]&(1<<(h%64)) != 0 {
			for _, m := range s.marks[key] {
				if bytes.HasSuffix(data[:at], m.text) {
					found[Finding{m.Secret, m.Form + more}] = true
				}
			}
		}
		if at == len(data) {
			break
		}
		tail = tail<<8 | uint32(data[at])
	}
	for _, bin := range s.bins {
		if numberOf(data, bin) {
			found[Finding{"a number of the BIN " + bin, "digits" + more}] = true
		}
	}
}

func swapped(v uint32) uint32 {
	return v<<24 | v&0xff00<<8 | v>>8&0xff00 | v>>24
}

// Lengths of card numbers, ISO/IEC 7812-1; shorter than 13 are not issued by anybody.
const (
	numberMin = 13
	numberMax = 19
)

// numberOf tells whether there is a card number of an issuer.
func numberOf(data []byte, bin string) bool {
	for from := 0; ; {
		at := bytes.Index(data[from:], []byte(bin))
		if at < 0 {
			return false
		}
		at += from
		end := at
		for end < len(data) && digit(data[end]) {
			end++
		}
		if n := end - at; n >= numberMin && n <= numberMax && (at == 0 || !digit(data[at-1])) && luhn(data[at:end]) {
			return true
		}
		from = at + 1
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		d := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			d = d*2%10 + d*2/10
		}
		sum += d
	}
	return sum%10 == 0
}
