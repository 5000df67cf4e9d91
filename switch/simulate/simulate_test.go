package simulate

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/authz/money"
	"holdfast/switch/iso"
)

const testCard = "4111111111111111"

func open(t testing.TB, dialect string) *Simulation {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	var card Card
	if err := card.UnmarshalText([]byte(testCard + "/4912")); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Addr: "127.0.0.1:1", Dialect: d, Cards: map[string]Card{MainCard: card}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, currency string
		minor          int64
		bad            bool
	}{{"12.50", "EUR", 1250, false}, {"12.5", "EUR", 1250, false}, {"12", "EUR", 1200, false}, {"-3.00", "EUR", -300, false},
		{"100", "JPY", 100, false}, {"1.001", "KWD", 1001, false}, {"0.00", "EUR", 0, false}, {"1.001", "EUR", 0, true},
		{"1.5", "JPY", 0, true}, {".50", "EUR", 0, true}, {"", "EUR", 0, true}, {"1,50", "EUR", 0, true}, {"--1", "EUR", 0, true},
		{"99999999999999999999", "EUR", 0, true}} {
		currency, err := money.ByAlpha(c.currency)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := parseAmount(c.text, currency); (err != nil) != c.bad || a.Minor != c.minor {
			t.Errorf("%s %s: %d, %v", c.text, c.currency, a.Minor, err)
		}
	}
}

// Every kind can be made and written in every dialect that is built in, or the dialect is said to have no word for it.
func TestEveryKindInEveryDialect(t *testing.T) {
	t.Parallel()
	unsaid := map[string]int{}
	for _, name := range iso.Names() {
		s := open(t, name)
		names, _ := Kinds()
		begin, err := s.Parse("purchase 10.00 id=a")
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.build.build(begin)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.build.steps["a"], s.life, s.last = made, "a", "a"
		for _, kind := range names {
			line := kind
			switch k := kinds[kind]; {
			case k.amount != never:
				line += " 5.00"
			case k.locks:
				line += " QUERY"
			case kind == kindMessage:
				line += " 0100"
			case k.keeps:
				line += " keep=4.00"
			}
			step, err := s.Parse(line)
			if err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
				continue
			}
			m, err := s.build.build(step)
			if err != nil && strings.Contains(err.Error(), errUnsaid.Error()) {
				unsaid[kind]++
				continue
			}
			if err == nil {
				_, err = m.message.Append(nil)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	for kind, n := range unsaid {
		switch kind {
		case "increment", "replacement", "reconciliation", "lock", "unlock":
		default:
			t.Errorf("%d dialects cannot say %s", n, kind)
		}
	}
	if unsaid["increment"] == 0 || unsaid["increment"] == len(iso.Names()) {
		t.Errorf("%d of %d dialects cannot say an increment", unsaid["increment"], len(iso.Names()))
	}
}

func TestWhatIsTypedWrongIsNotShownWhenItMayBeACard(t *testing.T) {
	t.Parallel()
	s := open(t, "iso87-ascii")
	for _, line := range []string{testCard, "purchase " + testCard, "echo " + testCard, "reversal of=" + testCard, "purchase 1 x" + testCard + "=1",
		"purchase 1 copies=" + testCard, "lock " + testCard, "purchase 1 expect=" + testCard} {
		if _, err := s.Parse(line); err == nil || strings.Contains(err.Error(), testCard) {
			t.Errorf("%d characters: %v", len(line), err)
		}
	}
	for _, text := range []string{testCard + "/13", testCard + "/4913", "4111/4912", testCard + "/49 1"} {
		if err := new(Card).UnmarshalText([]byte(text)); err == nil || strings.Contains(err.Error(), "4111") {
			t.Errorf("a card of %d characters: %v", len(text), err)
		}
	}
	if text := fmt.Sprintf("%v %+v", s.Cards(), s.config.Cards); strings.Contains(text, testCard) {
		t.Error("a card prints itself")
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{"purchase 42.60 mcc=5411", "reversal keep=20.00 of=1", "message 0100 3=000000", "lock QUERY card=x",
		"preauth 1 copies=10 within=1s lose=true partOK=true", "repeat expect=approved", "echo 70=301", "purchase 1 300=x"} {
		f.Add(line)
	}
	s := open(f, "iso87-ascii")
	f.Fuzz(func(t *testing.T, line string) {
		step, err := s.Parse(line)
		if err != nil {
			return
		}
		if _, known := kinds[step.Send]; !known || step.Expected.Is == "" && len(step.Expected.Code) == 0 || step.Link == "" {
			t.Errorf("%+v is not complete", step)
		}
		if m, err := s.build.build(step); err == nil {
			_, _ = m.message.Append(nil)
		}
	})
}
