package keystore_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/authz/keystore"
	"holdfast/authz/pan"
)

const testCard = "4111111111111111"

func number(t testing.TB, digits string) pan.Number {
	t.Helper()
	n, err := pan.Parse(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func create(t testing.TB) (*keystore.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := keystore.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, path
}

func TestSealedNumberOpensForItsCardOnly(t *testing.T) {
	t.Parallel()
	s, path := create(t)
	n := number(t, testCard)
	sealed, err := s.Seal(n, 7)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(testCard)) {
		t.Error("the sealed form shows the number")
	}
	again, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]*keystore.Store{"the same store": s, "the store opened again": again} {
		if got, err := store.OpenPAN(sealed, 7); err != nil || !got.Equal(n) {
			t.Errorf("%s gives %v, %v", name, got, err)
		}
		if got, err := store.OpenPAN(sealed, 8); !errors.Is(err, keystore.ErrSealedPAN) || !got.IsZero() {
			t.Errorf("%s opens it for another card: %v, %v", name, got, err)
		}
	}
	other, _ := create(t)
	if got, err := other.OpenPAN(sealed, 7); !errors.Is(err, keystore.ErrSealedPAN) || !got.IsZero() {
		t.Errorf("another key file opens it: %v, %v", got, err)
	}
}

func TestSealedNumberTellsNeitherLengthNorEquality(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	short, err1 := s.Seal(number(t, "999999000000"), 1)
	long, err2 := s.Seal(number(t, "9999990000000000000"), 1)
	same, err3 := s.Seal(number(t, "999999000000"), 1)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if len(short) != len(long) || bytes.Equal(short, same) {
		t.Errorf("lengths %d and %d; two seals of one number equal: %v", len(short), len(long), bytes.Equal(short, same))
	}
	if _, err := s.Seal(pan.Number{}, 1); err == nil {
		t.Error("sealed a number that is not there")
	}
}

func TestEveryAlteredBitAndLengthOfASealedNumberIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	sealed, err := s.Seal(number(t, testCard), 1)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(sealed) * 8 {
		altered := bytes.Clone(sealed)
		altered[bit/8] ^= 1 << (bit % 8)
		if _, err := s.OpenPAN(altered, 1); !errors.Is(err, keystore.ErrSealedPAN) {
			t.Fatalf("bit %d altered: %v", bit, err)
		}
	}
	for length := range len(sealed) {
		if _, err := s.OpenPAN(sealed[:length], 1); !errors.Is(err, keystore.ErrSealedPAN) {
			t.Fatalf("cut to %d bytes: %v", length, err)
		}
	}
	if _, err := s.OpenPAN(append(sealed, 0), 1); !errors.Is(err, keystore.ErrSealedPAN) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestTagsFollowTheNumberAndTheKey(t *testing.T) {
	t.Parallel()
	s, path := create(t)
	again, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := create(t)
	n := number(t, testCard)
	first, second := s.Tag(n), s.Tag(n)
	if first != second || first != again.Tag(n) {
		t.Error("the tag of one number changes")
	}
	if s.Tag(n) == other.Tag(n) || s.Tag(n) == s.Tag(number(t, "4111111111111112")) {
		t.Error("another key or another number has the same tag")
	}
	tag := s.Tag(n)
	if got := tag.String(); got != hex.EncodeToString(tag[:]) || fmt.Sprint(tag) != got {
		t.Errorf("the tag is shown as %s", got)
	}
	if s.CheckValue() != again.CheckValue() || s.CheckValue() == other.CheckValue() || len(s.CheckValue()) != 16 {
		t.Errorf("check values %s, %s, %s", s.CheckValue(), again.CheckValue(), other.CheckValue())
	}
}

