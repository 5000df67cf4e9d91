package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secret is an endpoint's secret on its way to the partner, and a mask anywhere else.
type secret string

// secretPrefix marks a secret of Standard Webhooks.
const secretPrefix = "whsec_"

// Format writes the mask whatever the verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "****") }

// LogValue is the mask for log/slog.
func (secret) LogValue() slog.Value { return slog.StringValue("****") }

// sign puts the headers of Standard Webhooks 1.0 on a request: the id of the message, when it is sent, and HMAC-SHA-256
// over both and the body by each of the secrets. The id is also the idempotency key.
func sign(h http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	seconds := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(keys))
	for i, key := range keys {
		signatures[i] = Signature(key, id, seconds, body)
	}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", seconds)
	h.Set("webhook-signature", strings.Join(signatures, " "))
	h.Set("X-Idempotency-Key", id)
}

// Signature is what a receiver computes to check a message, from the secret behind its prefix, decoded from base64.
func Signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+timestamp+".") // a hash never returns an error
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
