package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// verdict is how something ended that is no authorization and has no row in the journal.
type verdict uint8

const (
	noVerdict       verdict = iota // the decision's reason counts
	fileDone                       // the card's lock is as was asked
	fileReplaced                   // a graver lock took the place of the one that was there
	fileDuplicate                  // that lock is there already
	fileNoRecord                   // no such card
	fileRefused                    // the lock that is there stays
	fileFieldWrong                 // a reason or an action that we do not know
	fileUnknown                    // not our file
	fileFormat                     // an element is missing
	fileBusy                       // not now: to be sent again
	fileUnsupported                // the peer may not
	networkDone                    // done
	networkRetry                   // not now: to be sent again
	keyRefused                     // the check value is not that of the key
	inBalance                      // the peer's totals are ours
	outOfBalance                   // they are not; ours are in the answer
	noTotals                       // we could not compute them
	macWrong                       // the authentication code is wrong, or is not there
	macKeyless                     // there is no key to verify it by
	verdictCount
)

// verdicts has a row for each verdict, in its order: its name in configurations, and DE 39 by edition.
var verdicts = [...]struct{ name, v2003, v1993, v1987 string }{
	{}, {"FILE_DONE", "3000", "300", "00"}, {"FILE_REPLACED", "3003", "303", "26"}, {"FILE_DUPLICATE", "3008", "308", "26"},
	{"FILE_NO_RECORD", "3002", "302", "25"}, {"FILE_REFUSED", "3006", "306", "29"}, {"FILE_FIELD_WRONG", "3004", "304", "27"},
	{"FILE_UNKNOWN", "3009", "309", "27"}, {"FILE_FORMAT", "3007", "307", "30"}, {"FILE_BUSY", "3005", "305", "28"},
	{"FILE_UNSUPPORTED", "3001", "301", "24"}, {"NETWORK_DONE", "8000", "800", "00"},
	{"NETWORK_RETRY", "8001", "801", "19"},
	{"KEY_REFUSED", "8002", "802", "96"},
	{"IN_BALANCE", "5000", "500", "00"}, {"OUT_OF_BALANCE", "5001", "501", "00"}, {"NO_TOTALS", "5003", "503", "00"},
	{"MAC_WRONG", "9116", "916", "63"}, {"MAC_KEYLESS", "9117", "917", "96"},
}

var _ = [1]struct{}{}[len(verdicts)-int(verdictCount)]

// refuses reports whether the verdict may be the answer to an authorization, which must then not read as an approval.
func (v verdict) refuses() bool { return v == macWrong || v == macKeyless }

// in is DE 39 for a verdict in an edition.
func (v verdict) in(form iso.Version) string {
	switch row := &verdicts[v]; form {
	case iso.V2003:
		return row.v2003
	case iso.V1993:
		return row.v1993
	default:
		return row.v1987
	}
}

// Codes are action codes of a peer's or a program's own, by the name of the reason (LOCKED_LOST, FILE_DUPLICATE, ...).
// A value is one code or several with blanks between them; its length says of which edition a code is: two characters
// 1987, three 1993, four 2003.
type Codes map[string]string

// chosen are codes of one edition; an empty one is not chosen.
type chosen struct {
	reasons  [authz.ReasonCount]string
	verdicts [verdictCount]string
}

var codeLengths = map[iso.Version]int{iso.V1987: 2, iso.V1993: 3, iso.V2003: 4}

// in picks the codes of an edition. It refuses names that nothing has, and codes that would turn a decline into an
// approval at the peer or the reverse.
func (c Codes) in(form iso.Version) (*chosen, error) {
	var out chosen
	for _, name := range slices.Sorted(maps.Keys(c)) {
		reason, verdict, known := named(name)
		if !known {
			return nil, fmt.Errorf("action codes: there is no reason %q", name)
		}
		for _, code := range strings.Fields(c[name]) {
			if len(code) < 2 || len(code) > 4 {
				return nil, fmt.Errorf("action codes: %s: %q has not two to four characters", name, code)
			}
			if len(code) != codeLengths[form] {
				continue
			}
			if verdict.refuses() && approving(code, form) {
				return nil, fmt.Errorf("action codes: %s: %q says the opposite", name, code)
			}
			if verdict != noVerdict {
				out.verdicts[verdict] = code
				continue
			}
			if contradicts(code, reason, form) {
				return nil, fmt.Errorf("action codes: %s: %q says the opposite", name, code)
			}
			out.reasons[reason] = code
		}
	}
	return &out, nil
}

// contradicts reports whether a code would turn a decline into an approval at the peer or the reverse.
func contradicts(code string, r authz.Reason, form iso.Version) bool {
	return r >= authz.FormatError && approving(code, form) || r.Approval() && !approving(code, form)
}

func named(name string) (authz.Reason, verdict, bool) {
	for r := range authz.Reason(authz.ReasonCount) {
		if r.String() == name {
			return r, noVerdict, true
		}
	}
	for v := range verdictCount {
		if v != noVerdict && verdicts[v].name == name {
			return 0, v, true
		}
	}
	return 0, noVerdict, false
}

// checkNames refuses a profile's codes for reasons that nothing has.
func checkNames(p *iso.Profile) error {
	for _, name := range slices.Sorted(maps.Keys(p.ActionCodes)) {
		if _, _, known := named(name); !known && !digits(name, 4) {
			return fmt.Errorf("action codes of the dialect: there is no reason %q", name)
		}
	}
	return nil
}

