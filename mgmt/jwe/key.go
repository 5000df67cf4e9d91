package jwe

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"holdfast/mgmt/problem"
)

// Bounds of a caller's key. A larger one would make us work for the caller, a smaller one would not protect.
const (
	keyBitsMin  = 2048
	keyBitsMax  = 4096
	keyExponent = 65537
	headerMax   = 4096
)

// ParseKey reads the values of the header Public-Key: exactly one, base64 of PEM or of SPKI DER. The error is
// problem.PublicKey.
func ParseKey(values []string) (*rsa.PublicKey, error) {
	if len(values) != 1 || len(values[0]) > headerMax {
		return nil, problem.New(problem.PublicKey)
	}
	text, err := base64.StdEncoding.Strict().DecodeString(values[0])
	if err != nil || strings.ContainsAny(values[0], "\r\n") {
		return nil, problem.New(problem.PublicKey)
	}
	if bytes.HasPrefix(text, []byte("-----BEGIN")) {
		return ParsePEM(text)
	}
	return ParseSPKI(text)
}

// ParsePEM reads one PEM block with such a key. The error is problem.PublicKey.
func ParsePEM(text []byte) (*rsa.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, problem.New(problem.PublicKey)
	}
	return ParseSPKI(block.Bytes)
}

// ParseSPKI reads an RSA key of 2048 to 4096 bits with the exponent 65537. The error is problem.PublicKey.
func ParseSPKI(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, problem.New(problem.PublicKey)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.E != keyExponent || key.N.BitLen() < keyBitsMin || key.N.BitLen() > keyBitsMax || key.N.Bit(0) == 0 {
		return nil, problem.New(problem.PublicKey)
	}
	// What the parser accepts and DER would write otherwise is two texts for one key.
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, der) {
		return nil, problem.New(problem.PublicKey)
	}
	return key, nil
}
