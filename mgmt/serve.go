package mgmt

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"

	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

// answer is what goes back, complete before its first byte is written.
type answer struct {
	status int
	kind   string // content type
	policy string
	next   string // cursor of the page behind a sheet, which has no place for it
	body   []byte
}

// Sheet is a page of a list that also exists as lines of a table, for those whose Accept has text/csv first. The cursor of the
// page behind it goes into the header X-Next-Cursor then.
type Sheet interface {
	WriteCSV(w *csv.Writer) error
	NextPage() string
}

// serve is the path of one request that has a route: a place at the gate, who is it, may they, the body, the
// handler in its transaction, the answer. Nothing is read from the body before the caller is known, where callers are.
func (d *Door) serve(g *gin.Context, b *Bound) {
	a, err := d.pass(g, b)
	if err == nil {
		send(g.Writer, a)
		return
	}
	p := problem.Of(err)
	if p.Code == problem.RateLimited {
		// So that asking again and again costs less than what is asked for. The place at the gate is somebody else's
		// meanwhile, and connections are bounded.
		rest(d.refused.delay(d.now()), g.Request.Context().Done())
	}
	d.refuse(g, p)
}

// pass is the way through the gate.
func (d *Door) pass(g *gin.Context, b *Bound) (answer, error) {
	gate := d.gates[b.Channel]
	from := ""
	if !b.Channel.mutual() {
		from = network(g.Request.RemoteAddr)
	}
	wait, ok := gate.next(d.now(), from)
	if !ok {
		return answer{}, problem.New(problem.RateLimited)
	}
	rest(wait, g.Request.Context().Done())
	var early []byte
	if b.Channel == Open { // who takes its time with a body, and is nobody, takes no place meanwhile
		var err error
		if early, err = d.body(b, false, g.Writer, g.Request); err != nil {
			return answer{}, err
		}
	}
	if !gate.enter() {
		return answer{}, problem.New(problem.Overloaded)
	}
	defer gate.leave()
	ctx, cancel := context.WithTimeout(g.Request.Context(), d.limits.HandlerTimeout)
	defer cancel()
	c := &Call{ID: g.GetString(keyRequest), At: d.now().UTC(), Remote: g.Request.RemoteAddr, door: d,
		Identity: Identity{Name: "nobody"}, object: g.Request.URL.Path}
	a, err := d.decide(ctx, b, c, early, g.Writer, g.Request)
	g.Set(keyActor, c.Name)
	if dead, ok := errors.AsType[*panicked](err); ok {
		d.mourn(c.ID, dead)
	} else if p := problem.Of(err); err != nil && p.Status >= http.StatusInternalServerError && p.Code != problem.Overloaded {
		// Of those that are refused for an overload a flood has thousands.
		d.log.Warn("refuse a request", slog.String("request", c.ID), slog.String("code", string(p.Code)), slog.Any("cause", err))
	}
	return a, err
}

