package record_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

func TestUUIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		milli := rapid.Int64Range(0, 1<<42-1).Draw(t, "milli")
		u := record.NewUUID(time.UnixMilli(milli))
		back, err := record.ParseUUID(u.String())
		if err != nil || back != u || u.Time().UnixMilli() != milli || u[6]>>4 != 7 || u[8]>>6 != 2 {
			t.Fatalf("%s of %d: %v", u, milli, err)
		}
		id := authz.ID(rapid.Int64Range(1, 1<<63-1).Draw(t, "id"))
		x := record.TransactionID(id)
		if got, ours := record.AuthorizationID(x); got != id || !ours || x[6]>>4 != 7 || x[8]>>6 != 2 || !x.Time().Equal(id.Time()) {
			t.Fatalf("%d became %s and %d", id, x, got)
		}
		if _, ours := record.AuthorizationID(u); ours && bytes.Count(u[9:], []byte{0}) < 5 {
			t.Fatalf("%s is taken for an authorization's", u)
		}
	})
	a, b := record.NewUUID(noon), record.NewUUID(noon.Add(time.Millisecond))
	if bytes.Compare(a[:], b[:]) >= 0 || a == record.NewUUID(noon) {
		t.Error("they do not sort by their time, or repeat")
	}
}

func FuzzParseUUID(f *testing.F) {
	f.Add("0195f1c0-7c00-7abc-8def-001122334455")
	f.Add("0195F1C0-7c00-7abc-8def-001122334455")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := record.ParseUUID(s)
		if err == nil && u.String() != s {
			t.Errorf("%q was read as %s", s, u)
		}
	})
}

// The specimens of ICAO Doc 9303, parts 4, 6 and 5, whose check digits are right.
const (
	specimenTD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
	specimenTD2 = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6"
	specimenTD1 = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
)

