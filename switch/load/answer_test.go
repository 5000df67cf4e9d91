package load

import (
	"testing"
	"time"

	"holdfast/switch/iso"
)

// requestMessage is message n as the issuer decodes it.
func requestMessage(t testing.TB, target *Target, n uint64) *iso.Message {
	t.Helper()
	tpl, err := newTemplate(target)
	if err != nil {
		t.Fatal(err)
	}
	var s stamp
	s.set(time.Unix(1_900_000_000, 0))
	m, err := target.Dialect.Decode(tpl.append(nil, n, &s, target)[2:])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustAnswer(t testing.TB, m *iso.Message, code string) []byte {
	t.Helper()
	body, err := answerTo(m, code)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Approvals and declines have different layouts (DE 38). Each is decoded once and then read by its places.
func TestAnswersAreReadByTheirPlaces(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			target := testTarget(t, dialect)
			a := answers{dialect: target.Dialect}
			codes := map[string]verdict{"00": approved, "51": declined, "14": declined, "91": undecided, "96": undecided}
			for n := uint64(1); n <= 40; n++ {
				m := requestMessage(t, &target, n*24_681_357)
				for code, want := range codes {
					number, v := a.read(mustAnswer(t, m, code))
					if number != n*24_681_357 || v != want {
						t.Fatalf("answer %s to message %d: got number %d, verdict %d, want verdict %d", code, n*24_681_357, number, v, want)
					}
				}
			}
			if a.decoded != 2 {
				t.Errorf("%d answers were decoded, want one of each layout", a.decoded)
			}
		})
	}
}

func TestWhatIsNoAnswerOfOursIsTold(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	m := requestMessage(t, &target, 77)
	without := target.Dialect.New("0110")
	without.Copy(m, 2, 11)
	noNumber, err := without.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set(37, "12345678901A"); err != nil {
		t.Fatal(err)
	}
	network := target.Dialect.New("0800")
	if err := network.Set(70, "002"); err != nil {
		t.Fatal(err)
	}
	signOff, err := network.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		body []byte
		want verdict
	}{
		{"an unreadable message", []byte("0110 is all that it says"), foreign},
		{"an answer without a number", noNumber, foreign},
		{"an answer whose number has a letter", mustAnswer(t, m, "00"), foreign},
		{"the peer's own sign-off", signOff, ignored},
	} {
		a := answers{dialect: target.Dialect}
		a.read(mustAnswer(t, requestMessage(t, &target, 78), "00")) // a layout is known by now
		if _, got := a.read(c.body); got != c.want {
			t.Errorf("%s: got verdict %d, want %d", c.name, got, c.want)
		}
	}
}

// FuzzAnswers: no peer can make the reader fail, or learn more layouts than it keeps.
func FuzzAnswers(f *testing.F) {
	target := testTarget(f, "iso87-ascii")
	m := requestMessage(f, &target, 5)
	good := mustAnswer(f, m, "00")
	f.Add(good)
	f.Add(mustAnswer(f, m, "51"))
	f.Add(good[:len(good)-3])
	f.Add([]byte("0110"))
	a := answers{dialect: target.Dialect}
	a.read(good)
	f.Fuzz(func(t *testing.T, body []byte) {
		_, v := a.read(body)
		if v > foreign {
			t.Errorf("verdict %d is none", v)
		}
		if len(a.layouts) > layoutsMax {
			t.Errorf("%d layouts are kept, want at most %d", len(a.layouts), layoutsMax)
		}
		if n, v := a.read(good); n != 5 || v != approved {
			t.Errorf("after it a good answer is read as number %d, verdict %d", n, v)
		}
	})
}
