package mgmt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// memory is a store of three tables that takes a transaction back by forgetting what it wrote.
type memory struct {
	mu      sync.Mutex
	replays map[string]record.Stored
	audit   []record.Audit
	counter int
	fail    error // of the next commit
}

func newMemory() *memory { return &memory{replays: map[string]record.Stored{}} }

func (m *memory) Update(_ context.Context, f func(mgmt.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &memoryTx{m: m, counter: m.counter}
	if err := f(tx); err != nil {
		return err
	}
	if err := m.fail; err != nil {
		m.fail = nil
		return err
	}
	m.counter = tx.counter
	m.audit = append(m.audit, tx.audit...)
	for _, s := range tx.kept {
		m.replays[s.Identity+"/"+s.Key] = s
	}
	return nil
}

func (m *memory) View(_ context.Context, f func(mgmt.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(&memoryTx{m: m, counter: m.counter})
}

type memoryTx struct {
	m       *memory
	counter int
	audit   []record.Audit
	kept    []record.Stored
}

func (t *memoryTx) BeginOnce(_ context.Context, c *record.Stored) (*record.Stored, error) {
	s, ok := t.m.replays[c.Identity+"/"+c.Key]
	switch {
	case !ok || !c.CreatedAt.Before(s.ExpiresAt):
		return nil, nil
	case !bytes.Equal(s.RequestHash, c.RequestHash):
		return nil, record.ErrKeyReused
	}
	return &s, nil
}

func (t *memoryTx) EndOnce(_ context.Context, s *record.Stored) error {
	t.kept = append(t.kept, *s)
	return nil
}

func (t *memoryTx) Audit(_ context.Context, a *record.Audit) error {
	t.audit = append(t.audit, *a)
	return nil
}

func (t *memoryTx) Count() int { t.counter++; return t.counter }

type counter interface{ Count() int }

type addRequest struct {
	ID   int64 `path:"id" rule:"min=1"`
	Dry  *bool `query:"dry"`
	Body addBody
}

type addBody struct {
	Amount int64  `json:"amount" rule:"min=1 max=1000"`
	Note   string `json:"note,omitempty" rule:"max=20"`
}

type addAnswer struct {
	ID     int64  `json:"id"`
	Count  int    `json:"count"`
	Amount int64  `json:"amount"`
	Mode   string `json:"mode"`
}

func add(_ context.Context, c *mgmt.Call, in *addRequest) (addAnswer, error) {
	n := mgmt.In[counter](c).Count()
	switch in.Body.Amount {
	case 666:
		return addAnswer{}, record.ErrFunds
	case 667:
		return addAnswer{}, mgmt.Keep(record.ErrCardLocked)
	case 668:
		panic("the secret 4111111111111111")
	case 669:
		return addAnswer{}, errors.New("the secret 4111111111111111")
	}
	return addAnswer{ID: in.ID, Count: n, Amount: in.Body.Amount}, nil
}

func route(method, path string, channel mgmt.Channel) mgmt.Route {
	r := mgmt.Route{Method: method, Path: path, Channel: channel, Summary: "Test"}
	if method != http.MethodGet {
		r.Audit = "thing.add"
	}
	return r
}

type world struct {
	door  *mgmt.Door
	store *memory
	log   *bytes.Buffer
	keys  *keystore.Store
	now   time.Time
	who   mgmt.Identity
}

func newWorld(t testing.TB, change func(*mgmt.Config), rows ...mgmt.Bound) *world {
	t.Helper()
	keys, err := completed(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: newMemory(), log: &bytes.Buffer{}, keys: keys, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		who: mgmt.Identity{Name: "partner 3", Partner: 3, Roles: mgmt.RoleManager}}
	known := func(_ context.Context, r *http.Request) (mgmt.Identity, error) {
		if r.Header.Get("Authorization") == "" {
			return mgmt.Identity{}, problem.New(problem.Unauthenticated)
		}
		return w.who, nil
	}
	cfg := mgmt.Config{Routes: rows, Store: w.store, Keys: keys, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Now:   func() time.Time { return w.now },
		Authn: map[mgmt.Channel]mgmt.Authenticator{mgmt.Secure: known, mgmt.Lifecycle: known, mgmt.Admin: known, mgmt.Customers: known}}
	if change != nil {
		change(&cfg)
	}
	if w.door, err = mgmt.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// call sends one request through the handler of the mTLS listener.
func (w *world) call(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "known")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.door.Mutual().ServeHTTP(rec, r)
	return rec
}

func code(t testing.TB, rec *httptest.ResponseRecorder) problem.Code {
	t.Helper()
	var p problem.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
	}
	return p.Code
}

func addRow() mgmt.Bound {
	return mgmt.Handle(route("POST", "/secure/things/{id}/add", mgmt.Secure), add)
}

func TestSoundRequestIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	rec := w.call("POST", "/secure/things/7/add?dry=true", `{"amount":5}`)
	if rec.Code != 200 || rec.Body.String() != `{"id":7,"count":1,"amount":5,"mode":""}` {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if len(w.store.audit) != 1 || w.store.audit[0].Action != "thing.add" || w.store.audit[0].Actor != "partner 3" ||
		w.store.audit[0].Outcome != "OK" || w.store.audit[0].Chain != 3 {
		t.Errorf("audit %+v", w.store.audit)
	}
	for _, h := range []string{"X-Request-Id", "Cache-Control", "X-Content-Type-Options", "Content-Security-Policy"} {
		if rec.Header().Get(h) == "" {
			t.Errorf("no header %s", h)
		}
	}
}

// cameDigits are of the card number that the tests send. Fewer of them are in the random id of a request now and then.
const cameDigits = "41111111"

// Goal: a refusal is of the right kind, tells no value, has no effect. Method: one broken request of each kind.
func TestBrokenRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow(), mgmt.Handle(route("GET", "/secure/things/{id}", mgmt.Secure),
		func(_ context.Context, _ *mgmt.Call, in *struct {
			ID int64 `path:"id" rule:"min=1"`
		}) (addAnswer, error) {
			return addAnswer{ID: in.ID}, nil
		}))
	sound := `{"amount":5}`
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               problem.Code
	}{
		"unknown path":         {"POST", "/secure/nothing", sound, nil, 404, problem.NotFound},
		"unknown method":       {"DELETE", "/secure/things/7/add", "", nil, 405, problem.Method},
		"wrong listener":       {"GET", "/customers/public-key", "", nil, 404, problem.NotFound},
		"not known":            {"POST", "/secure/things/7/add", sound, []string{"Authorization", ""}, 401, problem.Unauthenticated},
		"no number":            {"POST", "/secure/things/x4111111111111111/add", sound, nil, 404, problem.NotFound},
		"leading zero":         {"POST", "/secure/things/07/add", sound, nil, 404, problem.NotFound},
		"zero":                 {"POST", "/secure/things/0/add", sound, nil, 404, problem.NotFound},
		"beyond":               {"POST", "/secure/things/99999999999999999999/add", sound, nil, 404, problem.NotFound},
		"slash in disguise":    {"POST", "/secure/things/7%2F8/add", sound, nil, 404, problem.NotFound},
		"trailing slash":       {"POST", "/secure/things/7/add/", sound, nil, 404, problem.NotFound},
		"unknown parameter":    {"POST", "/secure/things/7/add?card=4111111111111111", sound, nil, 400, problem.Validation},
		"repeated parameter":   {"POST", "/secure/things/7/add?dry=true&dry=true", sound, nil, 400, problem.Validation},
		"bad parameter":        {"POST", "/secure/things/7/add?dry=4111111111111111", sound, nil, 400, problem.Validation},
		"semicolon":            {"POST", "/secure/things/7/add?dry=true;x=1", sound, nil, 400, problem.Validation},
		"bad value":            {"POST", "/secure/things/7/add", `{"amount":4111111111111111}`, nil, 400, problem.Validation},
		"unknown field":        {"POST", "/secure/things/7/add", `{"amount":5,"pan":"4111111111111111"}`, nil, 400, problem.Validation},
		"not JSON":             {"POST", "/secure/things/7/add", `4111111111111111 4`, nil, 400, problem.Validation},
		"form":                 {"POST", "/secure/things/7/add", sound, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, problem.MediaType},
		"other charset":        {"POST", "/secure/things/7/add", sound, []string{"Content-Type", "application/json; charset=utf-16"}, 415, problem.MediaType},
		"no content type":      {"POST", "/secure/things/7/add", sound, []string{"Content-Type", ""}, 415, problem.MediaType},
		"large":                {"POST", "/secure/things/7/add", `{"amount":` + strings.Repeat(" ", 64<<10) + `5}`, nil, 413, problem.BodyTooLarge},
		"body of a GET":        {"GET", "/secure/things/7", sound, nil, 400, problem.Validation},
		"bad idempotency key":  {"POST", "/secure/things/7/add", sound, []string{"X-Idempotency-Key", "4111111111111111 \x01"}, 400, problem.Validation},
		"a rule of the domain": {"POST", "/secure/things/7/add", `{"amount":666}`, nil, 409, "INSUFFICIENT_FUNDS"},
		"panic":                {"POST", "/secure/things/7/add", `{"amount":668}`, nil, 500, problem.Internal},
		"unknown error":        {"POST", "/secure/things/7/add", `{"amount":669}`, nil, 500, problem.Internal},
	} {
		rec := w.call(c.method, c.path, c.body, c.headers...)
		if rec.Code != c.status || code(t, rec) != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.status, c.code)
		}
		if strings.Contains(rec.Body.String(), cameDigits) || strings.Contains(rec.Body.String(), "goroutine") {
			t.Errorf("%s: the refusal tells what came: %s", name, rec.Body)
		}
	}
	if w.store.counter != 0 || len(w.store.audit) != 0 {
		t.Errorf("refused requests had an effect: %d, %v", w.store.counter, w.store.audit)
	}
	if strings.Contains(w.log.String(), "panicked") == false {
		t.Error("a panic left no line in the log")
	}
}

