package iso

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"holdfast/authz/money"
	"holdfast/switch/frame"
)

// word is a scalar as the file writes it: 62.10 is no number here, and 00 has two digits.
type word string

// UnmarshalYAML takes the text of the scalar.
func (w *word) UnmarshalYAML(node ast.Node) error {
	scalar, ok := node.(ast.ScalarNode)
	if !ok {
		return fmt.Errorf("%s is not a single value", node.GetPath())
	}
	*w = word(scalar.GetToken().Value)
	return nil
}

// profileFile is the section "profile" as dialect files write it.
type profileFile struct {
	Framing         word            `yaml:"framing"`
	SignOn          string          `yaml:"sign_on"`
	ResponseTime    string          `yaml:"response_time"`
	ApprovalCodes   string          `yaml:"approval_codes"`
	Surcharge       string          `yaml:"surcharge"`
	Forms           formsFile       `yaml:"forms"`
	Places          placesFile      `yaml:"places"`
	Acceptor        []word          `yaml:"acceptor"`
	Phases          []phaseFile     `yaml:"phases"`
	PartialApproval []conditionFile `yaml:"partial_approval"`
	Reversal        reversalFile    `yaml:"reversal"`
	ChipResponse    string          `yaml:"chip_response_code"`
	CVV2Result      resultFile      `yaml:"cvv2_result"`
	ActionCodes     map[word]word   `yaml:"action_codes"`
	LockCodes       map[int]word    `yaml:"lock_codes"`
	Exponents       map[string]int  `yaml:"exponents"`
	Echo            []int           `yaml:"echo"`
	NoEcho          []int           `yaml:"no_echo"`
}

type formsFile struct {
	Amounts     word `yaml:"amounts"`
	LocalTime   word `yaml:"local_time"`
	Original    word `yaml:"original"`
	Entry       word `yaml:"entry"`
	ActionCodes word `yaml:"action_codes"`
}

type placesFile struct {
	MCC             word `yaml:"mcc"`
	Function        word `yaml:"function"`
	Reason          word `yaml:"reason"`
	ReversalReason  word `yaml:"reversal_reason"`
	NetworkCode     word `yaml:"network_code"`
	FileCode        word `yaml:"file_code"`
	FileData        word `yaml:"file_data"`
	OriginalAmounts word `yaml:"original_amounts"`
	NetworkTrace    word `yaml:"network_trace"`
	NetworkTraceOf  word `yaml:"network_trace_of"`
	CVV2            word `yaml:"cvv2"`
	KeyBlock        word `yaml:"key_block"`
	Part            word `yaml:"part"`
	Parts           word `yaml:"parts"`
}

type phaseFile struct {
	Phase string          `yaml:"phase"`
	When  []conditionFile `yaml:"when"`
}

type resultFile struct {
	At           word `yaml:"at"`
	Match        word `yaml:"match"`
	NoMatch      word `yaml:"no_match"`
	NotProcessed word `yaml:"not_processed"`
}

type conditionFile struct {
	At word   `yaml:"at"`
	Is []word `yaml:"is"`
}

type reversalFile struct {
	Field   word   `yaml:"field"`
	Meaning string `yaml:"meaning"`
	Billing word   `yaml:"billing"`
}

// compile sets the profile of the dialect, whose elements are there already. Errors begin with the key.
func (f *profileFile) compile(d *Dialect) error {
	p := &d.profile
	*p = defaultProfile(d.version)
	for _, step := range []func(*Dialect, *Profile) error{
		f.compileManners, f.compileForms, f.compilePlaces, f.compileAcceptor, f.compileRules, f.compileReversal,
		f.compileResult, f.compileCodes, f.compileEcho,
	} {
		if err := step(d, p); err != nil {
			return err
		}
	}
	return nil
}

