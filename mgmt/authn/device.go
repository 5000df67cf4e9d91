package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

func number[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func decode64(text string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(text) }

// user authenticates a cardholder by the token of a session. The session ends after its time, whatever happens in it;
// with its device; and with the user. Answers are encrypted for the device's key, whatever other devices of the user have.
func (m *Room) user(ctx context.Context, r *http.Request) (mgmt.Identity, error) {
	hash, err := bearer(r)
	if err != nil {
		return mgmt.Identity{}, err
	}
	var s record.Session
	var u record.User
	var p record.Partner
	var d record.Device
	if err := m.view(ctx, func(tx Tx) (err error) {
		if s, err = tx.Session(ctx, hash, m.now()); err != nil || s.Kind != record.SessionUser {
			return orNotFound(err)
		}
		if d, err = tx.Device(ctx, s.Device); err != nil {
			return err
		}
		if u, err = tx.User(ctx, s.Partner, s.User); err == nil {
			p, err = tx.Partner(ctx, s.Partner)
		}
		return err
	}); err != nil {
		return mgmt.Identity{}, unknown(err)
	}
	if u.State != record.UserActive || p.State != record.PartnerActive || !d.RevokedAt.IsZero() {
		return mgmt.Identity{}, errUnknown
	}
	who := mgmt.Identity{Name: "user " + number(u.ID), Detail: "device " + s.Device.String(), Partner: u.Partner, User: u.ID, Session: hash}
	if len(d.ResponseKey) > 0 {
		if who.Key, err = jwe.ParseSPKI(d.ResponseKey); err != nil {
			return mgmt.Identity{}, err
		}
	}
	return who, nil
}

func orNotFound(err error) error {
	if err == nil {
		err = authz.ErrNotFound
	}
	return err
}

// PairingCode is what a partner gives its user to enter on a new device.
type PairingCode struct {
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expiresAt"`
}

type pairingRequest struct {
	User authz.UserID `path:"c" rule:"min=1"`
}

type pairRequest struct {
	Body struct {
		Code        string `json:"pairingCode" rule:"min=16 max=16 format=name"`
		Device      string `json:"deviceId" rule:"min=1 max=100"`
		Name        string `json:"name,omitempty" rule:"max=60"`
		PublicKey   string `json:"publicKey" rule:"format=base64 max=1024"`             // SPKI DER: P-256 or Ed25519
		ResponseKey string `json:"responseKey,omitempty" rule:"format=base64 max=4096"` // PEM or SPKI DER: RSA
	}
}

// Device is an installation that was paired.
type Device struct {
	ID       record.UUID  `json:"installationId"`
	Customer authz.UserID `json:"customerId"`
}

type challengeRequest struct {
	Body struct {
		Device record.UUID `json:"installationId"`
	}
}

// Challenge is what the device's key has to sign for a session: the bytes of Sign.
type Challenge struct {
	ID        record.UUID `json:"challengeId"`
	Sign      string      `json:"sign"`
	ExpiresAt time.Time   `json:"expiresAt"`
}

type sessionRequest struct {
	Body struct {
		Challenge record.UUID `json:"challengeId"`
		Signature string      `json:"signature" rule:"format=base64 max=200"` // ECDSA: SHA-256, DER; Ed25519: 64 bytes
	}
}

// Session is a token that lets its holder in.
type Session struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (m *Room) deviceRoutes() []mgmt.Bound {
	return []mgmt.Bound{
		mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: "/lifecycle/v1/users/{c}/pairing-codes", Channel: mgmt.Lifecycle,
			Audit: "pairing.code", Status: http.StatusCreated, Summary: "Make a code that pairs one device with a user",
			Refusals: []string{"USER_LOCKED", "USER_REMOVED"}}, m.pairingCode),
		mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: "/customers/devices", Channel: mgmt.Open, Audit: "device.pair",
			Status: http.StatusCreated, Summary: "Pair a device by its code, and register its keys",
			Refusals: []string{string(problem.Unauthenticated)}}, m.pair),
		mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: "/customers/sessions/challenge", Channel: mgmt.Open,
			Audit: "session.challenge", Status: http.StatusCreated, Summary: "Ask for what the device has to sign",
			Refusals: []string{string(problem.Unauthenticated)}}, m.challenge),
		mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: "/customers/sessions", Channel: mgmt.Open, Audit: "session.open",
			Status: http.StatusCreated, Summary: "Open a session with the signed challenge",
			Refusals: []string{string(problem.Unauthenticated)}}, m.open),
		mgmt.Handle(mgmt.Route{Method: http.MethodDelete, Path: "/customers/sessions/current", Channel: mgmt.Customers,
			Audit: "session.close", Summary: "Log out"}, m.logout),
	}
}