// Goal: what a request brought is in no log line, an unknown cause excepted, which is ours to word.
func TestLogHasNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	w.call("POST", "/secure/things/4111111111111111/add?x=4111111111111111", `{"amount":668,"note":"4111111111111111"}`)
	w.call("POST", "/secure/things/7/add", `{"amount":668}`)
	w.call("4111111111111111", "/4111111111111111", "")
	if strings.Contains(w.log.String(), cameDigits) {
		t.Errorf("the log tells what came: %s", w.log)
	}
}

// Who is known is let in where the row names the role, and nowhere else.
func TestRoleIsAskedFor(t *testing.T) {
	t.Parallel()
	row := route("POST", "/admin/things/{id}/add", mgmt.Admin)
	row.Roles = mgmt.RolesAM
	w := newWorld(t, nil, mgmt.Handle(row, add))
	for _, c := range []struct {
		who   string
		roles mgmt.Roles
		in    bool
	}{{"an administrator", mgmt.RoleAdmin, true}, {"a manager", mgmt.RoleManager, true}, {"an employee", mgmt.RoleEmployee, false},
		{"somebody without a role", 0, false}} {
		w.who = mgmt.Identity{Name: c.who, Roles: c.roles}
		r := httptest.NewRequest("POST", "/admin/things/1/add", strings.NewReader(`{"amount":5}`))
		r.Header.Set("Authorization", "known")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.door.Public().ServeHTTP(rec, r)
		switch refused := rec.Code == http.StatusForbidden && code(t, rec) == problem.Forbidden; {
		case refused && c.in:
			t.Errorf("%s is kept out", c.who)
		case !refused && !c.in:
			t.Errorf("%s is let in: %d %s", c.who, rec.Code, rec.Body)
		}
	}
}

func TestRepeatedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow(), mgmt.Handle(route("POST", "/secure/other/{id}/add", mgmt.Secure), add))
	key := []string{"X-Idempotency-Key", "0190-a-key"}
	first := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...)
	again := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...)
	if first.Code != 200 || again.Code != 200 || first.Body.String() != again.Body.String() || w.store.counter != 1 {
		t.Errorf("%d %s, again %d %s; %d effects", first.Code, first.Body, again.Code, again.Body, w.store.counter)
	}
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"another body": w.call("POST", "/secure/things/7/add", `{"amount":6}`, key...),
		"another path": w.call("POST", "/secure/things/8/add", `{"amount":5}`, key...),
	} {
		if rec.Code != 422 || code(t, rec) != problem.KeyReused {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	if rec := w.call("POST", "/secure/other/7/add", `{"amount":5}`, key...); rec.Code != 200 || w.store.counter != 2 {
		t.Errorf("the same key on another route: %d %s", rec.Code, rec.Body)
	}
	w.who.Name = "partner 4"
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 200 || w.store.counter != 3 {
		t.Errorf("the same key of another caller: %d %s", rec.Code, rec.Body)
	}
	w.who.Name = "partner 3"
	w.now = w.now.Add(24 * time.Hour)
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 200 || w.store.counter != 4 {
		t.Errorf("the same key a day later: %d %s", rec.Code, rec.Body)
	}
}

// Goal: a refusal by the domain is repeated too, one by a store that is away is not.
func TestRepeatedRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	key := []string{"X-Idempotency-Key", "0190-b-key"}
	first := w.call("POST", "/secure/things/7/add", `{"amount":666}`, key...)
	again := w.call("POST", "/secure/things/7/add", `{"amount":666}`, key...)
	if first.Code != 409 || first.Body.String() != again.Body.String() || again.Header().Get("Content-Type") != problem.ContentType {
		t.Errorf("%d %s, again %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	key[1] = "0190-c-key"
	w.store.fail = authz.ErrUnavailable
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 503 || code(t, rec) != problem.Unavailable {
		t.Errorf("a store that is away: %d %s", rec.Code, rec.Body)
	}
	w.store.fail = authz.ErrUnknown
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 503 || code(t, rec) != problem.OutcomeUnknown {
		t.Errorf("an outcome that is not known: %d %s", rec.Code, rec.Body)
	}
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 200 || w.store.counter != 1 {
		t.Errorf("when it is back: %d %s, %d effects", rec.Code, rec.Body, w.store.counter)
	}
}

// Goal: a refusal that keeps its changes commits them with its record, and is still a refusal.
func TestKeptRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, addRow())
	rec := w.call("POST", "/secure/things/7/add", `{"amount":667}`)
	if rec.Code != 409 || w.store.counter != 1 || len(w.store.audit) != 1 || w.store.audit[0].Outcome != "CARD_LOCKED" {
		t.Errorf("%d %s, %d effects, %+v", rec.Code, rec.Body, w.store.counter, w.store.audit)
	}
}

