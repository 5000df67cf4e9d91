package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"holdfast/authz/keystore"
	"holdfast/store/pgstore"
	"holdfast/store/records"
)

const (
	// fullQueryTimeout is for what no card waits for: filling the tables, and verifying millions of rows.
	fullQueryTimeout = 10 * time.Minute
	fullCloseTimeout = 2 * time.Minute
	fullNameLength   = 8 // characters that tell one measurement from another
)

// fullHouse is a schema and a key prefix of our own on servers that others may use too.
type fullHouse struct {
	cfg    config // of the switch
	dir    string
	base   string // the database, without our schema
	schema string
	keys   *keystore.Store
	store  *pgstore.Store
	admin  *redisAdmin
}

// errNoServers says what to set.
var errNoServers = usagef(`--store full needs a PostgreSQL and a Redis: set HOLDFAST_POSTGRES_URL and HOLDFAST_REDIS_ADDRESSES
(and HOLDFAST_REDIS_PASSWORD), or export what scripts/up prints, or name a configuration with --config`)

// benchServers finds the servers: in the configuration, in the variables of the program, in those of scripts/up,
// of which Unix sockets come first.
func benchServers(file string, getenv func(string) string) (config, error) {
	flags := bookFlags{Config: file}
	cfg := config{}
	if flags.Config != "" {
		var err error
		if cfg, err = flags.config(); err != nil {
			return cfg, err
		}
	}
	first := func(names ...string) string {
		for _, name := range names {
			if v := getenv(name); v != "" {
				return v
			}
		}
		return ""
	}
	if cfg.Postgres.URL == "" {
		cfg.Postgres.URL = first("HOLDFAST_POSTGRES_URL", "HOLDFAST_TEST_POSTGRES_SOCKET", "HOLDFAST_TEST_POSTGRES")
	}
	if len(cfg.Redis.Addresses) == 0 {
		if list := getenv("HOLDFAST_REDIS_ADDRESSES"); list != "" {
			cfg.Redis = redisConfig{Addresses: strings.Split(list, ","), Password: getenv("HOLDFAST_REDIS_PASSWORD")}
		} else if err := cfg.Redis.parse(first("HOLDFAST_TEST_REDIS_SOCKET", "HOLDFAST_TEST_REDIS")); err != nil {
			return cfg, err
		}
	}
	switch r := cfg.Redis; {
	case cfg.Postgres.URL == "" || len(r.Addresses) == 0:
		return cfg, errNoServers
	case r.Cluster || r.MasterName != "" || len(r.Addresses) != 1:
		return cfg, usagef("bench measures one Redis server, not a cluster and no Sentinels")
	}
	return cfg, nil
}

// parse takes an address as scripts/up prints it: unix://:password@/path or redis://:password@host:port/0.
func (c *redisConfig) parse(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return usagef("the address of Redis is not a URL")
	}
	address := u.Host
	if u.Scheme == "unix" {
		address = u.Path
	}
	password, _ := u.User.Password()
	*c = redisConfig{Addresses: []string{address}, Username: u.User.Username(), Password: password}
	return nil
}

// openFullHouse makes the schema. What it has made is gone again when it fails.
func openFullHouse(ctx context.Context, file string) (_ *fullHouse, err error) {
	h := &fullHouse{}
	if h.cfg, err = benchServers(file, os.Getenv); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.dir, err = os.MkdirTemp("", "holdfast-bench-"); err != nil {
		return nil, err
	}
	if h.admin, err = dialRedisAdmin(ctx, h.cfg.Redis); err != nil {
		return nil, usageError{err}
	}
	name := "bench_" + strings.ToLower(rand.Text()[:fullNameLength])
	h.base = h.cfg.Postgres.URL
	if err := psql(ctx, h.base, "CREATE SCHEMA "+name); err != nil {
		return nil, err
	}
	h.schema = name
	if h.cfg.Postgres.URL, err = withSchema(h.base, name); err != nil {
		return nil, err
	}
	h.cfg.Store, h.cfg.Data, h.cfg.Redis.Prefix, h.cfg.Listeners = storeFull, h.dir, "holdfast:"+name+":", nil
	if _, _, err := pgstore.Migrate(ctx, h.cfg.Postgres.URL); err != nil {
		return nil, err
	}
	keys, store, err := h.cfg.open(ctx)
	if err != nil {
		return nil, err
	}
	h.keys = keys
	if err := store.Close(); err != nil {
		return nil, err
	}
	if h.store, err = h.openStore(ctx); err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(&h.cfg)
	if err != nil {
		return nil, err
	}
	return h, os.WriteFile(h.configFile(), text, 0o600)
}

