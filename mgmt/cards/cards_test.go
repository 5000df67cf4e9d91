package cards

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"holdfast/mgmt"
)

// Goal: what is secret of a card does not print. Method: every verb, and a log.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	full := FullCard{Number: "4111111111111111", CVC2: "739"}
	var in pinIn
	in.Body.PIN = "2468"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "number", full.Number, "cvc", full.CVC2, "pin", in.Body.PIN)
	_, text, _ := strings.Cut(log.String(), " level=") // the time before it has any three digits now and then
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text += fmt.Sprintf(verb, full) + fmt.Sprintf(verb, &full) + fmt.Sprintf(verb, in) + fmt.Sprintf(verb, full.Number)
	}
	for _, secret := range []string{"4111111111111111", "739", "2468", fmt.Sprintf("%x", "4111111111111111")} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is printed in %s", secret, text)
		}
	}
}

// Goal: what operators may do is what the catalogue says: full data, PINs and orders in the background never.
func TestOperatorsGetNoFullData(t *testing.T) {
	t.Parallel()
	for _, b := range Routes() {
		full := strings.HasSuffix(b.Path, "/pin") || b.Method == "GET" && strings.HasSuffix(b.Path, "/{cardId}")
		if b.Channel == mgmt.Admin && full {
			t.Errorf("%s %s is an operator's", b.Method, b.Path)
		}
		if full && !b.JWE {
			t.Errorf("%s %s goes in clear", b.Method, b.Path)
		}
	}
}

func TestWeakPINs(t *testing.T) {
	t.Parallel()
	for pin, weak := range map[guarded]bool{"1234": true, "9876": true, "0000": true, "123456": true, "2468": false, "1235": false, "0001": false} {
		var in pinIn
		in.Body.PIN = pin
		if got := in.Check() != nil; got != weak {
			t.Errorf("PIN of %d digits: weak is %v, want %v", len(pin), got, weak)
		}
	}
}
