package jwe_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/mgmt/jwe"
)

// Goal: another implementation, with keys that another one made, understands us. Method: npm jose in node, keys by
// openssl. It needs both, and HOLDFAST_JOSE, the folder of the package jose.
func TestNpmJoseAndOpensslKeys(t *testing.T) {
	t.Parallel()
	if os.Getenv("HOLDFAST_JOSE") == "" {
		t.Skip("HOLDFAST_JOSE does not name the folder of npm jose")
	}
	s := keys(t)
	box := jwe.New(s, jwe.Limits{})
	ours := s.EncryptionKeys()[0]
	der, err := x509.MarshalPKIXPublicKey(ours.Key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, alg := range []string{"RSA-OAEP-256", "RSA-OAEP"} {
		var sealed struct{ Token string }
		node(t, map[string]string{"do": "seal", "key": text, "alg": alg, "text": `{"cardNo":"x"}`}, &sealed)
		if plain, err := box.Open(context.Background(), body(sealed.Token)); err != nil || string(plain) != `{"cardNo":"x"}` {
			t.Errorf("%s: %q, %v", alg, plain, err)
		}
	}
	for _, bits := range []string{"2048", "3072", "4096"} {
		private := filepath.Join(t.TempDir(), "private")
		openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:"+bits, "-out", private)
		public := openssl(t, "pkey", "-in", private, "-pubout")
		caller, err := jwe.ParseKey([]string{base64.StdEncoding.EncodeToString(public)})
		if err != nil {
			t.Fatalf("%s bits: %v", bits, err)
		}
		sealed, err := box.Seal(caller, []byte(`{"cvv":"123"}`))
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct{ Payload string }
		if err := json.Unmarshal(sealed, &envelope); err != nil {
			t.Fatal(err)
		}
		secret, err := os.ReadFile(private)
		if err != nil {
			t.Fatal(err)
		}
		var opened struct {
			Text   string
			Header map[string]string
		}
		node(t, map[string]string{"do": "open", "key": string(secret), "token": envelope.Payload}, &opened)
		if opened.Text != `{"cvv":"123"}` || opened.Header["kid"] == "" || opened.Header["enc"] != "A256GCM" {
			t.Errorf("%s bits: %+v", bits, opened)
		}
	}
}

func node(t *testing.T, ask any, answer any) {
	t.Helper()
	text, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", "testdata/client.mjs")
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(text), &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("node: %v, %s", err, strings.TrimSpace(errs.String()))
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		t.Fatal(err)
	}
}

func openssl(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.Command("openssl", args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("openssl: %v, %s", err, strings.TrimSpace(errs.String()))
	}
	return out
}
