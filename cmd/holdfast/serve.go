package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"

	"syscall"
)

// serveCmd runs the switch, embedded or on the stores that its configuration names.
type serveCmd struct {
	bookFlags
	Listen     string `help:"Listen on this address only (default: 127.0.0.1:8583)." placeholder:"HOST:PORT" env:"HOLDFAST_LISTEN"`
	Dialect    string `help:"Dialect of the peer, built in or a file (iso87-ascii)." placeholder:"NAME|FILE" env:"HOLDFAST_DIALECT"`
	Framing    string `help:"Frame around each message (default: bin2, a two-byte length)." placeholder:"NAME" env:"HOLDFAST_FRAMING"`
	Profile    string `help:"Write a CPU profile of the whole run to this file." placeholder:"FILE" env:"HOLDFAST_CPUPROFILE" hidden:""`
	Management bool   `help:"Serve the management API too." env:"HOLDFAST_MANAGEMENT"`
	Sandbox    bool   `help:"Serve the management API with its sandbox, for development." env:"HOLDFAST_SANDBOX"`
	Log        string `help:"How much to log: debug, info, warn or error (default: info)." placeholder:"LEVEL" env:"HOLDFAST_LOG"`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	setups, err := cfg.setups()
	if err != nil {
		return err
	}
	log, err := newLog(e, cfg.Log)
	if err != nil {
		return err
	}
	stop, err := profile(c.Profile)
	if err != nil {
		return err
	}
	defer stop()
	tuneMemory(cfg.Store)
	n, err := openSwitch(e.ctx, &cfg, log)
	if err != nil {
		return err
	}
	if err := n.listen(setups); err != nil {
		return errors.Join(err, n.close())
	}
	for i, ln := range n.listeners {
		verb := "listens on"
		if setups[i].dial != nil {
			verb = "is dialled at"
		}
		over := ""
		if setups[i].tls != nil {
			over = " over TLS"
		}
		fmt.Fprintf(e.stdout, "holdfast: %s %s %s, %s in %s frames%s\n", setups[i].peer.Name, verb, ln.Addr(),
			setups[i].peer.Dialect.Name(), setups[i].server.Format, over)
	}
	if cfg.Management != nil {
		if n.management, err = n.openManagement(&cfg); err != nil {
			return errors.Join(err, n.close())
		}
		for i, name := range []string{"cardholders and operators (HTTPS)", "partner backends (mTLS)", "health and metrics"} {
			fmt.Fprintf(e.stdout, "holdfast: management for %s listens on %s\n", name, n.management.listeners[i].Net.Addr())
		}
	}
	return n.serve(e.ctx)
}

func (c *serveCmd) config() (config, error) {
	cfg, err := c.bookFlags.config()
	if err != nil {
		return cfg, err
	}
	set := func(field *string, values ...string) {
		for _, v := range values {
			if v != "" {
				*field = v
			}
		}
	}
	set(&cfg.Log, c.Log)
	if (c.Management || c.Sandbox) && cfg.Management == nil {
		cfg.Management = &managementConfig{}
	}
	if cfg.Management != nil {
		cfg.Management.Sandbox = cfg.Management.Sandbox || c.Sandbox
		if err := cfg.Management.check(); err != nil {
			return cfg, err
		}
	}
	if len(cfg.Listeners)+len(cfg.Links) == 0 || c.Listen != "" {
		cfg.Listeners = []listenerConfig{{}}
	}
	if c.Listen == "" && c.Dialect == "" && c.Framing == "" {
		return cfg, nil
	}
	if len(cfg.Listeners) != 1 {
		return cfg, usagef("--dialect and --framing describe one listener; the configuration has %d", len(cfg.Listeners))
	}
	l := &cfg.Listeners[0]
	set(&l.Address, c.Listen)
	set(&l.Settings.Dialect, c.Dialect)
	set(&l.Framing, c.Framing)
	return cfg, nil
}

func newLog(e *env, level string) (*slog.Logger, error) {
	if level == "" {
		level = "info"
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("log level %q is not debug, info, warn or error", level)
	}
	return slog.New(newQuietHandler(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: l}))), nil
}

// tuneMemory lets the collector run rarely while the heap is small: the hot path makes short-lived garbage
// and the live heap is a few tens of megabytes. The operator's own GOGC and GOMEMLIMIT win.
func tuneMemory(store string) {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		limit := int64(112 << 20) // SQLite's pages come on top
		if store == storeFull {
			limit = 160 << 20
		}
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(limit)
	}
}

// lockFolder takes the folder for this process. The system gives the lock back when the process ends,
// however it ends.
func lockFolder(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("the data folder is in use by another holdfast"), f.Close())
	}
	return f.Close, nil
}

// profile records where the CPU time goes, for those who work on the switch.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("profile: %w", err)}
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}
