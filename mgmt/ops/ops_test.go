package ops_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"holdfast/mgmt/ops"
)

func TestProbesAndMetrics(t *testing.T) {
	t.Parallel()
	ready := false
	h := ops.Handler(ops.Config{Ready: func() bool { return ready }, Count: func(each func(string, int64)) {
		each("requests_total", 7)
		each("in_flight", 2)
	}})
	get := func(path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		return rec
	}
	if rec := get("/healthz"); rec.Code != 200 {
		t.Errorf("alive: %d", rec.Code)
	}
	if rec := get("/readyz"); rec.Code != 503 {
		t.Errorf("not ready: %d", rec.Code)
	}
	ready = true
	if rec := get("/readyz"); rec.Code != 200 {
		t.Errorf("ready: %d", rec.Code)
	}
	text := get("/metrics").Body.String()
	for _, want := range []string{"# TYPE holdfast_requests_total counter\nholdfast_requests_total 7\n", "# TYPE holdfast_in_flight gauge\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if rec := get("/debug/pprof/"); rec.Code != 200 {
		t.Errorf("pprof: %d", rec.Code)
	}
	if rec := get("/else"); rec.Code != 404 {
		t.Errorf("anything else: %d", rec.Code)
	}
}
