package load

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// dialects are those of 1987 whose messages have the plain formats that the templates are written in.
var dialects = []string{"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd"}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testCard is a card number of our test range without a valid check digit: nobody here looks.
func testCard(digits *[CardDigits]byte, i int) {
	copy(digits[:], "99999901")
	decimal(digits[8:], uint64(i))
}

func testTarget(t testing.TB, dialect string) Target {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	return Target{Dialect: d, Cards: 50, Card: testCard, Expiry: "4912", Currency: "978"}
}

// answerTo makes the 0110 to a 0100, or the 0810 to a 0800.
func answerTo(m *iso.Message, code string) ([]byte, error) {
	a := m.Dialect().New(m.MTI()[:2] + "10")
	a.Copy(m, 2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 70)
	if code == "00" && m.MTI() == "0100" {
		if err := a.Set(38, "1A2B3C"); err != nil {
			return nil, err
		}
	}
	if err := a.Set(39, code); err != nil {
		return nil, err
	}
	return a.Append(nil)
}

// issuer is a listener that answers as its script says: for each 0100, by its order of arrival on the link, the
// bodies to send. It ends a link when the script returns errHangUp.
type issuer struct {
	t      testing.TB
	target *Target
	signOn string // DE 39 of the 0810
	script func(i int, m *iso.Message) ([][]byte, error)
}

var errHangUp = errors.New("hang up")

// approveAll is the script of an issuer without a fault.
func approveAll(_ int, m *iso.Message) ([][]byte, error) { return answers1(m, "00") }

func answers1(m *iso.Message, code string) ([][]byte, error) {
	body, err := answerTo(m, code)
	return [][]byte{body}, err
}

// listen starts the issuer and points the target at it. It ends with the test.
func (s *issuer) listen() {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.target.Addr = ln.Addr().String()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() { s.serve(conn) })
		}
	})
	s.t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

func (s *issuer) serve(conn net.Conn) {
	defer conn.Close()
	frames := frame.NewReader(conn, s.target.Format, frame.Limits{})
	for i := 0; ; {
		_, body, err := frames.Next()
		if err != nil {
			return // the generator has gone
		}
		m, err := s.target.Dialect.Decode(body)
		if err != nil {
			s.t.Errorf("the generator sent a message that cannot be decoded: %v", err)
			return
		}
		var bodies [][]byte
		if m.MTI() == "0800" {
			code := s.signOn
			if code == "" {
				code = "00"
			}
			bodies, err = answers1(m, code)
		} else {
			bodies, err = s.script(i, m)
			i++
		}
		if errors.Is(err, errHangUp) {
			return
		}
		if err == nil {
			err = s.send(conn, bodies)
		}
		if err != nil {
			return
		}
	}
}

func (s *issuer) send(conn net.Conn, bodies [][]byte) error {
	var out []byte
	for _, b := range bodies {
		var err error
		if out, err = s.target.Format.Append(out, s.target.Format.FirstHeader(nil), b); err != nil {
			return fmt.Errorf("frame an answer: %w", err)
		}
	}
	if err := conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err := conn.Write(out)
	return err
}

// generator starts the issuer and makes a generator for it.
func (s *issuer) generator(first uint64) *Generator {
	s.t.Helper()
	s.listen()
	g, err := New(*s.target, first)
	if err != nil {
		s.t.Fatal(err)
	}
	g.Drain = 3 * time.Second // of which those take all that lose an answer
	return g
}
