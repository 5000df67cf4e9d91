package iso_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

func parsed(t testing.TB, text string) *iso.Dialect {
	t.Helper()
	d, err := iso.Parse("peer.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestProfileDefaultsAreThoseOfTheEdition(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]struct {
		mcc, network, reversalReason, original string
		field                                  iso.ReversalField
		ownTime                                bool
	}{
		"iso87":   {"18", "70", "39", "none", iso.ReversalDE95, false},
		"iso93":   {"26", "24", "25", "30", iso.ReversalDE30, false},
		"cmf2003": {"26", "24", "25", "30", iso.ReversalDE30, true},
	} {
		p := parsed(t, strings.Replace(plain, "iso87", base, 1)).Profile()
		if p.Places.MCC.String() != want.mcc || p.Places.NetworkCode.String() != want.network ||
			p.Places.ReversalReason.String() != want.reversalReason || p.Places.OriginalAmounts.String() != want.original ||
			p.Reversal.Field != want.field || p.OwnTime != want.ownTime || p.Framing.String() != "bin2" {
			t.Errorf("%s: %+v", base, p)
		}
	}
}

func TestProfileOfAFileChangesTheDefaults(t *testing.T) {
	t.Parallel()
	p := parsed(t, plain+`elements:
  62: {format: b...255, parts: {layout: bitmap, bits: 64, fields: {10: {format: n4}}}}
profile:
  framing: ascii4+fixed=4142
  sign_on: required
  response_time: own
  approval_codes: digits
  surcharge: added
  forms: {action_codes: 2003}
  places: {mcc: 26, network_trace: 62.10, reason: none}
  phases: [{phase: completion, when: [{at: 25, is: [06, 00]}]}]
  partial_approval: [{at: 62.10.1-2}]
  reversal: {field: 4, meaning: reversed}
  action_codes: {1018: 00}
  lock_codes: {5: 46}
  exponents: {ISK: 2}
  echo: [48]
  no_echo: [102]
`).Profile()
	if p.Framing.String() != "ascii4+fixed=4142" || !p.RequireSignOn || !p.OwnTime || p.ApprovalAlphabet != "0123456789" || p.SurchargeIncluded {
		t.Errorf("manners %+v", p)
	}
	if p.Forms.ActionCodes != iso.V2003 || p.Forms.Amounts != iso.V1987 {
		t.Errorf("forms %+v", p.Forms)
	}
	if p.Places.MCC.DE() != 26 || p.Places.NetworkTrace.String() != "62.10" || !p.Places.Reason.IsZero() || p.Places.NetworkCode.DE() != 70 {
		t.Errorf("places %+v", p.Places)
	}
	if len(p.Phases) != 1 || p.Phases[0].Phase != iso.PhaseCompletion || !slices.Equal(p.Phases[0].When[0].Is, []string{"06", "00"}) {
		t.Errorf("phases %+v", p.Phases)
	}
	if len(p.PartialApproval) != 1 || p.PartialApproval[0].At.String() != "62.10.1-2" {
		t.Errorf("partial approval %+v", p.PartialApproval)
	}
	if p.Reversal.Field != iso.ReversalDE4 || !p.Reversal.GivesBack || p.Reversal.Billing.DE() != 6 {
		t.Errorf("reversal %+v", p.Reversal)
	}
	if p.ActionCodes["1018"] != "00" || !maps.Equal(p.LockCodes, map[int]string{5: "46"}) || p.Exponents["352"] != 2 {
		t.Errorf("codes %v %v %v", p.ActionCodes, p.LockCodes, p.Exponents)
	}
	if !slices.Equal(p.Echo, []int{48}) || !slices.Equal(p.NoEcho, []int{102}) {
		t.Errorf("echo %v, no echo %v", p.Echo, p.NoEcho)
	}
}

