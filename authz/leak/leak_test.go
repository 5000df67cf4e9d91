package leak_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"holdfast/authz/leak"
)

// The card number is one of our test range; the other values are made up.
const (
	number = "9999990000000006"
	masked = "999999******0006"
)

var values = map[string][]byte{"number": []byte(number), "track": []byte(number + "=4912101987654321"), "odd number": []byte("999999000000017"),
	"token": []byte("c2F5IG5vdGhpbmcgdG8gYW55Ym9keQ-_7"), "key": {0x9d, 0x31, 0xc7, 0x04, 0xe8, 0x5b, 0xa2, 0x7f}, "password": []byte("correct horse battery")}

// encodings are written without the searcher's code: in the words of the standard library, or by hand.
func encodings(v []byte) map[string][]byte {
	text := string(v)
	utf := func(order binary.AppendByteOrder) (out []byte) {
		for _, unit := range utf16.Encode([]rune(text)) {
			out = order.AppendUint16(out, unit)
		}
		return out
	}
	all := map[string][]byte{"plain": v, "hex": []byte(hex.EncodeToString(v)), "HEX": fmt.Appendf(nil, "%X", v), "% x": fmt.Appendf(nil, "% x", v),
		"% X": fmt.Appendf(nil, "% X", v), "%v": fmt.Append(nil, v), "%#v": fmt.Appendf(nil, "%#v", v), "%q": fmt.Appendf(nil, "%q", v),
		"URL": []byte(url.QueryEscape(text))}
	for lead := range 3 {
		whole := append(append(make([]byte, lead), v...), "more of it"...)
		all[fmt.Sprint("base64 ", lead)] = []byte(base64.StdEncoding.EncodeToString(whole))
		all[fmt.Sprint("base64url ", lead)] = []byte(base64.RawURLEncoding.EncodeToString(whole))
	}
	if v[0] < 0x80 {
		all["UTF-16LE"], all["UTF-16BE"] = utf(binary.LittleEndian), utf(binary.BigEndian)
		all["JSON"], _ = json.Marshal(text) // a text always encodes
	}
	if strings.Trim(text, "0123456789") != "" {
		return all
	}
	all["EBCDIC"] = bytes.Map(func(r rune) rune { return r }, v)
	for i := range v {
		all["EBCDIC"][i] = v[i] + 0xf0 - '0'
	}
	all["EBCDIC in hexadecimal digits"] = []byte(hex.EncodeToString(all["EBCDIC"]))
	all["JSON escapes"] = []byte(strings.NewReplacer("0", `\u0030`, "1", `\u0031`, "6", `\u0036`, "7", `\u0037`, "9", `\u0039`).Replace(text))
	all["URL escapes"] = []byte(strings.NewReplacer("0", `%30`, "1", `%31`, "6", `%36`, "7", `%37`, "9", `%39`).Replace(text))
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	all["int64"], all["int64, big end first"] = binary.LittleEndian.AppendUint64(nil, n), binary.BigEndian.AppendUint64(nil, n)
	for _, between := range []string{" ", "-"} {
		all["groups"+between] = []byte(text[:4] + between + text[4:8] + between + text[8:12] + between + text[12:])
	}
	for name, digits := range map[string]string{"packed": text, "packed behind a digit": "5" + text} {
		if len(digits)%2 == 1 {
			digits += "f"
		}
		raw, err := hex.DecodeString(digits)
		if err != nil {
			panic(err)
		}
		turned := bytes.Clone(raw)
		for i, b := range raw {
			turned[i] = b<<4 | b>>4
		}
		all[name], all[name+", reversed"] = raw, turned
		all[name+", base64"] = []byte(base64.StdEncoding.EncodeToString(raw))
	}
	return all
}

// Goal: whatever form a secret has, and whatever stands around it, it is found by its name, and in no noise.
func TestEveryFormIsFound(t *testing.T) {
	t.Parallel()
	noise := bytes.Repeat([]byte{0, 'x', 0xff, '7', '9', '9'}, 3000)
	for name, v := range values {
		s := leak.New()
		s.Plant(name, v)
		if found := s.Find(noise); len(found) != 0 {
			t.Fatalf("found %v in noise", found)
		}
		for form, text := range encodings(v) {
			for around, data := range map[string][]byte{"alone": text, "in noise": bytes.Join([][]byte{noise, text, noise}, nil),
				"at the end": append(bytes.Clone(noise), text...), "gzip": zip(t, append(bytes.Clone(noise), text...)),
				"behind gzip": append(zip(t, noise), text...), "zlib behind noise": append(bytes.Clone(noise), deflate(t, text)...)} {
				found := s.Find(data)
				if len(found) == 0 {
					t.Errorf("%s, %s, %s: not found", name, form, around)
				}
				for _, f := range found {
					if f.Secret != name || strings.Contains(f.String(), string(v)) {
						t.Errorf("%s, %s: found %v", name, form, f)
					}
				}
			}
		}
	}
}

