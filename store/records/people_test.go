package records_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

func testPartners(t *testing.T, o *office) {
	ctx := t.Context()
	o.refused(record.ErrExists, "a name twice", func(tx *records.Tx) error {
		return tx.InsertPartner(ctx, &record.Partner{Name: "Aurora", CreatedAt: storetest.Epoch})
	})
	stale := o.partner
	o.must(func(tx *records.Tx) error {
		o.partner.Networks, o.partner.ResponseKey, o.partner.UnboundKeys = []string{"10.0.0.0/8", "192.0.2.7"}, []byte{1, 2}, true
		if err := tx.UpdatePartner(ctx, &o.partner); err != nil {
			return err
		}
		p, err := tx.Partner(ctx, o.partner.ID)
		if err != nil || fmt.Sprint(p) != fmt.Sprint(o.partner) {
			t.Errorf("read %+v, %v, want %+v", p, err, o.partner)
		}
		return err
	})
	o.refused(record.ErrVersion, "a change of what was changed", func(tx *records.Tx) error { return tx.UpdatePartner(ctx, &stale) })
	o.must(func(tx *records.Tx) error {
		p, err := tx.Program(ctx, o.partner.ID, o.credit.ID)
		if err != nil || fmt.Sprint(p) != fmt.Sprint(o.credit) {
			t.Errorf("read %+v, %v, want %+v", p, err, o.credit)
		}
		p.ActionCodes, p.HoldHours, p.MarkUp, p.FXToUser = map[string]string{"LOCKED_LOST": "46 1046", "CARD_EXPIRED": "54"}, 72, 150, true
		if err := tx.UpdateProgram(ctx, &p); err != nil {
			return err
		}
		now, err := tx.Program(ctx, 0, p.ID)
		if err != nil || fmt.Sprint(now) != fmt.Sprint(p) {
			t.Errorf("read %+v, %v, want %+v", now, err, p)
		}
		return err
	})
	if err := o.nodes[0].View(ctx, func(q records.Querier) error {
		all, err := records.Programs(ctx, q)
		for _, p := range all {
			if p.Terms.FXToUser != (p.ID == o.credit.ID) || p.ID == o.credit.ID && (p.Terms.MarkUp != 150 || p.Terms.HoldLife != 72*time.Hour) {
				t.Errorf("the switch has the terms %+v", p.Terms)
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for what, program := range map[string]record.Program{
		"a BIN range of others": {Name: "x", BINLow: 99999900, BINHigh: 99999910},
		"a range around others": {Name: "y", BINLow: 90000000, BINHigh: 99999999},
	} {
		program.Partner, program.Currency, program.Funding, program.Holder = o.partner.ID, o.currency("EUR"), record.FundingCredit,
			record.HolderUs
		before := o.fingerprint()
		if err := o.try(func(tx *records.Tx) error { return tx.InsertProgram(ctx, &program) }); !errors.Is(err, record.ErrExists) ||
			o.fingerprint() != before {
			t.Errorf("%s: %v", what, err)
		}
	}
	o.refused(record.ErrValidation, "another currency", func(tx *records.Tx) error {
		p := o.deposit
		p.Currency = o.currency("JPY")
		return tx.UpdateProgram(ctx, &p)
	})
	o.must(func(tx *records.Tx) error {
		all, err := tx.Programs(ctx, o.partner.ID, record.Page{Limit: 1})
		if err != nil || len(all.Items) != 1 || all.Items[0].ID != o.deposit.ID || all.Next == "" {
			t.Errorf("programs %+v, %v", all, err)
		}
		usual, err := tx.ProgramFor(ctx, o.partner.ID, &record.Balance{Currency: o.currency("USD")})
		if err != nil || usual.ID != o.deposit.ID {
			t.Errorf("the program for USD %+v, %v", usual, err)
		}
		return err
	})
	// Ranges of two who ask at once.
	var made atomic.Int64
	o.both(1, []error{record.ErrExists}, func(node, _ int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			p := o.deposit
			p.Name, p.BINLow, p.BINHigh = fmt.Sprint("node ", node), 88880000, 88880000
			return tx.InsertProgram(context.Background(), &p)
		})
		if err == nil {
			made.Add(1)
		}
		return err
	})
	if made.Load() != 1 {
		t.Errorf("%d programs have one range", made.Load())
	}
}

func testUsers(t *testing.T, o *office) {
	ctx := t.Context()
	u := o.user
	u.Address, u.ExternalID = home, "client-7"
	o.must(func(tx *records.Tx) error {
		if err := tx.UpdateUser(ctx, &u); err != nil {
			return err
		}
		now, err := tx.User(ctx, o.partner.ID, u.ID)
		if err != nil || fmt.Sprint(now) != fmt.Sprint(u) || now.KYC != record.KYCAccepted {
			t.Errorf("read %+v, %v, want %+v", now, err, u)
		}
		return err
	})
	o.refused(record.ErrVersion, "a change of what was changed", func(tx *records.Tx) error {
		old := o.user
		return tx.UpdateUser(ctx,
			&old)
	})
	for what, twin := range map[string]record.User{
		"e-mail": {Email: u.Email, Phone: "+48999999999"}, "mailbox": {Email: strings.ToUpper(u.Email), Phone: "+48999999999"}, "telephone": {Email: "b@example.com", Phone: u.Phone},
		"external id": {Email: "b@example.com", Phone: "+48999999999", ExternalID: "client-7"},
	} {
		twin.Partner, twin.FirstName, twin.LastName, twin.CreatedAt = o.partner.ID, "Bob", "Muster", storetest.Epoch
		o.refused(record.ErrExists, "the same "+what, func(tx *records.Tx) error { return tx.InsertUser(ctx, &twin) })
	}
	bob := o.newUser(false)
	o.must(func(tx *records.Tx) error {
		for _, f := range []record.UserFilter{{Email: u.Email}, {Email: strings.ToUpper(u.Email)}, {Phone: u.Phone}, {ExternalID: "client-7"},
			{KYC: record.KYCAccepted}} {
			f.Partner = o.partner.ID
			found, err := tx.Users(ctx, f, record.Page{})
			if err != nil || len(found.Items) != 1 || found.Items[0].ID != u.ID {
				t.Errorf("%+v: %+v, %v", f, found, err)
			}
		}
		gone, err := tx.SetUserState(ctx, o.partner.ID, bob.ID, record.UserRemoved, storetest.Epoch)
		if err != nil || gone.Email != "" || gone.Name() != "" || gone.State != record.UserRemoved {
			t.Errorf("removed %+v, %v", gone, err)
		}
		again := bob
		again.ID = 0
		return tx.InsertUser(ctx, &again) // who was removed may register anew
	})
	o.refused(record.ErrUserRemoved, "a removed user back", func(tx *records.Tx) error {
		_, err := tx.SetUserState(ctx, 0, bob.ID, record.UserActive, storetest.Epoch)
		return err
	})
	o.refused(record.ErrUserRemoved, "KYC of a removed user", func(tx *records.Tx) error {
		_, err := tx.SetKYC(ctx, 0, bob.ID, record.KYCAccepted, "certificate 1", storetest.Epoch)
		return err
	})
}

func testKYC(t *testing.T, o *office) {
	ctx := t.Context()
	u := o.newUser(false)
	png := append([]byte("\x89PNG\r\n\x1a\n"), "picture IEND\xaeB`\x82"...)
	var c record.KYCCase
	o.must(func(tx *records.Tx) (err error) {
		c, err = tx.OpenKYC(ctx, o.partner.ID, u.ID, record.KYCByRules, storetest.Epoch)
		return err
	})
	o.refused(record.ErrState, "a second case", func(tx *records.Tx) error {
		_, err := tx.OpenKYC(ctx, 0, u.ID, record.KYCByRules,
			storetest.Epoch)
		return err
	})
	var d record.Document
	o.must(func(tx *records.Tx) (err error) {
		d, err = tx.AddDocument(ctx, o.partner.ID, c.ID, "PASSPORT", png, storetest.Epoch)
		return err
	})
	o.refused(record.ErrDocument, "a text", func(tx *records.Tx) error {
		_, err := tx.AddDocument(ctx, 0, c.ID, "PASSPORT", []byte("text"), storetest.Epoch)
		return err
	})
	o.refused(authz.ErrNotFound, "another partner's case", func(tx *records.Tx) error {
		_, err := tx.AddDocument(ctx, o.partner.ID+1, c.ID, "PASSPORT", png, storetest.Epoch)
		return err
	})
	o.must(func(tx *records.Tx) error {
		all, err := tx.Documents(ctx, c.ID)
		if err != nil || len(all) != 1 || fmt.Sprint(all[0]) != fmt.Sprint(d) || d.MediaType != "image/png" {
			t.Errorf("documents %+v, %v", all, err)
		}
		_, content, err := tx.DocumentContent(ctx, o.partner.ID, d.ID)
		if err != nil || !bytes.Equal(content, png) {
			t.Errorf("%d bytes came back, %v", len(content), err)
		}
		if _, _, err := tx.DocumentContent(ctx, o.partner.ID+1, d.ID); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another partner's document: %v", err)
		}
		for range record.DocumentsMax - 1 {
			if _, err := tx.AddDocument(ctx, 0, c.ID, "SELFIE", png, storetest.Epoch); err != nil {
				return err
			}
		}
		if _, err := tx.AddDocument(ctx, 0, c.ID, "SELFIE", png, storetest.Epoch); !errors.Is(err, record.ErrTooMany) {
			t.Errorf("one document too many: %v", err)
		}
		return nil
	})
	if err := o.nodes[0].View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error {
			if bytes.Contains(r.Bytes(0), []byte("picture")) {
				t.Error("a document is kept in clear")
			}
			return nil
		}, "SELECT sealed FROM kyc_documents")
	}); err != nil {
		t.Fatal(err)
	}
	decide := func(v record.Verdict, want record.KYCState) {
		o.must(func(tx *records.Tx) error {
			now, user, err := tx.DecideKYC(ctx, o.partner.ID, c.ID, v, []record.Finding{record.FindingWatchList, record.FindingNoMRZ},
				"rules", "", storetest.Epoch)
			if err != nil || now.State != want || user.KYC != want || len(now.Findings) != 2 {
				t.Errorf("%s: %+v, %+v, %v", v, now, user.KYC, err)
			}
			return err
		})
	}
	decide(record.VerdictQueue, record.KYCInProgress)
	decide(record.VerdictReject, record.KYCRejected)
	o.refused(record.ErrUsed, "deciding twice", func(tx *records.Tx) error {
		_, _, err := tx.DecideKYC(ctx, 0, c.ID, record.VerdictAccept, nil, "operator 1", "", storetest.Epoch)
		return err
	})
	o.must(func(tx *records.Tx) (err error) {
		c, err = tx.OpenKYC(ctx, 0, u.ID, record.KYCByOperator, storetest.Epoch.Add(time.Hour))
		return err
	})
	decide(record.VerdictAccept, record.KYCAccepted)
	o.must(func(tx *records.Tx) error {
		for _, f := range []struct {
			filter record.KYCFilter
			want   int
		}{{record.KYCFilter{User: u.ID}, 2}, {record.KYCFilter{State: record.KYCRejected}, 1}, {record.KYCFilter{User: u.ID,
			Since: storetest.Epoch.Add(time.Minute)}, 1},
			{record.KYCFilter{User: u.ID, Until: storetest.Epoch.Add(time.Minute)}, 1}, {record.KYCFilter{Partner: o.partner.ID + 1}, 0}} {
			found, err := tx.KYCCases(ctx, f.filter, record.Page{})
			if err != nil || len(found.Items) != f.want {
				t.Errorf("%+v: %d cases, want %d, %v", f.filter, len(found.Items), f.want, err)
			}
		}
		return nil
	})
}

