package mail

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/authz/record"
	"holdfast/mgmt/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server of few words on a port of its own.
type server struct {
	t     *testing.T
	ln    net.Listener
	tls   *tls.Config // nil: no STARTTLS
	say   map[string]string
	mute  string // the command that it never answers
	wg    sync.WaitGroup
	mails chan string // with the commands before
}

func serve(t *testing.T, change func(*server)) (*server, *Sender) {
	t.Helper()
	text, key, err := pki.SelfSigned([]string{"127.0.0.1"}, time.Now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(text, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, tls: &tls.Config{Certificates: []tls.Certificate{pair}}, say: map[string]string{}, mails: make(chan string, 4)}
	if change != nil {
		change(s)
	}
	if s.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() {
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() { _ = s.ln.Close(); s.wg.Wait() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	sender, err := New(Config{Address: s.ln.Addr().String(), From: "Holdfast <noreply@issuer.example>", User: "me", Password: "secret",
		TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	return s, sender
}

// talk answers one connection; what a command is not told to be answered with is taken.
func (s *server) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var heard strings.Builder
	fmt.Fprintf(conn, "220 mail.example\r\n")
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		heard.WriteString(line)
		command, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		if command == s.mute && command != "" {
			_, _ = io.Copy(io.Discard, conn) // until the other side has enough
			return
		}
		answer, told := s.say[command]
		switch {
		case told:
			fmt.Fprintf(conn, "%s\r\n", answer)
		case command == "EHLO" && s.tls != nil:
			fmt.Fprint(conn, "250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
		case command == "STARTTLS":
			fmt.Fprint(conn, "220 go ahead\r\n")
			conn = tls.Server(conn, s.tls)
			lines = bufio.NewReader(conn)
		case command == "AUTH":
			fmt.Fprint(conn, "235 welcome\r\n")
		case command == "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			for text := ""; text != ".\r\n"; heard.WriteString(text) {
				if text, err = lines.ReadString('\n'); err != nil {
					return
				}
			}
			s.mails <- heard.String()
			fmt.Fprint(conn, "250 taken\r\n")
		case command == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

func claimed(kind, body, to string) *record.Claimed {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &record.Claimed{Event: record.Event{ID: record.NewUUID(at), Kind: kind, Body: []byte(body), CreatedAt: at},
		Endpoint: record.Endpoint{Kind: record.EndpointEmail, Target: to}}
}

const lowBody = `{"balanceId":"0190a000-0000-7000-8000-000000000001","kind":"CREDIT","currency":"JPY","available":-601,"threshold":1000,
"timestamp":"2026-03-01T12:00:00Z"}`

// Goal: a notice of a low balance arrives over TLS as a mail that a person and a mail program can read.
func TestLowBalanceIsMailed(t *testing.T) {
	t.Parallel()
	s, sender := serve(t, nil)
	c := claimed(record.EventLowBalance, lowBody, "ops@partner.example")
	if status, err := sender.Send(context.Background(), c, time.Now()); status != 250 || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	heard := <-s.mails
	commands, text, _ := strings.Cut(heard, "DATA\r\n")
	if !strings.Contains(commands, "MAIL FROM:<noreply@issuer.example>") || !strings.Contains(commands, "RCPT TO:<ops@partner.example>") ||
		!strings.Contains(commands, "AUTH PLAIN") || strings.Index(commands, "STARTTLS") > strings.Index(commands, "AUTH") {
		t.Errorf("said %s", commands)
	}
	m, err := mail.ReadMessage(strings.NewReader(strings.TrimSuffix(text, ".\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(string(body), "Available: -601 JPY") || !strings.Contains(string(body), "Threshold: 1000 JPY") {
		t.Errorf("the text is %q, %v", body, err)
	}
	if m.Header.Get("Subject") != "Your CREDIT balance in JPY is low" ||
		m.Header.Get("Message-Id") != "<"+c.Event.ID.String()+"@issuer.example>" {
		t.Errorf("the head is %v", m.Header)
	}
}

// Goal: no event puts lines of its own into a mail's head, and every other kind is sent as it is.
func TestHeadersTakeNoLines(t *testing.T) {
	t.Parallel()
	s, sender := serve(t, nil)
	c := claimed("order\r\nBcc: thief@example.com", "{\"a\":\"é\",\"dot\":\n\".\"}", "ops@partner.example")
	if _, err := sender.Send(context.Background(), c, time.Now()); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(<-s.mails, "DATA\r\n")
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil || m.Header.Get("Bcc") != "" {
		t.Errorf("the head is %v, %v", m.Header, err)
	}
	for _, to := range []string{"", "x", "a@b\r\nRCPT TO:<thief@example.com>", "Name <a@b.example>", "a@b.example, c@d.example"} {
		if _, err := sender.Send(context.Background(), claimed("x", "{}", to), time.Now()); err == nil {
			t.Errorf("sent to %q", to)
		}
	}
}

// Goal: whatever the server does wrong is told by its code, in time, and without its words; nothing is taken for sent.
func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*server)
		status int64
	}{
		"no such mailbox":     {func(s *server) { s.say["RCPT"] = "550 ops@partner.example is not here" }, 550},
		"later":               {func(s *server) { s.say["MAIL"] = "451 ops@partner.example later" }, 451},
		"wrong password":      {func(s *server) { s.say["AUTH"] = "535 ops@partner.example" }, 535},
		"no mail taken":       {func(s *server) { s.say["DATA"] = "554 ops@partner.example" }, 554},
		"hangs at RCPT":       {func(s *server) { s.mute = "RCPT" }, 0},
		"says nothing at all": {func(s *server) { s.mute = "EHLO" }, 0},
		"strange certificate": {func(s *server) { s.tls = &tls.Config{Certificates: []tls.Certificate{{}}} }, 0},
	} {
		s, sender := serve(t, c.change)
		within := 10 * time.Second // for those that answer
		if c.status == 0 {
			within = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), within)
		status, err := sender.Send(ctx, claimed("x", "{}", "ops@partner.example"), time.Now())
		cancel()
		if err == nil || status != c.status || strings.Contains(err.Error(), "partner.example") || len(s.mails) > 0 {
			t.Errorf("%s: %d, %v", name, status, err)
		}
		if refusal, ok := errors.AsType[*Refusal](err); ok != (c.status != 0) {
			t.Errorf("%s: %v", name, refusal)
		}
	}
}

// Goal: a password never goes over a line in clear: a server without STARTTLS is only spoken to on this machine.
func TestNothingGoesOutInClear(t *testing.T) {
	t.Parallel()
	s, sender := serve(t, func(s *server) { s.tls = nil })
	sender.host = "mail.example" // as if the server were elsewhere
	_, err := sender.Send(context.Background(), claimed("x", "{}", "ops@partner.example"), time.Now())
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || len(s.mails) > 0 {
		t.Errorf("sent in clear: %v", err)
	}
	for _, bad := range []Config{{}, {Address: "x"}, {Address: ":25", From: "a@b.example"}, {Address: "x:25", From: "nobody"}} {
		if _, err := New(bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}
