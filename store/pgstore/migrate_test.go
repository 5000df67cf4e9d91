package pgstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/authz"
	"holdfast/store/pgstore"
	"holdfast/store/records"
)

func TestMigrateIsRepeatable(t *testing.T) {
	t.Parallel()
	url := empty(t)
	var wg sync.WaitGroup
	for range 3 { // nodes that start together
		wg.Go(func() {
			if _, to, err := pgstore.Migrate(t.Context(), url); err != nil || to != pgstore.SchemaVersion() {
				t.Errorf("migrated to %d, %v", to, err)
			}
		})
	}
	wg.Wait()
	from, to, err := pgstore.Migrate(t.Context(), url)
	if from != pgstore.SchemaVersion() || to != from || err != nil {
		t.Errorf("the second time: from %d to %d, %v", from, to, err)
	}
	open(t, pgstore.Config{URL: url})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sql, setting, value, want string
	}{
		{name: "a schema without tables", sql: "DROP TABLE schema_version", want: "schema is version 0, this build knows"},
		{name: "an older schema", sql: "DELETE FROM schema_version WHERE version > 1", want: "schema is version 1, this build knows"},
		{name: "a schema that lacks a step", sql: "DELETE FROM schema_version WHERE version = 2", want: fmt.Sprintf("schema is version %d, this build knows %[1]d", pgstore.SchemaVersion())},
		{name: "a newer schema", sql: "INSERT INTO schema_version (version, step) VALUES (999, 'later')", want: "schema is version 999"},
		{name: "commits that are not durable", setting: "synchronous_commit", value: "off", want: "synchronous_commit is off"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := fresh(t)
			if test.sql != "" {
				admin(t, url, test.sql)
			}
			if test.setting != "" {
				url = with(t, url, test.setting, test.value)
			}
			s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the refusal is %q, want one line with %q", err, test.want)
			}
		})
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	admin(t, url, "INSERT INTO schema_version (version, step) VALUES (999, 'later')")
	if _, _, err := pgstore.Migrate(t.Context(), url); err == nil || !strings.Contains(err.Error(), "version 999") {
		t.Errorf("migrating a newer schema: %v", err)
	}
}

// Goal: numbers may be left out, and a step that comes between two others is still applied. Method: a step's note is
// taken back with what it made.
func TestMigrateFillsGaps(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	admin(t, url, "DROP TABLE settlements, cutovers, file_actions")
	admin(t, url, "DELETE FROM sequences WHERE name = 'file_actions'")
	admin(t, url, "DELETE FROM schema_version WHERE version = 5")
	from, to, err := pgstore.Migrate(t.Context(), url)
	if err != nil || from != pgstore.SchemaVersion() || to != from {
		t.Errorf("from %d to %d, %v", from, to, err)
	}
	open(t, pgstore.Config{URL: url})
}

// Goal: a device that was paired before devices had keys of their own has its user's, unless it is revoked. Method: the step
// is taken back, and made again.
func TestDevicesGetTheirUsersKey(t *testing.T) {
	t.Parallel()
	url := fresh(t)
	admin(t, url, `ALTER TABLE devices DROP COLUMN response_key; ALTER TABLE users ADD COLUMN response_key BYTEA;
DELETE FROM schema_version WHERE version = 23;
INSERT INTO partners (id, name, created_at) VALUES (1, 'Aurora', 1);
INSERT INTO users (id, partner_id, name, kyc, created_at, response_key) VALUES (1001, 1, 'Alice', 'ACCEPTED', 1, '\x0102');
INSERT INTO devices (id, partner_id, user_id, hardware, name, public_key, created_at) VALUES ('\x01', 1, 1001, 'phone', '', '\x03', 1);
INSERT INTO devices (id, partner_id, user_id, hardware, name, public_key, revoked_at, created_at) VALUES ('\x02', 1, 1001, 'old', '', '\x03', 1, 1)`)
	if _, _, err := pgstore.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	keys := ""
	if err := open(t, pgstore.Config{URL: url}).View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error { keys += fmt.Sprintf("%x,", r.Bytes(0)); return nil },
			"SELECT response_key FROM devices ORDER BY id")
	}); err != nil || keys != "0102,," {
		t.Errorf("the keys are %s, %v", keys, err)
	}
}

func TestNoServerIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := pgstore.Open(t.Context(), pgstore.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	if !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("opening nothing: %v, want unavailable", err)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.approval(1<<40, w.Alice, w.card(w.Alice), 1)
	if err := errors.Join(w.nodes[1].Close(), w.nodes[1].Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.nodes[1].Commit(t.Context(), []*authz.Entry{e}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("commit after close: %v, want unavailable", err)
	}
}

// insufficientPrivilege is PostgreSQL's "you may not".
const insufficientPrivilege = "42501"

// The journal's facts only grow, and the schema is not the service's to change.
func TestServiceRoleMayNotRewriteTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.approval(1<<40, w.Alice, w.card(w.Alice), 1)
	if _, err := w.nodes[0].Commit(t.Context(), []*authz.Entry{e}); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), with(t, w.url, "role", "holdfast_service"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	for _, sql := range []string{
		"UPDATE postings SET amount = 1", "DELETE FROM postings", "TRUNCATE postings",
		"DELETE FROM authorizations", "TRUNCATE authorizations",
		"UPDATE authorizations SET amount = 1", "UPDATE authorizations SET placed = 1", "UPDATE authorizations SET reason = 1",
		"UPDATE authorizations SET received_at = 1", "UPDATE authorizations SET dup = 'x'", "UPDATE authorizations SET card_id = 1",
		"DELETE FROM steps", "UPDATE steps SET card_id = 1", "DELETE FROM releases", "DELETE FROM exceptions", "DELETE FROM cards", "DELETE FROM balances",
		"UPDATE facts SET value = 'x'", "DELETE FROM facts", "INSERT INTO sequences VALUES ('x', 1)",
		"UPDATE schema_version SET version = 9", "DELETE FROM schema_version",
		"ALTER TABLE balances DROP CONSTRAINT balances_held_check", "DROP TABLE postings", "CREATE TABLE other (id bigint)",
		"ALTER TABLE authorizations DISABLE TRIGGER ALL", "GRANT ALL ON postings TO holdfast_service", "DROP INDEX authorizations_dup",
	} {
		_, err := c.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		// A grant by one who may not grant is a warning and has no effect.
		if sql[:5] == "GRANT" && err == nil {
			_, err = c.Exec(t.Context(), "DELETE FROM postings")
		}
		if !errors.As(err, &refused) || refused.Code != insufficientPrivilege {
			t.Errorf("%s: %v, want it forbidden", sql, err)
		}
	}
	for _, sql := range []string{
		"UPDATE authorizations SET held = held, state = state, answered = answered, voided = voided, approval = approval, expires_at = expires_at",
		"UPDATE steps SET company = company", "UPDATE exceptions SET state = state", "SELECT FROM balances FOR UPDATE", "SELECT FROM schema_version",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// What the schema itself holds, whoever writes.
func TestSchemaRefusesWhatMustNeverBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	for _, sql := range []string{
		"UPDATE balances SET held = -1", "UPDATE balances SET held = ledger + 1", "UPDATE balances SET ledger = held - 1",
		"UPDATE balances SET kind = 'OTHER'", "UPDATE cards SET lock = 9",
		"INSERT INTO postings SELECT 900, 1, 1, 'BALANCE', 1, 978, 0, 'X', 0, 0",
		"INSERT INTO cards SELECT 9999, partner_id, program_id, user_id, balance_id, deposit_id, tag FROM cards LIMIT 1",
	} {
		_, err := c.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code[:2] != "23" {
			t.Errorf("%s: %v, want a violated constraint", sql, err)
		}
	}
}
