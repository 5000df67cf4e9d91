package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

// config is a holdfast.yaml. Every field that is left out has a working default.
type config struct {
	Store     string           `yaml:"store"`
	Node      int              `yaml:"node"`
	Data      string           `yaml:"data"`
	Postgres  postgresConfig   `yaml:"postgres"`
	Redis     redisConfig      `yaml:"redis"`
	Listeners []listenerConfig `yaml:"listeners"`
	Log       string           `yaml:"log"`
}

// listenerConfig is one listening address and the peer behind it.
type listenerConfig struct {
	Name          string        `yaml:"name"`
	Address       string        `yaml:"address"`
	Dialect       string        `yaml:"dialect"`
	Framing       string        `yaml:"framing"`
	RequireSignOn bool          `yaml:"requireSignOn"`
	Deadline      time.Duration `yaml:"deadline"`
	LinksMax      int           `yaml:"linksMax"`
	InFlightMax   int           `yaml:"inFlightMax"`
	FrameBytesMax int           `yaml:"frameBytesMax"`
	IdleTimeout   time.Duration `yaml:"idleTimeout"`
	DrainTimeout  time.Duration `yaml:"drainTimeout"`
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
}

// firstFrameTimeout is how long a new link may say nothing.
const firstFrameTimeout = 30 * time.Second

// quietTimeout is how long a draining link listens on after the last frame: what was on the wire when our
// sign-off reached the peer is still answered.
const quietTimeout = 200 * time.Millisecond

// setup checks a listener and fills what was left out.
func (l listenerConfig) setup() (listenerSetup, error) {
	set := func(field *string, usual string) {
		if *field == "" {
			*field = usual
		}
	}
	set(&l.Address, "127.0.0.1:8583")
	set(&l.Dialect, "iso87-ascii")
	set(&l.Name, "network")
	bad := func(err error) (listenerSetup, error) {
		return listenerSetup{}, usageError{fmt.Errorf("listener %s: %w", l.Name, err)}
	}
	if err := checkAddress(l.Address); err != nil {
		return bad(err)
	}
	dialect, err := iso.Open(l.Dialect)
	if err != nil {
		return bad(err)
	}
	set(&l.Framing, dialect.Profile().Framing.String())
	format, err := frame.Parse(l.Framing)
	if err != nil {
		return bad(err)
	}
	s := listenerSetup{
		address: l.Address,
		peer:    &gateway.Peer{Name: l.Name, Dialect: dialect, RequireSignOn: l.RequireSignOn, Deadline: l.Deadline},
		server: server.Config{Name: l.Name, Format: format, Limits: frame.Limits{FrameBytesMax: l.FrameBytesMax},
			LinksMax: l.LinksMax, InFlightMax: l.InFlightMax, IdleTimeout: l.IdleTimeout, DrainTimeout: l.DrainTimeout,
			FirstFrameTimeout: firstFrameTimeout, QuietTimeout: quietTimeout},
	}
	if err := s.peer.Validate(); err != nil {
		return bad(err)
	}
	if err := s.server.Validate(); err != nil {
		return bad(err)
	}
	return s, nil
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
