// Package jwe encrypts answers and decrypts requests as JSON Web Encryption (RFC 7516), in the narrow form that the
// management API speaks: compact, RSA-OAEP-256 or RSA-OAEP towards us, RSA-OAEP-256 from us, always A256GCM.
//
// What comes in is judged here, by hand, before the library sees it: a token has five parts, a header of a few
// known members, and nothing that would let the sender choose a key, a compression or an extension. Everything that
// is well formed and still does not open is one refusal, whatever the cause was.
//
// Decrypting costs a good part of a millisecond of processor time and anyone with an identity may ask for it, so it
// is bounded in number at once and in rate: a flood of tokens must not take the switch's processor away.
package jwe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"

	"holdfast/authz/keystore"
	"holdfast/mgmt/problem"
)

// Keys is what the box needs of the keystore.
type Keys interface {
	EncryptionKeys() []keystore.EncryptionKey
	UnwrapKey(id string, sha1 bool, wrapped []byte) ([]byte, error)
}

// Limits keep decryption away from the processor of the switch. Zero fields have defaults.
type Limits struct {
	AtOnceMax    int     // decryptions at the same time; 1
	PerSecondMax float64 // decryptions a second; 400
	WaitingMax   int     // requests that may wait for their turn; 64
}

func (l *Limits) fill() {
	if l.AtOnceMax == 0 {
		l.AtOnceMax = 1
	}
	if l.PerSecondMax == 0 {
		l.PerSecondMax = 400
	}
	if l.WaitingMax == 0 {
		l.WaitingMax = 64
	}
}

// Box opens and seals. It is safe for concurrent use.
type Box struct {
	keys    Keys
	turns   chan struct{} // one for each decryption at once
	sealing chan struct{} // one for each encryption at once
	waiting chan struct{}
	pace    *rate.Limiter
	opened  atomic.Int64
}

// New makes a box.
func New(keys Keys, l Limits) *Box {
	l.fill()
	return &Box{keys: keys, turns: make(chan struct{}, l.AtOnceMax),
		sealing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), waiting: make(chan struct{}, l.WaitingMax),
		pace: rate.NewLimiter(rate.Limit(l.PerSecondMax), max(1, int(l.PerSecondMax/10)))}
}

// Decryptions counts what was decrypted or tried.
func (b *Box) Decryptions() int64 { return b.opened.Load() }

type envelope struct {
	Payload string `json:"payload"`
}

// Open reads {"payload": "<compact JWE>"} and gives what is inside. Its refusals are problem.Payload,
// problem.CannotDecrypt and, when too many wait, problem.Overloaded.
func (b *Box) Open(ctx context.Context, body []byte) ([]byte, error) {
	token, ok := payload(body)
	if !ok {
		return nil, problem.New(problem.Payload)
	}
	header, wrapped, err := inspect(token)
	if err != nil {
		return nil, err
	}
	if err := b.turn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-b.turns }()
	b.opened.Add(1)
	return b.decrypt(token, header, wrapped)
}

// turn waits for the processor, a bounded while and in bounded company.
func (b *Box) turn(ctx context.Context) error {
	select {
	case b.waiting <- struct{}{}:
	default:
		return problem.New(problem.Overloaded)
	}
	defer func() { <-b.waiting }()
	if err := b.pace.Wait(ctx); err != nil {
		return problem.New(problem.Overloaded)
	}
	select {
	case b.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return problem.New(problem.Overloaded)
	}
}

// payload is the token in the body: one member with that name and nothing else.
func payload(body []byte) (string, bool) {
	members, ok := flat(body)
	if !ok || len(members) != 1 {
		return "", false
	}
	token, ok := members["payload"].(string)
	return token, ok && token != ""
}

// flat reads a JSON object whose members are texts or numbers, each once.
func flat(text []byte) (map[string]any, bool) {
	if !json.Valid(text) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, false
	}
	members := map[string]any{}
	for d.More() {
		name, err1 := d.Token()
		value, err2 := d.Token()
		key, isText := name.(string)
		if _, nested := value.(json.Delim); err1 != nil || err2 != nil || !isText || nested {
			return nil, false
		}
		if _, repeated := members[key]; repeated {
			return nil, false
		}
		members[key] = value
	}
	return members, true
}

