package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Sender brings one claimed delivery to its endpoint. status is the receiver's, 0 when none came. The error's text is
// kept and shown to the partner, so it says nothing that the receiver said.
type Sender interface {
	Send(ctx context.Context, c *record.Claimed, at time.Time) (status int64, err error)
}

// Worker follows the journal and delivers events. Several nodes may do so at once.
type Worker struct {
	Store   mgmt.Store
	Senders map[record.EndpointKind]Sender
}

const (
	deliverAtOnce = 16
	attemptFor    = 10 * time.Second
	lease         = time.Minute // longer than all attempts of one pass, which are made at the same time
)

var errNoSender = errors.New("nothing is set up here that could send to it")

// Deliver tries what is due, and tells how many deliveries it tried.
func (w *Worker) Deliver(ctx context.Context, at time.Time) (int, error) {
	var claimed []record.Claimed
	if err := w.Store.Update(ctx, func(t mgmt.Tx) (err error) {
		claimed, err = t.(Tx).ClaimDeliveries(ctx, deliverAtOnce, at, lease)
		return err
	}); err != nil {
		return 0, err
	}
	errs := make([]error, len(claimed))
	var wg sync.WaitGroup
	for i := range claimed {
		wg.Go(func() { errs[i] = w.try(ctx, &claimed[i], at) })
	}
	wg.Wait()
	return len(claimed), errors.Join(errs...)
}

func (w *Worker) try(ctx context.Context, c *record.Claimed, at time.Time) error {
	a := record.Attempt{At: at}
	err := errNoSender
	if s := w.Senders[c.Endpoint.Kind]; s != nil && !c.Endpoint.Disabled {
		limited, cancel := context.WithTimeout(ctx, attemptFor)
		began := time.Now()
		a.Status, err = s.Send(limited, c, at)
		a.Took = time.Since(began)
		cancel()
	}
	if ctx.Err() != nil {
		return nil // we are stopping; the lease ends by itself and another try is made
	}
	if err != nil {
		a.Error = err.Error()
	}
	ended := w.Store.Update(ctx, func(t mgmt.Tx) error {
		return t.(Tx).EndDelivery(ctx, &c.Delivery, a, err == nil, rand.Float64())
	})
	if errors.Is(ended, record.ErrVersion) {
		return nil // it took longer than its lease
	}
	return ended
}

// paths are what is added to an endpoint's address, by the kind of the event.
var paths = map[string]string{record.EventTransaction: "/notifications/transaction", record.EventCardLocked: "/notifications/card",
	record.EventCardFree: "/notifications/card", record.EventKYC: "/notifications/kyc", record.EventOrder: "/notifications/order",
	record.EventLowBalance: "/notifications/balance"}

const thinPath = "/transaction-event"

// HTTP sends to endpoints of the kinds WEBHOOK and THIN.
type HTTP struct{ client *http.Client }

// NewHTTP makes a sender. roots are trusted beside nobody else, nil are the system's. private allows addresses of
// our own networks.
func NewHTTP(roots *x509.CertPool, private bool) *HTTP {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !private {
		dialer.Control = refusePrivate
	}
	return &HTTP{client: &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 2, MaxConnsPerHost: deliverAtOnce,
			IdleConnTimeout: 30 * time.Second, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       attemptFor,
	}}
}

// Close lets go of idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

var errPrivate = errors.New("the address is not a public one")

// refusePrivate looks at the address that a name has led to, just before it is dialled.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	ip := to.Addr().Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10") // of carriers, RFC 6598
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || shared.Contains(ip) {
		return errPrivate
	}
	return nil
}

// thin says that something is to be fetched, and nothing else.
type thin struct {
	ID        string `json:"id"`
	Timestamp string `json:"timestamp"`
}

// Send implements [Sender].
func (h *HTTP) Send(ctx context.Context, c *record.Claimed, at time.Time) (status int64, err error) {
	body, path := c.Event.Body, paths[c.Event.Kind]
	if c.Endpoint.Kind == record.EndpointThin {
		path = thinPath
		id := strings.TrimPrefix(c.Event.Subject, "transaction ")
		if body, err = json.Marshal(thin{id, c.Event.CreatedAt.Format(time.RFC3339)}); err != nil {
			return 0, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.Endpoint.Target, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "holdfast")
	sign(r.Header, c.Endpoint.Secrets(at), c.Event.ID.String(), at, body)
	resp, err := h.client.Do(r)
	if err != nil {
		return 0, failure(err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	_ = resp.Body.Close()                                         // only read from
	if resp.StatusCode/100 != 2 {
		return int64(resp.StatusCode), errors.New("the receiver did not accept it")
	}
	return int64(resp.StatusCode), nil
}

// failure says what went wrong in words of ours.
func failure(err error) error {
	var unknown x509.UnknownAuthorityError
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errPrivate):
		return errPrivate
	case errors.As(err, &unknown):
		return errors.New("the receiver's certificate comes from an authority that is not trusted here")
	case errors.As(err, &name):
		return errors.New("the receiver's name is not known")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the receiver took too long")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the receiver refused the connection")
	}
	return errors.New("the connection failed")
}
