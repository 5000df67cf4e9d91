package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/store/debtfile"
	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/store/redisstore"
	"holdfast/switch/gateway"
	"holdfast/switch/server"
)

// The files of a data folder.
const (
	dataFile = "holdfast.db"
	keysFile = "keys.json"
	lockFile = "lock"
	debtFile = "owed"
)

// passphraseVariable names the environment variable that seals the keys of a data folder.
const passphraseVariable = "HOLDFAST_PASSPHRASE"

// openData opens the keys and the store of a data folder, making both on the first start.
func openData(dir string) (*keystore.Store, *litestore.Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, usageError{fmt.Errorf("data folder: %w", err)}
	}
	keys, err := openKeys(dir)
	if err != nil {
		return nil, nil, err
	}
	store, err := litestore.Open(filepath.Join(dir, dataFile))
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	if err := store.Update(ctx, func(q records.Querier) error { return records.BindKeys(ctx, q, keys) }); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return keys, store, nil
}

// openKeys refuses to make new keys for a store that has cards under old ones.
func openKeys(dir string) (*keystore.Store, error) {
	path := filepath.Join(dir, keysFile)
	passphrase := []byte(os.Getenv(passphraseVariable))
	if _, err := os.Stat(filepath.Join(dir, dataFile)); err == nil {
		keys, err := keystore.Open(path, passphrase)
		return keys, wrapf(err, "open the keys of the data folder")
	}
	keys, err := keystore.OpenOrCreate(path, passphrase)
	return keys, wrapf(err, "open the keys of the data folder")
}

func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// node is a running switch.
type node struct {
	log        *slog.Logger
	keys       *keystore.Store
	store      engine
	holds      authz.Holds
	endHolds   func() error
	sweepAge   time.Duration
	debts      debts
	lastID     authz.ID // of the journal when it was opened
	authorizer *authz.Authorizer
	gateway    *gateway.Gateway
	unlock     func() error

	names     []string // of the servers
	servers   []*server.Server
	listeners []net.Listener
	setups    []listenerSetup
	ready     atomic.Bool

	management *management // nil: there is none
	clock      clock
}

// openNode opens a switch in embedded mode on a data folder.
func openNode(dir string, log *slog.Logger) (*node, error) {
	return openSwitch(context.Background(), &config{Data: dir, Store: storeEmbedded}, log)
}

