package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/mgmt"
	"holdfast/mgmt/authn"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/ops"
	"holdfast/mgmt/pki"
	"holdfast/store/records"
)

// managementConfig is the section of the management API. Without it, and without --management, there is none.
type managementConfig struct {
	Public      string         `yaml:"public"`      // cardholders and operators; HTTPS
	Secure      string         `yaml:"secure"`      // partner backends; mTLS
	Ops         string         `yaml:"ops"`         // health and metrics; the loopback only
	Certificate string         `yaml:"certificate"` // of the server, PEM; made for development when both are empty
	Key         string         `yaml:"key"`
	Session     time.Duration  `yaml:"session"` // of a cardholder
	Sandbox     bool           `yaml:"sandbox"`
	Limits      limitsConfig   `yaml:"limits"`
	KYC         kycConfig      `yaml:"kyc"`
	Mail        mailConfig     `yaml:"mail"`
	Webhooks    webhooksConfig `yaml:"webhooks"`
	Orders      ordersConfig   `yaml:"orders"`
}

// limitsConfig bounds what the management API may take from the switch. Zero is the door's default.
type limitsConfig struct {
	ConnectionsMax          int     `yaml:"connectionsMax"`
	InFlightMax             int     `yaml:"inFlightMax"`
	PerSecondMax            float64 `yaml:"perSecondMax"`
	ChannelPerSecondMax     float64 `yaml:"channelPerSecondMax"`
	WritesAtOnceMax         int     `yaml:"writesAtOnceMax"`
	DecryptionsAtOnceMax    int     `yaml:"decryptionsAtOnceMax"`
	DecryptionsPerSecondMax float64 `yaml:"decryptionsPerSecondMax"`
}

// Names in the data folder of the certificate that is made for development.
const (
	serverCertificateFile = "server-certificate.pem"
	serverKeyFile         = "server-key.pem"
	developmentDays       = 397
)

// check fills what was left out and finds the mistakes.
func (c *managementConfig) check() error {
	for _, a := range []struct {
		name  string
		field *string
		usual string
	}{{"public", &c.Public, "127.0.0.1:8443"}, {"secure", &c.Secure, "127.0.0.1:8444"}, {"ops", &c.Ops, "127.0.0.1:8080"}} {
		if *a.field == "" {
			*a.field = a.usual
		}
		if err := checkAddress(*a.field); err != nil {
			return usageError{fmt.Errorf("management.%s: %w", a.name, err)}
		}
	}
	host, _, _ := net.SplitHostPort(c.Ops) // checked just now
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("management.ops is %s, which is not a loopback address", c.Ops)
	}
	if (c.Certificate == "") != (c.Key == "") {
		return usagef("management.certificate and management.key belong together")
	}
	if c.Session < 0 || c.Session > 24*time.Hour {
		return usagef("management.session is %v, want at most a day", c.Session)
	}
	if err := c.KYC.check(); err != nil {
		return err
	}
	if err := c.Orders.check(); err != nil {
		return err
	}
	_, err := c.Mail.sender()
	return err
}

func (c *managementConfig) limits() mgmt.Limits {
	return mgmt.Limits{InFlightMax: c.Limits.InFlightMax, PerSecondMax: c.Limits.PerSecondMax,
		ChannelPerSecondMax: c.Limits.ChannelPerSecondMax, WritesAtOnce: c.Limits.WritesAtOnceMax,
		JWE: jwe.Limits{AtOnceMax: c.Limits.DecryptionsAtOnceMax, PerSecondMax: c.Limits.DecryptionsPerSecondMax}}
}

// management is the door on its listeners.
type management struct {
	config    *managementConfig
	door      *mgmt.Door
	listeners []mgmt.Listener
	chores    []chore
	release   func() // what the chores hold
	now       func() time.Time
	log       *slog.Logger
}

// books are the records as the door opens them. What a transaction changed is told to the caches of this switch.
type doorBooks struct {
	store records.Store
	keys  *keystore.Store
	learn func(context.Context, records.Changes)
}

// commitWithin bounds a transaction of the management API.
const commitWithin = 10 * time.Second

// Update implements [mgmt.Store]. A client that hangs up does not end a transaction half way.
func (b doorBooks) Update(ctx context.Context, f func(mgmt.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWithin)
	defer cancel()
	changes, err := records.Transact(ctx, b.store, b.keys, func(tx *records.Tx) error { return f(tx) })
	if err == nil && b.learn != nil {
		b.learn(ctx, changes)
	}
	return err
}

// View implements [mgmt.Store].
func (b doorBooks) View(ctx context.Context, f func(mgmt.Tx) error) error {
	return records.Read(ctx, b.store, b.keys, func(tx *records.Tx) error { return f(tx) })
}

// learn tells the caches what the management API changed. Nothing depends on it, so a cache that is away is no error.
func (n *node) learn(ctx context.Context, changes records.Changes) {
	for _, c := range changes.Cards {
		n.authorizer.Learn(c.Card, c.Tag)
	}
	partners := map[authz.PartnerID][]authz.Balance{}
	for _, b := range changes.Balances {
		partners[b.Partner] = append(partners[b.Partner], b.Balance)
	}
	for p, truth := range partners {
		if err := n.holds.Settle(ctx, p, nil, truth); err != nil {
			n.log.Debug("teach the holds", slog.Any("cause", err))
		}
	}
	if changes.Programs {
		if err := n.route(ctx); err != nil {
			n.log.Warn("read the programs", slog.Any("cause", err))
		}
	}
}

