package main

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// What a test does to a switch beside its links: its store stops, people call its API.

// hang has the store stand still until release is called: the servers are stopped, and in embedded mode somebody keeps
// the file, as one keeps it who waits for a disk.
func (s *stage) hang() (release func()) {
	s.t.Helper()
	if s.site != nil {
		return s.site.stopPostgres(s.t, s.site.sql(s.t, "SHOW data_directory")[0])
	}
	held, done, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1) // one end
	// owned by release, which waits for its end
	go func() {
		ended <- s.node.store.Update(context.Background(), func(records.Querier) error {
			close(held)
			<-done
			return nil
		})
	}()
	<-held
	return func() {
		close(done)
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// invite lets the partner, an operator and every holder into the management API: partner, admin, and the holders by
// their refs.
func (s *stage) invite(c *script, data string) {
	s.t.Helper()
	o := &office{t: s.t, node: s.node, data: data, partner: 1, log: &lockedBuffer{}, heard: func(string, string, reply) {}}
	o.reach()
	s.api = newEstate(o, nil)
	p := record.Partner{ID: o.partner, State: record.PartnerActive}
	s.api.clients["partner"] = s.api.http(s.api.certificate(&p))
	admin := record.Operator{Email: "admin@example.com", Name: "admin", Role: record.RoleAdmin, PasswordHash: "x", TOTPSecret: []byte("x"),
		CreatedAt: time.Now()}
	s.api.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertOperator(ctx, &admin) })
	s.api.tokens["admin"] = s.api.newSession(record.Session{Kind: record.SessionOperator, Operator: admin.ID})
	for _, h := range c.holders {
		_, user := s.holder(h.ref)
		s.api.tokens[h.ref] = s.api.newSession(record.Session{Kind: record.SessionUser, Partner: o.partner, User: user})
	}
}

// holder is a holder's card, and the user.
func (s *stage) holder(ref string) (card authz.CardID, user authz.UserID) {
	s.t.Helper()
	s.rows(func(r records.Row) { card, user = authz.CardID(r.Int(0)), authz.UserID(r.Int(1)) },
		"SELECT c.id, b.user_id FROM cards c JOIN balances b ON b.id = c.balance_id WHERE c.tag = $1", s.tag(ref))
	return card, user
}

// calls sends a call about a holder's card as each of those who have one of its own: the holder, the partner and an
// operator.
func (s *stage) calls(ref, end, body string) map[string]reply {
	s.t.Helper()
	card, user := s.holder(ref)
	all := map[string]reply{}
	for who, at := range map[string]string{ref: fmt.Sprintf("/customers/me/cards/%d", card),
		"partner": fmt.Sprintf("/secure/customers/%d/cards/%d", user, card), "admin": fmt.Sprintf("/admin/cards/%d", card)} {
		all[who] = s.api.as(who, "POST", at+end, body)
	}
	return all
}