func zip(t *testing.T, text []byte) []byte {
	var out bytes.Buffer
	return packedBy(t, &out, gzip.NewWriter(&out), text)
}

func deflate(t *testing.T, text []byte) []byte {
	var out bytes.Buffer
	return packedBy(t, &out, zlib.NewWriter(&out), text)
}

func packedBy(t *testing.T, out *bytes.Buffer, w io.WriteCloser, text []byte) []byte {
	t.Helper()
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Goal: what the product may show is no finding: the mask, the ends alone, a keyed hash.
func TestAMaskIsNoLeak(t *testing.T) {
	t.Parallel()
	s := leak.New()
	for name, v := range values {
		s.Plant(name, v)
	}
	s.PlantBIN("999999")
	s.PlantShort("CVC2", "831")
	for _, text := range []string{masked, "999999", "0006", "999999 0006", "BIN 99999900, last four 0006", "cvc2 is checked", "831", "amount=831",
		"cvc2=***", "99999900000000"} {
		if found := s.Find([]byte(text)); len(found) != 0 {
			t.Errorf("%q: found %v", text, found)
		}
	}
}

// Goal: a few digits are found where somebody gave them a name, in all forms, and nowhere else.
func TestShortSecretsAreFoundBehindTheirNames(t *testing.T) {
	t.Parallel()
	s := leak.New()
	s.PlantShort("CVC2", "831")
	for _, text := range []string{`{"cvc2":"831"}`, `{"CVV": "831"}`, "level=INFO cvc=831", `cvv2="831"`, "CVC2: 831", `"{\"cvc2\":\"831\"}"`, "csc 831"} {
		for form, written := range encodings([]byte(text)) {
			if found := s.Find(written); len(found) == 0 {
				t.Errorf("%s, %s: not found", text, form)
			}
		}
	}
}

// Goal: a number that nobody planted is found by its issuer.
func TestNumbersOfAnIssuerAreFound(t *testing.T) {
	t.Parallel()
	s := leak.New()
	s.PlantBIN("999999")
	for text, want := range map[string]bool{number: true, "x" + number + "\n": true, number[:15] + "8": false, "9" + number: false, number + "0000000": false, "4111111111111111": false} {
		if found := s.Find([]byte(text)); len(found) > 0 != want {
			t.Errorf("found %v, want %v", found, want)
		}
	}
}

// Goal: files are searched wherever they lie, names too, and only what was excepted is left out.
func TestTreesAreSearched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, text := range map[string]string{"a/b/c.db-wal": "..." + number, "a/sound": "nothing", "keys.json": number, "a/keys.json": number,
		"base/1/" + number: "", "x/y": number, "log.gz": string(zip(t, []byte(number)))} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := leak.New()
	s.Plant("number", []byte(number))
	found, err := s.Tree(dir, "keys.json", "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a/b/c.db-wal", "a/keys.json", "base/1/" + number, "log.gz"} {
		if len(found[path]) == 0 {
			t.Errorf("a leak in %s is not found", strings.ReplaceAll(path, number, "the number"))
		}
	}
	if len(found) != 4 {
		t.Errorf("found in %d files, want 4", len(found))
	}
	if _, err := s.Tree(filepath.Join(dir, "keys.json", "no folder")); err == nil {
		t.Error("what is no folder was searched without an error")
	}
}

func TestAShortValueIsNotPlanted(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a value of three bytes was planted")
		}
	}()
	leak.New().Plant("CVC2", []byte("831"))
}

func BenchmarkFind(b *testing.B) {
	s := leak.New()
	for i := range 20 {
		s.Plant("number", fmt.Appendf(nil, "99999900%08d", i))
		s.PlantShort("CVC2", fmt.Sprintf("%03d", 100+i))
	}
	data := make([]byte, 16<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s.Find(data)
	}
}
