package mgmt

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"holdfast/authz/record"
)

// Channel is who may use a route, and how they prove who they are.
type Channel string

// The channels. A route's path begins with its channel's prefix; open routes are under /customers, /admin or
// at the top, never under a prefix of the mTLS listener.
const (
	Customers Channel = "customers" // cardholders: a session token
	Admin     Channel = "admin"     // operators: a session token, and a role
	Secure    Channel = "secure"    // partner backends: a client certificate
	Lifecycle Channel = "lifecycle" // the same, under /lifecycle/v1
	Sandbox   Channel = "sandbox"   // the same, and only in sandbox mode
	Open      Channel = "open"      // anybody
)

// mutual tells whether the channel is served on the mTLS listener.
func (c Channel) mutual() bool { return c == Secure || c == Lifecycle || c == Sandbox }

var prefixes = map[Channel][]string{
	Customers: {"/customers/"}, Admin: {"/admin/"}, Secure: {"/secure/"}, Lifecycle: {"/lifecycle/v1/"},
	Sandbox: {"/sandbox/"}, Open: {"/customers/", "/admin/", "/openapi.json", "/docs"},
}

// Roles is a set of operators' roles.
type Roles uint8

// The roles of operators. The zero set is right for every channel but [Admin].
const (
	RoleAdmin Roles = 1 << iota
	RoleManager
	RoleEmployee

	RolesAll = RoleAdmin | RoleManager | RoleEmployee
	RolesAM  = RoleAdmin | RoleManager
)

// RoleOf is a role as operators' records keep it; zero when there is no such role.
func RoleOf(r record.Role) Roles {
	return map[record.Role]Roles{record.RoleAdmin: RoleAdmin, record.RoleManager: RoleManager, record.RoleEmployee: RoleEmployee}[r]
}

func (r Roles) names() []string {
	var names []string
	for _, role := range []record.Role{record.RoleAdmin, record.RoleManager, record.RoleEmployee} {
		if r&RoleOf(role) != 0 {
			names = append(names, string(role))
		}
	}
	return names
}

// Books says what a route needs of the store.
type Books int

// What a route may need. The door runs the handler inside of it.
const (
	ByMethod  Books = iota // a GET reads, everything else writes; a GET that is audited writes
	NoBooks                // nothing
	ReadBooks              // one consistent view, also for a POST that changes nothing
)

// Route is one row of the routing table. From it come the route, its document and its place in the access tests.
type Route struct {
	Method  string
	Path    string // segments; {name} is a parameter
	Channel Channel
	Roles   Roles // of [Admin] routes, who may
	// JWE asks for encryption both ways, as the package jwe says.
	JWE bool
	// Audit is the action in the audit record that is written in the same transaction; empty for none. Everything
	// that changes something has one.
	Audit string
	// Status of success; 200 when zero, 204 for answers without a body.
	Status  int
	Books   Books
	Summary string // one sentence without a full stop
	// Refusals are the codes of this route beside those that follow from its channel and its method.
	Refusals []string
	// BodyBytesMax is 64 KiB when zero.
	BodyBytesMax int64
}

// Bound is a row with its handler: the only thing that the door registers.
type Bound struct {
	Route
	in, out reflect.Type
	plan    *plan
	// prepared: run does slow work, which a repeat does not need.
	prepared bool
	run      func(ctx context.Context, c *Call, in reflect.Value) (stage, error)
}

// stage is a handler that is ready to run inside the transaction.
type stage func(ctx context.Context) (any, error)

// None is the request of a route without parameters and body, and the answer of one without a body.
type None struct{}

// Handle binds a row to its handler. In is a struct: fields with the tag `path:"name"`, `query:"name"` or
// `header:"Name"` take parameters (with `path:"name,omitempty"` the path need not have it), a field Body takes the
// body: a struct with json tags, or []byte with the tag `body:"type/one,type/two"` that lists the content types. Out
// becomes JSON; [Raw] is sent as it is.
//
// The handler runs inside the transaction that the row asks for; see [Tx]. It must not wait for anything but the
// store in there.
func Handle[In, Out any](r Route, h func(ctx context.Context, c *Call, in *In) (Out, error)) Bound {
	b := HandlePrepared(r,
		func(context.Context, *Call, *In) (None, error) { return None{}, nil },
		func(ctx context.Context, c *Call, in *In, _ None) (Out, error) { return h(ctx, c, in) })
	b.prepared = false
	return b
}

// HandlePrepared is [Handle] for work that is too slow for a transaction, such as checking a password or asking
// another system. prepare runs before the transaction opens and reads through [Call.View]; what it found reaches
// h, which decides again on what it reads itself.
func HandlePrepared[In, P, Out any](r Route, prepare func(ctx context.Context, c *Call, in *In) (P, error),
	h func(ctx context.Context, c *Call, in *In, prepared P) (Out, error)) Bound {
	return Bound{Route: r, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), prepared: true,
		run: func(ctx context.Context, c *Call, v reflect.Value) (stage, error) {
			in := v.Interface().(*In)
			prepared, err := prepare(ctx, c, in)
			return func(ctx context.Context) (any, error) { return h(ctx, c, in, prepared) }, err
		}}
}

// status of success.
func (b *Bound) status() int {
	switch {
	case b.Status != 0:
		return b.Status
	case b.out == reflect.TypeFor[None]():
		return http.StatusNoContent
	}
	return http.StatusOK
}

// writes tells whether the handler runs in a transaction that changes something.
func (b *Bound) writes() bool {
	return b.Books == ByMethod && (b.Method != http.MethodGet || b.Audit != "")
}

// idempotent tells whether the route honours X-Idempotency-Key.
func (b *Bound) idempotent() bool { return b.Method == http.MethodPost && b.writes() }

var methods = map[string]bool{http.MethodGet: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true}

// check finds the mistakes of a row. A row with a mistake does not start.
func (b *Bound) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("route %s %s: %s", b.Method, b.Path, fmt.Sprintf(format, args...))
	}
	switch {
	case b.run == nil:
		return bad("has no handler")
	case !methods[b.Method]:
		return bad("has an unknown method")
	case !hasPrefix(b.Path, prefixes[b.Channel]):
		return bad("its path is not one of channel %q", b.Channel)
	case (b.Channel == Admin) != (b.Roles != 0):
		return bad("operators' routes, and no others, have roles")
	case b.Summary == "":
		return bad("has no summary")
	case b.writes() && b.Audit == "":
		return bad("changes something, so it needs an audit action")
	case b.Audit != "" && !b.writes():
		return bad("is audited, but writes no books")
	case b.JWE && b.Channel == Open:
		return bad("encryption needs a caller whose key is known")
	}
	var err error
	if b.plan, err = planOf(b.in, b.Path, b.Method); err != nil {
		return bad("%v", err)
	}
	if f, ok := b.in.FieldByName("Body"); ok && b.JWE && f.Type.Name() == "" || b.JWE && b.out.Name() == "" {
		return bad("what is encrypted has a type with a name, by which the document says what is inside")
	}
	return nil
}

func hasPrefix(path string, allowed []string) bool {
	for _, p := range allowed {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}
