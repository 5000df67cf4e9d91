package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailbox is a mail server on this machine that takes everything.
type mailbox struct {
	address string
	mails   chan string
}

func openMailbox(t *testing.T) *mailbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{ln.Addr().String(), make(chan string, 8)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { m.take(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return m
}

func (m *mailbox) take(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "220 here\r\n")
	var text strings.Builder
	inside := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := lines.Text()
		switch {
		case inside && line == ".":
			inside = false
			m.mails <- text.String()
			fmt.Fprint(conn, "250 taken\r\n")
		case inside:
			text.WriteString(line + "\n")
		case line == "DATA":
			inside = true
			fmt.Fprint(conn, "354 go on\r\n")
		default:
			text.WriteString(line + "\n")
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// Goal: a partner that has given a mailbox gets one mail when its credit runs low, from a threshold that a top-up crosses.
func TestLowCreditIsMailed(t *testing.T) {
	t.Parallel()
	post := openMailbox(t)
	e := openEstate(t, nil, func(cfg *config) {
		cfg.Management.Mail = mailConfig{Address: post.address, From: "Holdfast <noreply@issuer.example>"}
	})
	e.program("CREDIT", 99999934, "")
	credit := e.funded("CREDIT", 1000)
	e.want(201, nil, e.secret("partner", "POST", "/secure/webhooks", `{"kind":"EMAIL","target":"ops@partner.example","events":["balance.low"]}`))
	e.want(200, nil, e.as("partner", "PUT", "/secure/partner/balances/"+credit+"/threshold", `{"amount":400}`))
	e.want(200, nil, e.as("partner", "PUT", fmt.Sprintf("/lifecycle/v1/users/%d/kyc", e.user), `{"status":"ACCEPTED"}`))
	var b shownBalance
	e.want(201, &b, e.as("user", "POST", "/customers/me/balances", `{"currency":"EUR"}`))
	for i, amount := range []int{600, 1, 1} { // 400 is at the threshold, 399 is below, 398 still is
		e.want(200, nil, e.as("partner", "POST", "/secure/balances/"+b.BalanceID+"/credit", fmt.Sprintf(`{"amount":%d,"externalId":"%d"}`, amount, i)))
	}
	select {
	case text := <-post.mails:
		for _, want := range []string{"RCPT TO:<ops@partner.example>", "Subject: Your CREDIT balance in EUR is low", "Available: 3.99 EUR",
			"Threshold: 4.00 EUR", credit} {
			if !strings.Contains(text, want) {
				t.Errorf("the mail has no %q: %s", want, text)
			}
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no mail came")
	}
	eventually(t, 20*time.Second, "one event, delivered at the first try", func() error {
		var events struct{ Items []struct{ ID string } }
		e.want(200, &events, e.as("partner", "GET", "/secure/events", ""))
		if len(events.Items) != 1 {
			return fmt.Errorf("there are %d events", len(events.Items))
		}
		var event struct {
			Deliveries []struct {
				State    string
				Attempts []struct{ Status int }
			}
		}
		e.want(200, &event, e.as("partner", "GET", "/secure/events/"+events.Items[0].ID, ""))
		if d := event.Deliveries; len(d) != 1 || d[0].State != "DELIVERED" || len(d[0].Attempts) != 1 || d[0].Attempts[0].Status != 250 {
			return fmt.Errorf("the deliveries are %+v", d)
		}
		return nil
	})
	if len(post.mails) != 0 {
		t.Errorf("another mail came: %s", <-post.mails)
	}
}
