package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/server"
	"holdfast/switch/tlsfile"
)

// config is a holdfast.yaml. Every field that is left out has a working default.
type config struct {
	Store     string           `yaml:"store"`
	Node      int              `yaml:"node"`
	Data      string           `yaml:"data"`
	Postgres  postgresConfig   `yaml:"postgres"`
	Redis     redisConfig      `yaml:"redis"`
	Peers     []peerConfig     `yaml:"peers"`
	Listeners []listenerConfig `yaml:"listeners"`
	Links     []linkConfig     `yaml:"links"`
	Programs  []programConfig  `yaml:"programs"`
	Log       string           `yaml:"log"`

	Management *managementConfig `yaml:"management"`
}

// peerConfig is a network or a simulator behind several listeners.
type peerConfig struct {
	Name     string       `yaml:"name"`
	Settings peerSettings `yaml:",inline"`
}

// peerSettings are how a peer wants to be spoken to, and what it may do.
type peerSettings struct {
	Dialect       string        `yaml:"dialect"`
	RequireSignOn bool          `yaml:"requireSignOn"`
	Deadline      time.Duration `yaml:"deadline"`
	ResponseTime  string        `yaml:"responseTime"`
	ActionCodes   gateway.Codes `yaml:"actionCodes"`
	BINs          []string      `yaml:"bins"`
	FileActions   bool          `yaml:"fileActions"`
	KeyOverlap    time.Duration `yaml:"keyOverlap"`
	MAC           *macConfig    `yaml:"mac"`

	Network    string            `yaml:"network"`    // whose public rules its holds live by
	HoldLives  []lifeConfig      `yaml:"holdLives"`  // before those
	Tolerances []toleranceConfig `yaml:"tolerances"` // of clearings; nil: the usual ones
}

// programConfig gives the cards of some BINs action codes of their own.
type programConfig struct {
	BINs        []string      `yaml:"bins"`
	ActionCodes gateway.Codes `yaml:"actionCodes"`
}

// listenerConfig is one listening address and the peer behind it: that of the name, or one of its own.
type listenerConfig struct {
	Name          string        `yaml:"name"`
	Address       string        `yaml:"address"`
	Framing       string        `yaml:"framing"`
	Peer          string        `yaml:"peer"`
	Settings      peerSettings  `yaml:",inline"`
	LinksMax      int           `yaml:"linksMax"`
	InFlightMax   int           `yaml:"inFlightMax"`
	FrameBytesMax int           `yaml:"frameBytesMax"`
	TLS           *tlsConfig    `yaml:"tls"`
	IdleTimeout   time.Duration `yaml:"idleTimeout"`
	DrainTimeout  time.Duration `yaml:"drainTimeout"`
}

// name is the listener's, which is its peer's too when it has settings of its own.
func (l *listenerConfig) name() string {
	if l.Name == "" {
		return "network"
	}
	return l.Name
}

const configBytesMax = 1 << 20

