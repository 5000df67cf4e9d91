package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/mgmt/authn"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/pki"
	"holdfast/store/records"
)

// partnerCmd enrols partners. A switch may be running on the same books.
type partnerCmd struct {
	Add         partnerAddCmd         `cmd:"" help:"Enrol a partner."`
	Certificate partnerCertificateCmd `cmd:"" help:"Sign a certificate for a partner's backend, from its signing request."`
	List        partnerListCmd        `cmd:"" help:"List a partner's certificates."`
	Revoke      partnerRevokeCmd      `cmd:"" help:"Revoke a certificate. It counts within a second."`
}

// byCommand is who did what is done on the command line.
const byCommand = "command line"

// transact runs f on the books of a command, and writes an audit record of it in the same transaction.
func (f *bookFlags) transact(e *env, audit record.Audit, do func(ctx context.Context, tx *records.Tx, keys *keystore.Store,
	a *record.Audit) error) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	if cfg.Management == nil {
		cfg.Management = &managementConfig{} // these commands are of no use without its keys
	}
	keys, store, err := cfg.open(e.ctx)
	if err != nil {
		return err
	}
	_, err = records.Transact(e.ctx, store, keys, func(tx *records.Tx) error {
		audit.Actor, audit.Channel, audit.Outcome, audit.At = byCommand, "cli", "OK", time.Now().UTC()
		if err := do(e.ctx, tx, keys, &audit); err != nil {
			return err
		}
		return tx.Audit(e.ctx, &audit)
	})
	return errors.Join(err, store.Close())
}

type partnerAddCmd struct {
	bookFlags
	Name        string   `arg:"" help:"The partner's name."`
	Network     []string `help:"A network that its calls may come from; all when there is none." placeholder:"CIDR"`
	ResponseKey string   `help:"The RSA public key that answers are encrypted for, PEM." placeholder:"FILE"`
	UnboundKeys bool     `help:"Encrypt answers for whatever key a call brings; for compatibility only."`
}

// Run enrols the partner and prints its number.
func (c *partnerAddCmd) Run(e *env) error {
	p := record.Partner{Name: c.Name, State: record.PartnerActive, Networks: c.Network, UnboundKeys: c.UnboundKeys}
	if c.ResponseKey != "" {
		text, err := os.ReadFile(c.ResponseKey)
		if err != nil {
			return usageError{fmt.Errorf("response key: %w", err)}
		}
		key, err := jwe.ParsePEM(text)
		if err != nil {
			return usagef("response key: want an RSA public key of 2048 to 4096 bits in PEM")
		}
		if p.ResponseKey, err = x509.MarshalPKIXPublicKey(key); err != nil {
			return err
		}
	}
	if err := c.transact(e, record.Audit{Action: "partner.create"}, func(ctx context.Context, tx *records.Tx, _ *keystore.Store,
		a *record.Audit) error {
		p.CreatedAt = a.At
		err := tx.InsertPartner(ctx, &p)
		a.Object = fmt.Sprintf("partner %d", p.ID)
		return err
	}); err != nil {
		return fmt.Errorf("add partner: %w", err)
	}
	_, err := fmt.Fprintf(e.stdout, "%d\n", p.ID)
	return err
}

type partnerCertificateCmd struct {
	bookFlags
	Partner authz.PartnerID `arg:"" help:"The partner's number."`
	Request string          `arg:"" help:"The signing request, PEM. Only its public key counts."`
	Days    int             `help:"How long it is valid." default:"365"`
}

// Run signs and prints the certificate.
func (c *partnerCertificateCmd) Run(e *env) error {
	text, err := os.ReadFile(c.Request)
	if err != nil {
		return usageError{fmt.Errorf("signing request: %w", err)}
	}
	public, err := pki.ParseRequest(text)
	if err != nil {
		return usageError{err}
	}
	var made *record.Certificate
	if err := c.transact(e, record.Audit{Action: "certificate.issue"}, func(ctx context.Context, tx *records.Tx, keys *keystore.Store,
		a *record.Audit) error {
		p, err := tx.Partner(ctx, c.Partner)
		if err != nil {
			return err
		}
		if made, err = pki.Sign(keys, public, &p, c.Days, byCommand, a.At); err != nil {
			return err
		}
		err = tx.InsertCertificate(ctx, made)
		a.Object = "certificate " + made.ID.String()
		return err
	}); err != nil {
		return fmt.Errorf("sign certificate: %w", err)
	}
	_, err = fmt.Fprint(e.stdout, pki.PEM(made.DER))
	return err
}

