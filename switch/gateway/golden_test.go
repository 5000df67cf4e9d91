package gateway_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
)

// vector is a message that was written by an encoder that shares nothing with ours.
type vector struct {
	ID       string            `json:"id"`
	Offset   int               `json:"iso_offset"`
	Hex      string            `json:"hex"`
	Expected map[string]string `json:"expected"`
}

func (v vector) body(t *testing.T) []byte {
	t.Helper()
	raw, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return raw[v.Offset:]
}

func vectors(t *testing.T) map[string]vector {
	t.Helper()
	f, err := os.Open("../iso/testdata/vectors/iso8583-synthetic.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]vector{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all[v.ID] = v
	}
	return all
}

// scripted is an authorizer that was told what to say, and keeps what it was asked.
type scripted struct {
	says  authz.Decision
	asked *authz.Request
}

func (s *scripted) Submit(r *authz.Request, w authz.Waiter) {
	s.asked = r
	d := s.says
	w.Decided(&d)
}

// LockOutside says that the card is locked as was asked.
func (s *scripted) LockOutside(_ context.Context, a gateway.CardAction) (authz.LockOutcome, authz.LockReason, error) {
	s.asked = &authz.Request{Peer: a.Peer, PAN: a.PAN}
	return authz.LockChanged, a.Wanted, nil
}

// passed sends a body through a gateway of its own and returns what came back.
func passed(t *testing.T, dialect string, at time.Time, body []byte, s *scripted, change func(*gateway.Peer)) *exchange {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Authorizer: s, Ready: func() bool { return true }, Log: slog.New(slog.DiscardHandler), Cards: s})
	if err != nil {
		t.Fatal(err)
	}
	p := &gateway.Peer{Name: "network", Dialect: d, FileActions: true}
	if change != nil {
		change(p)
	}
	if err := g.Admit(p); err != nil {
		t.Fatal(err)
	}
	x := &exchange{body: body, done: make(chan struct{}), at: at}
	g.Open(p).Frame(x)
	<-x.done
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return x
}

func answered(t *testing.T, x *exchange, dialect string) *iso.Message {
	t.Helper()
	if x.answer == nil {
		t.Fatal("no answer")
	}
	body, err := x.answer.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Decode(body)
	if err != nil {
		t.Fatalf("our own answer does not decode: %v", err)
	}
	return m
}

func amountOf(t *testing.T, alpha string, minor int64) money.Amount {
	t.Helper()
	c, err := money.ByAlpha(alpha)
	if err != nil {
		t.Fatal(err)
	}
	return money.Amount{Minor: minor, Currency: c}
}

// Each request of the vectors with a decision, against the answer that the vectors have for it, element by element. What
// an answer has beyond them must be an element that its table lets come back, as it came.
func TestAnswersAreThoseOfTheVectors(t *testing.T) {
	all := vectors(t)
	at := time.Date(2026, 3, 14, 9, 27, 11, 0, time.UTC)
	part := authz.Decision{Reason: authz.ApprovedPart, ApprovalCode: "A1B2C4", Amount: 10_00, ApprovedTransaction: 10_00,
		Currency: amountOf(t, "EUR", 0).Currency}
	for _, test := range []struct {
		dialect, request, answer string
		says                     authz.Decision
		more                     []string // comes back beside
		ours                     []string // elements that are ours to say: the time of the answer
	}{
		{"cmf-2003", "cmf-01", "cmf-02", authz.Decision{Reason: authz.Approved, ApprovalCode: "A1B2C3"}, nil, []string{"7"}},
		{"cmf-2003", "cmf-01", "cmf-03", authz.Decision{Reason: authz.FundsShort}, nil, []string{"7"}},
		{"cmf-2003", "cmf-01", "cmf-04", authz.Decision{Reason: authz.LockedLost}, nil, []string{"7"}},
		{"cmf-2003", "cmf-01", "cmf-05", part, nil, []string{"7"}},
		{"cmf-2003", "cmf-06", "cmf-02", authz.Decision{Reason: authz.Approved, ApprovalCode: "A1B2C3"}, nil, []string{"7"}},
		{"cmf-2003", "cmf-07", "cmf-08", authz.Decision{Reason: authz.ReversalAccepted}, []string{"56"}, nil},
		{"cmf-2003", "cmf-10", "cmf-11", authz.Decision{}, []string{"73"}, []string{"7"}},
		{"cmf-2003", "cmf-12", "cmf-13", authz.Decision{}, nil, []string{"7"}},
		{"iso87-ascii", "a87-08", "a87-09", authz.Decision{}, []string{"73"}, nil},
		{"iso87-ascii", "a87-10", "a87-11", authz.Decision{}, nil, nil},
		{"visa-like", "vb1-01", "vb1-02", authz.Decision{Reason: authz.FundsShort}, []string{"23"}, nil},
	} {
		t.Run(test.request+" to "+test.answer, func(t *testing.T) {
			request, want := all[test.request], all[test.answer].Expected
			x := passed(t, test.dialect, at, request.body(t), &scripted{says: test.says}, nil)
			a := answered(t, x, test.dialect)
			if a.MTI() != want["0"] || len(want) < 5 {
				t.Errorf("answered by %s, want %s", a.MTI(), want["0"])
			}
			for _, de := range a.Elements() {
				name := strconv.Itoa(de)
				got, expected := a.Get(de), want[name]
				switch {
				case slices.Contains(test.ours, name):
					expected = at.Format("0102150405")
				case slices.Contains(test.more, name):
					expected = request.Expected[name]
				case de == 30:
					got = hex.EncodeToString([]byte(got))
				}
				if got != expected {
					t.Errorf("element %d differs from the vector's", de)
				}
			}
			for name := range want {
				if de, _ := strconv.Atoi(name); de > 0 && !a.Has(de) {
					t.Errorf("element %s is missing", name)
				}
			}
		})
	}
}

