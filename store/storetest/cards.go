package storetest

import (
	"context"
	"crypto/des"
	"encoding/hex"
	"fmt"
	"testing"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/keystore/emv"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// Keys that the tests know, so that they can be the other side: the chips, and the peer "network". The values of PINs have
// four digits: under a key by chance a wrong PIN would be right now and then.
const (
	chipMaster = "0123456789ABCDEFFEDCBA9876543210"
	pinValues  = "3323456789ABCDEFFEDCBA9876543210"
	zoneMaster = "FEDCBA98765432100123456789ABCDEF"
	zonePIN    = "1123456789ABCDEFFEDCBA9876543210"
)

// newKeys makes the keys of a world, with those that the tests know.
func newKeys(t testing.TB, path string) *keystore.Store {
	t.Helper()
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		usage, key string
		attributes map[string]string
	}{{"imk-ac", chipMaster, nil}, {"pvk", pinValues, nil}, {"zmk", zoneMaster, map[string]string{"peer": "network", "formats": "03"}}} {
		id, err := keystore.ImportKey(path, nil, k.usage, unhex(t, k.key), k.attributes)
		if err == nil {
			err = keystore.ActivateKey(path, nil, id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	master := unhex(t, zoneMaster)
	wrap, err := des.NewTripleDESCipher(append(master, master[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := make([]byte, 16)
	for i := 0; i < 16; i += 8 {
		wrap.Encrypt(wrapped[i:], unhex(t, zonePIN)[i:])
	}
	key := unhex(t, zonePIN)
	check := make([]byte, 8)
	own, err := des.NewTripleDESCipher(append(key, key[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	own.Encrypt(check, check)
	if _, err := keys.ImportZoneKey("network", keystore.ZonePIN, wrapped, check[:3]); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.ActivateZoneKey("network", keystore.ZonePIN, Epoch, 0); err != nil {
		t.Fatal(err)
	}
	return keys
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// SetPIN gives a card of the world a PIN.
func (w *World) SetPIN(h Holder, pin string) {
	w.t.Helper()
	if err := w.Store.Update(w.t.Context(), func(q records.Querier) error {
		return records.SetPIN(w.t.Context(), q, w.Keys, h.Card, pan.NewSecret(pin))
	}); err != nil {
		w.t.Fatal(err)
	}
}

// PINBlock is what a terminal sends for a PIN typed in.
func (w *World) PINBlock(h Holder, pin string) pan.Secret {
	w.t.Helper()
	block, err := w.Keys.EncryptPIN("network", h.Number, pan.NewSecret(pin))
	if err != nil {
		w.t.Fatal(err)
	}
	return block
}

// FullCard reads what is on the card.
func (w *World) FullCard(h Holder) (c record.FullCard) {
	w.t.Helper()
	if err := w.Store.View(context.Background(), func(q records.Querier) (err error) {
		c, err = records.ReadFullCard(context.Background(), q, w.Keys, h.Card)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Chip is what a card's chip signs for an amount in euro: its counter is atc.
func (w *World) Chip(h Holder, amount int64, atc uint16) pan.Secret {
	w.t.Helper()
	key, err := emv.CardKey(unhex(w.t, chipMaster), h.Number.Reveal(), "00")
	if err != nil {
		w.t.Fatal(err)
	}
	results := "03A06010"
	values := []string{fmt.Sprintf("%012d", amount), "000000000000", "0978", "8000048000", "0978", "261122", "00",
		"52BF4585", "1800", fmt.Sprintf("%04X", atc)}
	signed := ""
	data := ""
	for i, tag := range []string{"9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36"} {
		signed += values[i]
		data += tag + fmt.Sprintf("%02X", len(values[i])/2) + values[i]
	}
	mac, err := emv.Cryptogram(emv.CVN10, key, atc, nil, unhex(w.t, signed+results))
	if err != nil {
		w.t.Fatal(err)
	}
	data += "9F1007" + "06010A" + results + "9F2701" + "80" + "9F2608" + hex.EncodeToString(mac[:])
	return pan.NewSecret(string(unhex(w.t, data)))
}

// With gives a request its evidence.
func With(r *authz.Request, e authz.Evidence) *authz.Request {
	r.Evidence = e
	return r
}
