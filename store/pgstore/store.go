// Package pgstore keeps the journal and the records in PostgreSQL 15 or newer, for several switch nodes side
// by side.
//
// # The one idea
//
// Most groups are approvals of what is true, so a commit begins with a guess: cards are as they were decided on,
// keys are free, balances suffice. The arbiter decides on that, and one round trip writes and checks it: users'
// balances in the order of their ids, each where it suffices and none of its cards has changed; the rows; the
// deposits, locked last and so for the shortest time; COMMIT. A guess that is wrong is refused by the server before
// COMMIT.
//
// The version of a card that is told to the switch is that of its balance's cards: a change of any of them counts
// there, by a trigger, so that no commit has to look the cards up.
//
// What cannot be guessed, and what was refused, takes two round trips. The first locks the balance rows in the same
// order and then reads cards and keys: whoever changes a card takes its balance's lock too, so what was read stays
// true until the end. The arbiter decides in memory, and the second writes everything and COMMIT. Where only some
// entries of a group ask for it, they follow the others in a transaction of their own, with all entries of their cards.
//
// # Groups
//
// A few committers take whatever has been queued, from all partners, into one transaction: a thousand partners
// with one payment each share a commit as one partner with a thousand does.
//
// # What an error means
//
// Until COMMIT has been sent, an error is [authz.ErrUnavailable]: nothing happened. From then on only an answer
// of the server tells; without one it is [authz.ErrUnknown]. The driver's own opinion (SafeToRetry) is not
// asked: it calls a lost reply to COMMIT safe.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"holdfast/authz"
	"holdfast/store/records"
)

// Config says where the database is and how long it may take. Zero values mean the defaults.
type Config struct {
	// URL is a connection string as libpq has them. Without search_path the schema is "public".
	URL string

	CommitTimeout time.Duration // one transaction of the journal at most; default 2 s
	QueryTimeout  time.Duration // one statement of the records at most; default 30 s
	LockTimeout   time.Duration // waiting for one row's lock at most; default 1 s
	Committers    int           // transactions of the journal at a time; default 2
	Lookups       int           // connections for what the switch looks up beside its commits; default 4
	Readers       int           // connections for the records; default 8
}

func (c *Config) defaults() {
	set := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.CommitTimeout, 2*time.Second)
	set(&c.QueryTimeout, 30*time.Second)
	set(&c.LockTimeout, time.Second)
	if c.Committers <= 0 {
		c.Committers = 2
	}
	if c.Lookups <= 0 {
		c.Lookups = 4
	}
	if c.Readers <= 0 {
		c.Readers = 8
	}
}

// Store is an open database. It is safe for concurrent use, and several stores may share a database.
type Store struct {
	cfg Config
	// Three pools, so that whoever reads the records, and for however long, keeps no authorization waiting.
	journal *pgxpool.Pool // of the committers alone
	lookups *pgxpool.Pool // of the other methods of authz.Journal and authz.Cards
	readers *pgxpool.Pool // of records.Store

	lockAlways bool // guess nothing
	splitMin   int
	stats      struct{ guessed, refused, locked atomic.Uint64 }

	jobs    chan *job
	quit    chan struct{}
	ended   chan struct{} // the committers are gone
	closing sync.Once
	wg      sync.WaitGroup
}

var (
	_ authz.Journal = (*Store)(nil)
	_ authz.Cards   = (*Store)(nil)
	_ records.Store = (*Store)(nil)
)

// jobsMax is how many calls of Commit may wait. Each is a batch of a lane, so this is a number of partners.
const jobsMax = 4096

// Open connects, and refuses a server that may lose what it has committed or a schema that this build does
// not know. It changes nothing in the database: [Migrate] does.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg.defaults()
	s := &Store{cfg: cfg, jobs: make(chan *job, jobsMax), quit: make(chan struct{}), ended: make(chan struct{}),
		splitMin: splitMin}
	var err error
	if s.journal, err = s.pool(ctx, cfg.Committers, cfg.CommitTimeout, map[string]string{
		// Everything the committers read is found by its key. Plans are made once, and none may come to
		// prefer a scan because the tables were still empty when it was made.
		"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan",
		// A join goes through its array in order, and so the locks of its rows are taken in that order.
		"enable_hashjoin": "off", "enable_mergejoin": "off",
		"lock_timeout": milliseconds(s.guessPatience()),
		// A switch that hangs must not keep the deposit locked for the others.
		"idle_in_transaction_session_timeout": milliseconds(cfg.CommitTimeout),
	}); err != nil {
		return nil, err
	}
	if s.lookups, err = s.pool(ctx, cfg.Lookups, cfg.CommitTimeout, nil); err != nil {
		s.closePools()
		return nil, err
	}
	if s.readers, err = s.pool(ctx, cfg.Readers, cfg.QueryTimeout, map[string]string{
		"idle_in_transaction_session_timeout": milliseconds(cfg.QueryTimeout),
	}); err != nil {
		s.closePools()
		return nil, err
	}
	if err := s.fit(ctx); err != nil {
		s.closePools()
		return nil, err
	}
	for range cfg.Committers {
		s.wg.Go(s.commitAll)
	}
	return s, nil
}

func (s *Store) pool(ctx context.Context, size int, timeout time.Duration, settings map[string]string) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(s.cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	pc.MaxConns = int32(size)
	pc.MinConns = min(2, pc.MaxConns)
	pc.PingTimeout = timeout
	pc.ConnConfig.ConnectTimeout = timeout
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	pc.AfterConnect = learnRows
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "holdfast"
	}
	common := map[string]string{"jit": "off", "statement_timeout": milliseconds(timeout),
		"lock_timeout": milliseconds(s.cfg.LockTimeout)}
	maps.Copy(common, settings)
	maps.Copy(pc.ConnConfig.RuntimeParams, common)
	p, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return p, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// serverMin is PostgreSQL 15, in the form of server_version_num.
const serverMin = 150000

// fit refuses what this build must not run on.
func (s *Store) fit(ctx context.Context) error {
	var version int
	var fsync, synchronous, encoding string
	var standby bool
	err := s.readers.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
 current_setting('synchronous_commit'), current_setting('server_encoding'), pg_is_in_recovery()`).
		Scan(&version, &fsync, &synchronous, &encoding, &standby)
	switch {
	case err != nil:
		return fmt.Errorf("open the database: %w: %w", authz.ErrUnavailable, err)
	case version < serverMin:
		return fmt.Errorf("open the database: it is PostgreSQL %d, this build needs 15 or newer", version/10000)
	case fsync != "on":
		return errors.New("open the database: fsync is off, so a crash loses what was approved")
	case synchronous == "off":
		return errors.New("open the database: synchronous_commit is off, so a crash loses what was approved")
	case encoding != "UTF8":
		return fmt.Errorf("open the database: its encoding is %s, it must be UTF8", encoding)
	case standby:
		return errors.New("open the database: the server is a standby, which cannot decide")
	}
	at, missing, err := compare(ctx, s.readers)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("the schema is version %d, this build knows %d", at, SchemaVersion())
	}
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return nil
}

// Close finishes what is queued and closes the connections. It is harmless to call twice.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.quit)
		s.wg.Wait()
		close(s.ended)
		s.closePools()
	})
	return nil
}

func (s *Store) closePools() {
	for _, p := range []*pgxpool.Pool{s.journal, s.lookups, s.readers} {
		if p != nil {
			p.Close()
		}
	}
}