func TestMRZ(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{specimenTD3, specimenTD2, specimenTD1} {
		m, err := record.ParseMRZ(zone)
		if err != nil || strings.Join(m.Names, " ") != "ERIKSSON ANNA MARIA" || m.Birth != "740812" || m.Expiry != "120415" || m.Nationality != "UTO" || m.Issuer != "UTO" {
			t.Errorf("%q: %+v, %v", zone, m, err)
		}
		// A check digit finds every digit that is exchanged for another, but for what it confuses by design: digits and
		// letters with the same remainder.
		for i, c := range zone {
			if c < '0' || c > '9' {
				continue
			}
			wrong := zone[:i] + string('0'+(c-'0'+1)%10) + zone[i+1:]
			if _, err := record.ParseMRZ(wrong); err == nil {
				t.Errorf("digit %d of %q changed: it is accepted", i, zone)
			}
		}
	}
	for _, bad := range []string{"", "P<UTO", specimenTD3[:60], strings.ToLower(specimenTD3), specimenTD3 + "\nx", strings.Replace(specimenTD1, "\n", "", 1)} {
		if _, err := record.ParseMRZ(bad); !errors.Is(err, record.ErrMRZ) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseMRZ(f *testing.F) {
	for _, zone := range []string{specimenTD3, specimenTD2, specimenTD1, "", "<\n<"} {
		f.Add(zone)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := record.ParseMRZ(s); err == nil && (len(m.Birth) != 6 || len(m.Expiry) != 6) {
			t.Errorf("%q became %+v", s, m)
		}
	})
}

func TestKYCRules(t *testing.T) {
	t.Parallel()
	anna := record.User{FirstName: "Anna Maria", LastName: "Eriksson", BirthDate: "1974-08-12", Nationality: "UTO"}
	passport := []record.Document{{Kind: "PASSPORT"}}
	valid := time.Date(2012, 4, 15, 23, 59, 0, 0, time.UTC)
	edited := func(edit func(*record.User)) record.User { u := anna; edit(&u); return u }
	for _, test := range []struct {
		name      string
		user      record.User
		documents []record.Document
		mrz       string
		at        time.Time
		verdict   record.Verdict
		finding   record.Finding
	}{
		{"all is well on the passport's last day", anna, passport, specimenTD3, valid, record.VerdictAccept, ""},
		{"a day later", anna, passport, specimenTD3, valid.Add(time.Minute), record.VerdictReject, record.FindingDocumentOld},
		{"a wrong check digit", anna, passport, strings.Replace(specimenTD3, "7408122", "7408123", 1), valid, record.VerdictReject, record.FindingMRZ},
		{"no zone was read", anna, passport, "", valid, record.VerdictQueue, record.FindingNoMRZ},
		{"no document", anna, []record.Document{{Kind: "SELFIE"}}, specimenTD3, valid, record.VerdictQueue, record.FindingNoDocument},
		{"another name", edited(func(u *record.User) { u.FirstName = "Bertha" }), passport, specimenTD3, valid, record.VerdictQueue, record.FindingMRZMismatch},
		{"one of the names", edited(func(u *record.User) { u.FirstName = "Anna" }), passport, specimenTD3, valid, record.VerdictAccept, ""},
		{"another birthday", edited(func(u *record.User) { u.BirthDate = "1974-08-13" }), passport, specimenTD3, valid, record.VerdictQueue, record.FindingMRZMismatch},
		{"another nationality", edited(func(u *record.User) { u.Nationality = "POL" }), passport, specimenTD3, valid, record.VerdictQueue, record.FindingMRZMismatch},
		{"nothing known", record.User{}, nil, "", valid, record.VerdictQueue, record.FindingIncomplete},
		{"seventeen", edited(func(u *record.User) { u.BirthDate = "1994-04-16" }), passport, "", valid, record.VerdictReject, record.FindingUnderAge},
		{"eighteen today", edited(func(u *record.User) { u.BirthDate = "1994-04-15" }), passport, "", valid, record.VerdictQueue, record.FindingNoMRZ},
		{"not born yet", edited(func(u *record.User) { u.BirthDate = "2013-01-01" }), passport, "", valid, record.VerdictReject, record.FindingBirth},
		{"older than anyone", edited(func(u *record.User) { u.BirthDate = "1880-01-01" }), passport, "", valid, record.VerdictReject, record.FindingBirth},
		{"on the list, with an accent", edited(func(u *record.User) { u.LastName = "Müller-Żak" }), passport, "", valid, record.VerdictQueue, record.FindingWatchList},
	} {
		rules := record.KYCRules{WatchList: []record.WatchName{{Name: "ZAK MUELLER"}, {Name: "Anna Eriksson", BirthDate: "1950-01-01"}}}
		verdict, found := rules.Judge(&test.user, test.documents, test.mrz, test.at)
		has := test.finding == "" && len(found) == 0
		for _, f := range found {
			has = has || f == test.finding
		}
		if verdict != test.verdict || !has {
			t.Errorf("%s: %s, %v", test.name, verdict, found)
		}
	}
}

func FuzzSniffDocument(f *testing.F) {
	f.Add([]byte("%PDF-1.7\n%%EOF\n"))
	f.Add([]byte("\xff\xd8\xff\xe0\xff\xd9"))
	f.Add([]byte("\x89PNG\r\n\x1a\nIEND\xaeB`\x82"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, content []byte) {
		media, err := record.SniffDocument("PASSPORT", content)
		if err == nil && (media == "" || !bytes.HasPrefix(content, []byte("%PDF-")) && content[0] != 0xff && content[0] != 0x89) {
			t.Errorf("taken as %q", media)
		}
	})
}

func TestDocumentsAreSniffed(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"%PDF-1.4\nx\n%%EOF\r\n": "application/pdf", "\xff\xd8\xffx\xff\xd9": "image/jpeg", "\x89PNG\r\n\x1a\nxIEND\xaeB`\x82": "image/png",
		"GIF89a": "", "<svg/>": "", "": "", "PK\x03\x04": "", "MZ": "", " %PDF-1.4 %%EOF": "", "\xff\xd8\xffx\xff\xd9<script>": "", "%PDF-1.4 %%EOF PK\x03\x04": "",
		"\xff\xd8\xff" + strings.Repeat("x", record.DocumentBytesMax) + "\xff\xd9": "",
	} {
		if got, err := record.SniffDocument("PASSPORT", []byte(content)); got != want || (err == nil) != (want != "") {
			t.Errorf("%.20q: %q, %v", content, got, err)
		}
	}
	if _, err := record.SniffDocument("RECIPE", []byte("%PDF-1.4 %%EOF")); err == nil {
		t.Error("a kind that is none was taken")
	}
}

