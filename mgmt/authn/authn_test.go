package authn

import (
	"context"
	"strings"
	"testing"
	"time"
)

// The codes of RFC 6238, appendix B, of which ours are the last six digits.
func TestCodesOfRFC6238(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for unix, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130"} {
		if got := totpAt(secret, unix/30); got != want[2:] {
			t.Errorf("at %d: %s, want %s", unix, got, want[2:])
		}
	}
}

func TestCodeIsTakenOnceAndNearItsTime(t *testing.T) {
	t.Parallel()
	secret, at := []byte("12345678901234567890"), time.Unix(1_700_000_000, 0)
	now := at.Unix() / 30
	for off := int64(-3); off <= 3; off++ {
		step := totpCheck(secret, totpAt(secret, now+off), at, 0)
		if near := off >= -1 && off <= 1; near != (step == now+off) {
			t.Errorf("%d steps off: %d", off, step)
		}
	}
	for _, border := range []struct {
		at    int64 // seconds since the step of the code began
		taken bool
	}{{-31, false}, {-30, true}, {-29, true}, {59, true}, {60, false}, {61, false}} {
		if step := totpCheck(secret, totpAt(secret, now), time.Unix(now*30+border.at, 0), 0); border.taken != (step == now) {
			t.Errorf("%d seconds after its step began: step %d", border.at, step)
		}
	}
	if step := totpCheck(secret, totpAt(secret, now), at, now); step != 0 {
		t.Error("the code was taken twice")
	}
	if step := totpCheck(secret, totpAt(secret, now-1), at, now); step != 0 {
		t.Error("an older code was taken after a newer one")
	}
	if step := totpCheck(secret, "", at, 0); step != 0 {
		t.Error("no code was taken")
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	m := New(nil, nil, time.Now, 0)
	hash := HashPassword("correct horse battery")
	if hash == HashPassword("correct horse battery") || strings.Contains(hash, "correct") {
		t.Errorf("hashes tell: %s", hash)
	}
	for password, c := range map[string]struct {
		hash string
		want bool
	}{"correct horse battery": {hash, true}, "correct horse batterx": {hash, false}, "": {hash, false}, "x": {"", false}, "y": {"$argon2id$v=19$m=1,t=1,p=1$AA$AA", false},
		"z": {hash[:len(hash)-1], false}, "nobody": {noHash, false}} {
		if got, err := m.checkPassword(context.Background(), password, c.hash); err != nil || got != c.want {
			t.Errorf("%q against %q: %v, %v", password, c.hash, got, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m.hashing <- struct{}{}
	m.hashing <- struct{}{}
	if _, err := m.checkPassword(ctx, "x", hash); err == nil {
		t.Error("checked more at once than allowed")
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]bool{"192.0.2.1:5": true, "192.0.3.1:5": false, "198.51.100.7:5": true, "198.51.100.8:5": false,
		"[::ffff:192.0.2.1]:5": true, "[2001:db8::1]:5": true, "[2001:db9::1]:5": false, "192.0.2.1": false, "": false, "x:5": false} {
		if got := welcome([]string{"192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "nonsense"}, remote); got != want {
			t.Errorf("%q: %v", remote, got)
		}
	}
	if !welcome(nil, "192.0.2.1:5") {
		t.Error("no list welcomes all")
	}
}