// loadConfig reads a file strictly: an unknown key is a mistake that would otherwise be found in production.
func loadConfig(path string) (config, error) {
	var c config
	f, err := os.Open(path)
	if err != nil {
		return c, usageError{fmt.Errorf("read the configuration: %w", err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, configBytesMax))
	if err != nil {
		return c, usageError{fmt.Errorf("read the configuration: %w", err)}
	}
	if err := decodeYAML(text, &c); err != nil {
		return c, usageError{fmt.Errorf("configuration %s: %w", path, err)}
	}
	return c, nil
}

// listenerSetup is a listener's configuration made of the parts that use it.
type listenerSetup struct {
	address string
	peer    *gateway.Peer
	server  server.Config
	dial    *dialSetup      // nil: the peer connects to us
	tls     *tlsConfig      // nil: plain TCP
	source  *tlsfile.Source // of open, when there is TLS
}

// firstFrameTimeout is how long a new link may say nothing.
const firstFrameTimeout = 30 * time.Second

// quietTimeout is how long a draining link listens on after the last frame: what was on the wire when our
// sign-off reached the peer is still answered.
const quietTimeout = 200 * time.Millisecond

// setup checks a listener and fills what was left out. peers are those that listeners may share.
func (l listenerConfig) setup(peers map[string]*gateway.Peer) (listenerSetup, error) {
	if l.Address == "" {
		l.Address = "127.0.0.1:8583"
	}
	l.Name = l.name()
	bad := func(err error) (listenerSetup, error) {
		return listenerSetup{}, usageError{fmt.Errorf("listener %s: %w", l.Name, err)}
	}
	if err := checkAddress(l.Address); err != nil {
		return bad(err)
	}
	peer, err := l.behind(peers)
	if err != nil {
		return bad(err)
	}
	format := peer.Dialect.Profile().Framing
	if l.Framing != "" {
		if format, err = frame.Parse(l.Framing); err != nil {
			return bad(err)
		}
	}
	s := listenerSetup{
		address: l.Address,
		tls:     l.TLS,
		peer:    peer,
		server: server.Config{Name: l.Name, Format: format, Limits: frame.Limits{FrameBytesMax: l.FrameBytesMax},
			LinksMax: l.LinksMax, InFlightMax: l.InFlightMax, IdleTimeout: l.IdleTimeout, DrainTimeout: l.DrainTimeout,
			FirstFrameTimeout: firstFrameTimeout, QuietTimeout: quietTimeout},
	}
	if err := s.server.Validate(); err != nil {
		return bad(err)
	}
	return s, nil
}

// behind is the peer behind a listener.
func (l listenerConfig) behind(peers map[string]*gateway.Peer) (*gateway.Peer, error) {
	if l.Peer == "" {
		return l.Settings.peer(l.Name)
	}
	if !reflect.ValueOf(l.Settings).IsZero() {
		return nil, fmt.Errorf("it names the peer %s: the peer's settings stand there", l.Peer)
	}
	if p := peers[l.Peer]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no peer %s", l.Peer)
}

// peer makes and checks a peer.
func (c peerSettings) peer(name string) (*gateway.Peer, error) {
	if c.Dialect == "" {
		c.Dialect = "iso87-ascii"
	}
	dialect, err := iso.Open(c.Dialect)
	if err != nil {
		return nil, err
	}
	rule, err := c.MAC.rule(dialect)
	if err != nil {
		return nil, err
	}
	if _, _, err := c.rules(name); err != nil {
		return nil, err
	}
	p := &gateway.Peer{Name: name, Dialect: dialect, RequireSignOn: c.RequireSignOn, Deadline: c.Deadline,
		ResponseTime: c.ResponseTime, ActionCodes: c.ActionCodes, BINs: c.BINs, FileActions: c.FileActions, KeyOverlap: c.KeyOverlap,
		MAC: rule}
	return p, p.Validate()
}

// setups checks the peers and the listeners. A name stands for one peer, which may be behind several listeners.
func (cfg config) setups() ([]listenerSetup, error) {
	peers := map[string]*gateway.Peer{}
	for _, c := range cfg.Peers {
		if peers[c.Name] != nil {
			return nil, usagef("two peers are named %s", c.Name)
		}
		p, err := c.Settings.peer(c.Name)
		if err != nil {
			return nil, usageError{fmt.Errorf("peer %s: %w", c.Name, err)}
		}
		peers[c.Name] = p
	}
	var setups []listenerSetup
	names := map[string]bool{}
	add := func(s listenerSetup, err error) error {
		switch {
		case err != nil:
			return err
		case names[s.server.Name]:
			return usagef("two listeners or links are named %s", s.server.Name)
		case peers[s.peer.Name] != nil && peers[s.peer.Name] != s.peer:
			return usagef("listener %s: there is a peer of that name", s.peer.Name)
		}
		names[s.server.Name] = true
		setups = append(setups, s)
		return nil
	}
	for _, l := range cfg.Listeners {
		if err := add(l.setup(peers)); err != nil {
			return nil, err
		}
	}
	for _, l := range cfg.Links {
		if err := add(l.setup(peers)); err != nil {
			return nil, err
		}
	}
	return setups, nil
}

// programs are the action codes of programs as the gateway takes them.
func (cfg config) programs() []gateway.ProgramCodes {
	var all []gateway.ProgramCodes
	for _, p := range cfg.Programs {
		all = append(all, gateway.ProgramCodes{BINs: p.BINs, Codes: p.ActionCodes})
	}
	return all
}

// checkAddress finds the mistakes in an address that are the caller's, before anything is opened.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("address %q is not HOST:PORT: %w", address, err)
	}
	return nil
}