func send(w http.ResponseWriter, a answer) {
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	if a.policy != "" {
		w.Header().Set("Content-Security-Policy", a.policy)
	}
	if a.next != "" {
		w.Header().Set("X-Next-Cursor", a.next)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone needs no answer
}

// decide does what is asked. body is what was read already, of a channel on which nobody is known.
func (d *Door) decide(ctx context.Context, b *Bound, c *Call, body []byte, w http.ResponseWriter, r *http.Request) (answer, error) {
	if r.URL.RawPath != "" {
		return answer{}, problem.New(problem.NotFound) // a slash in disguise, in no id of ours
	}
	if err := d.admit(ctx, b, c, r); err != nil {
		return answer{}, err
	}
	secret, err := d.secret(b, c, r)
	if err != nil {
		return answer{}, err
	}
	if b.Channel != Open {
		if body, err = d.body(b, secret, w, r); err != nil {
			return answer{}, err
		}
	}
	if secret && len(body) > 0 {
		if body, err = d.box.Open(ctx, body); err != nil {
			return answer{}, err
		}
	}
	in, wrong := b.plan.bind(r, body)
	if wrong != nil {
		return answer{}, wrong
	}
	a, err := d.execute(ctx, b, c, in, r, body)
	if err != nil || !secret || len(a.body) == 0 || a.status >= http.StatusBadRequest {
		return a, err
	}
	a.kind = "application/json"
	a.body, err = d.box.Seal(c.Key, a.body)
	return a, err
}

// admit finds out who calls and whether this one may.
func (d *Door) admit(ctx context.Context, b *Bound, c *Call, r *http.Request) error {
	if b.Channel == Open {
		return nil
	}
	who, err := d.authn[b.Channel](ctx, r)
	if err != nil {
		return err
	}
	c.Identity = who
	switch {
	case b.Channel == Admin && who.Roles&b.Roles == 0:
		return problem.New(problem.Forbidden)
	case !d.gates[b.Channel].allow(who.Name, c.At):
		return problem.New(problem.RateLimited)
	}
	return nil
}

// body reads what came, within the route's limit. Of an encrypted call it is a token, where there is to be something.
func (d *Door) body(b *Bound, secret bool, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := b.BodyBytesMax
	if limit == 0 {
		limit = d.limits.BodyBytesMax
	}
	if r.ContentLength > limit {
		return nil, problem.New(problem.BodyTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	switch {
	case err != nil && problem.Of(err).Code == problem.BodyTooLarge:
		return nil, problem.New(problem.BodyTooLarge)
	case err != nil:
		return nil, problem.New(problem.Validation, problem.Field{In: "body", Rule: "must arrive whole and in time"})
	case b.plan.body == nil && len(body) > 0:
		return nil, problem.New(problem.Validation, problem.Field{In: "body", Rule: "must be empty"})
	case secret && b.plan.body != nil && (len(body) == 0 || b.plan.types != nil):
		return nil, problem.New(problem.Payload)
	case b.plan.body != nil && !b.plan.accepts(r.Header.Get("Content-Type")):
		return nil, problem.New(problem.MediaType)
	}
	return body, nil
}

// secret tells whether the call is encrypted, and binds the key of the answer. Encryption is honoured wherever the
// caller is known, and demanded where the row says so.
func (d *Door) secret(b *Bound, c *Call, r *http.Request) (bool, error) {
	asked := r.Header.Get("Encrypted-Request") == "true"
	switch {
	case !asked && b.JWE:
		return false, problem.New(problem.EncryptionNeeded)
	case !asked || b.Channel == Open:
		return false, nil
	}
	key, err := jwe.ParseKey(r.Header.Values("Public-Key"))
	if err != nil {
		return false, err
	}
	switch {
	case c.Unbound:
		c.Key = key
	case c.Key == nil || !c.Key.Equal(key):
		return false, problem.New(problem.PublicKey)
	}
	return true, nil
}

// execute runs the handler in what its row asks for.
func (d *Door) execute(ctx context.Context, b *Bound, c *Call, in reflect.Value, r *http.Request, body []byte) (a answer, err error) {
	if b.writes() {
		return d.write(ctx, b, c, in, r, body)
	}
	run, err := b.run(ctx, c, in)
	if err != nil {
		return a, err
	}
	var out any
	if b.Books == NoBooks {
		out, err = run(ctx)
	} else {
		err = d.store.View(ctx, func(tx Tx) (err error) {
			defer catch(&err)
			c.tx = tx
			out, err = run(ctx)
			return err
		})
	}
	if err != nil {
		return a, err
	}
	return encode(b, out, r)
}

// wantsCSV tells whether the first of the accepted types is CSV, whatever its parameters are.
func wantsCSV(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	name, _, _ := strings.Cut(first, ";")
	return strings.EqualFold(strings.TrimSpace(name), "text/csv")
}

// encode makes the answer of what the handler gave.
func encode(b *Bound, out any, r *http.Request) (answer, error) {
	a := answer{status: b.status(), kind: "application/json"}
	switch v := out.(type) {
	case None:
		a.kind = ""
		return a, nil
	case Raw:
		a.kind, a.policy, a.body = v.Type, v.Policy, v.Body
		return a, nil
	case Sheet:
		if wantsCSV(r.Header.Get("Accept")) {
			var text strings.Builder
			w := csv.NewWriter(&text)
			err := v.WriteCSV(w)
			w.Flush()
			a.kind, a.next, a.body = "text/csv; charset=utf-8", v.NextPage(), []byte(text.String())
			return a, errors.Join(err, w.Error())
		}
	}
	var err error
	a.body, err = json.Marshal(out)
	return a, err
}
