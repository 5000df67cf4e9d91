package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/authz/leak"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// Documents that are what they say, as far as anybody can see from outside.
const (
	aPDF  = "%PDF-1.7\nhello\n%%EOF\n"
	aJPEG = "\xff\xd8\xff\xe0 a face \xff\xd9"
	aPNG  = "\x89PNG\r\n\x1a\n a face IEND\xaeB`\x82"
)

// shownCase is what the tests read of a case.
type shownCase struct {
	KycID, Status, Method string
	Documents             []struct{ DocumentID, MediaType string }
	Findings              []string
}

// zoneOf is the machine readable zone of a passport of the house's user, Ann Bee, valid until a day as YYMMDD.
func zoneOf(until string) string {
	first := fmt.Sprintf("%-44s", "P<POLBEE<<ANN")
	fields := "AB1234567" + digit("AB1234567") + "POL" + "900517" + digit("900517") + "F" + until + digit(until) +
		strings.Repeat("<", 14) + "0"
	second := fields + digit(fields[0:10]+fields[13:20]+fields[21:43])
	return `["` + strings.ReplaceAll(first, " ", "<") + `","` + second + `"]`
}

// digit is the check digit of ICAO Doc 9303 part 3, section 4.9, written anew.
func digit(field string) string {
	sum := 0
	for i, r := range field {
		value := max(0, strings.IndexRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", r)) // a filler is 0
		sum += value * []int{7, 3, 1}[i%3]
	}
	return fmt.Sprint(sum % 10)
}

// kycEvents are the bodies of what the partner was told.
func (e *estate) kycEvents() (bodies []string) {
	e.t.Helper()
	e.do(func(ctx context.Context, tx *records.Tx) error {
		l, err := tx.Events(ctx, record.EventFilter{Partner: e.partner}, record.Page{})
		for i := range l.Items {
			if l.Items[i].Kind == record.EventKYC {
				bodies = append(bodies, string(l.Items[i].Body))
			}
		}
		return err
	})
	return bodies
}

// Goal: a cardholder hands in, an operator looks at it and decides, once; the partner is told.
func TestOperatorDecidesKYC(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		const mine = "/customers/me/kyc"
		e.refused(409, "ILLEGAL_STATE", e.as("user", "POST", mine+"/submit", `{}`))
		var c shownCase
		e.want(201, &c, e.as("user", "POST", mine, `{"method":"OPERATOR"}`))
		e.refused(409, "ILLEGAL_STATE", e.as("user", "POST", mine, `{"method":"AUTOMATED"}`))
		for kind, doc := range map[string][2]string{"PASSPORT": {"application/pdf", aPDF}, "SELFIE": {"image/jpeg", aJPEG}, "OTHER": {"image/png", aPNG}} {
			e.want(201, nil, e.as("user", "POST", mine+"/documents?kind="+kind, doc[1], "Content-Type", doc[0]))
		}
		e.refused(422, "DOCUMENT_REFUSED", e.as("user", "POST", mine+"/documents?kind=SELFIE", "<html>", "Content-Type", "image/png"))
		e.refused(415, "UNSUPPORTED_MEDIA_TYPE", e.as("user", "POST", mine+"/documents?kind=SELFIE", aPNG, "Content-Type", "text/html"))
		e.refused(400, "VALIDATION_ERROR", e.as("user", "POST", mine+"/documents", aPNG, "Content-Type", "image/png"))
		e.want(200, &c, e.as("user", "POST", mine+"/submit", `{"mrz":`+zoneOf("401231")+`}`))
		if c.Status != "IN_PROGRESS" || len(c.Documents) != 3 || c.Findings != nil {
			t.Errorf("handed in: %+v", c)
		}
		var queue struct{ Items []shownCase }
		e.want(200, &queue, e.as("manager", "GET", fmt.Sprintf("/admin/kyc?status=IN_PROGRESS&partnerId=%d&since=2020-01-01T00:00:00Z", e.partner), ""))
		if len(queue.Items) != 1 || queue.Items[0].KycID != c.KycID {
			t.Fatalf("the queue is %+v", queue)
		}
		var applicant struct {
			shownCase
			FirstName string
		}
		one := "/admin/kyc/" + c.KycID
		e.want(200, &applicant, e.as("manager", "GET", one, ""))
		if applicant.FirstName != "Ann" || len(applicant.Documents) != 3 {
			t.Errorf("the applicant is %+v", applicant)
		}
		for _, d := range applicant.Documents {
			r := e.want(200, nil, e.as("manager", "GET", one+"/documents/"+d.DocumentID, ""))
			if r.header.Get("Content-Type") != d.MediaType || !strings.Contains(aPDF+aJPEG+aPNG, r.text) ||
				!strings.Contains(r.header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("a document is %v %q", r.header, r.text)
			}
			e.refused(404, "NOT_FOUND", e.as("manager", "GET", "/admin/kyc/"+record.NewUUID(time.Now()).String()+"/documents/"+d.DocumentID, ""))
		}
		e.want(200, &c, e.as("manager", "POST", one+"/accept", `{"note":"seen"}`))
		e.refused(409, "ALREADY_USED", e.as("admin", "POST", one+"/reject", `{}`))
		e.refused(409, "ILLEGAL_STATE", e.as("user", "POST", mine+"/documents?kind=OTHER", aPNG, "Content-Type", "image/png"))
		e.program("DEPOSIT", 99999936, "")
		e.want(201, nil, e.as("user", "POST", "/customers/me/balances", `{"currency":"EUR"}`))
		if told := e.kycEvents(); len(told) != 1 || !strings.Contains(told[0], `"status":"ACCEPTED"`) || !strings.Contains(told[0], c.KycID) {
			t.Errorf("the partner was told %q", told)
		}
		var trail struct {
			Items []struct{ Action, Object string }
		}
		e.want(200, &trail, e.as("admin", "GET", "/admin/audit?action=kyc.document.read", ""))
		if len(trail.Items) != 3 {
			t.Errorf("the trail of reading documents is %+v", trail)
		}
		e.documentsAreSealed()
	})
}

