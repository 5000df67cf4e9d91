package authn

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"holdfast/mgmt/problem"
)

// The cost of a password: argon2id as OWASP's password storage notes give it first for servers, 19 MiB and two passes.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32

	// hashingAtOnceMax bounds the memory and the processor that strangers at the log-in can take.
	hashingAtOnceMax = 2

	// PasswordMin is how long a password has to be, in characters; 12 is PCI DSS 8.3.6.
	PasswordMin = 12
	PasswordMax = 128
)

var argonForm = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonPasses, argonLanes)

func argon(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonKey)
}

// HashPassword is a password as it is kept, with a salt of its own.
func HashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	encode := base64.RawStdEncoding.EncodeToString
	return argonForm + encode(salt) + "$" + encode(argon(password, salt))
}

// noHash is checked when there is no operator: the answer takes as long as for one.
var noHash = argonForm + strings.Repeat("A", base64.RawStdEncoding.EncodedLen(argonSalt)) + "$" +
	strings.Repeat("A", base64.RawStdEncoding.EncodedLen(argonKey))

// checkPassword tells whether a password is the one of a hash, when it gets a place: few are checked at once.
func (m *Room) checkPassword(ctx context.Context, password, hash string) (bool, error) {
	select {
	case m.hashing <- struct{}{}:
		defer func() { <-m.hashing }()
	case <-ctx.Done():
		return false, problem.New(problem.Overloaded)
	}
	rest, ok := strings.CutPrefix(hash, argonForm)
	salt, key, both := strings.Cut(rest, "$")
	if !ok || !both {
		return false, nil // of a cost that this program does not know
	}
	rawSalt, err1 := base64.RawStdEncoding.DecodeString(salt)
	rawKey, err2 := base64.RawStdEncoding.DecodeString(key)
	if err1 != nil || err2 != nil {
		return false, nil
	}
	return subtle.ConstantTimeCompare(argon(password, rawSalt), rawKey) == 1, nil
}
