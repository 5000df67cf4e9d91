package records_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

func testOutbox(t *testing.T, o *office) {
	ctx := t.Context()
	hook := record.Endpoint{Partner: o.partner.ID, Kind: record.EndpointWebhook, Target: "https://partner.example/hook",
		Secret: bytes.Repeat([]byte("s"), 32), CreatedAt: storetest.Epoch}
	mail := record.Endpoint{Partner: o.partner.ID, Kind: record.EndpointEmail, Target: "desk@partner.example",
		Kinds: []string{record.EventLowBalance}, CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error {
		if err := errors.Join(tx.InsertEndpoint(ctx, &hook), tx.InsertEndpoint(ctx, &mail)); err != nil {
			return err
		}
		found, err := tx.Endpoint(ctx, o.partner.ID, hook.ID)
		if err != nil || fmt.Sprint(found) != fmt.Sprint(hook) {
			t.Errorf("read %+v, %v", found, err)
		}
		all, err := tx.Endpoints(ctx, o.partner.ID, record.Page{})
		if err != nil || len(all.Items) != 2 || all.Items[0].Secret != nil || all.Items[1].Secret != nil {
			t.Errorf("endpoints %+v, %v", all, err)
		}
		return err
	})
	emit := func(kind string, at time.Time) record.Event {
		e := record.Event{Partner: o.partner.ID, Kind: kind, Subject: "card 5001", Body: []byte(`{"a":1}`), CreatedAt: at}
		o.must(func(tx *records.Tx) error { return tx.Emit(ctx, &e) })
		return e
	}
	first := emit(record.EventCardLocked, storetest.Epoch)
	if err := o.try(func(tx *records.Tx) error { // what is taken back tells nobody
		e := first
		return errors.Join(tx.Emit(ctx, &e), errors.New("taken back"))
	}); err == nil {
		t.Error("it was not taken back")
	}
	claim := func(node, n int, at time.Time) (claimed []record.Claimed) {
		t.Helper()
		if _, err := records.Transact(ctx, o.nodes[node], o.keys, func(tx *records.Tx) (err error) {
			claimed, err = tx.ClaimDeliveries(ctx, n, at, time.Minute)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return claimed
	}
	end := func(d *record.Delivery, at time.Time, delivered bool) error {
		return o.try(func(tx *records.Tx) error {
			return tx.EndDelivery(ctx, d, record.Attempt{At: at, Took: time.Second, Status: 503, Error: "no answer"}, delivered, 0)
		})
	}
	mine := claim(0, 10, storetest.Epoch)
	if len(mine) != 1 || mine[0].Endpoint.ID != hook.ID || !bytes.Equal(mine[0].Endpoint.Secret, hook.Secret) ||
		string(mine[0].Event.Body) != `{"a":1}` {
		t.Fatalf("claimed %+v", mine)
	}
	if again := claim(1, 10, storetest.Epoch.Add(59*time.Second)); len(again) != 0 {
		t.Errorf("the other node claimed %d under the lease", len(again))
	}
	other := claim(1, 10, storetest.Epoch.Add(time.Minute)) // the lease is over
	if len(other) != 1 {
		t.Fatalf("after the lease the other node claimed %d", len(other))
	}
	if err := end(&mine[0].Delivery, storetest.Epoch, true); !errors.Is(err, record.ErrVersion) {
		t.Errorf("ending what another node has: %v", err)
	}
	at := storetest.Epoch.Add(time.Minute)
	d := other[0].Delivery
	for n := range record.AttemptsMax {
		if err := end(&d, at, false); err != nil || d.Attempts != int64(n+1) {
			t.Fatalf("attempt %d: %+v, %v", n+1, d, err)
		}
		if n+1 == record.AttemptsMax {
			break
		}
		if wait := d.NextAt.Sub(at); wait != record.Backoff(int64(n+1), 0) || d.State != record.DeliveryPending {
			t.Fatalf("attempt %d: waits %v in %s", n+1, wait, d.State)
		}
		at = d.NextAt
		if early := claim(0, 10, at.Add(-time.Second)); len(early) != 0 {
			t.Fatalf("claimed before its time")
		}
		d = claim(0, 10, at)[0].Delivery
	}
	if d.State != record.DeliveryFailed || len(claim(0, 10, at.AddDate(1, 0, 0))) != 0 {
		t.Errorf("after the last attempt: %+v", d)
	}
	o.must(func(tx *records.Tx) error {
		tries, err := tx.Attempts(ctx, first.ID, hook.ID)
		if err != nil || len(tries) != record.AttemptsMax || tries[0].Number != record.AttemptsMax || tries[0].Status != 503 ||
			tries[0].Took != time.Second {
			t.Errorf("attempts %+v, %v", tries, err)
		}
		if err := tx.Resend(ctx, o.partner.ID+1, first.ID, hook.ID, at); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another partner's resend: %v", err)
		}
		if n, err := tx.ReplayMissing(ctx, o.partner.ID, hook.ID, storetest.Epoch, at); n != 1 || err != nil {
			t.Errorf("replayed %d, %v", n, err)
		}
		return tx.Resend(ctx, o.partner.ID, first.ID, hook.ID, at)
	})
	resent := claim(0, 10, at)[0].Delivery
	if err := end(&resent, at, true); err != nil || resent.State != record.DeliveryDelivered {
		t.Errorf("delivered: %+v, %v", resent, err)
	}
	o.must(func(tx *records.Tx) error {
		hook.Disabled = true
		if err := tx.UpdateEndpoint(ctx, &hook); err != nil {
			return err
		}
		all, err := tx.Deliveries(ctx, o.partner.ID, first.ID)
		if err != nil || len(all) != 1 || all[0].State != record.DeliveryDelivered {
			t.Errorf("deliveries %+v, %v", all, err)
		}
		return err
	})
	low := emit(record.EventLowBalance, at)
	if to := claim(0, 10, at); len(to) != 1 || to[0].Endpoint.ID != mail.ID || to[0].Event.ID != low.ID {
		t.Errorf("with the hook disabled: %+v", to)
	}
	replay := func(to record.UUID, since time.Time) (n int64) {
		o.must(func(tx *records.Tx) (err error) {
			hook.Disabled = false
			if err = tx.UpdateEndpoint(ctx, &hook); err == nil {
				n, err = tx.ReplayMissing(ctx, o.partner.ID, to, since, at)
			}
			return err
		})
		return n
	}
	if n := replay(mail.ID, storetest.Epoch); n != 0 { // it does not want the first
		t.Errorf("%d events are replayed to the mailbox", n)
	}
	if n := replay(hook.ID, at.Add(time.Second)); n != 0 {
		t.Errorf("%d events from before the moment are replayed", n)
	}
	if n := replay(hook.ID, at); n != 1 {
		t.Errorf("%d events are replayed that came while the hook was disabled, want 1", n)
	}
	if to := claim(0, 10, at); len(to) != 1 || to[0].Endpoint.ID != hook.ID || to[0].Event.ID != low.ID {
		t.Errorf("what was missed: %+v", to)
	}
	if err := o.try(func(tx *records.Tx) error {
		_, err := tx.ReplayMissing(ctx, o.partner.ID+1, hook.ID, at, at)
		return err
	}); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("another partner's replay: %v", err)
	}
	o.must(func(tx *records.Tx) error {
		hook.Disabled = true
		return tx.UpdateEndpoint(ctx, &hook)
	})
	o.claimedOnce(at)
}

