package mgmt

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

// Keys is what the door needs of the keystore.
type Keys interface {
	jwe.Keys
	// Keyed is a keyed hash under a label.
	Keyed(label string, parts ...[]byte) [16]byte
}

// Config is what a door is made of. Zero limits have defaults.
type Config struct {
	Routes  []Bound
	Authn   map[Channel]Authenticator
	Store   Store
	Keys    Keys
	Log     *slog.Logger
	Now     func() time.Time
	Limits  Limits
	Version string // of the program, for the document
	Sandbox bool   // serve the sandbox's routes
}

// Door is the routing table at work. Its handlers are safe for concurrent use.
type Door struct {
	rows    []*Bound
	authn   map[Channel]Authenticator
	store   Store
	keys    Keys
	box     *jwe.Box
	log     *slog.Logger
	now     func() time.Time
	limits  Limits
	gates   map[Channel]*gate
	refused refusals
	flights flights

	public, mutual *gin.Engine
	document       func() ([]byte, error)
	counters       counters
}

// releaseMode silences gin's own output, once: it is a switch of the whole process.
var releaseMode = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// New makes a door. A row with a mistake, two rows for one route, or a channel without an authenticator is refused.
func New(cfg Config) (*Door, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	cfg.Limits.fill()
	store := turns{cfg.Store, make(chan struct{}, cfg.Limits.WritesAtOnce)}
	d := &Door{authn: cfg.Authn, store: store, keys: cfg.Keys, log: cfg.Log, now: cfg.Now, limits: cfg.Limits,
		gates: map[Channel]*gate{}, refused: newRefusals(cfg.Limits.TurnAway), box: jwe.New(cfg.Keys, cfg.Limits.JWE)}
	d.flights.active = map[string]bool{}
	releaseMode()
	d.public, d.mutual = d.engine(), d.engine()
	seen, version := map[string]bool{}, cfg.Version
	d.document = sync.OnceValues(func() ([]byte, error) { return document(d.rows, version) })
	var errs []error
	for _, b := range append(d.own(), cfg.Routes...) {
		if b.Channel == Sandbox && !cfg.Sandbox {
			continue
		}
		key := b.Method + " " + shape(b.Path)
		switch err := b.check(); {
		case err != nil:
			errs = append(errs, err)
		case seen[key]:
			errs = append(errs, fmt.Errorf("route %s %s: there are two of it", b.Method, b.Path))
		case b.Channel != Open && d.authn[b.Channel] == nil:
			errs = append(errs, fmt.Errorf("route %s %s: nothing authenticates its channel", b.Method, b.Path))
		default:
			seen[key] = true
			d.register(&b)
		}
	}
	return d, errors.Join(errs...)
}

func (d *Door) register(b *Bound) {
	d.rows = append(d.rows, b)
	if d.gates[b.Channel] == nil {
		d.gates[b.Channel] = newGate(d.limits.channel(b.Channel), d.limits.ChannelPerSecondMax, d.limits.Busy)
	}
	engine := d.public
	if b.Channel.mutual() {
		engine = d.mutual
	}
	engine.Handle(b.Method, shape(b.Path), func(g *gin.Context) { d.serve(g, b) })
}

// shape is a path as gin wants it. Parameters are named after their segment: gin wants one name at one place,
// and rows name them as their handlers like it.
func shape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = ":p" + strconv.Itoa(i)
		}
	}
	return strings.Join(segments, "/")
}

// engine is a gin engine that answers everything in our own words.
func (d *Door) engine() *gin.Engine {
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash, e.RedirectFixedPath, e.RemoveExtraSlash = false, false, false
	e.ForwardedByClientIP = false
	_ = e.SetTrustedProxies(nil) // nil is always right
	e.Use(d.frame)
	e.NoRoute(func(g *gin.Context) { d.refuse(g, problem.New(problem.NotFound)) })
	e.NoMethod(func(g *gin.Context) { d.refuse(g, problem.New(problem.Method)) })
	return e
}

// Rows is the routing table as it is served.
func (d *Door) Rows() []Route {
	rows := make([]Route, 0, len(d.rows))
	for _, b := range d.rows {
		rows = append(rows, b.Route)
	}
	return rows
}

// Public serves cardholders, operators and the reference page; Mutual serves partner backends.
func (d *Door) Public() http.Handler { return d.public }

// Mutual serves the channels of the mTLS listener.
func (d *Door) Mutual() http.Handler { return d.mutual }