// openSwitch opens the stores for one switch. It takes the data folder for itself: two on one file would not know
// of each other's holds.
func openSwitch(ctx context.Context, cfg *config, log *slog.Logger) (*node, error) {
	keys, store, err := cfg.open(ctx)
	if err != nil {
		return nil, err
	}
	n := &node{log: log, keys: keys, store: store, sweepAge: cmp.Or(cfg.Redis.SweepAge, sweepAge)}
	if n.unlock, err = lockFolder(filepath.Join(cfg.Data, lockFile)); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if n.holds, n.endHolds, err = cfg.openHolds(ctx); err != nil {
		return nil, errors.Join(err, n.unlock(), store.Close())
	}
	n.debts.shared, _ = n.holds.(*redisstore.Holds)
	if n.debts.own, err = debtfile.Open(filepath.Join(cfg.Data, debtFile)); err != nil {
		return nil, errors.Join(err, n.endHolds(), n.unlock(), store.Close())
	}
	if err := n.assemble(ctx, cfg); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) assemble(ctx context.Context, cfg *config) error {
	err := n.store.View(ctx, func(q records.Querier) (err error) {
		n.lastID, err = records.LastID(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	lives, tolerances, err := cfg.rules()
	if err != nil {
		return usageError{err}
	}
	journal, holds := faulty(n.store, n.holds)
	n.authorizer, err = authz.New(authz.Config{Node: cfg.Node, Now: n.clock.Now, LastID: n.lastID, Lives: lives,
		Tolerances: tolerances, Overlap: cfg.Store == storeFull, Debts: &n.debts}, n.store, holds, journal, n.keys)
	if err != nil {
		return err
	}
	desk := desk{n.store, n.keys, n.authorizer}
	n.gateway, err = gateway.New(gateway.Config{Authorizer: n.authorizer, Log: n.log, Cards: desk, Books: desk, Keys: desk, MACs: n.keys,
		Ready: n.isReady, Programs: cfg.programs()})
	if err != nil {
		return usageError{err}
	}
	return n.route(ctx)
}

// close gives everything back that openSwitch took.
func (n *node) close() error {
	return errors.Join(n.endHolds(), n.debts.own.Close(), n.store.Close(), n.unlock())
}

// route reads the table of programs with their action codes, our own rates of exchange and the keys of the peers' zones again.
func (n *node) route(ctx context.Context) error {
	return n.store.View(ctx, func(q records.Querier) error {
		programs, err := records.Programs(ctx, q)
		if err != nil {
			return err
		}
		rates, err := records.Rates(ctx, q, n.clock.Now())
		if err != nil {
			return err
		}
		n.authorizer.Route(programs)
		n.authorizer.SetRates(rates)
		codes, err := programCodes(ctx, q)
		if err != nil {
			return err
		}
		if err := n.gateway.SetPrograms(codes); err != nil {
			n.log.Warn("use the programs' action codes", slog.Any("cause", err))
		}
		if err := n.setPeers(ctx, q); err != nil {
			return err
		}
		return records.LoadZoneKeys(ctx, q, n.keys)
	})
}

// setPeers takes over what operators changed of the peers.
func (n *node) setPeers(ctx context.Context, q records.Querier) error {
	all, err := records.PeerChanges(ctx, q)
	if err != nil {
		return err
	}
	changes := make(map[string]gateway.PeerChange, len(all))
	for i := range all {
		changes[all[i].Name] = peerChange(&all[i])
	}
	if err := n.gateway.SetPeers(changes); err != nil {
		n.log.Warn("use what was changed of the peers", slog.Any("cause", err))
	}
	return nil
}

// programCodes are the action codes that programs have of their own.
func programCodes(ctx context.Context, q records.Querier) ([]gateway.ProgramCodes, error) {
	all, err := records.ActionCodes(ctx, q)
	out := make([]gateway.ProgramCodes, len(all))
	for i, p := range all {
		out[i] = gateway.ProgramCodes{Low: p.Low, High: p.High, Codes: p.Codes}
	}
	return out, err
}

// days reads the settlement dates of the peers again, which another node may have cut over.
func (n *node) days(ctx context.Context) error {
	return n.store.View(ctx, func(q records.Querier) error {
		days, err := records.CutOvers(ctx, q)
		if err == nil {
			n.gateway.Learn(days)
		}
		return err
	})
}

// listen opens the addresses, so that the caller knows the ports before anyone is served.
func (n *node) listen(setups []listenerSetup) error {
	for _, s := range setups {
		if err := n.gateway.Admit(s.peer); err != nil {
			return usageError{err}
		}
		if err := n.checkMAC(s.peer); err != nil {
			return err
		}
		var door server.Handler = handler{n.gateway, s.peer, &n.clock}
		if s.dial != nil {
			door = outbound{handler{n.gateway, s.peer, &n.clock}, s.dial}
		}
		srv, err := server.New(s.server, door, n.log)
		if err != nil {
			return err
		}
		ln, err := s.open(n.log)
		if err != nil {
			return fmt.Errorf("listener %s: %w", s.peer.Name, err)
		}
		n.servers, n.listeners, n.names = append(n.servers, srv), append(n.listeners, ln), append(n.names, s.peer.Name)
		n.setups = append(n.setups, s)
	}
	ctx := context.Background()
	return errors.Join(n.days(ctx), n.store.View(ctx, func(q records.Querier) error { return n.setPeers(ctx, q) }))
}

const (
	expireEvery = 20 * time.Millisecond // how late an answer to an overdue request may be
	careEvery   = time.Second           // how soon a healed store, or a program made by another process, is known
	closeWithin = 10 * time.Second
)

// serve serves until ctx ends, then drains the links, decides what is open, and closes the store.
func (n *node) serve(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(n.servers))
	serving, stop := context.WithCancel(ctx)
	defer stop()
	for i, srv := range n.servers {
		wg.Go(func() {
			if errs[i] = srv.Serve(serving, n.listeners[i]); errs[i] != nil {
				stop() // one door that fails closes the house: a half-open switch helps nobody
			}
		})
	}
	var managing error
	if n.management != nil {
		wg.Go(func() {
			if managing = n.management.serve(serving); managing != nil {
				stop()
			}
		})
	}
	ticking, stopTicks := context.WithCancel(context.Background())
	var ticks sync.WaitGroup
	ticks.Go(func() { every(ticking, expireEvery, func(time.Time) { n.authorizer.Expire(n.clock.Now()) }) })
	ticks.Go(func() { every(ticking, careEvery, func(time.Time) { n.care(ticking) }) })
	ticks.Go(func() { every(ticking, careEvery, func(time.Time) { n.refresh(ticking) }) })
	n.ready.Store(true)
	wg.Wait()
	n.ready.Store(false)
	closing, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := errors.Join(n.gateway.Close(closing), n.authorizer.Close(closing))
	stopTicks()
	ticks.Wait()
	return errors.Join(append(errs, managing, err, n.close())...)
}

// every calls f from time to time until ctx ends.
func every(ctx context.Context, period time.Duration, f func(now time.Time)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			f(now)
		}
	}
}

