package client

import (
	"context"
	"fmt"
	"time"

	"holdfast/switch/iso"
)

// function is a network management function, with its codes.
type function struct {
	name   string
	code87 string // DE 70 of ISO 8583:1987
	code93 string // DE 24 of ISO 8583:1993 and 2003
}

var (
	signOn  = function{"sign on", "001", "801"}
	signOff = function{"sign off", "002", "802"}
	echo    = function{"echo", "301", "831"}
)

// RefusedError reports an answer to a network management message that was not an approval.
type RefusedError struct {
	Function string // "sign on", "sign off" or "echo"
	Code     string // DE 39 as received, "" when there was none
}

// Error names the function and the code.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: refused with action code %q", e.Function, e.Code)
}

// SignOn tells the switch that we are there. A client that reconnects signs on again by itself.
func (c *Client) SignOn(ctx context.Context) error {
	if err := c.networkCall(ctx, signOn); err != nil {
		return err
	}
	c.signedOn.Store(true)
	return nil
}

// SignOff tells the switch that we are leaving; the link stays open.
func (c *Client) SignOff(ctx context.Context) error {
	c.signedOn.Store(false)
	return c.networkCall(ctx, signOff)
}

// Echo asks the switch whether it is there.
func (c *Client) Echo(ctx context.Context) error { return c.networkCall(ctx, echo) }

// NextSTAN counts 1 to 999999 and around again; zero is left out because some switches refuse it.
func (c *Client) NextSTAN() uint32 { return (c.stan.Add(1)-1)%999_999 + 1 }

func (c *Client) networkCall(ctx context.Context, f function) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, ErrTimeout)
	defer cancel()
	s, err := c.session(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return c.network(ctx, s, f)
}

// network sends a network management request on a session and looks at its answer.
func (c *Client) network(ctx context.Context, s *session, f function) error {
	request, err := c.networkRequest(f, time.Now())
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	answer, err := s.send(ctx, request)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	switch code := answer.Get(39); {
	case code == "00" && c.config.Dialect.Version() == iso.V1987,
		code == "800" && c.config.Dialect.Version() == iso.V1993,
		code == "8000" && c.config.Dialect.Version() == iso.V2003:
		return nil
	default:
		return &RefusedError{Function: f.name, Code: code}
	}
}

// networkRequest builds 0800, 1804 or 2804 with the elements that every network asks for.
func (c *Client) networkRequest(f function, now time.Time) (*iso.Message, error) {
	now = now.UTC()
	stan := fmt.Sprintf("%06d", c.NextSTAN())
	type field struct {
		de    int
		value string
	}
	mti, fields := "0800", []field{{7, now.Format("0102150405")}, {11, stan}, {70, f.code87}}
	switch c.config.Dialect.Version() {
	case iso.V1993:
		mti = "1804"
		fields = []field{{7, now.Format("0102150405")}, {11, stan}, {12, now.Format("060102150405")}, {24, f.code93}}
	case iso.V2003:
		mti, stan = "2804", "000000"+stan
		fields = []field{{7, now.Format("0102150405")}, {11, stan}, {12, now.Format("20060102150405")}, {24, f.code93}}
	}
	m := c.config.Dialect.New(mti)
	for _, f := range fields {
		if err := m.Set(f.de, f.value); err != nil {
			return nil, err
		}
	}
	return m, nil
}