func TestFieldsAreChecked(t *testing.T) {
	t.Parallel()
	eur, _ := money.ByAlpha("EUR")
	good := record.User{FirstName: "Ána", LastName: "O'Neil-Żak", Email: "a.b+c@example.co", Phone: "+48123456789", BirthDate: "1990-02-28", Nationality: "POL"}
	for field, edits := range map[string][]func(*record.User){
		"": {func(*record.User) {}, func(u *record.User) { u.BirthDate = "" }},
		"firstName": {func(u *record.User) { u.FirstName = "" }, func(u *record.User) { u.FirstName = "a\x00b" }, func(u *record.User) { u.FirstName = " a" },
			func(u *record.User) { u.FirstName = "a\u202eb" }, func(u *record.User) { u.FirstName = strings.Repeat("x", 61) }, func(u *record.User) { u.FirstName = "\xff" }},
		"email": {func(u *record.User) { u.Email = "a" }, func(u *record.User) { u.Email = "a@b" }, func(u *record.User) { u.Email = "a@b@c.de" },
			func(u *record.User) { u.Email = "<a@b.de>" }, func(u *record.User) { u.Email = "a\r\nBcc:x@b.de" }},
		"phone":       {func(u *record.User) { u.Phone = "123456789" }, func(u *record.User) { u.Phone = "+0123456789" }, func(u *record.User) { u.Phone = "+12345678901234567" }},
		"dateOfBirth": {func(u *record.User) { u.BirthDate = "1990-02-29" }, func(u *record.User) { u.BirthDate = "28.02.1990" }},
		"nationality": {func(u *record.User) { u.Nationality = "PL" }, func(u *record.User) { u.Nationality = "pol" }},
	} {
		for i, edit := range edits {
			u := good
			edit(&u)
			if err := u.Check(); record.Field(err) != field || field != "" && record.Code(err) != "VALIDATION_ERROR" {
				t.Errorf("%s %d: %v", field, i, err)
			}
		}
	}
	program := record.Program{Name: "p", BINLow: 99999910, BINHigh: 99999911, Currency: eur, Funding: record.FundingCredit, Holder: record.HolderUs, CardMonths: 36}
	for field, edits := range map[string][]func(*record.Program){
		"": {func(*record.Program) {}, func(p *record.Program) { p.Holder, p.RemoteURL = record.HolderPartner, "https://p.example/x" }},
		"remoteUrl": {func(p *record.Program) { p.Holder = record.HolderPartner }, func(p *record.Program) { p.RemoteURL = "http://p.example" },
			func(p *record.Program) { p.Holder, p.RemoteURL = record.HolderPartner, "https://user@p.example" }},
		"bins":        {func(p *record.Program) { p.BINLow = 99999912 }, func(p *record.Program) { p.BINLow = 1 }},
		"actionCodes": {func(p *record.Program) { p.ActionCodes = map[string]string{"NO_SUCH": "05"} }, func(p *record.Program) { p.ActionCodes = map[string]string{"LOCKED_LOST": "1"} }},
		"markUp":      {func(p *record.Program) { p.MarkUp = -1 }},
	} {
		for i, edit := range edits {
			p := program
			edit(&p)
			if err := p.Check(); record.Field(err) != field {
				t.Errorf("%s %d: %v", field, i, err)
			}
		}
	}
}

