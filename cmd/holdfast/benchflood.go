package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	floodConnections = 128      // who is turned away waits, and the rate is to be kept
	floodCallTimeout = 10 * time.Second
	floodBalance     = "01a2062e-6628-76a6-86fe-5085770c56fd" // nobody's
)

// flooder is a partner's backend that has gone mad.
type flooder struct {
	partner authz.PartnerID
	user    authz.UserID
	card    authz.CardID
	client  *http.Client
}

// flood are all of them, with what they send. Their own work is small: tokens are made once, answers are not decrypted.
type flood struct {
	from []flooder
	base string // of the mTLS listener
	key  string // the header Public-Key, of all
	good string // a token that opens, with a request that is refused
	bad  []string

	mu      sync.Mutex
	answers map[int]int // by status; 0 is none
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
func openFlood(ctx context.Context, cfg *config) (*flood, error) {
	if _, _, err := cfg.completeKeys(); err != nil {
		return nil, err
	}
	keys, store, err := cfg.open(ctx)
	if err != nil {
		return nil, err
	}
	f := &flood{answers: map[int]int{}}
	err = f.enrol(ctx, keys, store)
	return f, errors.Join(err, store.Close())
}

func (f *flood) enrol(ctx context.Context, keys *keystore.Store, store engine) error {
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(&own.PublicKey)
	if err != nil {
		return err
	}
	f.key = base64.StdEncoding.EncodeToString(spki)
	box := jwe.New(keys, jwe.Limits{})
	seal := func(key *rsa.PublicKey) (string, error) {
		token, err := box.Seal(key, []byte(`{"balanceId":"`+floodBalance+`"}`))
		return string(token), err
	}
	if f.good, err = seal(keys.EncryptionKeys()[0].Key); err != nil {
		return err
	}
	foreign, err := seal(&own.PublicKey)
	if err != nil {
		return err
	}
	at := len(f.good) / 2
	f.bad = []string{foreign, f.good[:at] + "!" + f.good[at+1:], strings.Replace(f.good, `ey`, `ez`, 1), `{"payload":""}`}
	for i := range floodPartners {
		one, err := enrolFlooder(ctx, keys, store, i, spki)
		if err != nil {
			return err
		}
		f.from = append(f.from, one)
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
		if one.user, err = records.CreateUser(ctx, q, p.ID, loadUserName, "ACCEPTED", now); err != nil {
			return err
		}
		balance, err := records.CreateUserBalance(ctx, q, p.ID, one.user, currency, now)
		if err != nil {
			return err
		}
		number, err := numberOf(bin)
		if err != nil {
			return err
		}
		one.card, err = records.IssueCard(ctx, q, keys, records.Card{Program: g.program, Balance: balance, Number: number,
			Expiry: loadExpiry, State: authz.CardActive}, now)
		return err
	})
	one.partner = p.ID
	one.client = &http.Client{Timeout: floodCallTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: floodConnections,
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{made.DER}, PrivateKey: key}}}}}
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
func (f *flood) aim(address, data string) error {
	text, err := os.ReadFile(filepath.Join(data, serverCertificateFile))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return errors.New("the switch's certificate does not parse")
	}
	f.base = "https://" + address
	for _, one := range f.from {
		one.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = pool
	}
	return nil
}

func (f *flood) close() {
	for _, one := range f.from {
		one.client.CloseIdleConnections()
	}
}

// read asks for a card's full data.
func (f *flood) read(ctx context.Context, one *flooder) {
	f.call(ctx, one, http.MethodGet, fmt.Sprintf("/secure/customers/%d/cards/%d", one.user, one.card), "", true)
}

// mix is call number n of a flood: full data of a card, a token that opens, one that does not, a list in clear.
func (f *flood) mix(ctx context.Context, one *flooder, n int) {
	cards := fmt.Sprintf("/secure/customers/%d/cards", one.user)
	switch n % 4 {
	case 0:
		f.read(ctx, one)
	case 1:
		f.call(ctx, one, http.MethodPost, cards+"/virtual", f.good, true)
	case 2:
		f.call(ctx, one, http.MethodPost, cards+"/virtual", f.bad[n/4%len(f.bad)], true)
	case 3:
		f.call(ctx, one, http.MethodGet, cards, "", false)
	}
}

func (f *flood) call(ctx context.Context, one *flooder, method, path, body string, encrypted bool) {
	status := 0
	r, err := http.NewRequestWithContext(ctx, method, f.base+path, strings.NewReader(body))
	if err == nil {
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if encrypted {
			r.Header.Set("Encrypted-Request", "true")
			r.Header.Set("Public-Key", f.key)
		}
		if resp, err := one.client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // the status is what counts
			_ = resp.Body.Close()                 // read to its end
			status = resp.StatusCode
		}
	}
	if status == 0 && ctx.Err() != nil {
		return // the measurement is over
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[status]++
}

// taken are the answers since the last time.
func (f *flood) taken() map[int]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.answers
	f.answers = map[int]int{}
	return was
}

// pour sends at a rate until ctx ends, evenly. A connection that is behind leaves out what it could not send in time. What
// has been asked is answered: a call that is cut costs its connection, and the next turn would begin with handshakes.
func (f *flood) pour(ctx context.Context, perSecond float64) {
	call := context.WithoutCancel(ctx)
	var wg sync.WaitGroup
	each := time.Duration(floodConnections / perSecond * float64(time.Second))
	for i := range floodConnections {
		wg.Go(func() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(each * time.Duration(i) / floodConnections):
			}
			tick := time.NewTicker(each)
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					f.mix(call, &f.from[i%len(f.from)], n)
				}
			}
		})
	}
	wg.Wait()
}

// reads asks for cards, so many at a time, until ctx ends.
func (f *flood) reads(ctx context.Context, atOnce int) {
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				f.read(ctx, &f.from[n%len(f.from)])
			}
		})
	}
	wg.Wait()
}