// compileManners sets what is one word each.
func (f *profileFile) compileManners(_ *Dialect, p *Profile) error {
	var errs [6]error
	if f.Framing != "" {
		if p.Framing, errs[0] = frame.Parse(string(f.Framing)); errs[0] != nil {
			return fmt.Errorf("framing: %w", errs[0])
		}
	}
	p.RequireSignOn, errs[1] = choose("sign_on", f.SignOn, "optional", map[string]bool{"required": true, "optional": false})
	if f.ResponseTime != "" {
		p.OwnTime, errs[2] = choose("response_time", f.ResponseTime, "", map[string]bool{"own": true, "echo": false})
	}
	p.ApprovalAlphabet, errs[3] = choose("approval_codes", f.ApprovalCodes, "alphanumeric", alphabets)
	p.SurchargeIncluded, errs[4] = choose("surcharge", f.Surcharge, "included", map[string]bool{"included": true, "added": false})
	p.ChipResponseCode, errs[5] = choose("chip_response_code", f.ChipResponse, "omitted", map[string]bool{"sent": true, "omitted": false})
	return first(errs[:])
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var years = map[string]Version{"1987": V1987, "1993": V1993, "2003": V2003}

func (f *profileFile) compileForms(_ *Dialect, p *Profile) error {
	for _, row := range []struct {
		key  string
		word word
		form *Version
	}{
		{"amounts", f.Forms.Amounts, &p.Forms.Amounts}, {"local_time", f.Forms.LocalTime, &p.Forms.LocalTime},
		{"original", f.Forms.Original, &p.Forms.Original}, {"entry", f.Forms.Entry, &p.Forms.Entry},
		{"action_codes", f.Forms.ActionCodes, &p.Forms.ActionCodes},
	} {
		if row.word == "" {
			continue
		}
		var err error
		if *row.form, err = choose("forms."+row.key, string(row.word), "", years); err != nil {
			return err
		}
	}
	return nil
}

func (f *profileFile) compilePlaces(d *Dialect, p *Profile) error {
	for _, row := range []struct {
		key   string
		word  word
		place *Place
	}{
		{"mcc", f.Places.MCC, &p.Places.MCC}, {"function", f.Places.Function, &p.Places.Function},
		{"reason", f.Places.Reason, &p.Places.Reason}, {"reversal_reason", f.Places.ReversalReason, &p.Places.ReversalReason},
		{"network_code", f.Places.NetworkCode, &p.Places.NetworkCode}, {"file_code", f.Places.FileCode, &p.Places.FileCode},
		{"file_data", f.Places.FileData, &p.Places.FileData}, {"original_amounts", f.Places.OriginalAmounts, &p.Places.OriginalAmounts},
		{"network_trace", f.Places.NetworkTrace, &p.Places.NetworkTrace},
		{"network_trace_of", f.Places.NetworkTraceOf, &p.Places.NetworkTraceOf},
		{"cvv2", f.Places.CVV2, &p.Places.CVV2}, {"key_block", f.Places.KeyBlock, &p.Places.KeyBlock},
		{"part", f.Places.Part, &p.Places.Part}, {"parts", f.Places.Parts, &p.Places.Parts},
		{"billing", f.Reversal.Billing, &p.Reversal.Billing},
	} {
		if row.word == "" {
			continue
		}
		place, err := d.parsePlace(string(row.word))
		if err != nil {
			return fmt.Errorf("places.%s: %w", row.key, err)
		}
		*row.place = place
	}
	return nil
}

// compileRules sets the conditions. A list that the file gives takes the place of the default.
func (f *profileFile) compileRules(d *Dialect, p *Profile) error {
	var err error
	if f.PartialApproval != nil {
		if p.PartialApproval, err = d.conditions("partial_approval", f.PartialApproval); err != nil {
			return err
		}
	}
	if f.Phases != nil {
		p.Phases = nil
	}
	for i, rule := range f.Phases {
		key := fmt.Sprintf("phases.%d", i+1)
		phase, err := choose(key+".phase", rule.Phase, "", phaseWords)
		if err != nil {
			return err
		}
		when, err := d.conditions(key+".when", rule.When)
		if err != nil {
			return err
		}
		if len(when) == 0 {
			return fmt.Errorf("%s.when: the rule has no condition", key)
		}
		p.Phases = append(p.Phases, PhaseRule{phase, when})
	}
	return nil
}

func (d *Dialect) conditions(key string, files []conditionFile) ([]Condition, error) {
	out := make([]Condition, len(files))
	for i, f := range files {
		at, err := d.parsePlace(string(f.At))
		if err != nil {
			return nil, fmt.Errorf("%s.%d.at: %w", key, i+1, err)
		}
		out[i].At = at
		for _, w := range f.Is {
			out[i].Is = append(out[i].Is, string(w))
		}
	}
	return out, nil
}

func (f *profileFile) compileReversal(_ *Dialect, p *Profile) error {
	fields := map[string]ReversalField{"95": ReversalDE95, "30": ReversalDE30, "4": ReversalDE4}
	if f.Reversal.Field != "" {
		var err error
		if p.Reversal.Field, err = choose("reversal.field", string(f.Reversal.Field), "", fields); err != nil {
			return err
		}
	}
	if f.Reversal.Field != "" && p.Reversal.Field != ReversalDE95 && f.Reversal.Billing == "" {
		p.Reversal.Billing = whole(6)
	}
	var err error
	p.Reversal.GivesBack, err = choose("reversal.meaning", f.Reversal.Meaning, "final", map[string]bool{"final": false, "reversed": true})
	return err
}

// compileResult wants every word to fit in an answer.
func (f *profileFile) compileResult(d *Dialect, p *Profile) error {
	file := &f.CVV2Result
	if *file == (resultFile{}) {
		return nil
	}
	at, err := d.parsePlace(string(file.At))
	if err != nil {
		return fmt.Errorf("cvv2_result.at: %w", err)
	}
	p.CVV2Result = ResultForm{At: at, Match: string(file.Match), NoMatch: string(file.NoMatch), NotProcessed: string(file.NotProcessed)}
	for key, v := range map[string]word{"match": file.Match, "no_match": file.NoMatch, "not_processed": file.NotProcessed} {
		if v == "" {
			continue
		}
		if err := d.New("").SetAt(at, string(v)); err != nil {
			return fmt.Errorf("cvv2_result.%s: %q does not fit: %w", key, v, err)
		}
	}
	return nil
}

// lockReasonMax is the number of the last reason for which a card is locked.
const lockReasonMax = 8

// codeOrReason reports whether a key is four digits, or letters as the names of reasons are. Which there are is not known
// here.
func codeOrReason(key string) bool {
	if strings.Trim(key, "0123456789") == "" {
		return len(key) == 4
	}
	return key[0] >= 'A' && key[0] <= 'Z' && strings.Trim(key, upperLetters+"0123456789_") == ""
}

func (f *profileFile) compileCodes(d *Dialect, p *Profile) error {
	p.ActionCodes, p.LockCodes, p.Exponents = map[string]string{}, map[int]string{}, map[string]int{}
	for _, code := range slices.Sorted(maps.Keys(f.ActionCodes)) {
		if !codeOrReason(string(code)) {
			return fmt.Errorf("action_codes.%s: the key is no action code of 2003, of four digits, and no name of a reason", code)
		}
		p.ActionCodes[string(code)] = string(f.ActionCodes[code])
		if kind := d.checkElement(39, string(f.ActionCodes[code])); kind != 0 {
			return fmt.Errorf("action_codes.%s: %q does not fit element 39: %s", code, f.ActionCodes[code], kind)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(f.LockCodes)) {
		if reason < 1 || reason > lockReasonMax {
			return fmt.Errorf("lock_codes.%d: the reasons are 1 to %d", reason, lockReasonMax)
		}
		p.LockCodes[reason] = string(f.LockCodes[reason])
		if kind := d.checkElement(39, p.LockCodes[reason]); kind != 0 {
			return fmt.Errorf("lock_codes.%d: %q does not fit element 39: %s", reason, p.LockCodes[reason], kind)
		}
	}
	for _, alpha := range slices.Sorted(maps.Keys(f.Exponents)) {
		currency, err := money.ByAlpha(alpha)
		if err != nil {
			return fmt.Errorf("exponents.%s: the key is not the three letters of a currency", alpha)
		}
		if n := f.Exponents[alpha]; n < 0 || n > 4 {
			return fmt.Errorf("exponents.%s: %d is not 0 to 4", alpha, n)
		}
		p.Exponents[currency.Numeric()] = f.Exponents[alpha]
	}
	return nil
}

// checkElement says whether the value fits the element: 0, or the kind of fault.
func (d *Dialect) checkElement(de int, v string) Kind {
	e := d.element(de)
	if e == nil {
		return KindUndefined
	}
	return e.check(v)
}

// secret are the elements that no answer may repeat: expiry, entry mode, tracks, the PIN and its keys, chip data.
var secret = []int{14, 22, 35, 36, 45, 52, 53, 55}

func (f *profileFile) compileEcho(d *Dialect, p *Profile) error {
	for key, des := range map[string][]int{"echo": f.Echo, "no_echo": f.NoEcho} {
		for _, de := range des {
			if d.element(de) == nil {
				return fmt.Errorf("%s: the dialect has no element %s", key, strconv.Itoa(de))
			}
			if key == "echo" && slices.Contains(secret, de) {
				return fmt.Errorf("%s: element %d is never sent back", key, de)
			}
		}
	}
	p.Echo, p.NoEcho = slices.Clone(f.Echo), slices.Clone(f.NoEcho)
	return nil
}
