// Package tlsfile makes TLS configurations of files that may be replaced while the program runs: a certificate that is
// renewed needs no restart.
//
// The one idea: a [Source] has a configuration that is whole, or the one before. The files are looked at when a handshake
// begins, at most once a second; new ones count only when all of them can be read, belong together and are valid.
package tlsfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Files names what a configuration is made of. All files are PEM.
type Files struct {
	// Certificate and Key are our own: a server's are required, a client may have none.
	Certificate, Key string
	// Authorities are those whose certificates the other side may have. With them a server demands a certificate; a
	// client without them trusts the system's.
	Authorities string
	// Names says which of these certificates: one of the names must be a DNS name of it, a URI or the common name. A
	// server without names takes any. A client always checks that of the server, for which Names[0] may stand.
	Names []string
}

// lookEvery bounds how often the files are looked at.
const lookEvery = time.Second

// fileBytesMax is far above any file of certificates.
const fileBytesMax = 1 << 20

// Source is a TLS configuration that follows its files. It is safe for concurrent use.
type Source struct {
	files  Files
	server bool
	log    *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	seen   [3]stamp // of the files that config is made of, or that failed since
	looked time.Time
}

// stamp tells whether a file has changed.
type stamp struct {
	size     int64
	modified time.Time
}

// Server makes the configuration of a listener. Its errors name the file. Later faults go to the log.
func Server(f Files, log *slog.Logger) (*Source, error) {
	if f.Certificate == "" || f.Key == "" {
		return nil, errors.New("tls: a listener needs a certificate and a key")
	}
	if len(f.Names) > 0 && f.Authorities == "" {
		return nil, errors.New("tls: names of clients mean nothing without the authorities that certify them")
	}
	return open(&Source{files: f, server: true, log: log})
}

// Client makes the configuration of links that we open to a host, whose certificate must be of that name unless the files
// have another.
func Client(f Files, host string, log *slog.Logger) (*Source, error) {
	if (f.Certificate == "") != (f.Key == "") {
		return nil, errors.New("tls: a certificate and a key belong together")
	}
	if len(f.Names) > 1 {
		return nil, errors.New("tls: a server has one name")
	}
	if len(f.Names) == 0 {
		f.Names = []string{host}
	}
	return open(&Source{files: f, log: log})
}

func open(s *Source) (*Source, error) {
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.seen, s.looked = s.stamps(), time.Now()
	var err error
	s.config, err = s.load(time.Now())
	return s, err
}

// Listener is the configuration for [tls.NewListener]. Every handshake takes what the files say then.
func (s *Source) Listener() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Config(), nil }}
}

// Config is the configuration as of now. It is read-only.
func (s *Source) Config() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.looked) < lookEvery {
		return s.config
	}
	s.looked = now
	seen := s.stamps()
	if seen == s.seen {
		return s.config
	}
	s.seen = seen
	config, err := s.load(now)
	if err != nil {
		s.log.Warn("changed files are not used", slog.Any("cause", err))
		return s.config
	}
	s.log.Info("certificates read again", slog.String("certificate", s.files.Certificate))
	s.config = config
	return config
}

// stamps are those of the files; a file that is not there has none.
func (s *Source) stamps() (all [3]stamp) {
	for i, path := range []string{s.files.Certificate, s.files.Key, s.files.Authorities} {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			all[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return all
}

// load reads the files.
func (s *Source) load(now time.Time) (*tls.Config, error) {
	// A resumed session would not show its certificate again.
	config := &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	if s.files.Certificate != "" {
		own, err := pair(s.files.Certificate, s.files.Key)
		if err != nil {
			return nil, err
		}
		if now.After(own.Leaf.NotAfter) {
			return nil, fmt.Errorf("tls: certificate %s has expired on %s", s.files.Certificate,
				own.Leaf.NotAfter.UTC().Format(time.DateOnly))
		}
		config.Certificates = []tls.Certificate{own}
	}
	pool, err := s.authorities()
	if err != nil {
		return nil, err
	}
	if !s.server {
		config.RootCAs, config.ServerName = pool, s.files.Names[0]
		return config, nil
	}
	if pool != nil {
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
		config.VerifyConnection = s.admit
	}
	return config, nil
}

// pair reads a certificate and its key.
func pair(certificate, key string) (tls.Certificate, error) {
	text, err := read(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	secret, err := read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(secret)
	own, err := tls.X509KeyPair(text, secret)
	if err != nil {
		return own, fmt.Errorf("tls: certificate %s with key %s: %w", certificate, key, err)
	}
	return own, nil
}

// authorities are nil when no file names them.
func (s *Source) authorities() (*x509.CertPool, error) {
	if s.files.Authorities == "" {
		return nil, nil
	}
	text, err := read(s.files.Authorities)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls: there is no certificate in %s", s.files.Authorities)
	}
	return pool, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > fileBytesMax {
		err = fmt.Errorf("%s is no file of certificates: it has %d bytes", path, info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return text, nil
}

// admit refuses certificates of the right authority that are of somebody else.
func (s *Source) admit(state tls.ConnectionState) error {
	if len(s.files.Names) == 0 {
		return nil
	}
	leaf := state.PeerCertificates[0]
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	for _, wanted := range s.files.Names {
		if slices.ContainsFunc(names, func(name string) bool { return name != "" && strings.EqualFold(name, wanted) }) {
			return nil
		}
	}
	return errors.New("tls: the certificate has none of the names that may come here")
}