func (h *fullHouse) configFile() string { return filepath.Join(h.dir, "holdfast.yaml") }

// openStore opens the database with patience for large statements.
func (h *fullHouse) openStore(ctx context.Context) (*pgstore.Store, error) {
	return pgstore.Open(ctx, pgstore.Config{URL: h.cfg.Postgres.URL, QueryTimeout: fullQueryTimeout})
}

// psql runs one statement on a connection of its own. The journal's store refuses a schema without its tables, so
// it cannot make one.
func psql(ctx context.Context, base, statement string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return usagef("bench wants the database as postgres://...")
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	q := u.Query()
	for name := range q {
		if name != "host" && name != "port" && !strings.HasPrefix(name, "ssl") {
			q.Del(name) // settings of the session, which only the driver takes from here
		}
	}
	u.RawQuery = q.Encode()
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1",
		"--dbname="+u.String(), "--command="+statement)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGOPTIONS=-c client_min_messages=warning")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return usageError{fmt.Errorf("run psql: %w: %s", err, strings.TrimSpace(string(said)))}
	}
	return nil
}

func withSchema(base, schema string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", usagef("bench wants the database as postgres://...")
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (h *fullHouse) fill(ctx context.Context, c *benchCmd) (err error) {
	if err = h.seed(ctx, loadBIN, 1, c.Cards); err == nil && c.Partners > 0 {
		err = h.seed(ctx, manyBIN, c.Partners, manyCards(c))
	}
	if err != nil {
		return err
	}
	// As the server does by itself with tables that are older than a minute.
	for _, table := range []string{"partners", "programs", "users", "balances", "cards", "postings"} {
		if err := psql(ctx, h.base, "VACUUM ANALYZE "+h.schema+"."+table); err != nil {
			return err
		}
	}
	return nil
}

// fullVariables are those that would lead the switch to other books than ours.
var fullVariables = []string{"HOLDFAST_CONFIG=", "HOLDFAST_DATA=", "HOLDFAST_POSTGRES_URL=", "HOLDFAST_REDIS_ADDRESSES=",
	"HOLDFAST_REDIS_PASSWORD="}

func (h *fullHouse) serve() (args, environ []string) {
	environ = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return slices.ContainsFunc(fullVariables, func(name string) bool { return strings.HasPrefix(v, name) })
	})
	return []string{"--config", h.configFile()}, environ
}

func (h *fullHouse) settings() config { return h.cfg }

func (h *fullHouse) books(ctx context.Context) (books, error) {
	s, err := h.openStore(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// cpu asks Redis, and finds PostgreSQL's processes by the one that serves us, when they are on this machine.
func (h *fullHouse) cpu(ctx context.Context) (redis, postgres time.Duration, err error) {
	if redis, err = h.admin.cpu(); err != nil {
		return 0, 0, err
	}
	backend := 0
	err = h.store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error { backend = int(r.Int(0)); return nil }, "SELECT pg_backend_pid()")
	})
	if err != nil || !h.local() {
		return redis, 0, err
	}
	return redis, familyCPU(backend, "postgres"), nil
}

// local reports whether the database is on this machine.
func (h *fullHouse) local() bool {
	u, err := url.Parse(h.base)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if socket := u.Query().Get("host"); socket != "" {
		host = socket
	}
	return strings.HasPrefix(host, "/") || host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// close removes what was made, also when the measurement was interrupted.
func (h *fullHouse) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), fullCloseTimeout)
	defer cancel()
	var errs []error
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.schema != "" {
		errs = append(errs, psql(ctx, h.base, "DROP SCHEMA "+h.schema+" CASCADE"))
	}
	if h.admin != nil {
		if h.cfg.Redis.Prefix != "" && h.schema != "" {
			errs = append(errs, h.admin.remove(h.cfg.Redis.Prefix))
		}
		errs = append(errs, h.admin.close())
	}
	if h.dir != "" {
		errs = append(errs, os.RemoveAll(h.dir))
	}
	return errors.Join(errs...)
}