func testAccess(t *testing.T, o *office) {
	ctx := t.Context()
	hash := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	pair := func(code byte, d *record.Device, at time.Time) error {
		return o.try(func(tx *records.Tx) error { return tx.Pair(ctx, hash(code), d, at) })
	}
	offer := func(code byte) {
		o.must(func(tx *records.Tx) error {
			return tx.NewPairing(ctx, record.Pairing{Hash: hash(code), Partner: o.partner.ID, User: o.user.ID,
				ExpiresAt: storetest.Epoch.Add(time.Minute)})
		})
	}
	phone := record.Device{Hardware: "phone", Name: "Alice's", PublicKey: []byte{1}, ResponseKey: []byte{3}}
	offer(1)
	offer(2) // voids the first
	for what, err := range map[string]error{"a void code": pair(1, &phone, storetest.Epoch), "an unknown code": pair(9, &phone, storetest.Epoch)} {
		if !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := pair(2, &phone, storetest.Epoch.Add(time.Minute)); !errors.Is(err, record.ErrExpired) {
		t.Errorf("a late code: %v", err)
	}
	if err := pair(2, &phone, storetest.Epoch); err != nil || phone.User != o.user.ID {
		t.Fatalf("pair: %+v, %v", phone, err)
	}
	if err := pair(2, &phone, storetest.Epoch); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("a code used twice: %v", err)
	}
	open := func(token byte, d record.UUID) {
		o.must(func(tx *records.Tx) error {
			return tx.NewSession(ctx, &record.Session{Hash: hash(token), Kind: record.SessionUser, Partner: o.partner.ID,
				User: o.user.ID, Device: d,
				CreatedAt: storetest.Epoch, SeenAt: storetest.Epoch, ExpiresAt: storetest.Epoch.Add(10 * time.Minute)})
		})
	}
	session := func(token byte, at time.Time) (s record.Session, err error) {
		err = records.Read(ctx, o.nodes[1], o.keys, func(tx *records.Tx) (err error) {
			s, err = tx.Session(ctx, hash(token),
				at)
			return err
		})
		return s, err
	}
	// Another device of the same user has another key, and the first one its own still.
	offer(6)
	tablet := record.Device{Hardware: "tablet", PublicKey: []byte{4}, ResponseKey: []byte{5}}
	if err := pair(6, &tablet, storetest.Epoch); err != nil {
		t.Fatal(err)
	}
	o.must(func(tx *records.Tx) error {
		for _, want := range []record.Device{phone, tablet} {
			if got, err := tx.Device(ctx, want.ID); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("read %+v, %v, want %+v", got, err, want)
			}
		}
		return tx.RevokeDevice(ctx, tablet.Partner, tablet.User, tablet.ID, storetest.Epoch)
	})
	open(11, phone.ID)
	o.must(func(tx *records.Tx) error { return tx.TouchSession(ctx, hash(11), storetest.Epoch.Add(time.Minute)) })
	if s, err := session(11, storetest.Epoch.Add(9*time.Minute)); err != nil || s.Device != phone.ID || s.SeenAt != storetest.Epoch.Add(time.Minute) {
		t.Errorf("session %+v, %v", s, err)
	}
	if _, err := session(11, storetest.Epoch.Add(10*time.Minute)); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("an expired session: %v", err)
	}
	challenge := record.Challenge{Device: phone.ID, Nonce: []byte{5}, ExpiresAt: storetest.Epoch.Add(time.Minute)}
	o.must(func(tx *records.Tx) error { return tx.NewChallenge(ctx, &challenge, storetest.Epoch) })
	var used atomic.Int64
	o.both(2, []error{authz.ErrNotFound}, func(node, _ int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			c, d, err := tx.UseChallenge(context.Background(), challenge.ID, storetest.Epoch)
			if err == nil && (d.ID != phone.ID || !bytes.Equal(c.Nonce, challenge.Nonce)) {
				t.Errorf("challenge %+v of %+v", c, d)
			}
			return err
		})
		if err == nil {
			used.Add(1)
		}
		return err
	})
	if used.Load() != 1 {
		t.Errorf("a challenge was used %d times", used.Load())
	}
	// The same device again: the earlier installation ends with its session.
	offer(3)
	second := record.Device{Hardware: "phone", PublicKey: []byte{2}}
	if err := pair(3, &second, storetest.Epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := session(11, storetest.Epoch); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("the session of a replaced installation: %v", err)
	}
	o.refused(authz.ErrNotFound, "a challenge for a revoked device",
		func(tx *records.Tx) error { c := challenge; return tx.NewChallenge(ctx, &c, storetest.Epoch) })
	open(12, second.ID)
	open(13, second.ID)
	o.must(func(tx *records.Tx) error { return tx.EndSession(ctx, hash(12)) })
	offer(4)
	o.must(func(tx *records.Tx) error {
		if err := tx.EndAccess(ctx, o.user.ID, storetest.Epoch); err != nil {
			return err
		}
		all, err := tx.Devices(ctx, o.user.ID)
		if err != nil || len(all) != 3 || all[0].RevokedAt.IsZero() || all[1].RevokedAt.IsZero() || all[2].RevokedAt.IsZero() {
			t.Errorf("devices %+v, %v", all, err)
		}
		return err
	})
	for _, token := range []byte{12, 13} {
		if _, err := session(token, storetest.Epoch); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("session %d after the end of all: %v", token, err)
		}
	}
	open(14, second.ID)
	offer(5)
	o.must(func(tx *records.Tx) error {
		swept, err := tx.SweepExpired(ctx, storetest.Epoch.Add(time.Hour))
		if err != nil || swept != 2 {
			t.Errorf("swept %d, %v", swept, err)
		}
		return err
	})
}