type partnerListCmd struct {
	bookFlags
	Partner authz.PartnerID `arg:"" help:"The partner's number."`
}

// Run lists the newest certificates.
func (c *partnerListCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	keys, store, err := cfg.open(e.ctx)
	if err != nil {
		return err
	}
	var list record.List[record.Certificate]
	err = records.Read(e.ctx, store, keys, func(tx *records.Tx) (err error) {
		if _, err = tx.Partner(e.ctx, c.Partner); err == nil {
			list, err = tx.Certificates(e.ctx, c.Partner, record.Page{Limit: record.PageMax})
		}
		return err
	})
	if err := errors.Join(err, store.Close()); err != nil {
		return fmt.Errorf("list certificates: %w", err)
	}
	for i := range list.Items {
		item := &list.Items[i]
		state := "valid"
		switch {
		case !item.RevokedAt.IsZero():
			state = "revoked " + item.RevokedAt.Format(time.RFC3339)
		case !item.Valid(time.Now()):
			state = "expired"
		}
		if _, err := fmt.Fprintf(e.stdout, "%s  serial %s  until %s  %s\n", item.ID, item.Serial,
			item.NotAfter.Format(time.DateOnly), state); err != nil {
			return err
		}
	}
	return nil
}

type partnerRevokeCmd struct {
	bookFlags
	Partner     authz.PartnerID `arg:"" help:"The partner's number."`
	Certificate string          `arg:"" help:"The certificate's id, as list shows it."`
}

// Run revokes.
func (c *partnerRevokeCmd) Run(e *env) error {
	id, err := record.ParseUUID(c.Certificate)
	if err != nil {
		return usagef("the certificate's id is no UUID")
	}
	err = c.transact(e, record.Audit{Action: "certificate.revoke", Object: "certificate " + id.String()},
		func(ctx context.Context, tx *records.Tx, _ *keystore.Store, a *record.Audit) error {
			return tx.RevokeCertificate(ctx, c.Partner, id, a.At)
		})
	return wrapf(err, "revoke certificate")
}

// operatorCmd makes the first operator; the others are made in the API.
type operatorCmd struct {
	Add operatorAddCmd `cmd:"" help:"Make an operator. The password comes on the standard input."`
}

type operatorAddCmd struct {
	bookFlags
	Email string      `arg:"" help:"The operator's e-mail address."`
	Name  string      `help:"The operator's name." default:"Operator"`
	Role  record.Role `help:"Admin, Manager or Employee." enum:"Admin,Manager,Employee" default:"Admin"`
}

// Run reads the password and prints the link for the authenticator app, this once.
func (c *operatorAddCmd) Run(e *env) error {
	line, err := bufio.NewReader(e.stdin).ReadString('\n')
	if err != nil && line == "" {
		return usagef("want the password on the standard input")
	}
	o, err := authn.NewOperator(c.Email, c.Name, c.Role, strings.TrimRight(line, "\r\n"))
	if err != nil {
		return usagef("the password must have %d to %d characters", authn.PasswordMin, authn.PasswordMax)
	}
	if err := c.transact(e, record.Audit{Action: "operator.create"}, func(ctx context.Context, tx *records.Tx, _ *keystore.Store,
		a *record.Audit) error {
		o.CreatedAt = a.At
		err := tx.InsertOperator(ctx, o)
		a.Object = "operator " + o.ID.String()
		return err
	}); err != nil {
		return fmt.Errorf("add operator: %w", err)
	}
	_, err = fmt.Fprintln(e.stdout, authn.Link(o))
	return err
}