func TestKeyedSeparatesLabelsPartsAndKeys(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	b := func(parts ...string) (out [][]byte) {
		for _, part := range parts {
			out = append(out, []byte(part))
		}
		return out
	}
	seen := map[[16]byte]string{}
	for name, got := range map[string][16]byte{
		"dup a b":      s.Keyed("dup", b("a", "b")...),
		"dup ab":       s.Keyed("dup", b("ab")...),
		"dup empty ab": s.Keyed("dup", b("", "ab")...),
		"dup ab empty": s.Keyed("dup", b("ab", "")...),
		"dup nothing":  s.Keyed("dup"),
		"dupa b":       s.Keyed("dupa", b("b")...),
		"approval a b": s.Keyed(keystore.LabelApproval, b("a", "b")...),
		"response a b": s.Keyed("response", b("a", "b")...),
		"long":         s.Keyed("dup", bytes.Repeat([]byte("x"), 10_000)),
	} {
		if twin, ok := seen[got]; ok {
			t.Errorf("%q and %q have one hash", name, twin)
		}
		seen[got] = name
	}
	first, second := s.Keyed("dup", b("a")...), s.Keyed("dup", b("a")...)
	if first != second {
		t.Error("the hash of one input changes")
	}
	other, _ := create(t)
	if first == other.Keyed("dup", b("a")...) {
		t.Error("two key files make one hash")
	}
}

// Goal: shared states never mix inputs. Method: many goroutines over one store,
// each with its own number, under the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	var group sync.WaitGroup
	for worker := range 8 {
		digits := fmt.Sprintf("99999900%08d", worker)
		n, label := number(t, digits), []byte(digits)
		tag, keyed := s.Tag(n), s.Keyed("dup", label)
		group.Go(func() {
			for round := range 200 {
				sealed, err := s.Seal(n, int64(round))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := s.OpenPAN(sealed, int64(round))
				if err != nil || !got.Equal(n) || s.Tag(n) != tag || s.Keyed("dup", label) != keyed {
					t.Errorf("worker %d, round %d: another answer than alone (%v)", worker, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// Goal: no key is shown, whichever way the store is printed. Method: the keys as
// they stand in an unsealed file, searched for in every shape by every verb.
func TestStoreShowsNoKey(t *testing.T) {
	t.Parallel()
	s, path := create(t)
	secrets := materials(t, path)
	type holder struct {
		s *keystore.Store
		v keystore.Store
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "store", s, "holder", holder{s, *s})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "store", s, "holder", &holder{s, *s})
	asJSON, err := json.Marshal(map[string]any{"store": s, "value": *s})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(asJSON)
	for _, value := range []any{s, *s, holder{s, *s}, &holder{s, *s}, []any{s, *s}, map[string]*keystore.Store{"a": s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%p"} {
			all += fmt.Sprintf(verb+"\n", value)
		}
	}
	lower := strings.ToLower(all)
	for _, key := range secrets {
		part := key[8:16]
		for _, form := range []string{
			hex.EncodeToString(part), strings.Trim(fmt.Sprint(part), "[]"),
			strings.Trim(fmt.Sprintf("% x", part), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"),
		} {
			if strings.Contains(lower, form) {
				t.Fatalf("a key is shown as %q", form)
			}
		}
	}
	if !strings.Contains(all, "keystore") {
		t.Error("nothing was printed, so nothing was tested")
	}
}

// materials reads the keys out of an unsealed file.
func materials(t *testing.T, path string) (keys [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Keys []struct {
			Material []byte
		}
	}
	if err := json.Unmarshal(content, &f); err != nil || len(f.Keys) != 7 {
		t.Fatalf("%d keys, %v", len(f.Keys), err)
	}
	for _, key := range f.Keys {
		keys = append(keys, key.Material)
	}
	return keys
}

func BenchmarkTag(b *testing.B) {
	s, _ := create(b)
	n := number(b, testCard)
	b.ReportAllocs()
	for b.Loop() {
		s.Tag(n)
	}
}

func BenchmarkKeyed(b *testing.B) {
	s, _ := create(b)
	part := make([]byte, 24)
	b.ReportAllocs()
	for b.Loop() {
		s.Keyed("dup", part, part)
	}
}

func BenchmarkSeal(b *testing.B) {
	s, _ := create(b)
	n := number(b, testCard)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(n, 1); err != nil {
			b.Fatal(err)
		}
	}
}