func TestProfileFaultsNameTheKeyAndTheFault(t *testing.T) {
	t.Parallel()
	const bitmap = "elements: {62: {format: b...99, parts: {layout: bitmap, bits: 8, fields: {2: {format: n3}}}}}\n"
	for _, c := range []struct{ text, want string }{
		{"profile: {framing: bin5}", "profile.framing:"},
		{"profile: {sign_on: perhaps}", `profile.sign_on: "perhaps"`},
		{"profile: {response_time: never}", "profile.response_time:"},
		{"profile: {approval_codes: runes}", "profile.approval_codes:"},
		{"profile: {surcharge: twice}", "profile.surcharge:"},
		{"profile: {forms: {amounts: 1988}}", `profile.forms.amounts: "1988"`},
		{"profile: {places: {mcc: 129}}", `profile.places.mcc: "129"`},
		{"profile: {places: {mcc: x}}", "profile.places.mcc:"},
		{"profile: {places: {mcc: 18.0}}", `"0" is no character`},
		{"profile: {places: {mcc: 18.4-2}}", `"4-2" is no character`},
		{"profile: {places: {mcc: 18.1.1}}", "more steps"},
		{"profile: {places: {mcc: [18]}}", "not a single value"},
		{"profile: {places: {mmc: 18}}", "mmc"},
		{bitmap + "profile: {places: {mcc: 62.3}}", `"3" is no part`},
		{bitmap + "profile: {places: {mcc: 62.2.1.1}}", "more steps"},
		{"profile: {phases: [{phase: begin, when: [{at: 18}]}]}", "profile.phases.1.phase:"},
		{"profile: {phases: [{phase: final}]}", "profile.phases.1.when:"},
		{"profile: {phases: [{phase: final, when: [{at: 1}]}]}", "profile.phases.1.when.1.at:"},
		{"profile: {partial_approval: [{is: [1]}]}", "profile.partial_approval.1.at:"},
		{"profile: {reversal: {field: 96}}", "profile.reversal.field:"},
		{"profile: {reversal: {meaning: none}}", "profile.reversal.meaning:"},
		{"profile: {action_codes: {51: 05}}", "profile.action_codes.51:"},
		{"profile: {action_codes: {cvv2: 05}}", "profile.action_codes.cvv2:"},
		{"profile: {action_codes: {1016: 116}}", `profile.action_codes.1016: "116" does not fit`},
		{"profile: {lock_codes: {9: 46}}", "profile.lock_codes.9:"},
		{"profile: {lock_codes: {5: 046}}", "profile.lock_codes.5:"},
		{"profile: {cvv2_result: {match: M}}", "profile.cvv2_result.at:"},
		{"profile: {cvv2_result: {at: 39, match: YES}}", "profile.cvv2_result.match:"},
		{"profile: {exponents: {XXY: 2}}", "profile.exponents.XXY:"},
		{"profile: {exponents: {EUR: 5}}", "profile.exponents.EUR: 5"},
		{"profile: {echo: [35]}", "element 35 is never sent back"},
		{"profile: {no_echo: [1]}", "profile.no_echo:"},
		{"elements: {48: {parts: {layout: ber}}}", "elements.48.parts.layout: parts that are not text"},
		{"elements: {48: {parts: {layout: list}}}", `elements.48.parts.layout: "list"`},
		{"elements: {48: {parts: {layout: tlv, encoding: utf8}}}", "elements.48.parts.encoding:"},
		{"elements: {48: {parts: {layout: tlv, skip: 17}}}", "elements.48.parts.skip:"},
		{"elements: {62: {format: b..9, parts: {layout: bitmap, bits: 7}}}", "elements.62.parts.bits: 7"},
		{"elements: {62: {format: b..9, parts: {layout: bitmap, bits: 8, fields: {9: {format: n1}}}}}", "parts.fields.9:"},
		{"elements: {62: {format: b..9, parts: {layout: bitmap, bits: 8, fields: {1: {}}}}}", "parts.fields.1:"},
		{"elements: {62: {format: b..9, parts: {layout: bitmap, bits: 8, fields: {1: {format: q1}}}}}", "parts.fields.1.format:"},
	} {
		if _, err := iso.Parse("peer.yaml", []byte(plain+c.text+"\n")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestPlacesReadWhatStandsThere(t *testing.T) {
	t.Parallel()
	nested := "\x40\x40\x00\x00\x00\x00\x00\x00" + "\x01\x23\x45\x67\x89\x01\x23\x45" + "\x00\x00\x00\x00\x42" // bits 2 and 10
	d := parsed(t, strings.Replace(plain, "numeric: ascii", "numeric: bcd", 1)+`elements:
  34: {format: b...99, parts: {layout: dataset}}
  48: {format: ans...99, parts: {layout: tlv, skip: 1}}
  62: {format: b...255, parts: {layout: bitmap, bits: 64, fields: {2: {format: n15}, 10: {format: n10}}}}
  63: {format: b...255, parts: {layout: bitmap, bits: 8, fields: {1: {format: n2}}}}
profile:
  phases:
    - {phase: incremental, when: [{at: 61.7, is: [4]}, {at: 48.63}]}
    - {phase: pre-authorization, when: [{at: 61.7, is: [4]}]}
  places: {network_trace: 62.2, network_trace_of: 62.10.9-10, cvv2: 48.92, key_block: 48.61.5, file_data: 55.9F26, file_code: 34.02, reason: 63.1}
`)
	m := d.New("0100")
	for de, v := range map[int]string{34: "\x01\x00\x01a\x02\x00\x02bc", 48: "R" + "6105xyz01" + "9203123", 55: "\x82\x02\x39\x00\x9f\x26\x03abc",
		61: "000000400", 62: nested, 63: "\x40\x12"} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	p := d.Profile().Places
	for _, c := range []struct {
		place iso.Place
		want  string
	}{
		{p.NetworkTrace, "123456789012345"}, {p.NetworkTraceOf, "42"}, {p.CVV2, "123"}, {p.KeyBlock, "1"}, {p.FileData, "abc"},
		{p.FileCode, "bc"}, {p.Reason, ""}, {p.MCC, ""}, {iso.Place{}, ""},
	} {
		if got := m.At(c.place); got != c.want {
			t.Errorf("at %s: %q, want %q", c.place, got, c.want)
		}
	}
	if got := m.Phase(); got != iso.PhasePreAuthorization {
		t.Errorf("phase %d, want that of a pre-authorization", got)
	}
	if err := m.Set(48, "R6304TRCE"); err != nil {
		t.Fatal(err)
	}
	if got := m.Phase(); got != iso.PhaseIncremental {
		t.Errorf("phase %d, want that of an increment", got)
	}
	m.Unset(61)
	if got := m.Phase(); got != iso.PhaseUnsaid {
		t.Errorf("phase %d, want none", got)
	}
}

func TestPresetsReadTheVectorsAsTheirNetworkMeansThem(t *testing.T) {
	t.Parallel()
	for _, v := range isotest.Vectors(t, ".") {
		if v.ID != "mastercard-ebcdic-01" {
			continue
		}
		m, err := builtin(t, "mastercard-like").Decode(v.Raw(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Phase(); got != iso.PhaseFinal {
			t.Errorf("phase %d, want final", got)
		}
		if got := m.At(m.Dialect().Profile().Places.NetworkTrace); got != "TNW45YVLV" {
			t.Errorf("network trace %q", got)
		}
		if m.PartialApproval() {
			t.Error("element 48.61.1 is 0, which takes no partial approval")
		}
	}
}
