package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/testdata/worlds"
)

// planted are the secrets that the messages of this test carry: none of them may be found anywhere but in
// the answers' own echo of DE 2. The numbers of the merchant and the terminal are not secrets, and are kept.
var planted = map[string]string{
	"number of a known card":   "9999991000000012",
	"number of an unknown one": "9999991000076191",
	"number of a foreign card": "4929381712345672",
	"track 1":                  "B9999991000000012^CARLA/PLANTED^4912101987654321",
	"discretionary data":       "4912101987654321",
	"PIN block":                "\x9d\x31\xc7\x04\xe8\x5b\xa2\x7f",
	"CVV in a private field":   "CVV2:831-7",
	"CVV in DE 120":            "CSC=60412887",
	"cryptogram":               "\x9f\x26\x08\xd1\x3c\x77\x09\xfe\x12\xab\xe4",
}

// forms are the ways in which a secret could be written down.
func forms(secret string) [][]byte {
	raw := []byte(secret)
	lower := hex.EncodeToString(raw)
	out := [][]byte{raw, []byte(lower), []byte(strings.ToUpper(lower)), []byte(strconv.Quote(secret))}
	for lead := range 3 { // base64 of three bytes is four characters: what is inside depends on the offset
		whole := base64.StdEncoding.EncodeToString(append(make([]byte, lead), raw...))
		inner := whole[(lead*8+5)/6 : (lead+len(raw))*8/6]
		out = append(out, []byte(inner), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(inner)))
	}
	if strings.Trim(secret, "0123456789") == "" && len(secret)%2 == 0 {
		packed, _ := hex.DecodeString(secret)                     // digits are hexadecimal
		shifted, _ := hex.DecodeString(secret[1 : len(secret)-1]) // the bytes that it fills at an odd nibble
		out = append(out, packed, shifted, []byte(secret[:4]+" "+secret[4:8]+" "+secret[8:12]+" "+secret[12:]))
	}
	return out
}

