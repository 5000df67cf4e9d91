package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"holdfast/authz/leak"
)

// vault knows the secrets of a run and the places in which none of them may be. A place is a text that is written while
// the run goes on, or a folder. Whether it is searched is proven by canaries: made up numbers that are put into it, in every
// form, by the way that a leak would take; all of them must be found.
type vault struct {
	*leak.Searcher
	t        *testing.T
	canaries []leak.Form
	journal  []int64 // ids of some authorizations

	mu sync.Mutex

	texts   map[string]*sink
	answers []heardAnswer
}

type heardAnswer struct {
	method, path string
	reply
}

const canaryName = "canary, "

func newVault(t *testing.T) *vault {
	v := &vault{Searcher: leak.New(), t: t, texts: map[string]*sink{}}
	number := func(i int) []byte { return fmt.Appendf(nil, "99999977%08d", 10_000_019*(i+1)%100_000_000) }
	for i := range leak.Forms(number(0)) {
		form := leak.Forms(number(i))[i]
		v.Plant(fmt.Sprintf("%s%d %s", canaryName, i, form.Name), number(i))
		v.canaries = append(v.canaries, form)
	}
	return v
}

// place is a text that is searched, made the first time.
func (v *vault) place(name string) *sink {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.texts[name] == nil {
		v.texts[name] = &sink{}
	}
	return v.texts[name]
}

func (v *vault) put(name string, text string) {
	_, _ = v.place(name).Write([]byte(text)) // a buffer takes all
}

// hear keeps an answer of the management API.
func (v *vault) hear(method, address string, r reply) {
	v.mu.Lock()
	defer v.mu.Unlock()
	path := address
	if u, err := url.Parse(address); err == nil {
		path = u.Path
	}
	v.answers = append(v.answers, heardAnswer{method, path, r})
}

// given are the secrets that an answer may have, by what its path ends with: those that the call is made for.
var given = map[string]string{"POST /customers/sessions": "token", "POST /admin/sessions": "token", "/pairing-codes": "pairing code",
	"POST /secure/webhooks": "secret of an endpoint", "POST /admin/operators": "secret of one-time codes"}

// searchAnswers wants no answer to have a secret, but for the one that it was asked for and that it gave.
func (v *vault) searchAnswers() {
	v.t.Helper()
	for _, a := range v.answers {
		var b bytes.Buffer
		b.WriteString(a.text)
		if err := a.header.Write(&b); err != nil {
			v.t.Fatal(err)
		}
		for _, f := range v.Find(b.Bytes()) {
			allowed := false
			for end, name := range given {
				allowed = allowed || a.status < 300 && strings.HasSuffix(a.method+" "+a.path, end) && strings.HasPrefix(f.Secret, name)
			}
			if !allowed && !strings.HasPrefix(f.Secret, canaryName) {
				v.t.Errorf("the answer %d to %s %s has the %v", a.status, a.method, v.shown(a.path), f)
			}
		}
	}
}

// shown is a path for a test's output: it may be one of those that hold a secret.
func (v *vault) shown(path string) string {
	if len(v.Find([]byte(path))) > 0 {
		return "a path with a secret"
	}
	return path
}

// searchTexts wants no text to have a secret. Some places may have some, by the beginnings of the secrets' names.
func (v *vault) searchTexts(may map[string][]string) {
	v.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(v.texts)) {
		text := v.texts[name].bytes()
		if len(text) == 0 {
			v.t.Errorf("nothing is in %s: the test is not looking", name)
		}
		for _, f := range v.Find(text) {
			allowed := slices.ContainsFunc(append(may[name], canaryName), func(s string) bool { return strings.HasPrefix(f.Secret, s) })
			if !allowed {
				v.t.Errorf("in %s is the %v", name, f)
			}
		}
	}
}

// searchFolder wants no file of a folder to have a secret.
func (v *vault) searchFolder(name, dir string, except ...string) {
	v.t.Helper()
	found, err := v.Tree(dir, except...)
	if err != nil {
		v.t.Fatal(err)
	}
	for file, all := range found {
		for _, f := range all {
			if !strings.HasPrefix(f.Secret, canaryName) {
				v.t.Errorf("in %s, file %s, is the %v", name, file, f)
			}
		}
	}
}