// What the authorizer is asked, for each request of the vectors.
func TestVectorsAreReadTheSameInEveryVersion(t *testing.T) {
	all := vectors(t)
	at := time.Date(2026, 3, 14, 9, 27, 11, 0, time.UTC)
	eur := func(minor int64) money.Amount { return amountOf(t, "EUR", minor) }
	for _, test := range []struct {
		id, dialect string
		check       func(r *authz.Request) bool
	}{
		{"cmf-01", "cmf-2003", func(r *authz.Request) bool {
			return r.Kind == authz.Authorization && !r.Repeat && r.Amount == eur(12_34) && r.Transaction == authz.Purchase &&
				r.Trace.Local == "0314102653" && r.Trace.STAN == "000000000101" && r.Trace.MCC == "5411" && r.ExpiryGiven &&
				r.Channel == authz.ChannelPOS && r.Settlement.Day == 0 && !r.PartialOK && r.Phase == authz.PhaseFinal
		}},
		{"a87-01", "iso87-ascii", func(r *authz.Request) bool {
			return r.Kind == authz.Authorization && r.Amount == eur(12_34) && r.Trace.Local == "0314102653" && r.Trace.MCC == "5411" &&
				r.Channel == authz.ChannelPOS && r.Trace.Transmitted == "0314092653"
		}},
		{"cmf-06", "cmf-2003", func(r *authz.Request) bool { return r.Repeat }},
		{"a87-02", "iso87-ascii", func(r *authz.Request) bool { return r.Repeat && r.Trace.Transmitted == "0314092713" }},
		{"cmf-07", "cmf-2003", func(r *authz.Request) bool {
			return r.Kind == authz.Reversal && !r.Partial && r.Original.Kind == authz.Authorization &&
				r.Original.STAN == "000000000101" && r.Original.Local == "0314102653" && r.Original.Acquirer == "123456"
		}},
		{"cmf-09", "cmf-2003", func(r *authz.Request) bool {
			return r.Partial && r.Final == 8_00 && r.Amount == eur(12_34) && r.Settlement.Day == 0
		}},
		{"cmf-15", "cmf-2003", func(r *authz.Request) bool {
			return r.Amount == amountOf(t, "KWD", 1234) && r.Billing == amountOf(t, "JPY", 601)
		}},
		{"a87-03", "iso87-ascii", func(r *authz.Request) bool {
			return r.Kind == authz.AuthorizationAdvice && r.StoodIn && r.ApprovalCode == "S00001"
		}},
		{"a87-04", "iso87-ascii", func(r *authz.Request) bool {
			return r.Kind == authz.Reversal && !r.Partial && r.Original.Transmitted == "0314092653" && r.Original.STAN == "000101"
		}},
		{"a87-06", "iso87-ascii", func(r *authz.Request) bool { return r.Partial && r.Final == 8_00 && r.Amount == eur(12_34) }},
		{"a87-07", "iso87-ascii", func(r *authz.Request) bool {
			return r.Kind == authz.FinancialAdvice && r.ApprovalCode == "A1B2C3" && r.Original.STAN == "000101" &&
				r.Settlement == authz.Settlement{Day: 20260314, Amount: eur(15_00)}
		}},
		{"vb1-01", "visa-like", func(r *authz.Request) bool {
			return r.Amount == eur(12_34) && r.Country == "616" && !r.Evidence.Track2.IsZero() && r.Evidence.Sequence == "000"
		}},
	} {
		s := &scripted{says: authz.Decision{Reason: authz.Inoperative}}
		passed(t, test.dialect, at, all[test.id].body(t), s, nil)
		if s.asked == nil {
			t.Errorf("%s: nothing was asked", test.id)
		} else if !test.check(s.asked) {
			t.Errorf("%s is read as %+v", test.id, *s.asked)
		}
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