// Goal: what the partner decides ends what waits with us: no case stays in the queue that nobody can decide. The same outcome
// once more is no mistake.
func TestPartnersOutcomeEndsTheCase(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		removed := e.newUser(e.partner, 55)
		for user, end := range map[int64]func(life string){
			int64(e.user): func(life string) {
				for range 2 {
					e.want(200, nil, e.as("partner", "PUT", life+"/kyc", `{"status":"ACCEPTED"}`))
				}
			},
			int64(removed): func(life string) { e.want(204, nil, e.as("partner", "DELETE", life, "")) },
		} {
			var c shownCase
			e.want(201, &c, e.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/kyc", user), `{"method":"OPERATOR"}`))
			waiting := fmt.Sprintf("status=IN_PROGRESS&customerId=%d", user)
			e.counts("manager", "/admin/kyc", map[string]int{waiting: 1})
			end(fmt.Sprintf("/lifecycle/v1/users/%d", user))
			e.counts("manager", "/admin/kyc", map[string]int{waiting: 0})
			e.refused(409, "ALREADY_USED", e.as("manager", "POST", "/admin/kyc/"+c.KycID+"/accept", `{}`))
		}
		e.counts("manager", "/admin/kyc", map[string]int{fmt.Sprintf("status=ACCEPTED&customerId=%d", e.user): 2}) // ours and the partner's
		e.refused(409, "USER_REMOVED", e.as("partner", "PUT", fmt.Sprintf("/lifecycle/v1/users/%d/kyc", removed), `{"status":"REJECTED"}`))
	})
}

// documentsAreSealed looks for the documents in the books' file.
func (e *estate) documentsAreSealed() {
	e.t.Helper()
	s := leak.New()
	s.Plant("document", []byte(" a face "))
	found, err := s.Tree(e.data)
	if err != nil || len(found) > 0 {
		e.t.Errorf("a document is in the books in clear: %v, %v", found, err)
	}
}

// Goal: the rules accept who is sound, reject who is not, and leave doubt to an operator; by the partner's channel.
func TestRulesDecideKYC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, mrz, status string }{
		{"sound", zoneOf("401231"), "ACCEPTED"},
		{"expired passport", zoneOf("200101"), "REJECTED"},
		{"a digit that does not fit", strings.Replace(zoneOf("401231"), "900517", "900518", 1), "REJECTED"},
		{"no zone", "", "IN_PROGRESS"},
		{"on the list", zoneOf("401231"), "IN_PROGRESS"},
		{"reviewed", zoneOf("401231"), "IN_PROGRESS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := openEstate(t, nil, func(cfg *config) {
				cfg.Management.KYC.Review = c.name == "reviewed"
				if c.name == "on the list" {
					cfg.Management.KYC.WatchList = []watchConfig{{Name: "BEE, Ann"}}
				}
			})
			path := fmt.Sprintf("/secure/customers/%d/kyc", e.user)
			e.want(201, nil, e.as("partner", "POST", path, `{"method":"AUTOMATED"}`))
			e.want(201, nil, e.as("partner", "POST", path+"/documents?kind=PASSPORT", aPDF, "Content-Type", "application/pdf"))
			body := `{}`
			if c.mrz != "" {
				body = `{"mrz":` + c.mrz + `}`
			}
			var got shownCase
			e.want(200, &got, e.as("partner", "POST", path+"/submit", body))
			var status struct {
				Status string
				Case   shownCase
			}
			e.want(200, &status, e.as("partner", "GET", path, ""))
			if got.Status != c.status || status.Status != c.status || status.Case.KycID != got.KycID {
				t.Errorf("decided %+v, the user is %+v, want %s", got, status, c.status)
			}
			if told := len(e.kycEvents()); (told == 1) != (c.status != "IN_PROGRESS") {
				t.Errorf("the partner was told %d times", told)
			}
			if c.status == "REJECTED" { // and may try again
				e.want(201, nil, e.as("partner", "POST", path, `{"method":"OPERATOR"}`))
			}
		})
	}
}

