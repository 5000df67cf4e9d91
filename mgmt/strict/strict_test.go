package strict_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"holdfast/mgmt/strict"
)

type address struct {
	Street  string `json:"street" rule:"min=1 max=10"`
	Country string `json:"country" rule:"format=country"`
}

type order struct {
	Amount  int64     `json:"amount" rule:"min=1 max=1000"`
	Kind    string    `json:"kind" rule:"enum=A|B"`
	To      address   `json:"to"`
	Tags    []string  `json:"tags,omitempty" rule:"max=2 format=name"`
	At      time.Time `json:"at,omitzero"`
	Again   *bool     `json:"again"`
	Mail    string    `json:"mail,omitempty" rule:"format=email"`
	Born    string    `json:"born,omitempty" rule:"format=date"`
	private int
}

const sound = `{"amount":5,"kind":"A","to":{"street":"Elm","country":"POL"}}`

func TestSoundBodyIsRead(t *testing.T) {
	t.Parallel()
	var o order
	body := `{"amount":5,"kind":"B","to":{"street":"Ełm","country":"POL"},"tags":["a","b"],"at":"2026-01-02T03:04:05+01:00",
"again":true,"mail":"a@b.example","born":"2000-02-29"}`
	if wrong := strict.JSON([]byte(body), &o); wrong != nil {
		t.Fatal(wrong)
	}
	at := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)
	if o.Amount != 5 || o.To.Street != "Ełm" || len(o.Tags) != 2 || !o.At.Equal(at) || o.Again == nil || !*o.Again || o.private != 0 {
		t.Errorf("read %+v", o)
	}
}

// Goal: each breach is found at its place and its value is not told. Method: the sound body, broken in one way each.
func TestBreachesAreNamedByPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, pointer string }{
		"wrong type":           {`5`, `"4111111111111111"`, "/amount"},
		"fraction":             {`5`, `5.0`, "/amount"},
		"exponent":             {`5`, `5e0`, "/amount"},
		"too large":            {`5`, `4111111111111111`, "/amount"},
		"beyond 64 bits":       {`5`, `41111111111111114111111111111111`, "/amount"},
		"too small":            {`5`, `0`, "/amount"},
		"null":                 {`5`, `null`, "/amount"},
		"list for a number":    {`5`, `[5]`, "/amount"},
		"object for a number":  {`5`, `{"x":[1,{"y":2}]}`, "/amount"},
		"number for an object": {`{"street":"Elm","country":"POL"}`, `4111111111111111`, "/to"},
		"not of the enum":      {`"A"`, `"4111111111111111"`, "/kind"},
		"unknown":              {`"amount":5`, `"amount":5,"4111111111111111":[{}]`, ""},
		"other case":           {`"amount"`, `"Amount"`, ""},
		"repeated":             {`"amount":5`, `"amount":5,"amount":6`, "/amount"},
		"repeated, escaped":    {`"amount":5`, `"amount":5,"\u0061mount":6`, "/amount"},
		"missing":              {`"amount":5,`, ``, "/amount"},
		"missing inside":       {`"street":"Elm",`, ``, "/to/street"},
		"too long":             {`Elm`, `Elm Elm Elm Elm`, "/to/street"},
		"empty":                {`Elm`, ``, "/to/street"},
		"control character":    {`Elm`, `E\u0000lm`, "/to/street"},
		"new line":             {`Elm`, `E\nlm`, "/to/street"},
		"turned direction":     {`Elm`, `E\u202elm`, "/to/street"},
		"half a surrogate":     {`Elm`, `E\ud800lm`, "/to/street"},
		"form":                 {`"POL"`, `"pol"`, "/to/country"},
		"form, line behind":    {`"POL"`, `"POL\n"`, "/to/country"},
		"too many":             {`"amount":5`, `"amount":5,"tags":["a","b","c"]`, "/tags"},
		"form in a list":       {`"amount":5`, `"amount":5,"tags":["a","-"]`, "/tags/1"},
		"not a time":           {`"amount":5`, `"amount":5,"at":"2026-02-30T00:00:00Z"`, "/at"},
		"not a date":           {`"amount":5`, `"amount":5,"born":"2026-02-30"`, "/born"},
		"not a mail address":   {`"amount":5`, `"amount":5,"mail":"a@b@c"`, "/mail"},
		"number for a bool":    {`"amount":5`, `"amount":5,"again":1`, "/again"},
		"trailing":             {sound, sound + `{}`, ""},
		"cut":                  {`}}`, `}`, ""},
		"empty body":           {sound, ``, ""},
		"broken UTF-8":         {`Elm`, "E\xfflm", ""},
		"a list":               {sound, `[` + sound + `]`, ""},
		"deep":                 {`"Elm"`, strings.Repeat("[", 40) + strings.Repeat("]", 40), ""},
	} {
		var o order
		wrong := strict.JSON([]byte(strings.Replace(sound, c.old, c.new, 1)), &o)
		found := false
		for _, w := range wrong {
			found = found || w.Pointer == c.pointer && w.In == "body" && w.Rule != ""
		}
		text, err := json.Marshal(wrong)
		if err != nil || !found {
			t.Errorf("%s: %s, want %q", name, text, c.pointer)
		}
		if strings.Contains(string(text), "4111") {
			t.Errorf("%s: the value is told: %s", name, text)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte(`{"tags":[[[{}]]],"to":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var o order
		wrong := strict.JSON(body, &o)
		if len(wrong) > strict.MistakesMax {
			t.Errorf("%d mistakes", len(wrong))
		}
		var again order
		if wrong == nil && json.Unmarshal(body, &again) != nil {
			t.Error("accepted what encoding/json refuses")
		}
	})
}
