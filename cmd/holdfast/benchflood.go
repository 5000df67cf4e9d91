package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/pki"
	"holdfast/store/records"
)

// A flood comes from a few partners at once, so that it is more than the pace of one.
const (
	floodPartners    = 8
	floodBIN         = 99970000 // of the first partner; each has the next one
	floodRate        = 2000     // calls per second, from all partners
	floodConnections = 256      // half of what a listener accepts; who is turned away waits, so few of the calls can be sent
	floodCallTimeout = 10 * time.Second
	floodBalance     = "01a2062e-6628-76a6-86fe-5085770c56fd" // nobody's
)

// floodPlan is what the process that floods has to know: partners' backends that have gone mad, and what they send. Their
// own work is small: tokens are made once, answers are not decrypted.
type floodPlan struct {
	Base      string // of the mTLS listener
	Authority []byte // the switch's certificate, in PEM
	From      []flooder
	Key       string // the header Public-Key, of all
	Good      string // a token that opens, with a request that is refused
	Bad       []string
}

// flooder is one of the backends.
type flooder struct {
	User        authz.UserID
	Card        authz.CardID
	Certificate []byte // DER
	PKCS8       []byte

	client *http.Client
}

// floodConfig writes the configuration of a switch with the management API on ports of the system's choice.
func floodConfig(cfg config, dir string) (config, string, error) {
	cfg.Management = &managementConfig{Public: "127.0.0.1:0", Secure: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	text, err := yaml.Marshal(&cfg)
	if err != nil {
		return cfg, "", err
	}
	path := filepath.Join(dir, "flood.yaml")
	return cfg, path, os.WriteFile(path, text, 0o600)
}

// openFlood enrols the partners in the books of a switch that does not run yet.
func openFlood(ctx context.Context, cfg *config) (*floodPlan, error) {
	if _, _, err := cfg.completeKeys(); err != nil {
		return nil, err
	}
	keys, store, err := cfg.open(ctx)
	if err != nil {
		return nil, err
	}
	f := &floodPlan{}
	err = f.enrol(ctx, keys, store)
	return f, errors.Join(err, store.Close())
}

func (f *floodPlan) enrol(ctx context.Context, keys *keystore.Store, store engine) error {
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(&own.PublicKey)
	if err != nil {
		return err
	}
	f.Key = base64.StdEncoding.EncodeToString(spki)
	box := jwe.New(keys, jwe.Limits{})
	seal := func(key *rsa.PublicKey) (string, error) {
		token, err := box.Seal(key, []byte(`{"balanceId":"`+floodBalance+`"}`))
		return string(token), err
	}
	if f.Good, err = seal(keys.EncryptionKeys()[0].Key); err != nil {
		return err
	}
	foreign, err := seal(&own.PublicKey)
	if err != nil {
		return err
	}
	at := len(f.Good) / 2
	f.Bad = []string{foreign, f.Good[:at] + "!" + f.Good[at+1:], strings.Replace(f.Good, `ey`, `ez`, 1), `{"payload":""}`}
	for i := range floodPartners {
		one, err := enrolFlooder(ctx, keys, store, i, spki)
		if err != nil {
			return err
		}
		f.From = append(f.From, one)
	}
	return nil
}

// enrolFlooder makes a partner with a certificate, and a user of it with a card.
func enrolFlooder(ctx context.Context, keys *keystore.Store, store engine, i int, spki []byte) (one flooder, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return one, err
	}
	currency, err := benchCurrency()
	if err != nil {
		return one, err
	}
	now, bin := time.Now(), floodBIN+i
	p := record.Partner{Name: fmt.Sprintf("Flood %d", i), State: record.PartnerActive, ResponseKey: spki, CreatedAt: now}
	var made *record.Certificate
	if _, err = records.Transact(ctx, store, keys, func(tx *records.Tx) (err error) {
		if err = tx.InsertPartner(ctx, &p); err != nil {
			return err
		}
		if made, err = pki.Sign(keys, &key.PublicKey, &p, 1, "bench", now); err != nil {
			return err
		}
		return tx.InsertCertificate(ctx, made)
	}); err != nil {
		return one, err
	}
	err = store.Update(ctx, func(q records.Querier) error {
		g, err := seedProgram(ctx, q, p.ID, bin, currency, now)
		if err != nil {
			return err
		}
		if one.User, err = records.CreateUser(ctx, q, p.ID, loadUserName, "ACCEPTED", now); err != nil {
			return err
		}
		balance, err := records.CreateUserBalance(ctx, q, p.ID, one.User, currency, now)
		if err != nil {
			return err
		}
		number, err := numberOf(bin)
		if err != nil {
			return err
		}
		one.Card, err = records.IssueCard(ctx, q, keys, records.Card{Program: g.program, Balance: balance, Number: number,
			Expiry: loadExpiry, State: authz.CardActive}, now)
		return err
	})
	if err != nil {
		return one, err
	}
	one.Certificate = made.DER
	one.PKCS8, err = x509.MarshalPKCS8PrivateKey(key)
	return one, err
}

// numberOf is the first number of a BIN.
func numberOf(bin int) (pan.Number, error) {
	prefix := fmt.Sprintf("%d%07d", bin, 1)
	check, err := pan.CheckDigit(prefix)
	if err != nil {
		return pan.Number{}, err
	}
	return pan.Parse(prefix + string(check))
}

// aim tells the flood where the switch is, and by which certificate to know it.
func (f *floodPlan) aim(address, data string) (err error) {
	f.Base = "https://" + address
	f.Authority, err = os.ReadFile(filepath.Join(data, serverCertificateFile))
	return err
}
