package keystore

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestDataOpenOnlyWhereTheyBelong(t *testing.T) {
	s, err := Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("a document")
	sealed, err := s.SealData("document 1", plain)
	if err != nil || bytes.Contains(sealed, plain) {
		t.Fatalf("sealed: %v, in clear: %v", err, bytes.Contains(sealed, plain))
	}
	if got, err := s.OpenData("document 1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened: %v", err)
	}
	if _, err := s.OpenData("document 2", sealed); err == nil {
		t.Error("it opened under another context")
	}
	if _, err := s.OpenPAN(sealed, 1); err == nil {
		t.Error("it opened as a card number")
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := s.OpenData("document 1", altered); err == nil {
			t.Errorf("byte %d altered: it opened", i)
		}
		if _, err := s.OpenData("document 1", sealed[:i]); err == nil {
			t.Errorf("cut to %d bytes: it opened", i)
		}
	}
	if _, err := s.SealData("document 1", make([]byte, dataBytesMax+1)); err == nil {
		t.Error("too much was sealed")
	}
}
