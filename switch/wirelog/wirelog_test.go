package wirelog_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/wirelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const planted = "4111111111111111"

func message(t *testing.T, d *iso.Dialect, mti string, more map[int]string) []byte {
	t.Helper()
	m := d.New(mti)
	for de, v := range map[int]string{2: planted, 3: "000000", 4: "000000001250", 7: "1123010203", 11: "000042", 37: "632701000042"} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	for de, v := range more {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	body, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func framed(t *testing.T, f frame.Format, body []byte) []byte {
	t.Helper()
	out, err := f.Append(nil, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestALogHasBothDirectionsInOrderAndNoCard(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	f, err := frame.Parse("bin2")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := wirelog.New(&out)
	near, far := net.Pipe()
	c := wirelog.Tap{Log: log, Peer: "network", Dialect: d, Format: f}.Wrap(near, "a")
	request := framed(t, f, message(t, d, "0100", nil))
	answer := framed(t, f, message(t, d, "0110", map[int]string{38: "ABC123", 39: "00"}))
	done := make(chan error, 1)
	go func() { // owned by the test, which waits for done
		got := make([]byte, len(request))
		_, err := far.Read(got)
		for i := range answer { // one byte at a time
			if err == nil {
				_, err = far.Write(answer[i : i+1])
			}
		}
		done <- err
	}()
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < len(answer); {
		n, err := c.Read(make([]byte, 64))
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if err := errors.Join(<-done, c.Close(), far.Close(), log.Close()); err != nil {
		t.Fatal(err)
	}
	var events []string
	if err := wirelog.Read(bytes.NewReader(out.Bytes()), func(r wirelog.Record) error {
		events = append(events, strings.TrimSpace(string(r.Event)+" "+r.MTI+" "+r.STAN+" "+r.Code+" "+r.Approval))
		if r.Link != "a" || r.Peer != "network" || r.At.IsZero() {
			t.Errorf("record without its link, peer or time: %+v", r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := "opened; sent 0100 000042; received 0110 000042 00 ABC123; closed"
	if got := strings.Join(events, "; "); got != want {
		t.Errorf("log says %q, want %q", got, want)
	}
	if strings.Contains(out.String(), planted) || !strings.Contains(out.String(), `"1111"`) {
		t.Error("the log has the card's number, or not its last four digits")
	}
}

func TestGarbageIsNotedAndPassesOn(t *testing.T) {
	t.Parallel()
	d, _ := iso.Builtin("iso87-ascii")
	f, _ := frame.Parse("ascii4")
	var out bytes.Buffer
	log := wirelog.New(&out)
	near, far := net.Pipe()
	c := wirelog.Tap{Log: log, Dialect: d, Format: f}.Wrap(near, "a")
	go func() { // owned by the test: ends with the connection
		_, _ = far.Write([]byte("-001 no frame at all"))
	}()
	n, err := c.Read(make([]byte, 64))
	if err != nil || n == 0 {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	if err := errors.Join(c.Close(), far.Close(), log.Close()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"event":"garbled"`) {
		t.Errorf("the log does not tell of it: %s", out.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestALogThatLostARecordSaysSo(t *testing.T) {
	t.Parallel()
	log := wirelog.New(brokenWriter{})
	near, far := net.Pipe()
	d, _ := iso.Builtin("iso87-ascii")
	f, _ := frame.Parse("bin2")
	c := wirelog.Tap{Log: log, Dialect: d, Format: f}.Wrap(near, "a")
	if err := errors.Join(c.Close(), far.Close()); err != nil {
		t.Fatal(err)
	}
	if log.Close() == nil {
		t.Error("a log that could not be written closes without an error")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"at":"2026-01-02T03:04:05Z","link":"a","event":"sent"}` + "\n"))
	f.Add([]byte("{\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = wirelog.Read(bytes.NewReader(raw), func(wirelog.Record) error { return nil }) // must not panic
	})
}
