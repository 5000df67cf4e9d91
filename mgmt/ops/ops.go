// Package ops is the operators' own listener, for the loopback: is the program alive, is it ready, what has it
// counted, where does its time go. Nothing on it has a name that came from outside.
package ops

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
)

// Config is what the listener shows.
type Config struct {
	// Ready tells whether the program takes work.
	Ready func() bool
	// Count calls each with every counter: a name in lower case with underscores, of ours.
	Count func(each func(name string, value int64))
}

// Handler serves /healthz, /readyz, /metrics and /debug/pprof.
func Handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if cfg.Ready() {
			say(w, http.StatusOK, "ready\n")
		} else {
			say(w, http.StatusServiceUnavailable, "not ready\n")
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, metrics(cfg.Count)) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}

// metrics is the text that Prometheus reads: what ends in _total only grows, everything else is of this moment.
func metrics(count func(func(string, int64))) string {
	var lines []string
	count(func(name string, value int64) {
		kind := "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		lines = append(lines, fmt.Sprintf("# TYPE holdfast_%s %s\nholdfast_%s %d\n", name, kind, name, value))
	})
	slices.Sort(lines)
	return strings.Join(lines, "")
}
