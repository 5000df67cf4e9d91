package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"holdfast/authz/keystore"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/server"
	"holdfast/switch/tlsfile"
)

// macConfig is how the messages of a peer are authenticated. The key is a zak or comes under a zmk; see holdfast keys.
type macConfig struct {
	Algorithm string `yaml:"algorithm"`
	Padding   int    `yaml:"padding"`
	Bytes     int    `yaml:"bytes"`
	Required  string `yaml:"required"`
}

// macBytes is the usual length of a code.
const macBytes = 8

// demands are the words for which messages must have a code.
var demands = map[string]gateway.MACDemand{"": gateway.MACTransactions, "none": gateway.MACNone,
	"transactions": gateway.MACTransactions, "all": gateway.MACAll}

// rule checks the settings for a dialect and fills in what was left out. Without settings there is none.
func (c *macConfig) rule(d *iso.Dialect) (*gateway.MACRule, error) {
	if c == nil {
		return nil, nil
	}
	demand, known := demands[c.Required]
	if !known {
		return nil, fmt.Errorf("mac: required is %q, want none, transactions or all", c.Required)
	}
	if c.Padding < 0 || c.Padding > 2 || c.Padding > 0 && c.Algorithm == string(keystore.MACCMAC) {
		return nil, fmt.Errorf("mac: padding is %d, want 1 (zeros) or 2 (80 and zeros), and none for cmac", c.Padding)
	}
	form, err := macForm(c.Algorithm, c.Padding == 2, c.Bytes, d)
	return &gateway.MACRule{Form: form, Demand: demand}, err
}

// macForm fills in what was left out: the retail MAC, in the room that the dialect has.
func macForm(algorithm string, marked bool, size int, d *iso.Dialect) (keystore.MACForm, error) {
	if size == 0 {
		size = macBytes
		if d.CheckMAC(size) != nil {
			size = iso.MACBytesMin
		}
	}
	form := keystore.MACForm{Algorithm: cmp.Or(keystore.MACAlgorithm(algorithm), keystore.MACRetail), Marked: marked, Bytes: size}
	if err := form.Validate(); err != nil {
		return form, fmt.Errorf("mac: %w", err)
	}
	return form, nil
}

// tlsConfig is the TLS of a listener or of links that we open.
type tlsConfig struct {
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	Authorities string   `yaml:"authorities"`
	Names       []string `yaml:"names"`
}

func (c *tlsConfig) files() tlsfile.Files {
	return tlsfile.Files{Certificate: c.Certificate, Key: c.Key, Authorities: c.Authorities, Names: c.Names}
}

// secure reads the files of a setup's TLS; without TLS it does nothing.
func (s *listenerSetup) secure(log *slog.Logger) error {
	if s.tls == nil {
		return nil
	}
	var err error
	if s.dial == nil {
		s.source, err = tlsfile.Server(s.tls.files(), log)
	} else {
		host, _, _ := net.SplitHostPort(s.address) // which was checked with the configuration
		s.source, err = tlsfile.Client(s.tls.files(), host, log)
	}
	if err != nil {
		return usageError{fmt.Errorf("listener %s: %w", s.server.Name, err)}
	}
	return nil
}

// open opens the address, or makes ready to dial it.
func (s *listenerSetup) open(log *slog.Logger) (net.Listener, error) {
	if err := s.secure(log); err != nil {
		return nil, err
	}
	if s.dial != nil {
		s.dial.dialer.Log = log
		if s.source != nil {
			s.dial.dialer.TLS = s.source.Config
		}
		return server.NewDialer(s.dial.dialer)
	}
	ln, err := net.Listen("tcp", s.address)
	if err == nil && s.source != nil {
		ln = tls.NewListener(ln, s.source.Listener())
	}
	return ln, err
}

// checkMAC refuses a peer whose messages could never be authenticated.
func (n *node) checkMAC(p *gateway.Peer) error {
	if p.MAC == nil {
		return nil
	}
	err := n.keys.CheckMAC(p.Name, p.MAC.Form)
	if errors.Is(err, keystore.ErrKey) {
		return usageError{fmt.Errorf("peer %s: mac: %w; holdfast keys import zak, or zmk, adds one", p.Name, err)}
	}
	return err
}
