package gateway

import (
	"encoding/csv"
	"os"
	"testing"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// The table of verdicts is held against the facts that were collected independently of it.
func TestVerdictsAgreeWithTheFacts(t *testing.T) {
	f, err := os.Open("testdata/action_codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string][]string{}
	for _, row := range rows[1:] {
		facts[row[0]] = row
	}
	for v := noVerdict + 1; v < verdictCount; v++ {
		row := facts[v.in(iso.V2003)]
		if row == nil {
			t.Errorf("%s: %s is not an action code of 2003", verdicts[v].name, v.in(iso.V2003))
			continue
		}
		if got := v.in(iso.V1993); got != row[1] && row[1] != "" {
			t.Errorf("%s: %s in 1993, the facts say %s", verdicts[v].name, got, row[1])
		}
		if got := v.in(iso.V1987); got != row[2] {
			t.Errorf("%s: %s in 1987, the facts say %s", verdicts[v].name, got, row[2])
		}
	}
}

// Goal: the presets of networks send what public pages say of those networks, for every code that we have. Method: the
// facts again, but for what a preset says of one reason alone.
func TestPresetsAgreeWithTheFacts(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/action_codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, column := range map[string]int{"visa-like": 3, "mastercard-like": 4} {
		d, err := iso.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		facts, profile := map[string]string{}, d.Profile()
		for _, row := range rows[1:] {
			facts[row[0]] = row[column]
		}
		compare := func(what, code, got string) {
			if want := facts[code]; want != "" && want != "-" && got != want && profile.ActionCodes[what] == "" {
				t.Errorf("%s: %s (%s) is %s, the facts say %s", name, what, code, got, want)
			}
		}
		codes := usual(profile)
		for r := range authz.Reason(authz.ReasonCount) {
			compare(r.String(), ActionCode(r, iso.V2003), codes.reasons[r])
		}
		for v := noVerdict + 1; v < verdictCount; v++ {
			compare(verdicts[v].name, v.in(iso.V2003), codes.verdicts[v])
		}
	}
}

// Goal: a preset may answer one reason apart from the others of its code, and only reasons that there are.
func TestDialectsNameReasons(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("visa-like")
	if err != nil {
		t.Fatal(err)
	}
	codes := usual(d.Profile())
	for reason, want := range map[authz.Reason]string{authz.CVV2Wrong: "N7", authz.TrackValueWrong: "82", authz.CryptogramWrong: "82",
		authz.CryptogramReplayed: "82", authz.FundsShort: "51"} {
		if got := codes.reasons[reason]; got != want {
			t.Errorf("%s is %s, want %s", reason, got, want)
		}
	}
	text := "base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\nlength: {encoding: ascii}\nprofile: {action_codes: {NO_SUCH: 05}}\n"
	if d, err = iso.Parse("wrong", []byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := (&Peer{Name: "p", Dialect: d}).Validate(); err == nil {
		t.Error("a reason that there is not is taken")
	}
}
