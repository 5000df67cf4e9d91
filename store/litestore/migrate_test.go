package litestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"holdfast/authz/record"
	"holdfast/store/litestore"
	"holdfast/store/records"
)

// firstFile makes a data file of the first version, with a partner, a user and a balance in it.
func firstFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.db")
	schema, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := sqlitex.ExecuteScript(c, string(schema)+`
PRAGMA application_id = 0x484f4c44; PRAGMA user_version = 1;
INSERT INTO partners (id, name, created_at) VALUES (1, 'Aurora', 1795348800000000);
INSERT INTO users (id, partner_id, name, kyc, created_at) VALUES (1001, 1, 'Alice', 'ACCEPTED', 1795348800000000);
INSERT INTO balances (id, partner_id, kind, user_id, currency, created_at) VALUES (1, 1, 'USER', 1001, 978, 1795348800000000);
INSERT INTO balances (id, partner_id, kind, currency, created_at) VALUES (2, 1, 'DEPOSIT', 978, 1795348800000000);`, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnEarlierFileIsBroughtForward(t *testing.T) {
	path := firstFile(t)
	if _, err := litestore.OpenReader(path); err == nil {
		t.Error("a reader, which changes nothing, opened the earlier schema")
	}
	for range 2 { // and a second start finds nothing to do
		s, err := litestore.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[record.UUID]bool{}
		err = s.View(t.Context(), func(q records.Querier) error {
			return q.Query(context.Background(), func(r records.Row) error {
				id := record.UUID(r.Bytes(0))
				ids[id] = true
				if id[6]>>4 != 7 || id[8]>>6 != 2 || id.Time().UnixMicro() != 1795348800000000 {
					t.Errorf("%s is no UUID of version 7 of that moment", id)
				}
				return nil
			}, "SELECT public_id FROM balances")
		})
		if err != nil || len(ids) != 2 {
			t.Errorf("%d balances have names, %v", len(ids), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Goal: a device that was paired before devices had keys of their own has its user's, unless it is revoked; who bears
// differences of exchange stays as a program's terms had it. Method: a file of the version before that, made of the steps up
// to it.
func TestWhatStandsElsewhereNowIsKept(t *testing.T) {
	path := firstFile(t)
	files, err := filepath.Glob("steps/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	script := "PRAGMA user_version = 22;"
	for _, file := range files { // sorted
		if filepath.Base(file) < "0023" {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script += string(text) + ";"
		}
	}
	c, err := sqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlitex.ExecuteScript(c, script+`
UPDATE users SET response_key = x'0102';
INSERT INTO devices (id, partner_id, user_id, hardware, name, public_key, created_at) VALUES (x'01', 1, 1001, 'phone', '', x'03', 1);
INSERT INTO devices (id, partner_id, user_id, hardware, name, public_key, revoked_at, created_at) VALUES (x'02', 1, 1001, 'old', '', x'03', 1, 1);
INSERT INTO programs (id, partner_id, name, bin_low, bin_high, currency, funding, created_at) VALUES (1, 1, 'a', 10000000, 10000000, 978, 'CREDIT', 1),
 (2, 1, 'b', 20000000, 20000000, 978, 'CREDIT', 1), (3, 1, 'c', 30000000, 30000000, 978, 'CREDIT', 1);
INSERT INTO program_terms (program_id, pump_hold, part_approval, credit_at_once, own_rates, fx_to_user, mark_up, hold_seconds)
VALUES (1, 0, 0, 0, 0, 0, 0, 0), (2, 0, 0, 0, 0, 1, 0, 0);`, nil)
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := litestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	keys := ""
	if err := s.View(t.Context(), func(q records.Querier) error {
		programs, err := records.Programs(t.Context(), q)
		for _, p := range programs {
			if p.Terms.FXToUser != (p.ID == 2) {
				t.Errorf("program %d has the terms %+v", p.ID, p.Terms)
			}
		}
		if err != nil || len(programs) != 3 {
			t.Errorf("programs %+v, %v", programs, err)
		}
		return q.Query(context.Background(), func(r records.Row) error { keys += fmt.Sprintf("%x,", r.Bytes(0)); return nil },
			"SELECT response_key FROM devices ORDER BY id")
	}); err != nil || keys != "0102,," {
		t.Errorf("the keys are %s, %v", keys, err)
	}
}

func TestALaterOrForeignFileIsLeftAlone(t *testing.T) {
	for _, pragma := range []string{"PRAGMA user_version = 9999", "PRAGMA application_id = 7"} {
		path := firstFile(t)
		c, err := sqlite.OpenConn(path)
		if err == nil {
			err = sqlitex.ExecuteTransient(c, pragma, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		if s, err := litestore.Open(path); err == nil {
			_ = s.Close()
			t.Errorf("%s: it opened", pragma)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", pragma)
		}
	}
}
