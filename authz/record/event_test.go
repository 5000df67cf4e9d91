package record_test

import (
	"bytes"
	"testing"
	"time"

	"holdfast/authz/record"
)

// Goal: the old secret signs until its time is over and no longer, there are never more than two, and none outlives a
// rotation at once.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first, second, third := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	e := record.Endpoint{Kind: record.EndpointWebhook, Target: "https://partner.example", Secret: first}
	signs := func(what string, at time.Time, want ...[]byte) {
		t.Helper()
		got := e.Secrets(at)
		if len(got) != len(want) {
			t.Fatalf("%s: %d secrets sign, want %d", what, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("%s: secret %d is another", what, i)
			}
		}
	}
	signs("at first", at, first)
	if err := e.Rotate(second, time.Hour, at); err != nil {
		t.Fatal(err)
	}
	signs("at once", at, second, first)
	signs("a second before its end", at.Add(time.Hour-time.Second), second, first)
	signs("at its end", at.Add(time.Hour), second)
	signs("a second after its end", at.Add(time.Hour+time.Second), second)
	if err := e.Rotate(third, time.Hour, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	signs("twice", at.Add(2*time.Minute), third, second)
	if err := e.Rotate(first, 0, at.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	signs("without overlap", at.Add(2*time.Minute), first)
	mail := record.Endpoint{Kind: record.EndpointEmail, Target: "ops@partner.example"}
	for _, err := range []error{e.Rotate(second, record.SecretOverlapMax+1, at), e.Rotate(second, -1, at), e.Rotate(second[:8], 0, at), mail.Rotate(second, 0, at)} {
		if record.Code(err) != "VALIDATION_ERROR" {
			t.Errorf("refused with %v", err)
		}
	}
}