// claimedOnce emits events and has both nodes claim them: each is claimed once.
func (o *office) claimedOnce(at time.Time) {
	for range 30 {
		o.must(func(tx *records.Tx) error {
			return tx.Emit(context.Background(), &record.Event{Partner: o.partner.ID, Kind: record.EventLowBalance, Body: []byte("{}"),
				CreatedAt: at})
		})
	}
	var mu sync.Mutex
	seen := map[record.UUID]int{}
	o.both(10, nil, func(node, _ int) error {
		var claimed []record.Claimed
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) (err error) {
			claimed, err = tx.ClaimDeliveries(context.Background(), 4, at, time.Minute)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		for _, c := range claimed {
			seen[c.Delivery.Event]++
		}
		return err
	})
	for id, n := range seen {
		if n != 1 {
			o.t.Errorf("event %s was claimed %d times", id, n)
		}
	}
	if len(seen) != 30 {
		o.t.Errorf("%d of 30 events were claimed", len(seen))
	}
}

func testAudit(t *testing.T, o *office) {
	ctx := t.Context()
	entry := func(chain authz.PartnerID, object string) *record.Audit {
		return &record.Audit{Chain: chain, At: storetest.Epoch.Add(123456789), Actor: "operator 1", Channel: "admin", Action: "card.lock",
			Object: object, Outcome: "OK", Request: "r-1"}
	}
	var after record.Audit
	o.both(15, nil, func(node, i int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			a := entry(authz.PartnerID(i%2)*o.partner.ID, fmt.Sprintf("card %d", i))
			err := tx.Audit(context.Background(), a)
			if node == 0 && i == 14 {
				after = *a
			}
			return err
		})
		return err
	})
	if len(after.Hash) != 32 || after.At != storetest.Epoch.Add(123456000) {
		t.Errorf("appended %+v", after)
	}
	check := func(want int) (broken []records.Violation) {
		t.Helper()
		if err := o.nodes[1].View(ctx, func(q records.Querier) error {
			heads, found, err := records.VerifyAudit(ctx, q)
			broken = found
			if len(heads) != 2 || heads[0].Sequence+heads[1].Sequence != 30 {
				t.Errorf("heads %+v", heads)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(broken) != want {
			t.Errorf("%d chains are broken, want %d: %v", len(broken), want, broken)
		}
		return broken
	}
	check(0)
	o.must(func(tx *records.Tx) error {
		first, err := tx.Audits(ctx, record.AuditFilter{Action: "card.lock"}, record.Page{Limit: 10})
		if err != nil || len(first.Items) != 10 || first.Items[0].Sequence != 16 {
			t.Fatalf("first page %d, %v", len(first.Items), err)
		}
		rest, err := tx.Audits(ctx, record.AuditFilter{Action: "card.lock"}, record.Page{Limit: 30, Cursor: first.Next})
		if err != nil || len(rest.Items) != 6 {
			t.Errorf("second page of %d, %v", len(rest.Items), err)
		}
		one, err := tx.Audits(ctx, record.AuditFilter{Object: "card 0"}, record.Page{})
		if err != nil || len(one.Items) != 2 {
			t.Errorf("of one card %d, %v", len(one.Items), err)
		}
		return err
	})
	o.refused(record.ErrValidation, "a control character", func(tx *records.Tx) error { return tx.Audit(ctx, entry(0, "card\n1")) })
}

// Goal: whoever may write to the tables and falsifies the trail is found out. Method: the embedded engine, whose tables
// anyone may change, with one falsification each.
func TestAFalsifiedAuditTrailIsFound(t *testing.T) {
	for _, damage := range []string{
		"UPDATE audit SET actor = 'nobody' WHERE sequence = 7", "DELETE FROM audit WHERE sequence = 7", "DELETE FROM audit WHERE sequence = 16",
		"DELETE FROM audit WHERE sequence = 1", "UPDATE audit SET sequence = 99 WHERE sequence = 16", "DELETE FROM audit",
		"UPDATE audit SET previous = hash WHERE sequence = 3", "DELETE FROM audit_heads", "UPDATE audit SET at = at + 1 WHERE sequence = 2",
	} {
		s := embedded(t)[0]
		o := &office{t: t, nodes: [2]storetest.Store{s, s}}
		for i := range 16 {
			o.must(func(tx *records.Tx) error {
				return tx.Audit(t.Context(), &record.Audit{At: storetest.Epoch, Actor: fmt.Sprint("operator ", i), Channel: "admin", Action: "card.lock", Outcome: "OK"})
			})
		}
		for want := range 2 { // whole, then falsified
			if err := s.Update(t.Context(), func(q records.Querier) error {
				_, broken, err := records.VerifyAudit(t.Context(), q)
				if len(broken) != want {
					t.Errorf("%s: %d breaks, want %d", damage, len(broken), want)
				}
				if err == nil && want == 0 {
					_, err = q.Exec(t.Context(), damage)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testIdempotency(t *testing.T, o *office) {
	ctx := t.Context()
	ask := func(key string, body byte) *record.Stored {
		return &record.Stored{Identity: "certificate 1 POST /secure/balances", Key: key, RequestHash: bytes.Repeat([]byte{body}, 32),
			CreatedAt: storetest.Epoch}
	}
	answer := []byte("the answer, which may be card data")
	finish := func(tx *records.Tx, s *record.Stored) error {
		s.Status, s.MediaType, s.Body = 201, "application/json", answer
		return tx.EndOnce(ctx, s)
	}
	o.must(func(tx *records.Tx) error {
		s := ask("key-1", 1)
		done, err := tx.BeginOnce(ctx, s)
		if done != nil || err != nil {
			t.Errorf("the first time: %+v, %v", done, err)
		}
		if _, err := tx.BeginOnce(ctx, ask("key-1", 1)); !errors.Is(err, record.ErrKeyInFlight) {
			t.Errorf("while it is worked on: %v", err)
		}
		return finish(tx, s)
	})
	o.must(func(tx *records.Tx) error {
		done, err := tx.BeginOnce(ctx, ask("key-1", 1))
		if err != nil || done == nil || done.Status != 201 || !bytes.Equal(done.Body, answer) || done.MediaType != "application/json" {
			t.Errorf("again: %+v, %v", done, err)
		}
		if _, err := tx.BeginOnce(ctx, ask("key-1", 2)); !errors.Is(err, record.ErrKeyReused) {
			t.Errorf("another request: %v", err)
		}
		late := ask("key-1", 2)
		late.CreatedAt = storetest.Epoch.Add(record.IdempotencyTime)
		done, err = tx.BeginOnce(ctx, late)
		if err != nil || done != nil {
			t.Errorf("after its time: %+v, %v", done, err)
		}
		return errors.Join(err, finish(tx, late))
	})
	o.refused(record.ErrValidation, "no key", func(tx *records.Tx) error { _, err := tx.BeginOnce(ctx, ask("", 1)); return err })
	if err := o.try(func(tx *records.Tx) error { // taken back with its effect
		_, err := tx.BeginOnce(ctx, ask("key-2", 1))
		return errors.Join(err, errors.New("taken back"))
	}); err == nil {
		t.Error("it was not taken back")
	}
	// Two nodes at once: one does it, the other has its answer or is told to wait.
	var did [30]struct {
		sync.Mutex
		n int
	}
	o.both(30, []error{record.ErrKeyInFlight}, func(node, i int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			s := ask(fmt.Sprint("race-", i), 1)
			done, err := tx.BeginOnce(ctx, s)
			if err != nil || done != nil {
				return err
			}
			did[i].Lock()
			did[i].n++
			did[i].Unlock()
			return finish(tx, s)
		})
		return err
	})
	for i := range did {
		if did[i].n != 1 {
			t.Errorf("request %d was done %d times", i, did[i].n)
		}
	}
	if err := o.nodes[0].View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error {
			if bytes.Contains(r.Bytes(0), []byte("card data")) {
				t.Error("an answer is kept in clear")
			}
			return nil
		}, "SELECT body FROM idempotency")
	}); err != nil {
		t.Fatal(err)
	}
}

func testClock(t *testing.T, o *office) {
	ctx := t.Context()
	for _, step := range []struct{ by, want time.Duration }{{0, 0}, {192 * time.Hour, 192 * time.Hour}, {time.Minute,
		192*time.Hour + time.Minute}} {
		o.must(func(tx *records.Tx) error {
			got, err := tx.AdvanceClock(ctx, step.by)
			if got != step.want {
				t.Errorf("%v on: %v, want %v", step.by, got, step.want)
			}
			return err
		})
	}
	for _, by := range []time.Duration{-time.Second, 200 * 365 * 24 * time.Hour} {
		o.refused(record.ErrValidation, by.String(), func(tx *records.Tx) error { _, err := tx.AdvanceClock(ctx, by); return err })
	}
}

// Goal: a list that is read page by page has each item once, newest first, whatever is added meanwhile.
func testLists(t *testing.T, o *office) {
	ctx := t.Context()
	for range 7 {
		o.newUser(false)
	}
	var seen []authz.UserID
	page := record.Page{Limit: 3}
	for {
		o.must(func(tx *records.Tx) error {
			l, err := tx.Users(ctx, record.UserFilter{Partner: o.partner.ID}, page)
			for _, u := range l.Items {
				seen = append(seen, u.ID)
			}
			page.Cursor = l.Next
			return err
		})
		o.newUser(false)
		if page.Cursor == "" {
			break
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d items, want 8", len(seen))
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] >= seen[i-1] {
			t.Errorf("%v is not newest first", seen)
		}
	}
	for _, cursor := range []string{"x", "-1", "0", "1 OR 1=1", "01", "99999999999999999999", "00000000-0000-0000-0000-000000000000"} {
		o.must(func(tx *records.Tx) error {
			_, err := tx.Users(ctx, record.UserFilter{}, record.Page{Cursor: cursor})
			if !errors.Is(err, record.ErrCursor) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
			return nil
		})
	}
}