func TestLimitsAndWindows(t *testing.T) {
	t.Parallel()
	for window, want := range map[record.LimitWindow]string{record.LimitDay: "2026-11-22", record.LimitWeek: "2026-11-16", record.LimitMonth: "2026-11-01"} {
		if got := window.Start(noon).Format(time.DateOnly); got != want {
			t.Errorf("%s starts %s, want %s", window, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := noon.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "seconds")) * time.Second)
		for _, w := range []record.LimitWindow{record.LimitDay, record.LimitWeek, record.LimitMonth} {
			start := w.Start(at)
			if start.After(at) || !w.Start(start).Equal(start) || at.Sub(start) >= 31*24*time.Hour {
				t.Fatalf("the %s of %s starts %s", w, at, start)
			}
		}
	})
	limit := func(w record.LimitWindow, amount int64) record.Limit {
		return record.Limit{Scope: record.LimitATM, Window: w, Amount: amount}
	}
	for i, bad := range [][]record.Limit{{limit("YEAR", 1)}, {{Scope: "X", Window: record.LimitDay}}, {limit(record.LimitDay, -1)}, {limit(record.LimitDay, 1), limit(record.LimitDay, 1)},
		{limit(record.LimitMonth, 4), limit(record.LimitTransaction, 5)}, {limit(record.LimitDay, money.MinorMax+1)}} {
		if err := record.CheckLimits(bad); err == nil {
			t.Errorf("limits %d were taken", i)
		}
	}
	if err := record.CheckLimits([]record.Limit{limit(record.LimitMonth, 5), limit(record.LimitDay, 5), limit(record.LimitTransaction, 0)}); err != nil {
		t.Error(err)
	}
}

func TestSmallRules(t *testing.T) {
	t.Parallel()
	for month, want := range map[string]string{"2901": "2029-01-31", "2802": "2028-02-29", "2702": "2027-02-28", "2612": "2026-12-31"} {
		m, _ := authz.ParseMonth(month)
		if got := record.ExpiryDay(m); got != want {
			t.Errorf("%s ends %s, want %s", month, got, want)
		}
	}
	total := time.Duration(0)
	for n := range int64(record.AttemptsMax - 1) {
		wait := record.Backoff(n+1, 0)
		if wait < 5*time.Second || wait > 8*time.Hour || record.Backoff(n+1, 1) <= wait || n > 0 && wait < record.Backoff(n, 0) {
			t.Errorf("after attempt %d: %v", n+1, wait)
		}
		total += wait
	}
	if total < 24*time.Hour || total > 7*24*time.Hour {
		t.Errorf("all attempts take %v, want days", total)
	}
	a := record.Approval{State: record.ApprovalPending, AskedBy: "operator 1", ExpiresAt: noon}
	for by, want := range map[string]error{"operator 1": record.ErrSecondPerson, "": record.ErrSecondPerson, "operator 2": nil} {
		if err := a.Decide(by, noon.Add(-1)); !errors.Is(err, want) {
			t.Errorf("%q: %v", by, err)
		}
	}
	for reason, want := range map[authz.Reason][2]string{authz.FundsShort: {"DECLINED", "AUTHORIZED"}, authz.Approved: {"SUCCESS", "CLEARED"}} {
		x := record.Transaction{Reason: reason, State: record.TransactionState(authz.StateCaptured, reason)}
		if outer, inner, why := x.Axes(); outer != want[0] || inner != want[1] || why != reason.String() {
			t.Errorf("%s: %s, %s, %s", reason, outer, inner, why)
		}
	}
	if record.Code(errors.New("x")) != "" || record.Code(authz.ErrNotFound) != "NOT_FOUND" || record.Code(record.ErrKYC) != "KYC_REQUIRED" {
		t.Error("codes")
	}
}
