package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/store/litestore"
	"holdfast/store/memholds"
	"holdfast/store/pgstore"
	"holdfast/store/records"
	"holdfast/store/redisstore"
)

// The two ways to run.
const (
	storeEmbedded = "embedded" // a SQLite file and holds in the process
	storeFull     = "full"     // PostgreSQL and Redis, several nodes side by side
)

// postgresConfig and redisConfig are the stores of the full mode.
type postgresConfig struct {
	URL string `yaml:"url"`
}

type redisConfig struct {
	Addresses  []string `yaml:"addresses"`
	MasterName string   `yaml:"masterName"`
	Cluster    bool     `yaml:"cluster"`
	Username   string   `yaml:"username"`
	Password   string   `yaml:"password"`
	Prefix     string   `yaml:"prefix"`
	// SweepAge is how old a hold in flight must be before it is taken for that of a switch that died.
	SweepAge time.Duration `yaml:"sweepAge"`
}

// bookFlags say which books a command works on.
type bookFlags struct {
	Config string `help:"A configuration file; flags override it." placeholder:"FILE" env:"HOLDFAST_CONFIG"`
	Data   string `help:"The data folder, kept across restarts (default: holdfast-data)." placeholder:"DIR" env:"HOLDFAST_DATA"`
}

// config reads the file, when there is one, and what overrides it.
func (f *bookFlags) config() (cfg config, err error) {
	if f.Config != "" {
		if cfg, err = loadConfig(f.Config); err != nil {
			return cfg, err
		}
	}
	for _, o := range []struct {
		field *string
		value string
	}{{&cfg.Data, f.Data}, {&cfg.Postgres.URL, os.Getenv("HOLDFAST_POSTGRES_URL")},
		{&cfg.Redis.Password, os.Getenv("HOLDFAST_REDIS_PASSWORD")}} {
		if o.value != "" {
			*o.field = o.value
		}
	}
	if list := os.Getenv("HOLDFAST_REDIS_ADDRESSES"); list != "" {
		cfg.Redis.Addresses = strings.Split(list, ",")
	}
	if cfg.Data == "" {
		cfg.Data = "holdfast-data"
	}
	return cfg, cfg.checkStore()
}

func (cfg *config) checkStore() error {
	switch cfg.Store {
	case "", storeEmbedded:
		cfg.Store = storeEmbedded
	case storeFull:
		if cfg.Postgres.URL == "" {
			return usagef("store: full needs postgres.url, or HOLDFAST_POSTGRES_URL")
		}
		if cfg.Redis.SweepAge == 0 {
			cfg.Redis.SweepAge = sweepAge
		}
		if cfg.Redis.SweepAge < sweepAgeMin {
			return usagef("redis.sweepAge is %v, want %v or more: a commit may take that long", cfg.Redis.SweepAge, sweepAgeMin)
		}
	default:
		return usagef("store is %q, want %s or %s", cfg.Store, storeEmbedded, storeFull)
	}
	return nil
}

// place names the books for people.
func (cfg *config) place() string {
	if cfg.Store == storeFull {
		return "the database"
	}
	return cfg.Data
}

// engine is the journal and the records of either mode.
type engine interface {
	authz.Journal
	authz.Cards
	records.Store
	Close() error
}

// books are the records as the tools read them.
type books interface {
	View(ctx context.Context, f func(records.Querier) error) error
	Close() error
}

// openBooks opens existing books for reading, beside a running switch.
func (cfg *config) openBooks(ctx context.Context) (books, error) {
	if cfg.Store == storeFull {
		return openPostgres(ctx, cfg)
	}
	r, err := litestore.OpenReader(filepath.Join(cfg.Data, dataFile))
	if err != nil {
		return nil, usageError{err}
	}
	return r, nil
}

