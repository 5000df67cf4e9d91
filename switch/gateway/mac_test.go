package gateway_test

import (
	"bytes"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
)

const zakDigits = "0123456789ABCDEFFEDCBA9876543210"

var retailForm = keystore.MACForm{Algorithm: keystore.MACRetail, Bytes: 8}

// guarded has the peer's messages authenticated; without digits there is no key for it.
func guarded(t testing.TB, digits string, rule gateway.MACRule) func(*counter) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	keys, err := keystore.Create(path, nil)
	if err == nil && digits != "" {
		var key []byte
		var id uint32
		if key, err = hex.DecodeString(digits); err == nil {
			id, err = keystore.ImportKey(path, nil, "zak", key, map[string]string{"peer": "network"})
		}
		if err == nil {
			err = keystore.ActivateKey(path, nil, id)
		}
		if err == nil {
			keys, err = keystore.Open(path, nil)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(c *counter) { c.peer.MAC, c.config.MACs = &rule, keys }
}

// code is what the peer makes of bytes; it has the key.
func code(t testing.TB, form keystore.MACForm, covered []byte) []byte {
	t.Helper()
	key, err := hex.DecodeString(zakDigits)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := keystore.MACWith(key, false, form, covered)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// signed writes a message with its code.
func (c *counter) signed(m *iso.Message) []byte {
	c.t.Helper()
	raw, err := m.AppendMAC(nil, func(covered []byte) ([]byte, error) { return code(c.t, c.peer.MAC.Form, covered), nil })
	if err != nil {
		c.t.Fatal(err)
	}
	return raw
}

// answered passes bytes through the session and holds the answer's DE 39 and its code against what they must be; without
// a wanted code there is no answer.
func (c *counter) answered(raw []byte, want string, sealed bool) *iso.Message {
	c.t.Helper()
	x := c.raw(raw)
	if x.strike {
		c.t.Error("it costs a strike")
	}
	if x.answer == nil || want == "" {
		if (x.answer == nil) != (want == "") {
			c.t.Fatalf("answered: %v, want %q", x.answer != nil, want)
		}
		return nil
	}
	body, err := x.answer.Append([]byte("in front"))
	if err != nil {
		c.t.Fatal(err)
	}
	body = body[len("in front"):]
	m, err := c.peer.Dialect.Decode(body)
	if err != nil {
		c.t.Fatal(err)
	}
	if m.Get(39) != want {
		c.t.Errorf("answered %s, want %s", m.Get(39), want)
	}
	covered, mac, ok := m.MAC(body)
	if ok != sealed || ok && !bytes.HasPrefix([]byte(mac), code(c.t, c.peer.MAC.Form, covered)) {
		c.t.Errorf("the answer has a code: %v, want %v, and it must be right", ok, sealed)
	}
	return m
}

// Goal: a demanded code must be there and right, on whatever it is; nothing is done for a message without. Method: each
// damage of one purchase, then the books, then the purchase itself.
func TestMACIsDemanded(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"iso87-ascii", "iso87-ascii-128", "iso87-bcd"} {
		c := open(t, dialect, guarded(t, zakDigits, gateway.MACRule{Form: retailForm, Demand: gateway.MACTransactions}))
		h := c.Alice
		m := c.message("0100", h, nil)
		plain, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		raw := c.signed(m)
		c.answered(plain, "63", true)
		for at := range raw {
			if at < len(raw)-8 && at != len(raw)/2 { // any byte of the code, and one of what it covers
				continue
			}
			damaged := bytes.Clone(raw)
			damaged[at] ^= 1
			if x, err := c.peer.Dialect.Decode(damaged); err == nil && x.HasMAC() {
				c.answered(damaged, "63", true)
			}
		}
		early := c.message("0100", h, elements{102: "ACCOUNT", 64: string(code(t, retailForm, plain))})
		body, err := early.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.answered(body, "63", true) // what follows the code would not be covered
		for _, mti := range []string{"0120", "0220", "0420", "0302"} {
			body, err := c.message(mti, h, nil).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			c.answered(body, "63", true)
		}
		notice, err := c.message("0140", h, nil).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.answered(notice, "", false)
		if left := c.Available(h.Balance); left != storetest.UserFunds {
			t.Errorf("%s: after messages of nobody %d are left", dialect, left)
		}
		c.answered(raw, "00", true)
		if left := c.Available(h.Balance); left != storetest.UserFunds-30_00 {
			t.Errorf("%s: after the purchase %d are left", dialect, left)
		}
		echo := c.message("0800", h, elements{70: "301", 2: "", 3: "", 4: "", 14: "", 49: "", 63: ""})
		body, err = echo.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.answered(body, "00", false) // network management is not asked for one, and answers alike
		if s := c.gateway.Stats(); s.MACMissing != 6 || s.MACWrong < 9 || s.MACKeyless != 0 {
			t.Errorf("%s: counted %+v", dialect, s)
		}
		if log := c.log.String(); !strings.Contains(log, "verdict=MAC_WRONG") || strings.Contains(log, h.Number.Reveal()) {
			t.Errorf("%s: the log does not tell, or tells too much", dialect)
		}
	}
}

func TestMACOfThePeersChoice(t *testing.T) {
	t.Parallel()
	form := keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 4}
	c := open(t, "iso87-ascii", guarded(t, zakDigits, gateway.MACRule{Form: form}))
	h := c.Alice
	plain, err := c.message("0100", h, nil).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.answered(plain, "00", false)
	c.answered(c.signed(c.message("0100", h, nil)), "00", true)
	wrong := c.signed(c.message("0100", h, nil))
	wrong[len(wrong)-8] ^= 1 // the first byte of the code
	c.answered(wrong, "63", true)
	c.answered(c.signed(c.message("0120", h, elements{38: "A1B2C3", 39: "00"})), "00", true)
}

