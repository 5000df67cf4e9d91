package mgmt

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"

	"holdfast/mgmt/problem"
)

// PublicKey is one of our keys that callers encrypt for.
type PublicKey struct {
	KID    string `json:"kid"`
	Key    string `json:"publicKey" rule:"max=4096"` // PEM
	Active bool   `json:"active"`
}

// PublicKeys is the key that callers use now, and those that still open.
type PublicKeys struct {
	PublicKey
	Keys []PublicKey `json:"keys"`
}

// own are the rows of the door itself.
func (d *Door) own() []Bound {
	key := func(ctx context.Context, _ *Call, _ *None) (PublicKeys, error) { return d.publicKeys() }
	return []Bound{
		Handle(Route{Method: http.MethodGet, Path: "/customers/public-key", Channel: Open, Books: NoBooks,
			Summary: "The public key that requests are encrypted for"}, key),
		Handle(Route{Method: http.MethodGet, Path: "/lifecycle/v1/public-key", Channel: Lifecycle, Books: NoBooks,
			Summary: "The public key that requests are encrypted for"}, key),
		Handle(Route{Method: http.MethodGet, Path: "/openapi.json", Channel: Open, Books: NoBooks,
			Summary: "This document"}, func(context.Context, *Call, *None) (Raw, error) {
			text, err := d.document()
			return Raw{Type: "application/json", Body: text}, err
		}),
		Handle(Route{Method: http.MethodGet, Path: "/docs", Channel: Open, Books: NoBooks,
			Summary: "The reference page"}, func(context.Context, *Call, *None) (Raw, error) {
			text, err := page(d.rows)
			return Raw{Type: "text/html; charset=utf-8", Policy: pagePolicy, Body: text}, err
		}),
	}
}

func (d *Door) publicKeys() (PublicKeys, error) {
	var all PublicKeys
	for _, k := range d.keys.EncryptionKeys() {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil {
			return all, err
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		all.Keys = append(all.Keys, PublicKey{KID: k.ID, Key: text, Active: k.Active})
	}
	if len(all.Keys) == 0 {
		return all, problem.New(problem.Unavailable)
	}
	all.PublicKey = all.Keys[0]
	return all, nil
}