// Goal: of an import everything that is sound is registered, and each other line says what is wrong, in both forms.
func TestImport(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		const path = "/lifecycle/v1/users/import"
		type report struct {
			Created, Refused int
			Lines            []struct {
				Line       int
				CustomerID int64
				Code       string
				Fields     []struct{ Pointer string }
			}
		}
		sheet := "\ufefffirstName,lastName,email,phone,city,street,postCode,country\r\n" +
			"Ola,Ćma,ola@example.com,+48600000001,Lublin,\"Prosta 1, m. 2\",20-001,POL\r\n" +
			"Ela,Nowak,ela at example.com,+48600000002,,,,\r\n" +
			"Iza,Nowak,iza@example.com,+48600000001,,,,\r\n" +
			"Ula,Nowak,ula@example.com,+48600000003,Lublin,,,\r\n" +
			"Ewa,Nowak,ewa@example.com,+48600000004,,,,\r\n"
		var r report
		e.want(200, &r, e.as("partner", "POST", path, sheet, "Content-Type", "text/csv"))
		if r.Created != 2 || r.Refused != 3 || len(r.Lines) != 5 || r.Lines[0].Line != 2 || r.Lines[0].CustomerID == 0 ||
			r.Lines[1].Code != "VALIDATION_ERROR" || r.Lines[1].Fields[0].Pointer != "/email" || r.Lines[2].Code != "ALREADY_EXISTS" ||
			r.Lines[3].Code != "VALIDATION_ERROR" || r.Lines[4].CustomerID == 0 {
			t.Errorf("the report of CSV is %+v", r)
		}
		r = report{}
		lines := `{"firstName":"Leo","lastName":"Nowak","email":"leo@example.com","phone":"+48600000005"}` + "\n\n" +
			`{"firstName":"Leo","lastName":"Nowak","email":"leo@example.com","phone":"+48600000006"}` + "\n" + `{"firstName":"Leo"` + "\n"
		e.want(200, &r, e.as("partner", "POST", path, lines, "Content-Type", "application/x-ndjson"))
		if r.Created != 1 || r.Refused != 2 || r.Lines[1].Line != 3 || r.Lines[1].Code != "ALREADY_EXISTS" || r.Lines[2].Line != 4 {
			t.Errorf("the report of lines is %+v", r)
		}
		for what, bad := range map[string]string{"no such column": "firstName,pan\nA,B\n", "a column twice": "email,email\na,b\n", "nothing": "",
			"a broken quote": "firstName\n\"A\n", "a field too many": "firstName\nA,B\n", "too many": "firstName\n" + strings.Repeat("A\n", 501)} {
			if r := e.as("partner", "POST", path, bad, "Content-Type", "text/csv"); r.status != 400 {
				t.Errorf("%s: %d %s", what, r.status, r.text)
			}
		}
		var all struct{ Items []struct{ FirstName string } }
		e.want(200, &all, e.as("partner", "GET", "/lifecycle/v1/users?limit=200", ""))
		if len(all.Items) != 4 { // with the house's own
			t.Errorf("registered are %+v", all)
		}
		e.want(200, &all, e.as("other", "GET", "/lifecycle/v1/users", ""))
		if len(all.Items) != 0 {
			t.Errorf("the other partner sees %+v", all)
		}
		e.want(200, &all, e.as("partner", "GET", "/lifecycle/v1/users?email=ola@example.com", ""))
		if len(all.Items) != 1 || all.Items[0].FirstName != "Ola" {
			t.Errorf("found %+v", all)
		}
	})
}