// Goal: without a key nothing that claims to be authentic is believed, and the peer is told so. Method: no key at all.
func TestMACWithoutAKey(t *testing.T) {
	t.Parallel()
	c := open(t, "iso93-ascii", guarded(t, "", gateway.MACRule{Form: retailForm, Demand: gateway.MACAll}))
	h := c.Alice
	when := time.Now().UTC().Format("060102150405")
	m := c.message("1100", h, elements{12: when, 13: "", 18: "", 22: "", 25: ""})
	c.answered(c.signed(m), "917", false)
	echo := c.peer.Dialect.New("1804")
	for de, v := range map[int]string{7: "1122120001", 11: "000009", 12: when, 24: "831"} {
		if err := echo.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	body, err := echo.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.answered(body, "800", false) // so the first key can come
	if s := c.gateway.Stats(); s.MACKeyless != 1 || c.Available(h.Balance) != storetest.UserFunds {
		t.Errorf("counted %+v", s)
	}
}

// Goal: where all is demanded, network management is, too, and what we say ourselves has a code.
func TestMACOfNetworkManagement(t *testing.T) {
	t.Parallel()
	for _, demand := range []gateway.MACDemand{gateway.MACTransactions, gateway.MACAll} {
		c := open(t, "iso87-ascii", guarded(t, zakDigits, gateway.MACRule{Form: retailForm, Demand: demand}))
		h := c.Alice
		manage := func(code string) *iso.Message {
			return c.message("0800", h, elements{70: code, 2: "", 3: "", 4: "", 14: "", 49: "", 63: ""})
		}
		body, err := manage("001").Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all := demand == gateway.MACAll
		c.answered(body, map[bool]string{false: "00", true: "63"}[all], all)
		c.answered(c.signed(manage("001")), "00", true)
		change, err := manage("101").Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.answered(change, "63", true) // a change of keys needs a code while there is a key
		goodbye := c.session.Goodbye()
		if len(goodbye) != 1 {
			t.Fatalf("%d goodbyes", len(goodbye))
		}
		raw, err := goodbye[0].Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.peer.Dialect.Decode(raw)
		if err != nil || m.HasMAC() != all {
			t.Errorf("our sign-off has a code: %v, want %v (%v)", m.HasMAC(), all, err)
		}
	}
}

func TestMACRulesAreChecked(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("cmf-2003") // its codes have four bytes
	if err != nil {
		t.Fatal(err)
	}
	p := gateway.Peer{Name: "network", Dialect: d, MAC: &gateway.MACRule{Form: retailForm}}
	if err := p.Validate(); err == nil {
		t.Error("eight bytes fit into four")
	}
	p.MAC.Form.Bytes = 4
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	p.ActionCodes = gateway.Codes{"MAC_WRONG": "0000"}
	if err := p.Validate(); err == nil {
		t.Error("a message of nobody may be approved")
	}
	p.ActionCodes = gateway.Codes{"MAC_WRONG": "1022"}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	c := open(t, "iso87-ascii")
	if err := c.gateway.Admit(&gateway.Peer{Name: "other", Dialect: c.peer.Dialect, MAC: &gateway.MACRule{Form: retailForm}}); err == nil {
		t.Error("nobody can verify codes, and the peer is admitted")
	}
}
