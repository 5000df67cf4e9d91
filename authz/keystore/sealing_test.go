package keystore

import (
	"errors"
	"testing"
)

// Goal: a file cannot ask for a weak or an endless derivation. Method: from
// inside the package, because a whole file with a sound MAC would be needed.
func TestDerivationParametersHaveLimits(t *testing.T) {
	t.Parallel()
	salt := make([]byte, kdfSaltSize)
	for name, s := range map[string]sealing{
		"no iterations":       {kdfName, 0, salt},
		"negative iterations": {kdfName, -1, salt},
		"few iterations":      {kdfName, kdfIterations - 1, salt},
		"endless iterations":  {kdfName, kdfIterationsMax + 1, salt},
		"no salt":             {kdfName, kdfIterations, nil},
		"a short salt":        {kdfName, kdfIterations, salt[1:]},
		"another function":    {"scrypt", kdfIterations, salt},
	} {
		if _, _, err := s.derive([]byte("correct horse")); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}
