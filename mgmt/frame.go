package mgmt

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"holdfast/mgmt/problem"
)

// counters are what the metrics page shows of the door.
type counters struct {
	requests, refused, failed, panics atomic.Int64
}

// Count gives the counters by name, for the metrics page.
func (d *Door) Count(each func(name string, value int64)) {
	each("mgmt_requests_total", d.counters.requests.Load())
	each("mgmt_refused_total", d.counters.refused.Load())
	each("mgmt_failed_total", d.counters.failed.Load())
	each("mgmt_panics_total", d.counters.panics.Load())
	each("mgmt_jwe_decryptions_total", d.box.Decryptions())
}

const (
	keyRequest = "holdfast request"
	keyActor   = "holdfast actor"
)

// frame is around every request, known route or not: an id, the headers that every answer has, one line in the
// log, and a recover. The line has the route's pattern and never the query.
func (d *Door) frame(g *gin.Context) {
	began := d.now()
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	id := hex.EncodeToString(raw[:])
	g.Set(keyRequest, id)
	h := g.Writer.Header()
	h.Set("X-Request-Id", id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	d.counters.requests.Add(1)
	defer func() {
		if p := recover(); p != nil {
			d.mourn(id, panicOf(p))
			if !g.Writer.Written() {
				problem.Send(g.Writer, id, problem.New(problem.Internal))
			}
		}
		d.line(g, id, began)
	}()
	g.Next()
}

// panicked is a panic made an error. The text of a panic may hold what the request brought; its type and the place
// do not.
type panicked struct{ kind, stack string }

func (p *panicked) Error() string { return "a handler panicked with " + p.kind }

func panicOf(p any) *panicked { return &panicked{fmt.Sprintf("%T", p), string(debug.Stack())} }

// catch makes a panic inside a transaction an error, so that the store ends the transaction in good order.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = panicOf(p)
	}
}

func (d *Door) mourn(id string, p *panicked) {
	d.counters.panics.Add(1)
	d.log.Error("a handler panicked", slog.String("request", id), slog.String("kind", p.kind), slog.String("stack", p.stack))
}

func (d *Door) line(g *gin.Context, id string, began time.Time) {
	status, level := g.Writer.Status(), slog.LevelInfo
	switch {
	case status >= 500:
		d.counters.failed.Add(1)
		if status != http.StatusServiceUnavailable { // its cause has a line of its own, unless it is the flood of the hour
			level = slog.LevelWarn
		}
	case status >= 400:
		d.counters.refused.Add(1)
	}
	route := g.FullPath()
	if route == "" {
		route = "unknown"
	}
	d.log.Log(g.Request.Context(), level, "request", slog.String("request", id), slog.String("method", methodName(g.Request.Method)),
		slog.String("route", route), slog.Int("status", status), slog.Int("bytes", g.Writer.Size()),
		slog.Duration("took", d.now().Sub(began)), slog.String("actor", g.GetString(keyActor)))
}

// methodName keeps what a stranger invented out of the log.
func methodName(m string) string {
	if methods[m] || m == "HEAD" || m == "OPTIONS" {
		return m
	}
	return "other"
}

func (d *Door) refuse(g *gin.Context, p *problem.Problem) {
	problem.Send(g.Writer, g.GetString(keyRequest), p)
	g.Abort()
}
