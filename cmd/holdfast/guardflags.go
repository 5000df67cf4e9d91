package main

import (
	"cmp"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"

	"holdfast/authz/keystore"
	"holdfast/switch/iso"
	"holdfast/switch/tlsfile"
)

// guardFlags are how a network that is played keeps its links from strangers.
type guardFlags struct {
	TLS            bool   `name:"tls" help:"Speak TLS."`
	TLSAuthorities string `name:"tls-authorities" help:"Whose certificates the host may have (default: the system's)." placeholder:"FILE"`
	TLSCertificate string `name:"tls-certificate" help:"Our certificate, where the host wants one." placeholder:"FILE"`
	TLSKey         string `name:"tls-key" help:"The key of our certificate." placeholder:"FILE"`
	TLSName        string `name:"tls-name" help:"The name in the host's certificate (default: the host of its address)." placeholder:"NAME"`
	MACKey         string `name:"mac-key" help:"Authenticate by the key in this file, hexadecimal digits." placeholder:"FILE"`
	MACAlgorithm   string `name:"mac-algorithm" help:"iso9797-3, iso9797-1, either -padding2, cmac or aes-cmac." default:"iso9797-3"`
	MACBytes       int    `name:"mac-bytes" help:"How many bytes a code has (default: 8, as far as there is room)." placeholder:"N"`
}

// tls makes the configurations of links, by their address; nil without TLS.
func (f *guardFlags) tls() (func(addr string) *tls.Config, error) {
	files := tlsfile.Files{Certificate: f.TLSCertificate, Key: f.TLSKey, Authorities: f.TLSAuthorities}
	if !f.TLS {
		if f.TLSName != "" || !slices.Equal([]string{files.Certificate, files.Key, files.Authorities}, []string{"", "", ""}) {
			return nil, usagef("--tls-...: without --tls they mean nothing")
		}
		return nil, nil
	}
	source, err := tlsfile.Client(files, f.TLSName, nil)
	if err != nil {
		return nil, usageError{err}
	}
	return func(addr string) *tls.Config {
		config := source.Config().Clone()
		host, _, _ := net.SplitHostPort(addr) // it was checked with the other flags
		config.ServerName = cmp.Or(f.TLSName, host)
		return config
	}, nil
}

// sign reads the key and makes codes by it for messages of a dialect; nil without a key.
func (f *guardFlags) sign(d *iso.Dialect) (iso.Sign, error) {
	if f.MACKey == "" {
		return nil, nil
	}
	text, err := readLimited(f.MACKey)
	if err != nil {
		return nil, usageError{fmt.Errorf("--mac-key: %w", err)}
	}
	defer clear(text)
	key, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		return nil, usagef("--mac-key: %s holds no key in hexadecimal digits", f.MACKey) // the error would quote one
	}
	algorithm, marked := strings.CutSuffix(f.MACAlgorithm, "-padding2")
	algorithm, aes := strings.CutPrefix(algorithm, "aes-")
	form, err := macForm(algorithm, marked, f.MACBytes, d)
	if err == nil {
		err = d.CheckMAC(form.Bytes)
	}
	sign := func(covered []byte) ([]byte, error) { return keystore.MACWith(key, aes, form, covered) }
	if err == nil {
		_, err = sign(nil)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("--mac-key: %w", err)}
	}
	return sign, nil
}