func testOperators(t *testing.T, o *office) {
	ctx := t.Context()
	admin := record.Operator{Email: "a@example.com", Name: "Ada", Role: record.RoleAdmin, PasswordHash: "argon2id...",
		TOTPSecret: []byte("twenty bytes of secret"), CreatedAt: storetest.Epoch}
	clerk := record.Operator{Email: "c@example.com", Name: "Carl", Role: record.RoleEmployee, PasswordHash: "x",
		TOTPSecret: []byte("another"), CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error {
		return errors.Join(tx.InsertOperator(ctx, &admin), tx.InsertOperator(ctx, &clerk))
	})
	o.refused(record.ErrExists, "an address twice", func(tx *records.Tx) error { twin := clerk; return tx.InsertOperator(ctx, &twin) })
	o.must(func(tx *records.Tx) error {
		found, err := tx.OperatorByEmail(ctx, admin.Email)
		if err != nil || fmt.Sprint(found) != fmt.Sprint(admin) {
			t.Errorf("read %+v, %v", found, err)
		}
		found.Failures, found.LockedUntil, found.TOTPLast = 5, storetest.Epoch.Add(time.Hour), 77
		if err := tx.UpdateOperator(ctx, &found); err != nil {
			return err
		}
		now, err := tx.Operator(ctx, admin.ID)
		if err != nil || fmt.Sprint(now) != fmt.Sprint(found) {
			t.Errorf("read %+v, %v, want %+v", now, err, found)
		}
		admin = now
		all, err := tx.Operators(ctx, record.Page{})
		if err != nil || len(all.Items) != 2 || all.Items[0].TOTPSecret != nil || all.Items[0].PasswordHash != "" {
			t.Errorf("operators %+v, %v", all, err)
		}
		return err
	})
	o.refused(record.ErrState, "the last Admin demoted", func(tx *records.Tx) error {
		demoted := admin
		demoted.Role = record.RoleManager
		return tx.UpdateOperator(ctx, &demoted)
	})
	o.must(func(tx *records.Tx) error {
		return errors.Join(tx.NewSession(ctx, &record.Session{Hash: bytes.Repeat([]byte{1}, 32), Kind: record.SessionOperator,
			Operator: admin.ID, CreatedAt: storetest.Epoch,
			SeenAt: storetest.Epoch, ExpiresAt: storetest.Epoch.Add(time.Hour)}), tx.EndOperatorSessions(ctx, admin.ID))
	})
	cert := record.Certificate{Partner: o.partner.ID, Serial: "0a1b", Fingerprint: bytes.Repeat([]byte{7}, 32), DER: []byte{1},
		NotBefore: storetest.Epoch,
		NotAfter:  storetest.Epoch.AddDate(1, 0, 0), IssuedBy: "operator 1", CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error {
		if err := tx.InsertCertificate(ctx, &cert); err != nil {
			return err
		}
		found, p, err := tx.Certificate(ctx, cert.Fingerprint)
		if err != nil || fmt.Sprint(found) != fmt.Sprint(cert) || p.ID != o.partner.ID || !found.Valid(storetest.Epoch) {
			t.Errorf("read %+v, %v", found, err)
		}
		for _, at := range []time.Time{storetest.Epoch, storetest.Epoch.Add(time.Hour)} { // the first moment stays
			if err := tx.RevokeCertificate(ctx, o.partner.ID, cert.ID, at); err != nil {
				return err
			}
		}
		all, err := tx.Certificates(ctx, o.partner.ID, record.Page{})
		if err != nil || len(all.Items) != 1 || all.Items[0].RevokedAt != storetest.Epoch || all.Items[0].Valid(storetest.Epoch) {
			t.Errorf("certificates %+v, %v", all, err)
		}
		if err := tx.RevokeCertificate(ctx, o.partner.ID+1, cert.ID, storetest.Epoch); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another partner's certificate: %v", err)
		}
		return nil
	})
}

