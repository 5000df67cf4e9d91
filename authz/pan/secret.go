package pan

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is sensitive authentication data: a CVV2, a PIN block, a track, chip data. It prints as stars of a fixed
// number, so that not even its length shows. The zero value is "none". As with [Number], the text is behind a
// pointer because fmt reads unexported fields without asking.
type Secret struct{ text *string }

// NewSecret keeps a copy of s. An empty text is none.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	own := strings.Clone(s)
	return Secret{&own}
}

// IsZero tells whether there is none.
func (s Secret) IsZero() bool { return s.text == nil }

// Reveal gives the text to those who use it: the keystore.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String is the mask.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return "****"
}

// GoString is the mask for %#v.
func (s Secret) GoString() string { return "pan.Secret(" + s.String() + ")" }

// Format writes the mask whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is the mask for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is the mask as a string.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