// header is what of a token's header matters.
type header struct {
	sha1 bool
	kid  string
}

// The members that a header may have. Those that name keys, compression or extensions are refused by not being here.
var allowed = map[string]bool{"alg": true, "enc": true, "kid": true, "typ": true, "cty": true, "iat": true}

const (
	partsOfToken   = 5
	headerBytesMax = 1024
	ivBytes        = 12
	tagBytes       = 16
	wrappedMin     = 2048 / 8
	wrappedMax     = 4096 / 8
)

// inspect judges the form of a token.
func inspect(token string) (h header, wrapped []byte, err error) {
	refused := problem.New(problem.Payload)
	parts := strings.Split(token, ".")
	if len(parts) != partsOfToken {
		return h, nil, refused
	}
	var raw [partsOfToken][]byte
	for i, part := range parts {
		// Strict: the same bytes have one text, and no line ends in between.
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return h, nil, refused
		}
	}
	if len(raw[0]) > headerBytesMax || len(raw[1]) < wrappedMin || len(raw[1]) > wrappedMax || len(raw[2]) != ivBytes ||
		len(raw[4]) != tagBytes {
		return h, nil, refused
	}
	members, ok := flat(raw[0])
	if !ok {
		return h, nil, refused
	}
	for name, value := range members {
		_, isText := value.(string)
		if !allowed[name] || isText == (name == "iat") {
			return h, nil, refused
		}
	}
	h.sha1 = members["alg"] == string(jose.RSA_OAEP)
	if !h.sha1 && members["alg"] != string(jose.RSA_OAEP_256) || members["enc"] != string(jose.A256GCM) {
		return h, nil, refused
	}
	h.kid, _ = members["kid"].(string)
	return h, raw[1], nil
}

// decrypt opens a token of good form. While two keys live, one without a kid is tried with each.
func (b *Box) decrypt(token string, h header, wrapped []byte) ([]byte, error) {
	alg := jose.RSA_OAEP_256
	if h.sha1 {
		alg = jose.RSA_OAEP
	}
	parsed, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{alg}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, problem.New(problem.Payload)
	}
	for _, key := range b.keys.EncryptionKeys() {
		if h.kid != "" && h.kid != key.ID {
			continue
		}
		if plain, err := parsed.Decrypt(opener{b.keys, key.ID, wrapped}); err == nil {
			return plain, nil
		}
	}
	return nil, problem.New(problem.CannotDecrypt)
}

// opener lets the library ask the keystore, where the private keys stay. A key that does not unwrap is replaced by
// a random one: then the content does not open either, after the same work.
type opener struct {
	keys    Keys
	id      string
	wrapped []byte
}

const contentKeyBytes = 32

// DecryptKey implements [jose.OpaqueKeyDecrypter].
func (o opener) DecryptKey(_ []byte, h jose.Header) ([]byte, error) {
	key, err := o.keys.UnwrapKey(o.id, h.Algorithm == string(jose.RSA_OAEP), o.wrapped)
	if err != nil || len(key) != contentKeyBytes {
		key = make([]byte, contentKeyBytes)
		_, _ = rand.Read(key) // never fails: it ends the program instead
	}
	return key, nil
}

// Seal encrypts an answer for a caller's key, as {"payload": "<compact JWE>"}. It leaves one processor to others: an
// encryption takes a tenth of a millisecond, and whoever has a place at the door may wait for a few.
func (b *Box) Seal(key *rsa.PublicKey, plain []byte) ([]byte, error) {
	if key == nil {
		return nil, errors.New("seal answer: there is no key")
	}
	b.sealing <- struct{}{}
	defer func() { <-b.sealing }()
	encrypter, err := jose.NewEncrypter(jose.A256GCM,
		jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: key, KeyID: keystore.Thumbprint(key)}, nil)
	if err != nil {
		return nil, fmt.Errorf("seal answer: %w", err)
	}
	sealed, err := encrypter.Encrypt(plain)
	if err != nil {
		return nil, fmt.Errorf("seal answer: %w", err)
	}
	token, err := sealed.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("seal answer: %w", err)
	}
	return json.Marshal(envelope{Payload: token})
}