// Goal: users who share a mailbox, registered before that was looked at, are locked, decided on and changed like others; and of
// two who come at once with one mailbox, in two spellings, one is registered. Method: an address is written past the rules.
func testMailboxes(t *testing.T, o *office) {
	ctx, twin := t.Context(), o.newUser(false)
	twin.Email = strings.ToUpper(o.user.Email)
	if err := o.nodes[0].Update(ctx, func(q records.Querier) error {
		_, err := q.Exec(ctx, "UPDATE users SET email = $1 WHERE id = $2", twin.Email, int64(twin.ID))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetKYC(ctx, 0, twin.ID, record.KYCAccepted, "certificate 1", storetest.Epoch)
		if err != nil {
			return err
		}
		if twin, err = tx.SetUserState(ctx, 0, twin.ID, record.UserLocked, storetest.Epoch); err != nil {
			return err
		}
		twin.Phone = "+48999999998"
		return tx.UpdateUser(ctx, &twin)
	})
	o.refused(record.ErrExists, "another one's mailbox", func(tx *records.Tx) error {
		twin.Email = "Alice" + o.user.Email[len("alice"):]
		return tx.UpdateUser(ctx, &twin)
	})
	var made atomic.Int64
	for i := range 10 {
		o.both(1, []error{record.ErrExists}, func(node, _ int) error {
			u := record.User{Partner: o.partner.ID, FirstName: "Bob", LastName: "Muster", CreatedAt: storetest.Epoch,
				Email: fmt.Sprintf("%cob%d@example.com", "bB"[node%2], i), Phone: fmt.Sprintf("+4877777%d%03d", node, i),
				BirthDate: "1990-12-31", Nationality: "POL"}
			_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
				return tx.InsertUser(context.Background(), &u)
			})
			if err == nil {
				made.Add(1)
			}
			return err
		})
	}
	if made.Load() != 10 {
		t.Errorf("%d users have ten mailboxes", made.Load())
	}
}
