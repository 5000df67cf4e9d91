package emv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"holdfast/authz/keystore/emv"
)

// chipData is the message of a published vector: amount 40.00, counter 1C.
func chipData(iad, cryptogram string) string {
	return "9F0206000000004000" + "9F0306000000000000" + "9F1A020124" + "95058000048000" + "5F2A020124" + "9A03191105" +
		"9C0101" + "9F370452BF4585" + "82021800" + "9F3602001C" + "9F2701" + "80" + "5F340100" +
		"9F10" + hex.EncodeToString([]byte{byte(len(iad) / 2)}) + iad + "9F2608" + cryptogram
}

const (
	visa10 = "06010A03A06010"
	visa18 = "06011203A0B800"
)

func read(t testing.TB, data string) (*emv.Chip, error) {
	t.Helper()
	o, err := emv.Parse(unhex(t, data))
	if err != nil {
		return nil, err
	}
	return emv.Read(o)
}

// Goal: the published cryptograms are found in a whole message, and the answer has its form.
func TestGenuineAndAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, iad, cryptogram, approved, declined string
		version                                   emv.Version
	}{
		{"CVN10", visa10, "29CCA15AE665FA2E", "28993816AFAE4AEB3030", "", emv.CVN10},
		{"CVN18", visa18, "7A788EA6B8A3E733", "", "9AF514C100000000", emv.CVN18},
	} {
		data := chipData(c.iad, c.cryptogram)
		chip, err := read(t, data)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if ok, err := chip.Genuine(cardKey(t)); !ok || err != nil || chip.Version != c.version || chip.ATC != 0x1c || chip.Sequence != "00" {
			t.Errorf("%s: genuine %v, %v, version %d, counter %d", c.name, ok, err, chip.Version, chip.ATC)
		}
		for approved, want := range map[bool]string{true: c.approved, false: c.declined} {
			got, err := chip.Answer(cardKey(t), approved)
			if text := strings.ToUpper(hex.EncodeToString(got)); err != nil || want != "" && text != want {
				t.Errorf("%s, approved %v: %s, %v, want %s", c.name, approved, text, err, want)
			}
		}
		signed := strings.Index(data, "9F2701") / 2
		for i := range signed {
			changed := unhex(t, data)
			changed[i] ^= 1
			o, err := emv.Parse(changed)
			if err != nil {
				continue
			}
			if chip, err := emv.Read(o); err == nil {
				if ok, err := chip.Genuine(cardKey(t)); ok || err != nil {
					t.Errorf("%s: byte %d changed: genuine %v, %v", c.name, i, ok, err)
				}
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := chipData(visa10, "29CCA15AE665FA2E")
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"an amount of five bytes":       {strings.Replace(good, "9F0206000000004000", "9F02050000004000", 1), emv.ErrData},
		"no counter":                    {strings.Replace(good, "9F3602001C", "", 1), emv.ErrData},
		"no cryptogram":                 {strings.Replace(good, "9F260829CCA15AE665FA2E", "", 1), emv.ErrData},
		"no kind":                       {strings.Replace(good, "9F270180", "", 1), emv.ErrData},
		"a tag twice":                   {good + "9F3602001D", emv.ErrData},
		"a length beyond the end":       {good + "9F3310", emv.ErrData},
		"a length of three bytes":       {good + "9F3383000001", emv.ErrData},
		"an indefinite length":          {good + "9F3380", emv.ErrData},
		"a tag without an end":          {good + "9F", emv.ErrData},
		"a tag of four bytes":           {good + "9F81818101" + "00", emv.ErrData},
		"a template in a template":      {"7704" + "7702" + "9F01", emv.ErrData},
		"a version that is not served":  {chipData("06011103A06010", "29CCA15AE665FA2E"), emv.ErrVersion},
		"an empty issuer's application": {chipData("", "29CCA15AE665FA2E"), emv.ErrData},
	} {
		if _, err := read(t, c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := emv.Parse(make([]byte, emv.DataMax+1)); !errors.Is(err, emv.ErrData) {
		t.Errorf("too much: %v", err)
	}
	wrapped := "77" + "81" + hex.EncodeToString([]byte{byte(len(good) / 2)}) + good
	if _, err := read(t, wrapped); err != nil {
		t.Errorf("in a template: %v", err)
	}
}

func TestCardKeyOptions(t *testing.T) {
	t.Parallel()
	// Up to 16 digits both options are the same; beyond, the derivations differ and keep odd parity.
	long := "9999991000000000017"
	a, errA := emv.CardKeyA(unhex(t, master), long, "01")
	b, errB := emv.CardKey(unhex(t, master), long, "01")
	if errA != nil || errB != nil || bytes.Equal(a, b) {
		t.Errorf("options A and B of a long number: equal %v, %v, %v", bytes.Equal(a, b), errA, errB)
	}
	for _, key := range [][]byte{a, b} {
		for _, octet := range key {
			ones := 0
			for ; octet > 0; octet &= octet - 1 {
				ones++
			}
			if ones%2 != 1 {
				t.Error("a byte of even parity")
			}
		}
	}
	for _, number := range []string{"", "12a4567890123456"} {
		if _, err := emv.CardKey(unhex(t, master), number, ""); !errors.Is(err, emv.ErrData) {
			t.Errorf("a number of %d characters: %v", len(number), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, _ := hex.DecodeString(chipData(visa10, "29CCA15AE665FA2E"))
	f.Add(good)
	f.Add([]byte{0x77, 0x81, 0x02, 0x95, 0x00})
	f.Add([]byte{0x9f, 0x81})
	key, _ := hex.DecodeString(master)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := emv.Parse(data)
		if err != nil {
			return
		}
		total := 0
		for _, v := range o {
			total += len(v)
		}
		if len(o) > emv.TagsMax || total > len(data) {
			t.Fatalf("%d objects with %d bytes of %d", len(o), total, len(data))
		}
		chip, err := emv.Read(o)
		if err != nil {
			return
		}
		if _, err := chip.Genuine(key); err != nil {
			t.Fatalf("what was read cannot be checked: %v", err)
		}
		if a, err := chip.Answer(key, true); err != nil || len(a) < 8 || len(a) > 16 {
			t.Fatalf("an answer of %d bytes: %v", len(a), err)
		}
	})
}
