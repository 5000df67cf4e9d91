package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"holdfast/authz/record"
	"holdfast/mgmt/jwe"
	"holdfast/store/records"
)

// Goal: each device of a user gets its answers under the key that it registered, and under no other, whatever was paired
// after it; one without a key gets none, and one that is revoked nothing at all.
func TestEachDeviceHasItsResponseKey(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		signs := must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey))
		text := func(key *rsa.PublicKey) string {
			return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(key)))
		}
		boxes, keys, ids := map[string]*jwe.Box{}, map[string]*rsa.PublicKey{}, map[string]record.UUID{}
		for _, device := range []string{"phone", "tablet", "watch"} {
			more := ""
			if device != "watch" {
				boxes[device], keys[device] = newCaller(t)
				more = `,"responseKey":"` + text(keys[device]) + `"`
			}
			var paired struct{ InstallationID string }
			body := strings.Replace(pairBody(e.pairing(), signs, more), `"phone"`, `"`+device+`"`, 1)
			e.want(201, &paired, e.as("", "POST", "/customers/devices", body))
			ids[device] = must(record.ParseUUID(paired.InstallationID))
			e.tokens[device] = e.newSession(record.Session{Kind: record.SessionUser, Partner: e.partner, User: e.user, Device: ids[device]})
		}
		asks := func(device string, key *rsa.PublicKey) reply {
			return e.as(device, "GET", "/customers/me/cards", "", "Encrypted-Request", "true", "Public-Key", text(key))
		}
		for device := range ids {
			e.want(200, nil, e.as(device, "GET", "/customers/me/cards", ""))
			for whose, key := range keys {
				r := asks(device, key)
				if whose != device {
					e.refused(400, "INVALID_PUBLIC_KEY", r)
					continue
				}
				plain, err := boxes[device].Open(t.Context(), []byte(e.want(200, nil, r).text))
				if err != nil || !strings.Contains(string(plain), `"items"`) {
					t.Errorf("%s: %s, %v", device, plain, err)
				}
			}
		}
		e.do(func(ctx context.Context, tx *records.Tx) error {
			return tx.RevokeDevice(ctx, e.partner, e.user, ids["tablet"], e.node.clock.Now())
		})
		e.refused(401, "UNAUTHENTICATED", e.as("tablet", "GET", "/customers/me/cards", ""))
		// Its session is gone; one that came to be meanwhile is of no use either.
		e.tokens["tablet"] = e.newSession(record.Session{Kind: record.SessionUser, Partner: e.partner, User: e.user, Device: ids["tablet"]})
		e.refused(401, "UNAUTHENTICATED", asks("tablet", keys["tablet"]))
		e.want(200, nil, asks("phone", keys["phone"]))
	})
}