// openManagement makes the door and opens its listeners.
func (n *node) openManagement(cfg *config) (*management, error) {
	c := cfg.Management
	if len(n.keys.EncryptionKeys()) == 0 {
		return nil, usagef("the key file has no key pairs: run holdfast migrate on one node, and copy its file to the others")
	}
	own, err := c.serverCertificate(cfg.Data)
	if err != nil {
		return nil, err
	}
	books := doorBooks{n.store, n.keys, n.learn}
	room := authn.New(books, n.keys, n.clock.Now, c.Session)
	m := &management{config: c, log: n.log, now: n.clock.Now}
	if m.chores, m.release, err = n.chores(c, books); err != nil {
		return nil, err
	}
	all, err := n.rooms(c, room, books)
	if err != nil {
		return nil, err
	}
	if c.Sandbox {
		if err := n.readClock(context.Background()); err != nil {
			return nil, err
		}
	}
	limits := c.limits()
	limits.Busy = func() bool { return n.authorizer.Stats().Waiting > 0 }
	m.door, err = mgmt.New(mgmt.Config{Routes: routes(all), Authn: room.Authenticators(), Store: books, Keys: n.keys,
		Log: n.log, Now: n.clock.Now, Limits: limits, Version: version, Sandbox: c.Sandbox})
	if err != nil {
		return nil, err
	}
	count := func(each func(string, int64)) { m.door.Count(each); n.count(each) }
	for _, l := range []struct {
		address  string
		listener mgmt.Listener
	}{
		{c.Public, mgmt.Listener{TLS: pki.Public(own), Handler: m.door.Public()}},
		{c.Secure, mgmt.Listener{TLS: pki.Mutual(own, n.keys.Authorities()), Handler: m.door.Mutual()}},
		{c.Ops, mgmt.Listener{Handler: ops.Handler(ops.Config{Ready: n.isReady, Count: count})}},
	} {
		if l.listener.Net, err = net.Listen("tcp", l.address); err != nil {
			return nil, errors.Join(fmt.Errorf("management: %w", err), m.close())
		}
		m.listeners = append(m.listeners, l.listener)
	}
	return m, nil
}

// completeKeys gives a key file the key pairs of the management API. In the full mode migrate does so, on one node.
func (cfg *config) completeKeys() (*keystore.Store, bool, error) {
	keys, added, err := keystore.Complete(filepath.Join(cfg.Data, keysFile), []byte(os.Getenv(passphraseVariable)))
	return keys, added, wrapf(err, "complete the keys")
}

func (m *management) close() error {
	var errs []error
	for _, l := range m.listeners {
		errs = append(errs, l.Net.Close())
	}
	return errors.Join(errs...)
}

// serve serves and does the chores until ctx ends.
func (m *management) serve(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { m.work(working, m.now) })
	err := mgmt.Serve(ctx, m.config.Limits.ConnectionsMax, m.log, m.listeners...)
	stop()
	wg.Wait()
	return err
}

// serverCertificate reads the configured certificate, or makes one in the data folder for development.
func (c *managementConfig) serverCertificate(data string) (tls.Certificate, error) {
	certificate, key := c.Certificate, c.Key
	if certificate == "" {
		certificate, key = filepath.Join(data, serverCertificateFile), filepath.Join(data, serverKeyFile)
		if _, err := os.Stat(certificate); errors.Is(err, fs.ErrNotExist) {
			text, secret, err := pki.SelfSigned([]string{"localhost", "127.0.0.1", "::1"}, time.Now(), developmentDays)
			if err == nil {
				err = errors.Join(os.WriteFile(key, secret, 0o600), os.WriteFile(certificate, text, 0o600))
			}
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("management: make a certificate: %w", err)
			}
		}
	}
	own, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return own, usageError{fmt.Errorf("management: the server's certificate: %w", err)}
	}
	return own, nil
}

func (n *node) isReady() bool { return n.ready.Load() && n.authorizer.Healthy() }

// count reads the counters of the switch.
func (n *node) count(each func(name string, value int64)) {
	countFields("authz", n.authorizer.Stats(), each)
	countFields("gateway", n.gateway.Stats(), each)
	for i, s := range n.servers {
		countFields("switch_"+underscored(n.names[i]), s.Stats(), each)
	}
}

// countFields names the fields of a struct of counters. Those that tell of this moment have no _total.
func countFields(prefix string, stats any, each func(name string, value int64)) {
	v := reflect.ValueOf(stats)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		full := prefix + "_" + underscored(name)
		if name != "Waiting" && name != "Links" && name != "InFlight" {
			full += "_total"
		}
		switch f := v.Field(i); {
		case f.CanInt():
			each(full, f.Int())
		case f.CanUint():
			each(full, int64(f.Uint()))
		}
	}
}

// underscored turns a name of Go or of a listener into one of a metric.
func underscored(name string) string {
	var out strings.Builder
	for i, r := range name {
		switch {
		case unicode.IsUpper(r) && i > 0:
			out.WriteByte('_')
			out.WriteRune(unicode.ToLower(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			out.WriteRune(unicode.ToLower(r))
		default:
			out.WriteByte('_')
		}
	}
	return out.String()
}