// textual tells whether a canary can be a part of a text that has its own way with quotes, controls and long words.
func textual(f leak.Form) bool {
	return len(f.Text) <= 100 && utf8.Valid(f.Text) && !bytes.ContainsFunc(f.Text, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`'"\\`, r) })
}

// wantCanaries wants all canaries, or all of those that are texts, to be in what was found.
func (v *vault) wantCanaries(place string, textsOnly bool, found []leak.Finding) {
	v.t.Helper()
	for i, form := range v.canaries {
		if textsOnly && !textual(form) {
			continue
		}
		name := fmt.Sprintf("%s%d %s", canaryName, i, form.Name)
		if !slices.ContainsFunc(found, func(f leak.Finding) bool { return f.Secret == name }) {
			v.t.Errorf("a leak that was put into %s is not found: %s", place, form.Name)
		}
	}
}

// proveTexts puts canaries into every text, as a leak would, and wants to find them.
func (v *vault) proveTexts() {
	v.t.Helper()
	for name, text := range v.texts {
		for _, c := range v.canaries {
			_, _ = fmt.Fprintf(text, "<%s>", c.Text) // a buffer takes all
		}
		v.wantCanaries(name, false, v.Find(text.bytes()))
	}
}

// proveAnswers has a server answer canaries, in a body and in a header, to the way by which all answers are heard.
func (v *vault) proveAnswers(o *office) {
	v.t.Helper()
	leaky := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, c := range v.canaries {
			_, _ = fmt.Fprintf(w, "<%s>", c.Text) // the client reads all
		}
	})
	s := newLeaky(v.t, leaky)
	o.call(o.http(), "GET", s+"/leak", "")
	last := v.answers[len(v.answers)-1]
	v.wantCanaries("an answer", false, v.Find([]byte(last.text)))
}

// proveFolder wants canaries that were put where a folder belongs to.
func (v *vault) proveFolder(name, dir string, textsOnly bool, except ...string) {
	v.t.Helper()
	tree, err := v.Tree(dir, except...)
	if err != nil {
		v.t.Fatal(err)
	}
	var found []leak.Finding
	for _, all := range tree {
		found = append(found, all...)
	}
	v.wantCanaries(name, textsOnly, found)
}

// plantKeys learns every key in a key file: its bytes, and of key pairs the numbers that are secret.
func (v *vault) plantKeys(dir string) {
	v.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, keysFile))
	if err != nil {
		v.t.Fatal(err)
	}
	var f struct {
		Keys []struct {
			ID       int
			Usage    string
			Material []byte
		}
	}
	if err := json.Unmarshal(text, &f); err != nil {
		v.t.Fatal(err)
	}
	for _, k := range f.Keys {
		v.plantPrivate(fmt.Sprintf("key %d, %s", k.ID, k.Usage), k.Material)
	}
	if len(f.Keys) < 9 {
		v.t.Errorf("%d keys in the file: the test is not looking", len(f.Keys))
	}
	if text, err = os.ReadFile(filepath.Join(dir, serverKeyFile)); err != nil {
		v.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	v.plantPrivate("key of the server's certificate", block.Bytes)
}

func (v *vault) plantPrivate(name string, material []byte) {
	v.t.Helper()
	v.Plant(name, material)
	pair, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return // no pair
	}
	switch key := pair.(type) {
	case *rsa.PrivateKey:
		v.Plant(name+", exponent", key.D.Bytes())
		v.Plant(name+", first prime", key.Primes[0].Bytes())
		v.Plant(name+", second prime", key.Primes[1].Bytes())
	case *ecdsa.PrivateKey:
		scalar, err := key.Bytes()
		if err != nil {
			v.t.Fatal(err)
		}
		v.Plant(name+", scalar", scalar)
	}
}

// runs runs a command of the program and searches what it prints, whatever its end is.
func (v *vault) runs(name string, args ...string) string {
	v.t.Helper()
	var out, errs bytes.Buffer
	run(&env{context.Background(), strings.NewReader(""), &out, &errs}, args)
	v.put("what "+name+" prints", out.String()+errs.String())
	return out.String()
}