// leaks names the secrets that are in data, in any form.
func leaks(data []byte) (found []string) {
	for name, secret := range planted {
		for _, form := range forms(secret) {
			if bytes.Contains(data, form) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

// sink is a log that may be read while it is written.
type sink struct {
	mu sync.Mutex

	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.text.Bytes())
}

// The scanner is not blind: each form of each secret is found, wherever it is put.
func TestScannerFindsPlantedLeaks(t *testing.T) {
	t.Parallel()
	noise := bytes.Repeat([]byte{0, 'x', 0xff, '7'}, 500)
	if found := leaks(noise); len(found) != 0 {
		t.Fatalf("found %v in noise", found)
	}
	for name, secret := range planted {
		for i, form := range forms(secret) {
			if found := leaks(bytes.Join([][]byte{noise, form, noise}, nil)); len(found) == 0 {
				t.Errorf("form %d of the %s is not found", i, name)
			}
		}
		for lead := range 3 { // whole dumps, in which the secret is somewhere
			dump := append(append(make([]byte, 30+lead), secret...), "the end"...)
			for _, text := range []string{base64.StdEncoding.EncodeToString(dump), base64.URLEncoding.EncodeToString(dump),
				hex.EncodeToString(dump), strings.ToUpper(hex.EncodeToString(dump))} {
				if len(leaks([]byte(text))) == 0 {
					t.Errorf("the %s is not found in a dump at offset %d", name, lead)
				}
			}
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "holdfast.db-wal"), []byte("..."+planted["track 1"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := leaks(folder(t, dir)); len(found) == 0 {
		t.Error("a leak in a file is not found")
	}
}

// folder reads every file of a folder.
func folder(t *testing.T, dir string) (all []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// Messages with marked secrets in every element that may carry one, and where none belongs, well formed and
// broken: nothing of them is in the log at its most talkative, in the data folder while it is in use and
// afterwards, in the stacks of the goroutines, or in what the tools print.
func TestNoSecretInAnySink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, string(worlds.Demo))); status != exitOK {
		t.Fatal(errs)
	}
	log := &sink{}
	n, err := openNode(dir, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	s, err := listenerConfig{Address: "127.0.0.1:0"}.setup(nil)
	if err == nil {
		err = n.listen([]listenerSetup{s})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.serve(ctx) }() // waited for below
	answered := tellSecrets(t, s.peer.Dialect, n.listeners[0].Addr().String())
	if answered < 40 {
		t.Errorf("only %d answers: the test is not looking", answered)
	}
	search := func(where string, data []byte) {
		for _, name := range leaks(data) {
			t.Errorf("the %s is in %s", name, where)
		}
	}
	stacks := make([]byte, 1<<20)
	search("the stacks", stacks[:runtime.Stack(stacks, true)])
	search("the data folder in use", folder(t, dir))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	search("the log", log.bytes())
	if !bytes.Contains(log.bytes(), []byte("format error")) {
		t.Error("the log has no format error: the test is not looking")
	}
	search("the data folder afterwards", folder(t, dir))
	status, out, errs := runHoldfast(t, "verify", "--data", dir)
	if status != exitOK {
		t.Errorf("verify ended with %d", status)
	}
	search("what verify prints", []byte(out+errs))
}

// tellSecrets sends the secrets, each message on a link of its own, and counts the answers.
func tellSecrets(t *testing.T, d *iso.Dialect, addr string) (answered int) {
	t.Helper()
	for i, body := range secretMessages(t, d) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		link, err := client.DialRaw(ctx, addr, frame.Format{})
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Write(body); err != nil {
			t.Errorf("message %d: %v", i, err)
		} else if err := link.CloseWrite(); err != nil {
			t.Errorf("message %d: %v", i, err)
		} else if answer, err := link.Read(ctx); err == nil {
			answered++
			leaked := leaks(answer)
			for _, name := range leaked {
				if !strings.HasPrefix(name, "number of") {
					t.Errorf("the %s came back in the answer to message %d", name, i)
				}
			}
		}
		cancel()
		if err := link.Close(); err != nil {
			t.Error(err)
		}
	}
	return answered
}

// secretMessages are whole messages of every kind for each number, and each of them cut, lengthened, changed
// and out of step with its frame.
func secretMessages(t *testing.T, d *iso.Dialect) (all [][]byte) {
	t.Helper()
	serial := 0
	for _, number := range []string{planted["number of a known card"], planted["number of an unknown one"], planted["number of a foreign card"]} {
		for _, mti := range []string{"0100", "0101", "0120", "0200", "0400", "0420", "0500", "0800", "9100"} {
			serial++
			m := d.New(mti)
			usual := map[int]string{2: number, 3: "000000", 4: "000000000100", 7: "1122101112", 11: strconv.Itoa(100000 + serial),
				12: "101112", 13: "1122", 14: "4912", 32: "400001", 35: number + "=" + planted["discretionary data"],
				37: strconv.Itoa(500000000000 + serial), 41: "TERM0001", 42: "MERCHANT0000001", 45: planted["track 1"],
				48: planted["CVV in a private field"], 49: "978", 52: planted["PIN block"], 55: planted["cryptogram"],
				60: number, 61: planted["track 1"], 120: planted["CVV in DE 120"], 126: planted["CVV in a private field"]}
			for de, v := range usual {
				if err := m.Set(de, v); err != nil {
					t.Fatalf("element %d: %v", de, err)
				}
			}
			body, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, body, append(bytes.Clone(body), number...), body[:len(body)-9], body[:70],
				[]byte(number+number), append([]byte(number[:4]), body[4:]...), append([]byte(mti), number+number+number...))
			for at := 36; at < len(body); at += 31 {
				changed := bytes.Clone(body)
				changed[at] ^= 0x81
				all = append(all, changed)
			}
			for _, de := range []int{3, 7, 11, 13, 49} { // a number where none belongs
				wrong := d.New(mti)
				for _, other := range []int{2, 4, 11, 35, 41} {
					if err := wrong.Set(other, usual[other]); err != nil {
						t.Fatal(err)
					}
				}
				if v := usual[de]; wrong.Set(de, number[:len(v)]) != nil {
					t.Fatalf("element %d does not take digits", de)
				}
				body, err := wrong.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, body)
			}
		}
	}
	return all
}

// The planted secrets differ from one another, so that a finding names the right one.
func TestPlantedSecretsAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for secret := range maps.Values(planted) {
		if len(secret) < 8 || seen[secret] {
			t.Errorf("a secret of %d bytes is too short or planted twice", len(secret))
		}
		seen[secret] = true
	}
}
