package gateway_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// Goal: refusing costs less than deciding, so an overload does not write a line for each request, and still says how
// many there were. Method: a thousand refusals in one second, one of another reason among them, one in the next second.
func TestOverloadIsLoggedInPart(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	body, err := isotest.Purchase(d).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var log logged
	refusing := &scripted{}
	g, err := gateway.New(gateway.Config{Authorizer: refusing, Ready: func() bool { return true },
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p := &gateway.Peer{Name: "network", Dialect: d}
	if err := g.Admit(p); err != nil {
		t.Fatal(err)
	}
	s := g.Open(p)
	refuse := func(r authz.Reason, at time.Time) {
		refusing.says = authz.Decision{Reason: r, Cause: errors.New("it would wait too long")}
		x := &exchange{body: body, done: make(chan struct{}), at: at}
		if s.Frame(x); x.answer == nil {
			t.Fatal("a refusal is not answered")
		}
	}
	for range 1000 {
		refuse(authz.Inoperative, storetest.Epoch)
	}
	refuse(authz.Malfunction, storetest.Epoch)
	if lines := strings.Count(log.String(), "reason="+authz.Inoperative.String()+" "); lines == 0 || lines > 20 {
		t.Errorf("%d lines for 1000 refusals", lines)
	}
	if !strings.Contains(log.String(), "reason="+authz.Malfunction.String()+" ") {
		t.Error("the one of another reason is not logged")
	}
	refuse(authz.Inoperative, storetest.Epoch.Add(time.Second))
	refuse(authz.Inoperative, storetest.Epoch) // one that took long: no new second
	if last := strings.Split(strings.TrimSpace(log.String()), "\n"); !strings.HasSuffix(last[len(last)-2], "left_out=990") {
		t.Errorf("the next second says %q", last[len(last)-2])
	}
}

// What proves that card and holder are there is dropped with the decision, also with one that could not be made.
func TestDoubtSaysNothingOfTheEvidence(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("mastercard-like")
	if err != nil {
		t.Fatal(err)
	}
	m := isotest.Purchase(d)
	// A group of 92 with MARK831, in EBCDIC.
	if err := errors.Join(m.Set(48, "\xd9\xf9\xf2\xf0\xf7\xd4\xc1\xd9\xd2\xf8\xf3\xf1"), m.Set(52, "PINBLOCK")); err != nil {
		t.Fatal(err)
	}
	body, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var log logged
	refusing := &scripted{says: authz.Decision{Reason: authz.Inoperative, Cause: errors.New("planted")}}
	g, err := gateway.New(gateway.Config{Authorizer: refusing, Ready: func() bool { return true },
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p := &gateway.Peer{Name: "network", Dialect: d}
	if err := g.Admit(p); err != nil {
		t.Fatal(err)
	}
	g.Open(p).Frame(&exchange{body: body, done: make(chan struct{}), at: storetest.Epoch})
	if refusing.asked == nil || refusing.asked.Evidence.CVV2.Reveal() != "MARK831" || refusing.asked.Evidence.PINBlock.Reveal() != "PINBLOCK" {
		t.Fatal("the evidence does not arrive: the test is not looking")
	}
	said := log.String()
	if !strings.Contains(said, "could not decide") {
		t.Error("the doubt is not logged")
	}
	for _, secret := range []string{"MARK831", "PINBLOCK"} {
		if strings.Contains(said, secret) {
			t.Errorf("the log holds the evidence of the card")
		}
	}
}
