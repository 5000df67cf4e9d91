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
