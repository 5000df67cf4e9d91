package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/authz/money"
	"holdfast/authz/record"
)

// Send brings a claimed event to the mailbox of its endpoint. status is the server's code when it refused, 250 when it took
// the mail, and 0 when there was no answer.
func (s *Sender) Send(ctx context.Context, c *record.Claimed, _ time.Time) (status int64, err error) {
	subject, text := words(&c.Event)
	err = s.Mail(ctx, Message{ID: c.Event.ID.String(), To: c.Endpoint.Target, Subject: subject, Text: text, At: c.Event.CreatedAt})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return int64(refusal.Code), err
	} else if err != nil {
		return 0, err
	}
	return taken, nil
}

// taken is the code of a command that was done, RFC 5321 section 4.2.3.
const taken = 250

// low is the body of a low balance's event.
type low struct {
	Balance   record.UUID    `json:"balanceId"`
	Kind      string         `json:"kind"`
	Currency  money.Currency `json:"currency"`
	Available int64          `json:"available"`
	Threshold int64          `json:"threshold"`
	At        time.Time      `json:"timestamp"`
}

// words are an event as a person reads it.
func words(e *record.Event) (subject, text string) {
	var l low
	if e.Kind == record.EventLowBalance && json.Unmarshal(e.Body, &l) == nil {
		amount := func(minor int64) string { return money.Amount{Minor: minor, Currency: l.Currency}.String() }
		subject = fmt.Sprintf("Your %s balance in %s is low", l.Kind, l.Currency)
		text = fmt.Sprintf("The %s balance %s fell below its threshold.\n\nAvailable: %s\nThreshold: %s\nSince:     %s\n\n"+
			"There is no further notice before it has been reloaded above the threshold.\n",
			l.Kind, l.Balance, amount(l.Available), amount(l.Threshold), l.At.UTC().Format(time.RFC1123))
		return subject, text
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, e.Body, "", "  ") != nil {
		pretty.Reset()
	}
	return "Notice: " + e.Kind, pretty.String() + "\n"
}