// usual are the codes of a dialect where nothing else is chosen: the table's, but those that the profile replaces.
func usual(p *iso.Profile) *chosen {
	var out chosen
	form := p.Forms.ActionCodes
	for r := range authz.Reason(authz.ReasonCount) {
		out.reasons[r] = ActionCode(r, form)
		if own := first(p.ActionCodes[r.String()], p.ActionCodes[ActionCode(r, iso.V2003)]); own != "" && !contradicts(own, r, form) {
			out.reasons[r] = own
		}
	}
	for lock := authz.LockLost; lock <= authz.LockReplaced; lock++ {
		if own := p.LockCodes[int(lock)]; own != "" && !contradicts(own, lock.Reason(), form) {
			out.reasons[lock.Reason()] = own
		}
	}
	for v := range verdictCount {
		out.verdicts[v] = first(p.ActionCodes[verdicts[v].name], p.ActionCodes[v.in(iso.V2003)], v.in(form))
		if v.refuses() && approving(out.verdicts[v], form) {
			out.verdicts[v] = v.in(form)
		}
	}
	return &out
}

// Check refuses names that nothing has, and codes that would turn a decline into an approval or the reverse.
func (c Codes) Check() error {
	for form := range codeLengths {
		if _, err := c.in(form); err != nil {
			return err
		}
	}
	return nil
}

// ProgramCodes are the action codes of the cards whose number begins with one of the prefixes, or with eight digits of a
// range.
type ProgramCodes struct {
	BINs      []string // one to eight digits
	Low, High int32    // eight digits each, inclusive; 0: no range
	Codes     Codes
}

// programCodes is a program's codes in each edition.
type programCodes struct {
	bins      []string
	low, high int32
	codes     map[iso.Version]*chosen
}

func (p *ProgramCodes) compile() (programCodes, error) {
	out := programCodes{bins: p.BINs, low: p.Low, high: p.High, codes: map[iso.Version]*chosen{}}
	if err := checkBINs(p.BINs); err != nil || len(p.BINs) == 0 && p.Low == 0 {
		return out, errors.Join(err, errNoBINs(p.BINs))
	}
	for form := range codeLengths {
		var err error
		if out.codes[form], err = p.Codes.in(form); err != nil {
			return out, err
		}
	}
	return out, nil
}

// has reports whether the number is one of the program's cards.
func (p *programCodes) has(n pan.Number) bool {
	if p.low != 0 {
		bin, err := strconv.ParseInt(n.BIN(binDigits), 10, 32)
		return err == nil && int32(bin) >= p.low && int32(bin) <= p.high
	}
	return begins(n, p.bins)
}

// SetPrograms has the programs' codes count from the next answer on, behind those of the configuration. What cannot be
// used is left out, and named by the error.
func (g *Gateway) SetPrograms(programs []ProgramCodes) error {
	var all []programCodes
	var errs []error
	for _, list := range [][]ProgramCodes{g.cfg.Programs, programs} {
		for i := range list {
			p, err := list[i].compile()
			if err != nil {
				errs = append(errs, fmt.Errorf("program %d: %w", i+1, err))
				continue
			}
			all = append(all, p)
		}
	}
	g.programs.Store(&all)
	return errors.Join(errs...)
}

// SharePrograms has the codes count that another gateway has now.
func (g *Gateway) SharePrograms(with *Gateway) { g.programs.Store(with.programs.Load()) }

func errNoBINs(bins []string) error {
	if len(bins) == 0 {
		return errors.New("action codes of a program: it has no BINs")
	}
	return nil
}

// binDigits is how much of a card number tells whose it is.
const binDigits = 8

func checkBINs(bins []string) error {
	for _, b := range bins {
		if len(b) < 1 || !digits(b, min(len(b), binDigits)) {
			return fmt.Errorf("BIN %q is not one to %d digits", b, binDigits)
		}
	}
	return nil
}

// begins reports whether the number begins with one of the BINs.
func begins(n pan.Number, bins []string) bool {
	bin := n.BIN(binDigits)
	return slices.ContainsFunc(bins, func(b string) bool { return strings.HasPrefix(bin, b) })
}

// code is DE 39 for how an exchange ended: the peer's own code, else the program's, else the dialect's.
func (s *Session) code(a *answer) string {
	own, usual := s.place.grant.Load().own, s.place.usual
	if a.verdict != noVerdict {
		return first(own.verdicts[a.verdict], usual.verdicts[a.verdict])
	}
	reason := a.decision.Reason
	if int(reason) >= len(own.reasons) {
		reason = authz.Malfunction
	}
	program := ""
	if programs := *s.g.programs.Load(); len(programs) > 0 && own.reasons[reason] == "" {
		program = programCode(programs, a.request, reason, s.place.profile.Forms.ActionCodes)
	}
	return first(own.reasons[reason], program, usual.reasons[reason])
}

func programCode(programs []programCodes, m *iso.Message, reason authz.Reason, form iso.Version) string {
	number, ok := m.PAN()
	if !ok {
		return ""
	}
	for i := range programs {
		if programs[i].has(number) {
			return programs[i].codes[form].reasons[reason]
		}
	}
	return ""
}

func first(codes ...string) string {
	for _, c := range codes {
		if c != "" {
			return c
		}
	}
	return ""
}