// refresh asks the store what may have changed beside us. It reads the records, and may have to wait for others who do, so it has
// a goroutine of its own.
func (n *node) refresh(ctx context.Context) {
	if err := errors.Join(n.route(ctx), n.days(ctx)); err != nil && ctx.Err() == nil {
		n.log.Warn("read what other nodes may have changed", slog.Any("cause", err))
	}
}

// care looks after what nobody asks for: a store that was away, holds whose time is over, what is left of switches that died.
// It may wait for the journal, but for nobody who reads the records.
func (n *node) care(ctx context.Context) {
	if !n.authorizer.Healthy() {
		n.authorizer.Probe(ctx)
	}
	switch ended, err := n.authorizer.ExpireHolds(ctx, n.clock.Now()); {
	case err != nil && ctx.Err() == nil:
		n.log.Warn("end expired holds", slog.Any("cause", err))
	case ended > 0:
		n.log.Info("ended holds whose time had passed", slog.Int("holds", ended))
	}
	switch swept, err := sweep(ctx, n.holds, n.store, n.clock.Now().Add(-n.sweepAge)); {
	case err != nil && ctx.Err() == nil:
		n.log.Warn("sweep the holds", slog.Any("cause", err))
	case swept > 0:
		n.log.Info("gave back holds of a switch that died", slog.Int("holds", swept))
	}
	switch paid, err := n.payDebts(ctx); {
	case err != nil && ctx.Err() == nil:
		n.log.Warn("undo what a switch owed", slog.Any("cause", err))
	case paid > 0:
		n.log.Info("settled what a switch that died had to undo", slog.Int("rows", paid))
	}
}

// handler joins the server's links to the gateway's sessions.
type handler struct {
	gateway *gateway.Gateway
	peer    *gateway.Peer
	clock   *clock
}

// Open implements [server.Handler].
func (h handler) Open(server.Link) server.Session { return session{h.gateway.Open(h.peer), h.clock} }

type session struct {
	*gateway.Session
	clock *clock
}

// Frame implements [server.Session].
func (s session) Frame(x *server.Exchange) {
	if by := s.clock.ahead.Load(); by != 0 || steps {
		s.Session.Frame(shifted{x, time.Duration(by)})
		return
	}
	s.Session.Frame(x)
}

// Goodbye implements [server.Session].
func (s session) Goodbye(send func(server.Encoder)) {
	for _, e := range s.Session.Goodbye() {
		send(e)
	}
}

// Malfunction implements [server.Malfunctioner].
func (s session) Malfunction(x *server.Exchange) { s.Session.Malfunction(x, x.Attached()) }