// Goal: two requests with one key at once have one effect. Method: the first waits inside its handler.
func TestKeyInFlight(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, nil, mgmt.HandlePrepared(route("POST", "/secure/things/{id}/add", mgmt.Secure),
		func(context.Context, *mgmt.Call, *addRequest) (int, error) { close(entered); <-leave; return 0, nil },
		func(ctx context.Context, c *mgmt.Call, in *addRequest, _ int) (addAnswer, error) {
			return add(ctx, c, in)
		}))
	key := []string{"X-Idempotency-Key", "0190-d-key"}
	var wg sync.WaitGroup
	wg.Go(func() {
		if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 200 {
			t.Errorf("the first: %d %s", rec.Code, rec.Body)
		}
	})
	<-entered
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`, key...); rec.Code != 409 || code(t, rec) != problem.KeyInFlight {
		t.Errorf("the second: %d %s", rec.Code, rec.Body)
	}
	close(leave)
	wg.Wait()
}

// Goal: a row with a mistake does not start. Method: one mistake of each kind.
func TestWrongRowsDoNotStart(t *testing.T) {
	t.Parallel()
	sound := route("POST", "/secure/things/{id}/add", mgmt.Secure)
	edit := func(f func(*mgmt.Route)) mgmt.Bound { r := sound; f(&r); return mgmt.Handle(r, add) }
	type noPath struct{}
	type nameless struct {
		ID   int64 `path:"id" rule:"min=1"`
		Body struct{ Amount int64 }
	}
	secret := sound
	secret.JWE = true
	for name, rows := range map[string][]mgmt.Bound{
		"no handler":          {{Route: sound}},
		"two of one":          {addRow(), mgmt.Handle(route("POST", "/secure/things/{id}/add", mgmt.Secure), add)},
		"other prefix":        {edit(func(r *mgmt.Route) { r.Path = "/admin/things/{id}/add" })},
		"open on mTLS":        {edit(func(r *mgmt.Route) { r.Channel = mgmt.Open })},
		"unknown method":      {edit(func(r *mgmt.Route) { r.Method = "TRACE" })},
		"no audit":            {edit(func(r *mgmt.Route) { r.Audit = "" })},
		"no summary":          {edit(func(r *mgmt.Route) { r.Summary = "" })},
		"roles of a partner":  {edit(func(r *mgmt.Route) { r.Roles = mgmt.RoleAdmin })},
		"admin without roles": {edit(func(r *mgmt.Route) { r.Channel, r.Path = mgmt.Admin, "/admin/things/{id}/add" })},
		"parameter not taken": {mgmt.Handle(sound, func(context.Context, *mgmt.Call, *noPath) (mgmt.None, error) { return mgmt.None{}, nil })},
		"parameter not there": {edit(func(r *mgmt.Route) { r.Path = "/secure/things/add" })},
		"GET with a body":     {edit(func(r *mgmt.Route) { r.Method, r.Audit = "GET", "x" })},
		"a nameless secret":   {mgmt.Handle(secret, func(context.Context, *mgmt.Call, *nameless) (mgmt.None, error) { return mgmt.None{}, nil })},
		"no authenticator":    {edit(func(r *mgmt.Route) { r.Channel, r.Path = mgmt.Sandbox, "/sandbox/things/{id}/add" })},
	} {
		keys, err := completed(filepath.Join(t.TempDir(), "keys.json"))
		if err != nil {
			t.Fatal(err)
		}
		nobody := func(context.Context, *http.Request) (mgmt.Identity, error) { return mgmt.Identity{}, nil }
		if _, err := mgmt.New(mgmt.Config{Routes: rows, Keys: keys, Sandbox: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Authn: map[mgmt.Channel]mgmt.Authenticator{mgmt.Secure: nobody, mgmt.Admin: nobody, mgmt.Lifecycle: nobody}}); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}

func TestFullGateAndPace(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(c *mgmt.Config) { c.Limits = mgmt.Limits{InFlightMax: 1, PerSecondMax: 2} },
		mgmt.HandlePrepared(route("POST", "/secure/slow/{id}", mgmt.Secure),
			func(context.Context, *mgmt.Call, *addRequest) (int, error) { close(entered); <-leave; return 0, nil },
			func(ctx context.Context, c *mgmt.Call, in *addRequest, _ int) (addAnswer, error) {
				return add(ctx, c, in)
			}), addRow())
	var wg sync.WaitGroup
	wg.Go(func() { w.call("POST", "/secure/slow/7", `{"amount":5}`) })
	<-entered
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`); rec.Code != 503 || code(t, rec) != problem.Overloaded ||
		rec.Header().Get("Retry-After") == "" {
		t.Errorf("at a full gate: %d %s", rec.Code, rec.Body)
	}
	close(leave)
	wg.Wait()
	w.call("POST", "/secure/things/7/add", `{"amount":5}`)
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`); rec.Code != 429 {
		t.Errorf("beyond the pace: %d %s", rec.Code, rec.Body)
	}
	w.now = w.now.Add(time.Second)
	if rec := w.call("POST", "/secure/things/7/add", `{"amount":5}`); rec.Code != 200 {
		t.Errorf("a second later: %d %s", rec.Code, rec.Body)
	}
}

// completed is a new key file with key pairs.
func completed(path string) (*keystore.Store, error) {
	if _, err := keystore.Create(path, nil); err != nil {
		return nil, err
	}
	s, _, err := keystore.Complete(path, nil)
	return s, err
}
