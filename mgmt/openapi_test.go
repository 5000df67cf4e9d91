package mgmt_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"holdfast/mgmt"
)

func (w *world) document(t testing.TB) []byte {
	t.Helper()
	rec := httptest.NewRecorder()
	w.door.Public().ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	if rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

// Goal: the document is OpenAPI, and says of each route what its row says. Method: another implementation reads it.
func TestDocumentIsSound(t *testing.T) {
	t.Parallel()
	secret := route("POST", "/secure/secrets/{id}/add", mgmt.Secure)
	secret.JWE = true
	w := newWorld(t, nil, addRow(), mgmt.Handle(secret, add))
	text := w.document(t)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	for _, r := range w.door.Rows() {
		item := doc.Paths.Find(r.Path)
		if item == nil || item.GetOperation(r.Method) == nil || item.GetOperation(r.Method).Summary != r.Summary {
			t.Errorf("%s %s is not in the document as its row says", r.Method, r.Path)
		}
	}
	op := doc.Paths.Find("/secure/secrets/{id}/add").Post
	if ref := op.RequestBody.Value.Content["application/json"].Schema.Ref; !strings.HasSuffix(ref, "/Encrypted") {
		t.Errorf("the body of an encrypted route is %q", ref)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil || all["openapi"] != "3.1.0" {
		t.Errorf("version %v, %v", all["openapi"], err)
	}
}

func TestReferencePageWorksOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	rec := httptest.NewRecorder()
	w.door.Public().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/docs", nil))
	page := rec.Body.String()
	if rec.Code != 200 || !strings.Contains(page, "/secure/things/{id}/add") || !strings.Contains(page, "amount") {
		t.Errorf("%d %s", rec.Code, page)
	}
	for _, outside := range []string{"http://", "https://", "<script", "src="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
}