func openPostgres(ctx context.Context, cfg *config) (engine, error) {
	s, err := pgstore.Open(ctx, pgstore.Config{URL: cfg.Postgres.URL})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open opens the keys and the engine, and binds them to each other.
func (cfg *config) open(ctx context.Context) (*keystore.Store, engine, error) {
	if cfg.Store != storeFull {
		keys, store, err := openData(cfg.Data)
		if err != nil {
			return nil, nil, err
		}
		if cfg.Management != nil {
			if keys, _, err = cfg.completeKeys(); err != nil {
				return nil, nil, errors.Join(err, store.Close())
			}
		}
		return keys, store, nil
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, nil, usageError{fmt.Errorf("data folder: %w", err)}
	}
	store, err := openPostgres(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	keys, err := cfg.sharedKeys(ctx, store)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return keys, store, nil
}

// sharedKeys opens the key file that all nodes have a copy of. It is made only for a database that has no
// keys yet: others would not open its cards.
func (cfg *config) sharedKeys(ctx context.Context, store engine) (*keystore.Store, error) {
	path := filepath.Join(cfg.Data, keysFile)
	bound := false
	if err := store.View(ctx, func(q records.Querier) (err error) {
		bound, err = records.KeysBound(ctx, q)
		return err
	}); err != nil {
		return nil, err
	}
	open := keystore.OpenOrCreate
	if bound {
		open = keystore.Open
	}
	keys, err := open(path, []byte(os.Getenv(passphraseVariable)))
	if err == nil && !bound {
		keys, _, err = cfg.completeKeys() // nobody has a copy of the file yet
	}
	if err != nil {
		return nil, wrapf(err, "open the keys that the database was written under")
	}
	return keys, store.Update(ctx, func(q records.Querier) error { return records.BindKeys(ctx, q, keys) })
}

// openHolds opens the cache of the balances; close ends it.
func (cfg *config) openHolds(ctx context.Context) (holds authz.Holds, end func() error, err error) {
	if cfg.Store != storeFull {
		return memholds.New(), func() error { return nil }, nil
	}
	r := cfg.Redis
	if len(r.Addresses) == 0 {
		return nil, nil, usagef("store: full needs redis.addresses, or HOLDFAST_REDIS_ADDRESSES")
	}
	h, err := redisstore.Open(ctx, redisstore.Config{Addrs: r.Addresses, MasterName: r.MasterName, Cluster: r.Cluster,
		Username: r.Username, Password: r.Password, Prefix: r.Prefix})
	if err != nil {
		return nil, nil, err
	}
	return h, h.Close, nil
}

// How old a hold in flight must be before it is taken for that of a switch that died, usually and at least:
// longer than any commit may take.
const (
	sweepAge    = 30 * time.Second
	sweepAgeMin = 6 * time.Second
)

// sweep gives back what switches that died left in the cache. Every commit of that age has ended, so each of the
// holds ends, and the journal says what the balances are.
func sweep(ctx context.Context, holds authz.Holds, journal authz.Journal, before time.Time) (int, error) {
	h, ok := holds.(*redisstore.Holds)
	if !ok {
		return 0, nil
	}
	return h.Sweep(ctx, nil, before, func(ctx context.Context, _ authz.PartnerID, held []*authz.Hold) (
		[]*authz.Hold, []authz.Balance, error) {
		var ids []authz.BalanceID
		for _, hold := range held {
			ids = append(ids, hold.Balance)
			if hold.Deposit != 0 {
				ids = append(ids, hold.Deposit)
			}
		}
		truth, err := journal.Balances(ctx, ids)
		return held, truth, err
	})
}

// migrateCmd prepares the database of the full mode.
type migrateCmd struct {
	bookFlags
}

// Run brings the schema to the version of this build.
func (c *migrateCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if cfg.Postgres.URL == "" {
		return usagef("migrate needs postgres.url in the configuration, or HOLDFAST_POSTGRES_URL")
	}
	from, to, err := pgstore.Migrate(e.ctx, cfg.Postgres.URL)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.stdout, "schema: version %d, was %d\n", to, from); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, keysFile)); err != nil {
		return nil // there are no keys yet, or they are elsewhere
	}
	if _, added, err := cfg.completeKeys(); err != nil || !added {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, "keys: made the key pairs of the management API; copy the key file to the other nodes")
	return err
}
