// Package mail sends e-mail by SMTP (RFC 5321): the notices that a partner wants in a mailbox, above all that one of its
// balances is low.
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// Config is where mail goes out. Without an Address there is no mail.
type Config struct {
	Address  string // HOST:PORT of the server; 465 speaks TLS from the first byte, others by STARTTLS
	From     string // an address, or a name with an address
	User     string // empty: none is asked for
	Password string
	TLS      *tls.Config // nil: the system's authorities and the host's name
}

// Sender sends mail, each on a connection of its own. It is safe for concurrent use.
type Sender struct {
	cfg       Config
	host      string
	encrypted bool // from the first byte
	from      *mail.Address
}

const (
	sendWithin   = 20 * time.Second
	implicitPort = "465"
	textBytesMax = 32 << 10
)

// New makes a sender.
func New(cfg Config) (*Sender, error) {
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" {
		return nil, errors.New("mail: the server's address is not HOST:PORT")
	}
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, errors.New("mail: the sender is no e-mail address")
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	cfg.TLS = cfg.TLS.Clone()
	cfg.TLS.ServerName = host
	return &Sender{cfg, host, port == implicitPort, from}, nil
}

// Message is a mail of plain text. The same ID is the same mail, sent again.
type Message struct {
	ID, To, Subject, Text string
	At                    time.Time
}

// Mail hands a message to the server, within 20 seconds. It never sends in clear over a network: a server that is not on
// this machine must offer STARTTLS. Partners see the error, so it has the server's code, as [Refusal], and never its words.
func (s *Sender) Mail(ctx context.Context, m Message) error {
	to, err := mail.ParseAddress(m.To)
	if err != nil || to.Name != "" {
		return errors.New("the receiver is no e-mail address")
	}
	if len(m.Text) > textBytesMax {
		return errors.New("the text is too long")
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	wire, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return errors.New("the mail server cannot be reached")
	}
	stop := context.AfterFunc(ctx, func() { _ = wire.Close() })
	defer stop()
	conn := wire
	if s.encrypted {
		conn = tls.Client(wire, s.cfg.TLS)
	}
	err = s.talk(conn, to.Address, s.compose(m, to))
	_ = wire.Close() // it may be closed already
	if err != nil && ctx.Err() != nil {
		return errors.New("the mail server took too long")
	}
	return err
}

// talk is one conversation.
func (s *Sender) talk(conn net.Conn, to string, text []byte) error {
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return told("greeting", err)
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !s.encrypted {
		if err := c.StartTLS(s.cfg.TLS); err != nil {
			return told("STARTTLS", err)
		}
	} else if ip := net.ParseIP(s.host); !s.encrypted && s.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("the mail server does not offer STARTTLS")
	}
	if s.cfg.User != "" {
		if err := c.Auth(smtp.PlainAuth("", s.cfg.User, s.cfg.Password, s.host)); err != nil {
			return told("AUTH", err)
		}
	}
	if err := c.Mail(s.from.Address); err != nil {
		return told("MAIL", err)
	}
	if err := c.Rcpt(to); err != nil {
		return told("RCPT", err)
	}
	w, err := c.Data()
	if err != nil {
		return told("DATA", err)
	}
	if _, err := w.Write(text); err != nil {
		return told("DATA", err)
	}
	if err := w.Close(); err != nil {
		return told("DATA", err)
	}
	_ = c.Quit() // the server has taken it
	return nil
}

// Refusal is a code that a server answered.
type Refusal struct {
	Stage string // the command
	Code  int    // 4xx may work later, 5xx will not
}

// Error implements error.
func (r *Refusal) Error() string {
	return "the mail server refused " + r.Stage + " with " + strconv.Itoa(r.Code)
}

func told(stage string, err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return &Refusal{stage, answer.Code}
	}
	return errors.New("the mail server went away at " + stage)
}

// compose writes a message as RFC 5322 has it. Header fields are encoded, so that no text of theirs begins a new one.
func (s *Sender) compose(m Message, to *mail.Address) []byte {
	domain := s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
	var b bytes.Buffer
	for _, h := range [][2]string{{"From", s.from.String()}, {"To", to.String()}, {"Subject", mime.QEncoding.Encode("utf-8", m.Subject)},
		{"Date", m.At.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + word(m.ID) + "@" + domain + ">"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"}} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(m.Text)) // memory takes everything
	_ = w.Close()
	return b.Bytes()
}

// word keeps of an id what a Message-ID may have.
func word(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, id)
}
