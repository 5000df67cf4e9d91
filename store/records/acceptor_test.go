package records_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// Goal: the merchant's name is in the list, in the explanation and in the statement, and the statement of what follows a message
// without saying it has the first one's. Method: a purchase that is posted, and its reversal; one that is held, and its clearing; and
// money that came another way.
func testAcceptor(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	o.fund(b, 1000)
	_, holder := o.card(o.credit, b, record.CardVirtual)
	card := o.snapshot(0, holder)
	send := func(id authz.ID, kind authz.Kind, reason authz.Reason, rrn, acceptor string) *authz.Request {
		t.Helper()
		at := storetest.Epoch.Add(time.Duration(id%1000) * time.Second)
		r := &authz.Request{ID: id, Tag: holder.Tag, Dup: authz.DupKey(o.keys.Keyed("dup", fmt.Append(nil, id))), Kind: kind, Peer: "network",
			ReceivedAt: at, Deadline: at.Add(time.Hour), PAN: holder.Number, Transaction: authz.Purchase, Acceptor: acceptor,
			Amount: money.Amount{Minor: 40, Currency: card.Currency}, Trace: authz.Trace{STAN: fmt.Sprintf("%06d", id%1000), RRN: rrn,
				Transmitted: at.Format("0102150405"), Local: at.Format("0102150405"), ProcessingCode: "000000"}}
		e := &authz.Entry{Request: r, Card: &card, Decision: authz.Decision{ID: id, Reason: reason}}
		switch kind {
		case authz.Authorization, authz.Financial:
			e.Hold, e.Decision.ApprovalCode, e.Decision.Amount = 40, "ABC123", 40
		case authz.FinancialAdvice:
			e.Hold, r.StoodIn = 40, true
		default:
			r.Original = authz.Original{Kind: authz.Financial, STAN: fmt.Sprintf("%06d", (id-1)%1000)}
		}
		if _, err := o.nodes[0].Commit(ctx, []*authz.Entry{e}); err != nil || e.Outcome != authz.Committed {
			t.Fatalf("commit: %d, %v", e.Outcome, err)
		}
		return r
	}
	first := authz.FirstID(storetest.Epoch) + 1
	bought := send(first, authz.Financial, authz.Approved, "632612000001", "FROG SHOP LUBLIN POL")
	send(first+1, authz.Reversal, authz.ReversalAccepted, "632612000001", "")
	held := send(first+2, authz.Authorization, authz.Approved, "632612000002", "TOAD SHOP GDYNIA POL")
	send(first+3, authz.FinancialAdvice, authz.AdviceAccepted, "632612000002", "")
	o.must(func(tx *records.Tx) error {
		list, err := tx.Transactions(ctx, record.TransactionFilter{Card: holder.Card}, record.Page{})
		if err != nil || len(list.Items) != 3 || list.Items[1].Acceptor != held.Acceptor || list.Items[2].Acceptor != bought.Acceptor {
			t.Errorf("list %+v, %v", list, err)
		}
		why, err := tx.Explain(ctx, record.TransactionID(bought.ID))
		if err != nil || why.Acceptor != bought.Acceptor {
			t.Errorf("explained %+v, %v", why, err)
		}
		statement, err := tx.Statement(ctx, record.StatementFilter{Balance: b.ID}, record.Page{})
		if err != nil || len(statement.Items) != 4 {
			t.Fatalf("statement %+v, %v", statement, err)
		}
		for i, want := range []string{held.Acceptor, bought.Acceptor, bought.Acceptor, ""} {
			if line := statement.Items[i]; line.Description != want {
				t.Errorf("the line of %d by %s is described as %q, want %q", line.Amount, line.Kind, line.Description, want)
			}
		}
		return nil
	})
	for id, want := range map[authz.ID]string{first: bought.Acceptor, first + 1: ""} {
		if err := o.nodes[1].View(ctx, func(q records.Querier) error {
			x, err := records.Explain(ctx, q, id)
			if err == nil && x.Acceptor != want {
				t.Errorf("row %d has %q, want %q", id, x.Acceptor, want)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