// codeLetters are those of Crockford's base 32: none is taken for another.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const codeLength = 16 // 80 bits

func (m *Room) pairingCode(ctx context.Context, c *mgmt.Call, in *pairingRequest) (PairingCode, error) {
	raw := make([]byte, codeLength)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	for i, b := range raw {
		raw[i] = codeLetters[b%byte(len(codeLetters))]
	}
	code := PairingCode{Code: string(raw), ExpiresAt: c.At.Add(pairingFor)}
	c.Object("user " + number(in.User))
	return code, mgmt.In[Tx](c).NewPairing(ctx, record.Pairing{Hash: hashOf("pairing " + code.Code), Partner: c.Partner, User: in.User,
		ExpiresAt: code.ExpiresAt})
}

func (m *Room) pair(ctx context.Context, c *mgmt.Call, in *pairRequest) (Device, error) {
	tx := mgmt.In[Tx](c)
	key, err := decode64(in.Body.PublicKey)
	if err != nil || !acceptable(key) {
		return Device{}, problem.Body("/publicKey", "must be base64 of the SPKI DER of a P-256 or Ed25519 key")
	}
	d := record.Device{Hardware: in.Body.Device, Name: in.Body.Name, PublicKey: key}
	if in.Body.ResponseKey != "" {
		parsed, err := jwe.ParseKey([]string{in.Body.ResponseKey})
		if err != nil {
			return Device{}, err
		}
		if d.ResponseKey, err = x509.MarshalPKIXPublicKey(parsed); err != nil {
			return Device{}, err
		}
	}
	if err := tx.Pair(ctx, hashOf("pairing "+in.Body.Code), &d, c.At); err != nil {
		return Device{}, unknown(err)
	}
	c.Act("user "+number(d.User), d.Partner)
	c.Object("device " + d.ID.String())
	return Device{ID: d.ID, Customer: d.User}, nil
}

// acceptable tells whether a key may sign challenges.
func acceptable(spki []byte) bool {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return false
	}
	if key, ok := parsed.(*ecdsa.PublicKey); ok {
		return key.Curve == elliptic.P256()
	}
	_, ok := parsed.(ed25519.PublicKey)
	return ok
}

func (m *Room) challenge(ctx context.Context, c *mgmt.Call, in *challengeRequest) (Challenge, error) {
	nonce := make([]byte, tokenBytes)
	_, _ = rand.Read(nonce) // never fails: it ends the program instead
	made := record.Challenge{Device: in.Body.Device, Nonce: nonce, ExpiresAt: c.At.Add(challengeFor)}
	if err := mgmt.In[Tx](c).NewChallenge(ctx, &made, c.At); err != nil {
		return Challenge{}, unknown(err)
	}
	c.Object("device " + in.Body.Device.String())
	return Challenge{ID: made.ID, Sign: signed(&made), ExpiresAt: made.ExpiresAt}, nil
}

// signed is the text whose bytes the device signs. It names its purpose, so that a signature for something else is none
// for this.
func signed(c *record.Challenge) string {
	return "holdfast session " + c.ID.String() + " " + base64.RawURLEncoding.EncodeToString(c.Nonce)
}

// open takes the challenge, whether or not its signature holds: nobody gets a second try at one.
func (m *Room) open(ctx context.Context, c *mgmt.Call, in *sessionRequest) (Session, error) {
	tx := mgmt.In[Tx](c)
	challenge, d, err := tx.UseChallenge(ctx, in.Body.Challenge, c.At)
	if err != nil {
		return Session{}, unknown(err)
	}
	c.Object("device " + d.ID.String())
	signature, err := decode64(in.Body.Signature)
	if err != nil || !d.RevokedAt.IsZero() || !holds(d.PublicKey, signed(&challenge), signature) {
		return Session{}, mgmt.Keep(errUnknown)
	}
	u, err := tx.User(ctx, d.Partner, d.User)
	if err != nil || u.State != record.UserActive {
		return Session{}, mgmt.Keep(errUnknown)
	}
	c.Act("user "+number(u.ID), u.Partner)
	token, hash := newToken()
	s := Session{Token: token, ExpiresAt: c.At.Add(m.session)}
	return s, tx.NewSession(ctx, &record.Session{Hash: hash, Kind: record.SessionUser, Partner: u.Partner, User: u.ID, Device: d.ID,
		CreatedAt: c.At, SeenAt: c.At, ExpiresAt: s.ExpiresAt})
}

func holds(spki []byte, text string, signature []byte) bool {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return false
	}
	switch key := parsed.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256([]byte(text))
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(text), signature)
	}
	return false
}

func (m *Room) logout(ctx context.Context, c *mgmt.Call, _ *mgmt.None) (mgmt.None, error) {
	return mgmt.None{}, mgmt.In[Tx](c).EndSession(ctx, c.Session)
}
