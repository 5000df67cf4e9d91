package authn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// The one-time codes of RFC 6238 as every authenticator app makes them: SHA-1, six digits, thirty seconds.
const (
	totpStep   = 30
	totpDigits = 1_000_000
	totpSkew   = 1 // steps that a clock may be off, either way
	totpSecret = 20
)

// totpAt is the code of a step.
func totpAt(secret []byte, step int64) string {
	h := hmac.New(sha1.New, secret)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(step))) // a hash never returns an error
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fff_ffff
	return fmt.Sprintf("%06d", n%totpDigits)
}

// totpCheck finds the step that a code is of, after the last one used: no code is taken twice. Zero is none.
func totpCheck(secret []byte, code string, at time.Time, last int64) (step int64) {
	now := at.Unix() / totpStep
	for s := now - totpSkew; s <= now+totpSkew; s++ {
		if hmac.Equal([]byte(totpAt(secret, s)), []byte(code)) && s > last {
			step = s
		}
	}
	return step
}

// totpLink is the secret as authenticator apps read it.
func totpLink(email string, secret []byte) string {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return "otpauth://totp/Holdfast:" + url.PathEscape(email) + "?secret=" + text + "&issuer=Holdfast"
}
